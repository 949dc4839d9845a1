"use strict";
// A model's stored evidence, one task at a time: calibration, confident mistakes, classes.
(() => {
  const { h, charts, pages } = Harness;

  /** A section that fills itself when the model's data have loaded. */
  Harness.modelEvidence = (i) => {
    const place = h("div", { class: "evidence" });
    if (Harness.data.details.models[i]) {
      place.append(h("p", { class: "soft" }, "Loading …"));
      Harness.load("model", i).then((found) => fill(place, found?.tasks || []));
    } else {
      place.append(h("p", null, "No predictions of this model are stored with the board, to show more from."));
    }
    return pages.section("What it predicts", place);
  };

  function fill(place, tasks) {
    if (!tasks.length) {
      place.replaceChildren(h("p", null, "The file with this model's predictions is not there."));
      return;
    }
    const view = h("div", null), draw = (k) => view.replaceChildren(...parts(tasks[k]));
    const { tasks: every } = Harness.data;
    const name = ({ task, variant }) => pages.line(every[task].name + (variant ? ` · ${variant}` : ""), 80);
    const choice = h("select", { id: "evidence-task", class: "field", onchange: () => draw(choice.selectedIndex) },
      tasks.map((each) => h("option", null, name(each))));
    draw(0);
    const label = h("label", { for: "evidence-task" }, "Task");
    place.replaceChildren(h("p", { class: "control" }, label, " ", choice), view);
  }

  function parts({ task, reliability, classes, wrong, measure }) {
    const name = pages.line(Harness.data.tasks[task].name, 80);
    const about = charts.reliability(reliability, `Reliability diagram of ${name}`);
    return [
      h("div", { class: "pair" }, h("div", null, h("h3", null, "Calibration"), about),
        classes.length ? h("div", null, h("h3", null, "Classes, worst first"), perClass(classes, measure)) : ""),
      wrong.length ? h("div", null, h("h3", null, "Confidently wrong"), pages.gallery(wrong, words)) : "",
    ];
  }

  function perClass(classes, measure) {
    const row = (k) => {
      const { name, accuracy, n } = classes[k];
      return [pages.name(name, 60), charts.share(accuracy), n, charts.bar(accuracy)];
    };
    const heads = ["Class", [measure, "right"], ["images", "right"], [pages.unseen("Bar"), "plot short"]];
    return pages.table({ caption: `Classes by ${measure}`, heads, count: classes.length, row, first: 12 });
  }

  const words = ({ predicted, target, confidence }) => [
    ["says ", h("strong", null, pages.name(predicted, 60)), ` ${charts.share(confidence)}`],
    ["is ", h("strong", null, pages.name(target, 60))],
  ];
})();
