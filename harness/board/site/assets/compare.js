"use strict";
// Two models side by side: their difference on every column with its interval, their cards and costs.
(() => {
  const { h, charts, pages } = Harness;
  const { section } = pages;
  const CARD = [["Method", "method"], ["Paradigm", "paradigm"], ["Pretraining data", "data"], ["Epochs", "epochs"],
    ["Architecture", "architecture"], ["Licence", "licence"], ["Citation", "citation"]];
  const TONES = { a: "tone-a", b: "tone-b" };
  const VERDICTS = { a: "A better", b: "B better", open: "undecided", unknown: "no interval", neither: "—" };

  function draw(query) {
    const { models, title } = Harness.data, names = models.map((m) => m.name);
    const wanted = ["a", "b"].map((key) => query.get(key) || "");
    const chosen = wanted.map((name) => pages.find(name, names));
    const [a, b] = chosen, head = [h("h1", null, "Compare two models"), form(wanted, chosen)];
    const say = (text) => [...head, h("p", { role: "status" }, text)];
    document.title = `Compare · ${title}`;
    const unknown = [0, 1].filter((k) => wanted[k] && chosen[k] < 0);
    if (unknown.length) return [...head, ...unknown.map((k) => didYouMean(k, wanted, chosen))];
    if (a < 0 || b < 0) return say("Choose two models above.");
    if (a === b) return say("That is the same model twice: choose another.");
    document.title = `${[a, b].map((i) => pages.line(pages.label(i), 60)).join(" – ")} · ${title}`;
    return [...head, ...comparison(a, b)];
  }

  /** The two choices; a change goes to the address, which draws the page anew. */
  function form(wanted, chosen) {
    const { models } = Harness.data, every = models.map((m) => m.name);
    const names = wanted.map((name, k) => (chosen[k] < 0 ? name : every[chosen[k]]));
    const choose = (k) => {
      const typed = document.getElementById(`model-${k}`).value, found = pages.find(typed, every);
      names[k] = found < 0 ? typed.trim() : every[found];
      go(...names, `model-${k}`);
    };
    const field = (k, words) => h("div", { class: "control" }, h("label", { for: `model-${k}` }, words),
      h("input", {
        id: `model-${k}`, class: "field", list: "models", value: names[k] && pages.line(names[k]),
        autocomplete: "off", spellcheck: "false", onchange: () => choose(k),
      }));
    const turn = () => go(names[1], names[0], "swap");
    const swap = h("button", { type: "button", id: "swap", class: "button", onclick: turn }, "⇄ Swap");
    const list = h("datalist", { id: "models" }, every.map((name) => h("option", { value: pages.line(name) })));
    const stay = (event) => event.preventDefault();
    return h("form", { class: "choose-two", onsubmit: stay }, field(0, "Model A"), swap, field(1, "Model B"), list);
  }

  /** Puts two names into the address, which draws the page anew, and returns the reader to where they were. */
  function go(a, b, focus) {
    addEventListener("hashchange", () => setTimeout(() => document.getElementById(focus).focus()), { once: true });
    location.hash = address(a, b);
  }

  const address = (a, b) => `#${new URLSearchParams([["a", a], ["b", b]].filter(([, name]) => name))}`;

  /** Says that one of the names is not known, and offers near ones, with the other as it is. */
  function didYouMean(k, wanted, chosen) {
    const names = Harness.data.models.map((m) => m.name), close = pages.near(wanted[k], names);
    const other = chosen[1 - k] < 0 ? wanted[1 - k] : names[chosen[1 - k]];
    const link = (name) => `compare.html${k ? address(other, name) : address(name, other)}`;
    const offer = (i) => h("li", null, h("a", { href: link(names[i]) }, pages.name(names[i], 80)));
    return h("div", { role: "status" },
      h("p", null, "This board has no model “", pages.name(wanted[k], 80), `”. ${close.length ? "Did you mean:" : ""}`),
      h("ul", { class: "choices" }, close.map(offer)));
  }

  function comparison(a, b) {
    const pairs = Harness.data.columns.map((_, j) => Harness.pairs.difference(j, a, b));
    const both = pairs.flatMap((pair, j) => (pair ? [j] : []));
    return [
      tally(a, b, both.map((j) => pairs[j])), differences(a, b, pairs, both),
      section("Cards", sideBySide("Cards", a, b, cards(a, b))), section("Cost", sideBySide("Cost", a, b, costs(a, b))),
    ];
  }

  function tally(a, b, pairs) {
    const count = (verdict) => pairs.filter((pair) => pair.verdict === verdict).length;
    const tile = (verdict, ...words) =>
      h("li", { class: TONES[verdict], "data-verdict": verdict }, h("strong", null, count(verdict)), " ", words);
    return h("ul", { class: "tally" },
      tile("a", pages.modelName(a), " better"), tile("b", pages.modelName(b), " better"),
      tile("open", "undecided"), count("unknown") ? tile("unknown", "without an interval") : "");
  }

  /** Columns that can share an axis, by what its heading says: percentages do, other metrics each have their own. */
  function groups(both) {
    const found = new Map();
    for (const j of both) {
      const { unit, metric, better } = Harness.data.columns[j];
      const scale = unit === "%" ? "%" : pages.line([metric, unit].filter(Boolean).join(", "), 60);
      const key = `${scale}${better < 0 ? ", lower is better" : better > 0 ? "" : ", neither direction is better"}`;
      found.set(key, [...(found.get(key) || []), j]);
    }
    return found;
  }

  function differences(a, b, pairs, both) {
    if (!both.length) {
      return section("Differences", h("p", { role: "status" }, "In no column do both models have a score."));
    }
    const rows = [...groups(both)].flatMap(([key, columns]) => {
      const ends = columns.flatMap((j) => [pairs[j].value, pairs[j].low, pairs[j].high]);
      const most = Math.max(...ends.map(Math.abs)) || 1;
      const place = charts.scale(-most, most, { flip: Harness.data.columns[columns[0]].better < 0 });
      const own = columns.map((j) => row(j, a, b, pairs[j], place));
      return [{ group: `Difference in ${key}`, axis: charts.axis(place) }, ...own];
    });
    const heads = ["Task", ["A", "right aside"], ["B", "right aside"], ["A − B", "right"], ["95 % interval", "right ends"],
      "Verdict", [pages.unseen("Plot"), "plot"]];
    const caption = "Differences, column by column";
    return section("Differences", h("p", { class: "soft" }, reading(both.map((j) => pairs[j]))),
      pages.table({ caption, heads, count: rows.length, row: (k) => rows[k], first: 120 }));
  }

  /** How the intervals were made, and of how many columns each way. */
  function reading(pairs) {
    const held = pairs.filter((pair) => pair.low !== null), paired = held.filter((pair) => pair.paired);
    const columns = (count) => `${count} ${count === 1 ? "column" : "columns"}`, apart = held.length - paired.length;
    const bare = pairs.length - held.length;
    return [
      "A's score less B's, with a 95 % interval where both have one; right of the dotted line A is better.",
      paired.length ? `Paired (${columns(paired.length)}): both were scored on the same redrawn test images, and the`
        + " correlation of those scores is taken into account: a normal approximation of the paired bootstrap's interval,"
        + " which “harness compare” computes; their ends may differ in the last digits." : "",
      apart ? `Unpaired (${columns(apart)}): no redrawn scores of both are at hand, and the two intervals are taken for`
        + " independent, which is mostly too wide." : "",
      bare ? `No interval (${columns(bare)}): one of the scores has none.` : "",
    ].filter(Boolean).join(" ");
  }

  function row(j, a, b, pair, place) {
    const column = Harness.data.columns[j], tone = TONES[pair.verdict] || "", words = VERDICTS[pair.verdict];
    const signed = (value) => pages.signed(value, { decimals: column.unit === "%" ? 2 : column.decimals });
    const ends = pair.low === null ? "—" : [h("span", { class: "low" }, `${signed(pair.low)} …`), ` ${signed(pair.high)}`,
      h("span", { class: "soft" }, pair.paired ? " paired" : " unpaired")];
    const both = h("span", { class: "narrow" }, pages.score(j, a), " and ", pages.score(j, b));
    return [
      [pages.columnName(j), both], pages.score(j, a), pages.score(j, b), signed(pair.value),
      h("span", null, ends), h("span", { class: `verdict ${tone}` }, words),
      charts.strip({ place, value: pair.value, low: pair.low, high: pair.high, zero: 0, tone, hint: words }),
    ];
  }

  // Facts of both as rows of [heading, a's, b's].

  function cards(a, b) {
    const both = [a, b].map((i) => Harness.data.models[i]);
    const more = new Set(both.flatMap((model) => Object.keys(model.card || {})));
    return [...CARD.map(([words, key]) => [words, ...both.map((model) => model[key])]),
      ...[...more].map((key) => [key, ...both.map((model) => model.card?.[key])])];
  }

  function costs(a, b) {
    const { cost } = Harness.data, told = (key, write) => (i) => (cost[key]?.[i] > 0 ? write(cost[key][i]) : null);
    return pages.COSTS.map(([key, words, write]) => [words, ...[a, b].map(told(key, write))]);
  }

  function sideBySide(caption, a, b, rows) {
    const known = rows.filter(([, ...both]) => !both.every(pages.blank));
    if (!known.length) return h("p", null, "Nothing is known of either.");
    const shown = (value) => (pages.blank(value) ? "—" : pages.name(value, 600));
    const cell = (value, other) =>
      h("span", { class: String(value) === String(other) ? null : "differs" }, shown(value));
    const row = (k) => [known[k][0], cell(known[k][1], known[k][2]), cell(known[k][2], known[k][1])];
    const heads = ["Fact", ...[a, b].map((i) => [pages.line(pages.label(i), 60), "who"])];
    return pages.table({ caption, heads, count: known.length, row });
  }

  pages.show(draw);
})();
