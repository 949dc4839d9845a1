"use strict";
// What the stored predictions of a task tell of all models: classes, agreement, hard images.
(() => {
  const { h, charts, pages } = Harness;

  /** A section that fills itself when the task's data have loaded. */
  Harness.taskEvidence = (t) => {
    const place = h("div", { class: "evidence" });
    const absent = () => [h("p", null, "The file with this task's predictions is not there.")];
    if (Harness.data.tasks[t].detail) {
      place.append(h("p", { class: "soft" }, "Loading …"));
      Harness.load("task", t).then((found) => place.replaceChildren(...(found ? parts(found, t) : absent())));
    } else {
      place.append(h("p", null, "No predictions of this task are stored with the board, to show more from."));
    }
    return pages.section("What the models predict", place);
  };

  function parts({ classes, agreement, hardest, difficulty, measure }, t) {
    const name = pages.line(Harness.data.tasks[t].name, 80);
    const part = (heading, ...content) => h("div", null, h("h3", null, heading), content);
    return [
      h("div", { class: "pair lopsided" },
        classes.length ? part("Classes, hardest first", perClass(classes, measure)) : "",
        part("How hard the images are", charts.difficulty(difficulty, `Models wrong about each image of ${name}`))),
      agreement.models.length > 1 ? part("Agreement between models", agreements(agreement)) : "",
      hardest.length ? part("Hardest images", pages.gallery(hardest, words)) : "",
    ];
  }

  function perClass(classes, measure) {
    const row = (k) => {
      const { name, n, mean, best, spread } = classes[k];
      return [pages.name(name, 60), charts.share(mean), charts.bar(mean), charts.share(spread),
        pages.modelName(best), n];
    };
    const heads = ["Class", [`mean ${measure}`, "right"], [pages.unseen("Bar"), "plot short"],
      ["sd of models", "right"], ["Best model", "who"], ["images", "right"]];
    const caption = `Classes by mean ${measure} of the models`;
    return pages.table({ caption, heads, count: classes.length, row, first: 12 });
  }

  /** A choice between plain agreement and Cohen's kappa, which takes out what chance would give. */
  function agreements({ models, matrix, kappa }) {
    const names = models.map((i) => pages.line(pages.label(i), 60)), view = h("div", null);
    const kinds = [["share of images with the same prediction, %", matrix], ["Cohen's κ × 100", kappa]];
    const caption = (k) => `Agreement between models: ${kinds[k][0]}`;
    const show = (k) => view.replaceChildren(charts.matrix(names, kinds[k][1], caption(k)));
    const choice = h("select", { id: "agreement", class: "field", onchange: () => show(choice.selectedIndex) },
      kinds.map(([words]) => h("option", null, words)));
    show(0);
    return [h("p", { class: "control" }, h("label", { for: "agreement" }, "Shown"), " ", choice), view];
  }

  const words = ({ wrong, of, predicted, target }) => [
    `${wrong} of ${of} models wrong`,
    ["mostly ", h("strong", null, pages.name(predicted, 60))],
    ["is ", h("strong", null, pages.name(target, 60))],
  ];
})();
