"use strict";
// What the model, task and compare pages share: names, scores and their marks, places, facts, tables, the address.
(() => {
  const { h } = Harness;
  const WORDS = { f: "failed", m: "—", k: "skipped" };
  const MARKS = { r: "‡", s: "§" };
  const blank = (value) => value === null || value === undefined || value === "";

  // Names.

  const label = (i) => Harness.data.models[i].name;

  /** A text from data on one line of at most so many characters. */
  const line = (text, most = 160) => Harness.line(text, most) || "(blank)";
  /** The same as an element, alone in its direction of writing, so that it cannot turn its surroundings around. */
  const name = (text, most) => h("bdi", { class: "name" }, line(text, most));
  const modelName = (i) => h("a", { href: Harness.modelLink(i) }, name(label(i), 60));

  /** A column as a link to its task's page, and what is measured there. */
  function columnName(j) {
    const column = Harness.data.columns[j], task = Harness.data.tasks.findIndex((each) => each.columns.includes(j));
    return h("span", { class: "task-name" },
      h("a", { href: Harness.taskLink(task) }, name(column.task)), " ",
      h("span", { class: "soft" }, name(column.heading)));
  }

  /** The place of a name in a list: exact, else the same as shown; -1 for none. */
  function find(wanted, names) {
    const exact = names.indexOf(wanted);
    return exact >= 0 ? exact : names.findIndex((each) => wanted && line(each) === line(wanted));
  }

  /** The names that a wrong one most likely meant, likeliest first, as indices. */
  function near(wanted, names, count = 6) {
    const goal = line(wanted, 60).toLowerCase();
    const cost = names.map((each) => {
      const text = line(each, 60).toLowerCase();
      return text.includes(goal) || goal.includes(text) ? 0 : edits(goal, text) / Math.max(goal.length, text.length);
    });
    return names.map((_, i) => i).filter((i) => cost[i] < 0.7).sort((i, j) => cost[i] - cost[j]).slice(0, count);
  }

  /** Levenshtein's distance. */
  function edits(a, b) {
    let last = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const row = [i];
      for (let j = 1; j <= b.length; j++) {
        row.push(Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] !== b[j - 1])));
      }
      last = row;
    }
    return last[b.length];
  }

  /** A page for a name that the board lacks (or none was given): says so and offers others. */
  function missing(kind, wanted, names, link) {
    const close = wanted ? near(wanted, names) : [];
    const offered = close.length ? close : names.map((_, i) => i).slice(0, 12);
    const offer = close.length ? "Did you mean:" : `Some of its ${kind}s:`;
    const said = wanted ? [`This board has no ${kind} “`, name(wanted, 80), `”. ${offer}`]
      : [`The address names no ${kind}. Some of this board's:`];
    return [
      h("h1", null, wanted ? `No ${kind} of this name` : `Choose a ${kind}`),
      h("p", { role: "status" }, said),
      h("ul", { class: "choices" }, offered.map((i) => h("li", null, h("a", { href: link(i) }, name(names[i], 80))))),
      h("p", null, h("a", { href: "index.html" }, "All of the board")),
    ];
  }

  // Scores.

  const done = (j, i) => Harness.data.values[j][i] !== null;
  const noteOf = Harness.note;

  /** The marks of a score, spelled out by the board's footnotes. */
  function marks(j, i) {
    const { status, caveats, overlap } = Harness.data, holds = (lists) => done(j, i) && lists?.[j]?.includes(i);
    return (MARKS[status[j][i]] || "") + (holds(caveats) ? "†" : "") + (holds(overlap) ? "◊" : "");
  }

  /** A score as text with its marks, or the word that stands for it; what there is to say of it is its title. */
  function score(j, i) {
    const { values, columns, status } = Harness.data, title = noteOf(j, i) || null;
    if (!done(j, i)) return h("span", { class: "word", title }, WORDS[status[j][i]] || "—");
    const mark = h("span", { class: "mark" }, marks(j, i));
    return h("span", { class: "value", title }, Harness.number(values[j][i], columns[j]), mark);
  }

  function interval(j, i) {
    const { low, high, columns } = Harness.data;
    if (!done(j, i) || low[j][i] === null || high[j][i] === null) return "—";
    return `${Harness.number(low[j][i], columns[j])} – ${Harness.number(high[j][i], columns[j])}`;
  }

  /** A model's place among the models that have a score: [place, of]; null without a score or a better direction. */
  function place(values, i, better) {
    if (values[i] === null || !better) return null;
    const known = values.filter((v) => v !== null);
    return [1 + known.filter((v) => better * v > better * values[i]).length, known.length];
  }

  /** A difference with its sign, but for one that rounds to zero. */
  function signed(value, column) {
    const text = Harness.number(Math.abs(value), column);
    return Number(text) === 0 ? text : (value > 0 ? "+" : "−") + text;
  }

  /** A scale over all values and interval ends of a column; better is to the right. */
  function columnScale(j) {
    const { range, better } = Harness.data.columns[j];
    return Harness.charts.scale(range[0], range[1], { flip: better < 0 });
  }

  /** What is known of cost: field, heading, how it is written, and which direction is better. */
  const COSTS = [
    ["seconds", "Time of its cells", Harness.duration, -1],
    ["images_per_second", "Images a second", Harness.compact, 1],
    ["peak_memory", "Peak memory", Harness.bytes, -1],
    ["parameters", "Parameters", Harness.compact, -1],
    ["flops", "FLOPs an image", Harness.compact, -1],
  ];

  // Parts of a page.

  const section = (heading, ...parts) => h("section", null, h("h2", null, heading), parts);
  /** A heading for those who do not see the drawings below it. */
  const unseen = (text) => h("span", { class: "hidden" }, text);

  /** Facts as a list of terms; empty ones are left out. Values are texts, numbers or elements. */
  function facts(pairs) {
    const shown = (value) => (value instanceof Node ? value : name(value, 600));
    return h("dl", { class: "about" },
      pairs.filter(([, value]) => !blank(value)).map(([term, value]) =>
        [h("dt", null, term), h("dd", null, shown(value))]));
  }

  /** An address as a link where it is a web page's, else as text; null for none. */
  function link(url, words = url) {
    if (!url) return null;
    return Harness.url(url) ? h("a", { href: Harness.url(url), rel: "noopener noreferrer" }, name(words)) : name(words);
  }

  /** What a model's newest record says of where it was made; of a reported score, of the paper. */
  const environment = (i) => Harness.data.environments?.[Harness.data.models[i].environment] || {};

  /**
   * A table in a frame that scrolls, its first `first` rows shown and the rest on demand.
   * heads: texts, or [text, class]; row(k) -> cells, or {group, axis} for a row that heads those below it.
   */
  function table({ caption, heads, count, row, first = 60 }) {
    const named = heads.map((head) => (Array.isArray(head) ? head : [head, null]));
    const body = h("tbody", null);
    const add = (from, to) => {
      for (let k = from; k < to; k++) body.append(tableRow(row(k), named));
    };
    add(0, Math.min(first, count));
    const frame = Harness.edge(h("div", { class: "frame", tabindex: "0", role: "region", "aria-label": caption },
      h("table", { class: "plain pages" }, h("caption", { class: "hidden" }, caption),
        h("thead", null,
          h("tr", null, named.map(([head, kind]) => h("th", { scope: "col", class: kind }, head)))), body)));
    if (count <= first) return frame;
    const all = () => {
      add(first, count);
      more.remove();
      frame.focus();
    };
    const more = h("button", { type: "button", class: "button more-rows", onclick: all }, `Show all ${count}`);
    return h("div", null, frame, more);
  }

  function tableRow(cells, named) {
    if (cells.group) {
      return h("tr", { class: "group-row" }, h("th", { scope: "rowgroup", colspan: named.length - 1 }, cells.group),
        h("td", { class: "plot" }, cells.axis));
    }
    const [first, ...rest] = cells;
    const others = rest.map((cell, k) => h("td", { class: named[k + 1][1] }, cell));
    return h("tr", null, h("th", { scope: "row" }, first), others);
  }

  /** Images with what is said of them: pictures where the site has them, else their names. */
  function gallery(items, words) {
    const shown = (item) => (item.picture ? h("img", { src: item.picture, alt: `image ${item.image}` })
      : h("span", { class: "no-picture" }, name(item.image)));
    return h("ul", { class: "gallery" },
      items.map((item) => h("li", null, shown(item), words(item).map((said) => h("p", null, said)))));
  }

  /** Draws a page now and whenever the address changes. The skip link must not: the address is what the page shows. */
  function show(draw) {
    const page = document.getElementById("page");
    const again = () => page.replaceChildren(...draw(Harness.state.read()).filter(Boolean));
    document.querySelector("a.skip").addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("content").focus();
    });
    addEventListener("hashchange", again);
    again();
  }

  Harness.pages = {
    COSTS, blank, label, line, name, modelName, columnName, find, near, missing, done, noteOf, marks, score, interval,
    place, signed, columnScale, section, unseen, facts, link, environment, table, gallery, show,
  };
})();
