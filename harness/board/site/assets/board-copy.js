"use strict";
// The view as text, as it is shown: Markdown, CSV, LaTeX.
(() => {
  const Board = Harness.boardPage;
  const SPECIAL = /[\\`*|~]|\](?=[([:])|\[(?=\^)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g;
  const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  const LATEX = {
    "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", $: "\\$", "#": "\\#", _: "\\_", "{": "\\{", "}": "\\}",
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}",
    "|": "\\textbar{}", '"': "\\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}", "±": "$\\pm$", "×": "$\\times$",
    "·": "$\\cdot$", "↑": "$\\uparrow$", "↓": "$\\downarrow$", "†": "\\dag{}", "‡": "\\ddag{}", "§": "\\S{}",
    "◊": "$\\diamond$", "–": "--", "—": "---", "…": "\\ldots{}",
  };

  const name = (text) => Harness.line(text, 10000);
  const title = () => name(Harness.data.title);
  const rows = (view) => [...view.ranked, ...view.apart];
  const head = (field) => [field.sort === "column" ? field.task : field.over, field.label].filter(Boolean);

  function shown(field, i) {
    const status = field.status(i);
    if (field.values[i] === null) return { text: Board.WORDS[status], half: "", place: 0 };
    return { text: field.text(i) + field.marks(i), half: Board.half(field, i), place: Board.place(field, i) };
  }

  const md = (text) => name(text).replace(SPECIAL, "\\$&").replace(/[&<>]/g, (c) => ENTITIES[c]);

  Board.markdown = (view) => {
    const cell = ({ text, half, place }) => [place === 1 ? `**${md(text)}**` : place === 2 ? `<u>${md(text)}</u>` : md(text), half].filter(Boolean).join(" ");
    const line = (cells) => `| ${cells.join(" | ")} |`;
    const { models } = Harness.data;
    return [
      line(["Rank", "Model", "Paradigm", ...view.shown.map((f) => head(f).map(md).join("<br>"))]),
      line(["---:", ":---", ":---", ...view.shown.map(() => "---:")]),
      ...rows(view).map((i) => line([Board.rankText(i), md(models[i].name), md(models[i].paradigm || "unknown"), ...view.shown.map((f) => cell(shown(f, i)))])),
      "", `${md(title())}. ${md(Harness.data.rule)} **Best** and <u>second best</u> of the rows shown.`, "",
    ].join("\n");
  };

  /** A text that a spreadsheet does not run as a formula (OWASP, CSV injection), quoted where it must be. */
  function guarded(text) {
    const raw = String(text ?? "");
    const plain = name(raw);
    const safe = /^[=+\-@\t\r]/.test(raw) || /^[=+\-@]/.test(plain) ? `'${plain}` : plain;
    return /[",]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  }

  Board.csv = (view) => {
    const { models, standing } = Harness.data;
    const KIND = { d: "measured", r: "reported", s: "submitted", f: "failed", m: "missing", k: "skipped", h: "hidden" };
    const number = (v) => (v === null || v === undefined ? "" : String(Number(v.toPrecision(12)))); // not what sums add
    const fields = (f) => {
      const key = f.sort === "column" ? f.name : f.sort === "score" ? "score" : `${f.sort} ${f.id}`;
      const ends = f.low.some((v) => v !== null);
      return [[key, (i) => number(f.values[i])], ...(ends ? [[`${key}_low`, (i) => number(f.low[i])], [`${key}_high`, (i) => number(f.high[i])]] : []),
        ...(f.sort === "column" ? [[`${key}_status`, (i) => KIND[f.status(i)]]] : [])];
    };
    const columns = view.shown.flatMap(fields);
    const first = ["model", "paradigm", "rank_best", "rank_worst"];
    const of = (i) => [guarded(models[i].name), guarded(models[i].paradigm || "unknown"), number(standing.best?.[i]), number(standing.worst?.[i])];
    return [[...first, ...columns.map(([key]) => guarded(key))], ...rows(view).map((i) => [...of(i), ...columns.map(([, get]) => get(i))])]
      .map((cells) => `${cells.join(",")}\n`).join("");
  };

  const tex = (text) => name(text).replace(/[\\&%$#_{}~^<>|"[\]*±×·↑↓†‡§◊–—…]/g, (c) => LATEX[c]);

  Board.latex = (view) => {
    const { models } = Harness.data;
    const cell = ({ text, half, place }) => {
      const value = place === 1 ? `\\textbf{${tex(text)}}` : place === 2 ? `\\underline{${tex(text)}}` : tex(text);
      return half ? `${value} {\\scriptsize ${tex(half)}}` : value;
    };
    const line = (cells) => `${cells.join(" & ")} \\\\`;
    const row = (i) => line([tex(Board.rankText(i)), tex(models[i].name), tex(models[i].paradigm || "unknown"), ...view.shown.map((f) => cell(shown(f, i)))]);
    const heads = view.shown.map(head);
    return [
      "% \\usepackage[T1]{fontenc} \\usepackage{booktabs}", "\\begin{table}", "\\centering", `\\caption{${tex(title())}. ${tex(Harness.data.rule)}}`,
      `\\begin{tabular}{rll${"r".repeat(heads.length)}}`, "\\toprule",
      line(["", "", "", ...heads.map((h) => (h.length > 1 ? tex(h[0]) : ""))]),
      line(["Rank", "Model", "Paradigm", ...heads.map((h) => tex(h.at(-1)))]), "\\midrule",
      ...view.ranked.map(row), ...(view.ranked.length && view.apart.length ? ["\\midrule"] : []), ...view.apart.map(row),
      "\\bottomrule", "\\end{tabular}", "\\end{table}", "",
    ].join("\n");
  };
})();
