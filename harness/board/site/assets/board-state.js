"use strict";
// What the reader chose to see of the board, and the same in the address: one object of texts, lists and switches.
(() => {
  const Board = (Harness.boardPage = {});
  const LISTS = ["paradigm", "architecture", "data", "domain", "kind", "hide", "show"];
  const TEXTS = { sort: "rank", dir: "", q: "", cq: "", group: "", min: "", max: "", plot: "", against: "" };
  const SWITCHES = ["clean", "cost"];
  const GROUPS = ["dataset", "domain", "protocol"];
  const KINDS = { measured: "d", submitted: "s", reported: "r" };
  const COSTS = {
    seconds: { label: "seconds", text: Harness.duration, better: -1, title: "seconds that the model's cells took" },
    images_per_second: { label: "images/s", text: Harness.compact, better: 1, title: "images embedded per second" },
    peak_memory: { label: "memory", text: Harness.bytes, better: -1, title: "peak memory" },
    parameters: { label: "parameters", text: Harness.compact, better: -1, title: "parameters of the encoder" },
    flops: { label: "FLOPs", text: Harness.compact, better: -1, title: "floating-point operations of one image's forward pass" },
  };
  Object.assign(Board, { GROUPS, KINDS, COSTS });

  /** A number that a reader typed, ``25.6M`` or ``25600000``; null for anything else. */
  Board.amount = (text) => {
    const found = /^\s*([\d.]+)\s*([kmgb]?)\s*$/i.exec(text.replace(/,/g, ""));
    const value = found ? Number(found[1]) * { "": 1, k: 1e3, m: 1e6, g: 1e9, b: 1e9 }[found[2].toLowerCase()] : NaN;
    return Number.isFinite(value) ? value : null;
  };

  /** The values of a fact that models or columns have, with how many have each, most frequent first. */
  Board.choices = (items, fact) => {
    const counts = new Map();
    for (const item of items) counts.set(item[fact] || "unknown", (counts.get(item[fact] || "unknown") || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  };

  Board.defaults = () => ({
    ...TEXTS,
    ...Object.fromEntries(LISTS.map((name) => [name, []])),
    ...Object.fromEntries(SWITCHES.map((name) => [name, false])),
  });

  /** The state that an address tells; what it names that the board has not is left out. */
  Board.parse = (params) => {
    const { models, columns } = Harness.data;
    const known = {
      paradigm: (v) => models.some((m) => (m.paradigm || "unknown") === v),
      architecture: (v) => models.some((m) => (m.architecture || "unknown") === v),
      data: (v) => models.some((m) => (m.data || "unknown") === v),
      domain: (v) => columns.some((c) => (c.domain || "unknown") === v),
      kind: (v) => Object.hasOwn(KINDS, v),
      hide: (v) => columns.some((c) => c.name === v),
      show: (v) => columns.some((c) => c.name === v),
    };
    const state = Board.defaults();
    for (const name of Object.keys(TEXTS)) state[name] = params.get(name) ?? TEXTS[name];
    for (const name of LISTS) state[name] = [...new Set(params.getAll(name))].filter(known[name]);
    for (const name of SWITCHES) state[name] = params.get(name) === "1";
    if (!GROUPS.includes(state.group)) state.group = "";
    if (!["asc", "desc"].includes(state.dir)) state.dir = "";
    if (!Object.hasOwn(COSTS, state.plot) || !Harness.data.cost?.[state.plot]?.some((v) => v !== null)) state.plot = "";
    return state;
  };

  /** The state as parameters of the address: only what is not as it is by default. */
  Board.pack = (state) => ({
    ...Object.fromEntries(Object.entries(TEXTS).map(([name, text]) => [name, state[name] === text ? null : state[name]])),
    ...Object.fromEntries(LISTS.map((name) => [name, state[name]])),
    ...Object.fromEntries(SWITCHES.map((name) => [name, state[name] ? "1" : null])),
  });

  /** Whether a column is one of those that the reader chose. */
  Board.chosen = (state) => {
    const hidden = new Set(state.hide);
    const shown = state.show.length ? new Set(state.show) : null;
    return (column) => (shown ? shown.has(column.name) : !hidden.has(column.name));
  };

  /** The same choice of columns in the fewest words: those shown, or those hidden. */
  Board.choose = (names) => {
    const all = Harness.data.columns.map((c) => c.name);
    const shown = all.filter((name) => names.has(name));
    const hidden = all.filter((name) => !names.has(name));
    const brief = shown.length && shown.length < hidden.length;
    return { show: brief ? shown : [], hide: brief ? [] : hidden };
  };

  /** The number of filters that are set, for the button that clears them. */
  Board.active = (state) => {
    const lists = LISTS.filter((name) => state[name].length).length;
    return lists + ["q", "cq", "min", "max", "clean"].filter((name) => state[name]).length;
  };
})();
