"use strict";
// Around the table: what the board holds, how it ranks, what the marks mean, what each column measures.
(() => {
  const { h, line } = Harness;
  const Board = Harness.boardPage;
  const $ = (id) => document.getElementById(id);

  function counted() {
    const { counts, date } = Harness.data;
    const nouns = { models: ["model", "models"], columns: ["column", "columns"], done: ["score", "scores"] };
    const word = (name) => (nouns[name] ? nouns[name][counts[name] === 1 ? 0 : 1] : name);
    const items = ["models", "columns", "done", "reported", "submitted", "failed", "missing", "skipped"]
      .filter((name) => counts[name] || name === "models" || name === "columns")
      .map((name) => h("li", { class: name === "failed" ? "bad" : null }, h("b", null, counts[name].toLocaleString("en")), ` ${word(name)}`));
    if (date) items.push(h("li", null, "newest record ", h("time", { datetime: date }, h("b", null, date.slice(0, 10)), ` ${date.slice(11, 16)} UTC`)));
    $("facts").append(...items);
  }

  function keys() {
    const { status, overlap, caveats, standing, ties, low } = Harness.data;
    const letters = new Set(status.join(""));
    const intervals = [standing.low, ...low].some((ends) => ends.some((v) => v !== null));
    const lanes = Board.ties(Board.view(Board.defaults())).lanes;
    const items = [
      [h("span", { class: "best" }, "best"), " and ", h("span", { class: "second" }, "second best"), " of the rows shown"],
      [h("span", null, "worst", h("span", { class: "ramp" }), "best of the column")],
      intervals ? ["the line under a score is its 95 % interval on the column's range"] : null,
      standing.best?.some((b) => b !== null && b !== undefined) ? ["a rank such as 2–5 is its 95 % interval"] : null,
      lanes ? [h("span", { class: "tie" }), "models joined by a bar are not told apart as a whole; two that share none differ"] : null,
      !lanes && ties.length ? ["point at a model: those that share a tie bar with it are marked; it differs from the others"] : null,
      letters.has("r") ? [h("span", { class: "mark" }, "‡"), " reported elsewhere, not measured here"] : null,
      letters.has("s") ? [h("span", { class: "mark" }, "§"), " submitted"] : null,
      caveats?.some((c) => c.length) ? [h("span", { class: "mark" }, "†"), " with a caveat, told when the score is clicked"] : null,
      overlap?.some((o) => o.length) ? [h("span", { class: "mark" }, "◊"), " trained on the dataset that it is tested on"] : null,
    ];
    $("key").append(...items.filter(Boolean).map((item) => h("li", null, ...item)));
  }

  function described() {
    const whole = $("columns");
    const { columns, tasks } = Harness.data;
    const bounds = ([low, high] = []) => `bounds ${low ?? "−∞"} to ${high ?? "∞"}`;
    const better = { 1: "higher is better", "-1": "lower is better", 0: "a description" };
    const facts = (c) => [better[c.better || 0], bounds(c.bounds), c.ranked ? "counts for the rank" : "does not count for the rank",
      ...Object.entries(c.facts || {}).map(([k, v]) => `${k} ${v}`)].map((t) => line(t, 200)).join(" · ");
    const entry = (c) => {
      const j = tasks.findIndex((t) => t.name === c.task);
      const name = h("bdi", null, line(c.name));
      return [h("dt", null, j < 0 ? name : h("a", { href: Harness.taskLink(j) }, name)),
        h("dd", null, c.description ? `${line(c.description, 600)} ` : "", h("span", { class: "soft" }, facts(c)), c.note ? h("span", { class: "caveat" }, ` · ${line(c.note, 400)}`) : null)];
    };
    whole.append(h("summary", null, "What the columns measure"));
    whole.addEventListener("toggle", () => {
      if (whole.open && whole.children.length === 1) whole.append(h("dl", { class: "about" }, columns.map(entry)));
    });
  }

  Board.startHead = () => {
    const { data } = Harness;
    counted();
    if (data.rule) $("rule").append(h("b", null, "Ranking"), h("span", null, line(data.rule, 600)));
    else $("rule").remove();
    keys();
    $("notes").append(...data.footnotes.filter((note) => note !== data.rule).map((note) => h("li", null, line(note, 1000))));
    $("none").textContent = data.models.length ? "No model fits these filters." : "No records.";
    described();
  };
})();
