"use strict";
// The page of one task: the ranking by any of its columns, what it measures, and what its stored predictions tell.
(() => {
  const { h, charts, pages } = Harness;
  const { section, facts } = pages;
  const MOST_NOTES = 60;

  function draw(query) {
    const { tasks, columns, title } = Harness.data, names = tasks.map((task) => task.name);
    const wanted = query.get("t") || "", t = pages.find(wanted, names);
    if (t < 0) {
      document.title = `Task · ${title}`;
      return pages.missing("task", wanted, names, Harness.taskLink);
    }
    const task = tasks[t], chosen = task.columns.find((j) => columns[j].measure === query.get("c")) ?? task.columns[0];
    document.title = `${pages.line(task.name, 80)} · ${title}`;
    const about = h("div", { class: "pair" }, dataset(task), protocol(task));
    return [header(task), ranking(task, chosen), about, Harness.taskEvidence(t), notes(task)];
  }

  function header(task) {
    const about = [task.title || task.dataset, task.domain, task.kind].filter(Boolean).join(" · ");
    return h("header", { class: "page-head" }, h("h1", null, pages.name(task.name, 200)),
      h("p", { class: "lead" }, pages.name(about, 300)));
  }

  const sample = (column) => (column.sample === "episodes" ? "episodes" : "test images");

  function dataset(task) {
    const { columns } = Harness.data;
    return section("Dataset", facts([
      ["Name", task.dataset], ["Title", task.title], ["Domain", task.domain], ["Kind", task.kind],
      ["Classes", task.classes], [sample(columns[task.columns[0]]).replace(/^./, (c) => c.toUpperCase()), images(task)], ["Licence", task.licence],
      ["Citation", task.citation], ["Link", pages.link(task.url)],
    ]));
  }

  /** How many test images, or episodes, stand behind the task's scores: one number, or the least and the most; null for unknown. */
  function images(task) {
    const { n, values } = Harness.data;
    const of = (j) => (Array.isArray(n[j]) ? n[j].filter((_, i) => values[j][i] !== null) : [n[j]]);
    const found = task.columns.flatMap(of).filter((count) => count > 0);
    return [...new Set([Math.min(...found), Math.max(...found)])].filter(Number.isFinite).join(" to ");
  }

  function protocol(task) {
    const first = Harness.data.columns[task.columns[0]];
    return section("Protocol", (task.description || []).map((text) => h("p", null, h("bdi", null, text))),
      facts([["Protocol", task.protocol], ...Object.entries(first.facts || {})]));
  }

  /** The models by one column, best first, those without a score apart; a choice where the task has several columns. */
  function ranking(task, j) {
    const { columns, values, models } = Harness.data, column = columns[j], better = column.better || 1;
    const every = models.map((_, i) => i), known = every.filter((i) => pages.done(j, i));
    known.sort((a, b) => better * (values[j][b] - values[j][a]));
    const others = every.filter((i) => !pages.done(j, i));
    return section("Ranking",
      task.columns.length > 1 ? switcher(task, j) : "",
      column.description ? h("p", null, h("bdi", null, column.description)) : "",
      h("p", { class: "soft" }, reading(j, known)),
      column.note ? h("p", { class: "callout caveat" }, pages.name(column.note, 600)) : "",
      known.length ? table(j, known) : h("p", { role: "status" }, "No model has a score here."),
      others.length ? without(j, others) : "");
  }

  function reading(j, known) {
    const { columns, low } = Harness.data, column = columns[j], held = known.some((i) => low[j][i] !== null);
    const level = held && known.length > 1;
    return [
      held ? `Whiskers: the 95 % interval of each score over ${sample(column)}.` : "",
      column.better && level ? "Level with the first: the 95 % interval of the difference from it holds 0." : "",
      column.better && known.length > 1 ? "Right is better." : "",
    ].filter(Boolean).join(" ");
  }

  function switcher(task, j) {
    const { columns } = Harness.data;
    const choose = () => {
      Harness.state.write({ c: choice.value });
      dispatchEvent(new HashChangeEvent("hashchange"));
      document.getElementById("column").focus();
    };
    const text = (k) => pages.line(columns[k].heading, 80);
    const choice = h("select", { id: "column", class: "field", onchange: choose },
      task.columns.map((k) => h("option", { value: columns[k].measure, selected: k === j }, text(k))));
    return h("p", { class: "control" }, h("label", { for: "column" }, "Score"), " ", choice);
  }

  function table(j, known) {
    const { columns, values, low, high, models } = Harness.data, column = columns[j], place = pages.columnScale(j);
    const row = (k) => {
      const i = known[k], [at] = pages.place(values[j], i, column.better) || ["—"];
      const level = k > 0 && Harness.pairs.difference(j, known[0], i).verdict === "open";
      const tone = level || k === 0 ? "tone-a" : "";
      return [pages.modelName(i), at, Harness.chip(models[i].paradigm), pages.score(j, i), pages.interval(j, i),
        level ? h("span", { class: "level" }, "level with the first") : "",
        charts.strip({ place, value: values[j][i], low: low[j][i], high: high[j][i], tone })];
    };
    const heading = pages.line(column.heading, 80), axis = h("div", null, pages.unseen("Plot"), charts.axis(place));
    const heads = ["Model", ["Place", "right"], ["Paradigm", "aside"], [heading, "right"], ["95 % interval", "right"],
      pages.unseen("Level with the first"), [axis, "plot"]];
    return pages.table({ caption: `Ranking by ${heading}`, heads, count: known.length, row, first: 50 });
  }

  function without(j, others) {
    const why = (i) => (pages.noteOf(j, i) ? [": ", pages.name(pages.noteOf(j, i), 300)] : "");
    return h("details", { class: "numbers" }, h("summary", null, `${others.length} without a score`),
      list(others, (i) => h("li", null, pages.modelName(i), " ", pages.score(j, i), why(i))));
  }

  /** Notes of the task's columns and of single scores. */
  function notes(task) {
    const { columns, models } = Harness.data;
    const every = models.map((_, i) => i), scored = (j) => every.filter((i) => pages.done(j, i) && pages.noteOf(j, i));
    const lines = task.columns.flatMap((j) => [
      ...(columns[j].note ? [[columns[j].measure, columns[j].note]] : []),
      ...scored(j).map((i) => [`${pages.line(pages.label(i), 80)}, ${columns[j].measure}`, pages.noteOf(j, i)]),
    ]);
    if (!lines.length) return null;
    const note = ([where, text]) => h("li", null, pages.name(where, 160), ": ", pages.name(text, 600));
    return section("Notes", list(lines, note));
  }

  function list(items, write) {
    const more = items.length - MOST_NOTES;
    const rest = more > 0 ? h("li", null, `and ${more} more`) : "";
    return h("ul", { class: "notes" }, items.slice(0, MOST_NOTES).map(write), rest);
  }

  pages.show(draw);
})();
