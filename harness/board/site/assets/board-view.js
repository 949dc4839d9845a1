"use strict";
// From the data and the reader's state to what is on the page: fields (columns of the table) and rows. No elements here.
(() => {
  const Board = Harness.boardPage;
  const ARROWS = { 1: " ↑", 0: "", "-1": " ↓" };
  const WORDS = { f: "failed", k: "skipped", m: "—", h: "·" };
  const MARKS = { r: "‡", s: "§" };
  const KINDS = { d: "measured", r: "reported elsewhere, not measured here", s: "submitted" };
  Board.WORDS = WORDS;

  const fold = (text) => String(text).normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = (text) => fold(text).split(/\s+/).filter(Boolean);
  let texts = null;

  function textOf(i) {
    texts ??= Harness.data.models.map((m) =>
      fold([m.name, m.title, m.method, m.paradigm, m.architecture, m.data].filter(Boolean).join(" ").slice(0, 2000)));
    return texts[i];
  }

  // Fields.

  function columnField(j, kinds) {
    const data = Harness.data;
    const column = data.columns[j];
    const letters = data.status[j];
    const seen = kinds ? (i) => kinds.has(letters[i]) || "fmk".includes(letters[i]) : () => true;
    const keep = (values) => (kinds ? values.map((v, i) => (seen(i) ? v : null)) : values);
    const overlap = new Set(data.overlap?.[j]);
    const caveats = new Set(data.caveats?.[j]);
    const task = data.tasks.findIndex((t) => t.name === column.task);
    const field = {
      ...column, id: column.name, sort: "column", j, overlap, link: task < 0 ? null : Harness.taskLink(task),
      group: column.dataset, over: column.protocol, label: column.heading, better: column.better || 0,
      values: keep(data.values[j]), low: keep(data.low[j]), high: keep(data.high[j]), sd: data.sd?.[j],
      status: (i) => (seen(i) ? letters[i] : "h"),
      marks: (i) => (MARKS[letters[i]] || "") + (caveats.has(i) ? "†" : "") + (overlap.has(i) ? "◊" : ""),
    };
    field.text = (i) => Harness.number(field.values[i], column);
    field.hint = (i) => hint(field, i);
    return field;
  }

  function hint(field, i) {
    const data = Harness.data;
    const letter = field.status(i);
    const note = Harness.line(Harness.note(field.j, i), 400);
    if (letter === "h") return "hidden by the filter of scores";
    if (field.values[i] === null) return [letter === "m" ? "no record" : WORDS[letter], note].filter(Boolean).join(": ");
    const n = Array.isArray(data.n) && Array.isArray(data.n[field.j]) ? data.n[field.j][i] : data.n?.[field.j];
    const [low, high] = [field.low[i], field.high[i]];
    return [
      `${field.text(i)}${field.unit ? ` ${field.unit}` : ""}`,
      low === null || high === null ? "" : `95 % interval ${Harness.number(low, field)} to ${Harness.number(high, field)}`,
      field.sd?.[i] === null || field.sd?.[i] === undefined ? "" : `standard deviation over seeds ${Harness.number(field.sd[i], field)}`,
      n ? Harness.several(n, field.sample.slice(0, -1)) : "",
      letter === "s" && note.includes("submitted by ") ? "" : KINDS[letter],
      field.overlap.has(i) ? "◊ the model was trained on this dataset" : "",
      note,
    ].filter(Boolean).join(" · ");
  }

  /** A column's values from 0 (the metric's worst) to 100 (its best); by the board's range where it has no bounds. */
  function normalised(field) {
    const [low, high] = field.bounds?.every((b) => b !== null && b !== undefined) ? field.bounds : field.range;
    if (!(high > low)) return field.values.map((v) => (v === null ? null : 50));
    return field.values.map((v) => (v === null ? null : (100 * (field.better > 0 ? v - low : high - v)) / (high - low)));
  }

  /** Columns of one dataset, domain or protocol as one: the mean of normalised scores, of models that have them all. */
  function groupFields(fields, by) {
    const groups = new Map();
    for (const field of fields.filter((f) => f.better)) {
      const name = field[by] || "unknown";
      groups.set(name, [...(groups.get(name) || []), field]);
    }
    return [...groups].map(([name, all]) => {
      const members = all.some((f) => f.ranked) ? all.filter((f) => f.ranked) : all;
      const scales = members.map(normalised);
      const values = Harness.data.models.map((_, i) =>
        scales.some((s) => s[i] === null) ? null : scales.reduce((sum, s) => sum + s[i], 0) / scales.length);
      const found = values.filter((v) => v !== null);
      const have = (i) => scales.filter((s) => s[i] !== null).length;
      const none = values.map(() => null);
      const field = {
        id: name, sort: "group", better: 1, decimals: 1, range: [Math.min(...found), Math.max(...found)], values,
        low: none, high: none, group: "", over: name, label: `mean of ${members.length} ↑`, link: null, note: "",
        status: (i) => (values[i] === null ? "m" : "d"), marks: () => "",
        description: `Mean of ${members.length} scores, each on 0 (worst possible) to 100: ${members.map((f) => f.name).join(", ")}`,
        text: (i) => Harness.number(values[i], { decimals: 1 }),
        hint: (i) => `${have(i)} of ${members.length} scores${values[i] === null ? ": a mean of some would mislead" : ""}`,
      };
      return field;
    });
  }

  function costFields() {
    const { cost, models } = Harness.data;
    return Object.entries(Board.COSTS).flatMap(([id, kind]) => {
      const values = cost?.[id];
      if (!values?.some((v) => v !== null)) return [];
      const none = models.map(() => null);
      return [{
        id, sort: "cost", better: 0, first: kind.better, range: null, values, low: none, high: none, group: "Cost", over: "",
        label: kind.label, link: null, note: "", description: kind.title, marks: () => "",
        status: (i) => (values[i] === null ? "m" : "d"), text: (i) => kind.text(values[i]), hint: () => kind.title,
      }];
    });
  }

  /** The standing as a field; null on a board that ranks nobody. */
  function totalField() {
    const { standing, by } = Harness.data;
    const ends = ["low", "score", "high"].flatMap((name) => standing.score.map((_, i) => standing[name][i])).filter((v) => v !== null);
    if (!ends.length) return null;
    const better = by === "rank" ? -1 : 1;
    const decimals = by === "rank" ? 2 : 1;
    const field = {
      id: "score", sort: "score", better, decimals, range: [Math.min(...ends), Math.max(...ends)], values: standing.score,
      low: standing.low, high: standing.high, group: "", over: by === "rank" ? "Mean rank" : "Score", label: `0–100${ARROWS[1]}`,
      link: "method.html", note: "", description: Harness.data.rule, marks: () => "",
      status: (i) => (standing.score[i] === null ? "m" : "d"),
      text: (i) => Harness.number(standing.score[i], { decimals }),
      hint: (i) => (standing.score[i] === null ? "a required score is missing" : spoken(standing, i, decimals)),
    };
    if (by === "rank") field.label = `1 is best${ARROWS[-1]}`;
    return field;
  }

  function spoken(standing, i, decimals) {
    const text = (v) => Harness.number(v, { decimals });
    const { score, low, high } = standing;
    const { over } = Harness.data;
    const of = { images: " over test images", tasks: " over datasets" }[over] || "";
    return text(score[i]) + (low[i] === null || high[i] === null ? "" : ` · 95 % interval${of} ${text(low[i])} to ${text(high[i])}`);
  }

  Board.fields = (state) => {
    const kinds = state.kind.length ? new Set(state.kind.map((k) => Board.KINDS[k])) : null;
    const chosen = Board.chosen(state);
    const wanted = words(state.cq);
    const domains = new Set(state.domain);
    const columns = Harness.data.columns.flatMap((column, j) => {
      const text = fold(`${column.name} ${column.title || ""} ${column.domain || ""}`);
      const seen = chosen(column) && wanted.every((w) => text.includes(w)) && (!domains.size || domains.has(column.domain || "unknown"));
      return seen ? [columnField(j, kinds)] : [];
    });
    return {
      total: totalField(), columns, main: state.group ? groupFields(columns, state.group) : columns,
      cost: state.cost ? costFields() : [],
    };
  };

  Board.costFields = costFields;

  // Rows.

  function matches(state, columns) {
    const { models } = Harness.data;
    const wanted = words(state.q);
    const [least, most] = [Board.amount(state.min), Board.amount(state.max)];
    const facts = ["paradigm", "architecture", "data"].filter((f) => state[f].length).map((f) => [f, new Set(state[f])]);
    return (i) => {
      const model = models[i];
      if (wanted.length && !wanted.every((w) => textOf(i).includes(w))) return false;
      if (facts.some(([fact, values]) => !values.has(model[fact] || "unknown"))) return false;
      if ((least !== null || most !== null) && !(model.parameters >= (least ?? 0) && model.parameters <= (most ?? Infinity))) return false;
      if (state.clean && columns.some((c) => c.overlap.has(i))) return false;
      return !state.kind.length || columns.some((c) => c.values[i] !== null);
    };
  }

  function order(state, fields) {
    const { models, standing } = Harness.data;
    if (state.sort === "model") {
      const down = state.dir === "desc" ? -1 : 1;
      const names = models.map((m) => fold(Harness.line(m.name)));
      return { dir: down > 0 ? "asc" : "desc", compare: (a, b) => down * (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b) };
    }
    const field = Board.sorted(state, fields);
    if (!field) {
      const down = state.dir === "desc" ? -1 : 1;
      const ranked = (i) => standing.score[i] !== null;
      return { dir: down > 0 ? "asc" : "desc", compare: (a, b) => (ranked(a) && ranked(b) ? down * (a - b) : a - b) };
    }
    const dir = state.dir || ((field.better || field.first || 1) > 0 ? "desc" : "asc");
    const sign = dir === "desc" ? -1 : 1;
    const v = field.values;
    return { dir, compare: (a, b) => (v[a] === null || v[b] === null ? (v[a] === null) - (v[b] === null) || a - b : sign * (v[a] - v[b]) || a - b) };
  }

  /** The field that the rows are sorted by; null when they are in the order of ranks or names. */
  Board.sorted = (state, fields) =>
    [fields.total, ...fields.main, ...fields.cost].find((f) => f && (f.sort === "column" || f.sort === "score" ? f.id : `${f.sort} ${f.id}`) === state.sort) || null;

  Board.sortKey = (field) => (field.sort === "column" || field.sort === "score" ? field.id : `${field.sort} ${field.id}`);

  /** The best value of a field among rows, and the next best. */
  function leaders(field, rows) {
    let [first, second] = [null, null];
    if (!field.better) return [first, second];
    for (const i of rows) {
      const v = field.values[i];
      if (v === null || v === first || v === second) continue;
      if (first === null || (v - first) * field.better > 0) [first, second] = [v, first];
      else if (second === null || (v - second) * field.better > 0) second = v;
    }
    return [first, second];
  }

  Board.view = (state) => {
    const { models, standing } = Harness.data;
    const fields = Board.fields(state);
    const seen = models.map((_, i) => i).filter(matches(state, fields.columns));
    const { dir, compare } = order(state, fields);
    const rows = seen.sort(compare);
    const ranked = rows.filter((i) => standing.score[i] !== null);
    const apart = rows.filter((i) => standing.score[i] === null);
    for (const field of [fields.total, ...fields.main]) if (field) field.leaders = leaders(field, rows);
    return { state, fields, shown: [fields.total, ...fields.cost, ...fields.main].filter(Boolean), dir, ranked, apart };
  };

  /** 1 for the best of the rows shown, 2 for the second best, else 0. */
  Board.place = (field, i) => (field.leaders && field.values[i] !== null ? field.leaders.indexOf(field.values[i]) + 1 : 0);
})();
