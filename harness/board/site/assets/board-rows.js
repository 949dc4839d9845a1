"use strict";
// One row of the board: made once as a pattern, copied, and filled for a model. Rows are filled again as they scroll by.
(() => {
  const { h, line } = Harness;
  const Board = Harness.boardPage;
  const LANES = 12;

  /** Runs of tied rows as bars in lanes: for each place of the order, [lane, "start" | "middle" | "end"] pairs. */
  function bars(runs, count) {
    const free = [];
    const at = Array.from({ length: count }, () => []);
    for (const [first, last] of runs) {
      let lane = free.findIndex((end) => end < first);
      if (lane < 0) lane = free.length;
      if (lane >= LANES) return { lanes: 0, at: null };
      free[lane] = last;
      for (let k = first; k <= last; k++) at[k].push([lane, k === first ? "start" : k === last ? "end" : "middle"]);
    }
    return { lanes: free.length, at };
  }

  /** The bars beside the rows of a view: only in the order of ranks do those tied stand together. */
  Board.ties = (view) => {
    if (view.state.sort !== "rank" || view.dir !== "asc" || !view.ranked.length) return { lanes: 0, at: null };
    const { ties } = Harness.data;
    const place = new Map(view.ranked.map((i, k) => [i, k]));
    const shown = ties.flatMap(([first, last]) => {
      const inside = [];
      for (let i = first; i <= last; i++) if (place.has(i)) inside.push(place.get(i));
      return inside.length > 1 ? [[inside[0], inside.at(-1)]] : [];
    });
    const within = (a, b) => b[0] <= a[0] && a[1] <= b[1];
    const largest = shown.filter((run, k) => !shown.some((other, l) => l !== k && within(run, other) && (!within(other, run) || l < k)));
    return bars(largest, view.ranked.length);
  };

  /** The models that the evidence does not separate from one: [first, last] of the board's order. */
  Board.peers = (i) => {
    const runs = Harness.data.ties.filter(([first, last]) => first <= i && i <= last);
    return runs.length ? [Math.min(...runs.map((r) => r[0])), Math.max(...runs.map((r) => r[1]))] : [i, i];
  };

  Board.rankText = (i) => {
    const { standing } = Harness.data;
    if (standing.score[i] === null) return "—";
    const [best, worst] = [standing.best?.[i] ?? null, standing.worst?.[i] ?? null];
    if (best === null || worst === null) return String(i + 1);
    return best === worst ? String(best) : `${best}–${worst}`;
  };

  function rankHint(i) {
    const { standing, over } = Harness.data;
    if (standing.score[i] === null) return "without a rank: a required score is missing";
    const average = standing.rank?.[i] ?? null;
    return [
      `place ${i + 1} of ${Harness.data.counts.ranked}`,
      (standing.best?.[i] ?? null) === null ? "" : `95 % interval of the rank ${Board.rankText(i)}${over ? `, over ${over}` : ""}`,
      average === null ? "" : `average rank ${average.toFixed(2)}`,
    ].filter(Boolean).join(" · ");
  }

  const gap = (width) => (width ? h("td", { class: "gap", colspan: width, "aria-hidden": "true" }) : []);

  /** The cells of some of the fields, [from, to); the others' places are kept by a wide cell on either side. */
  Board.cells = (fields, [from, to]) => [
    gap(from),
    fields.slice(from, to).map((_, c) => h("td", { class: "score", "aria-colindex": from + c + 3 }, " ", h("small", { class: "half" }))),
    gap(fields.length - to),
  ].flat();

  /** A row without a model. */
  Board.pattern = (fields, columns) =>
    h("tr", { class: "row" },
      h("td", { class: "rank", "aria-colindex": 1 }, h("span", { class: "bars", "aria-hidden": "true" }), h("span", { class: "place" })),
      h("th", { scope: "row", class: "model", "aria-colindex": 2 }, h("a", { class: "name" }, h("bdi")), h("span", { class: "about" })),
      Board.cells(fields, columns));

  /** Puts a model into a row that has the cells of the fields [from, to). */
  Board.fill = (row, i, ties, fields, columns) => {
    const model = Harness.data.models[i];
    row.dataset.model = i;
    row.children[0].lastChild.textContent = Board.rankText(i);
    row.children[0].removeAttribute("title");
    bar(row.children[0].firstChild, ties);
    const name = row.children[1].firstChild;
    name.href = Harness.modelLink(i);
    name.firstChild.textContent = line(model.name);
    row.children[1].lastChild.replaceChildren(...about(i));
    Board.fillCells(row, i, fields, columns);
  };

  Board.fillCells = (row, i, fields, [from, to]) => {
    const first = from ? 3 : 2;
    for (let c = from; c < to; c++) cell(row.children[first + c - from], fields[c], i);
  };

  function bar(holder, parts) {
    holder.replaceChildren(...parts.map(([lane, part]) => h("i", { class: part, style: { "--lane": lane } })));
  }

  function about(i) {
    const model = Harness.data.models[i];
    const more = [model.method, model.data, model.epochs ? `${model.epochs} epochs` : ""].filter(Boolean).map((t) => line(t, 60));
    const badge = Board.origin(i);
    return [
      badge ? [h("span", { class: "badge" }, badge), " "] : [],
      Harness.chip(model.paradigm),
      more.length ? h("span", { class: "more" }, h("bdi", null, more.join(" · "))) : [],
    ].flat();
  }

  let origins = null;

  function originOf(i) {
    const letters = new Set(Harness.data.status.map((s) => s[i]).filter((s) => "drs".includes(s)));
    return letters.has("d") || !letters.size ? "" : letters.has("s") ? "submitted" : "reported";
  }

  /** ``reported`` or ``submitted`` for a model none of whose scores was measured here; empty if that holds for all. */
  Board.origin = (i) => {
    if (!origins) {
      origins = Harness.data.models.map((_, k) => originOf(k));
      if (new Set(origins).size === 1) origins.fill("");
    }
    return origins[i];
  };

  const PLACES = ["", " best", " second"];

  /** Fills a cell: a text, its half interval, between them its marks. As few elements as can be: a sort fills thousands. */
  function cell(td, field, i) {
    const status = field.status(i);
    const there = field.values[i] !== null;
    const total = field.sort === "score";
    const heat = there && !total ? Harness.heatOf(field.values[i], field) : null;
    const css = there ? Harness.whiskerCss(field.low[i], field.values[i], field.high[i], field) : "";
    td.className = `score ${status}${there ? PLACES[Board.place(field, i)] : " word"}${heat === null ? "" : " heat"}`
      + `${css ? " drawn" : ""}${field.starts ? " first" : ""}${total ? " total" : ""}`;
    td.style.cssText = (heat === null ? "" : `--heat:${heat};`) + css;
    td.firstChild.data = there ? field.text(i) : Board.WORDS[status];
    td.lastChild.textContent = there ? Board.half(field, i) : "";
    const marks = there ? field.marks(i) : "";
    const old = td.children[0] === td.lastChild ? null : td.children[0];
    if (old) old.remove();
    if (marks) td.insertBefore(h("i", { class: "mark" }, marks), td.lastChild);
    if (td.title) td.removeAttribute("title");
  }

  /** Half the width of the interval to the decimals of the value. */
  Board.half = (field, i) => {
    const [low, high] = [field.low[i], field.high[i]];
    return low === null || high === null || low === undefined ? "" : `±${Harness.number((high - low) / 2, field)}`;
  };

  /** What appears over a cell, told only when it is pointed at: most never are. */
  Board.explain = (target, fields) => {
    const td = target.closest?.("td");
    const row = td?.parentElement;
    if (!row?.dataset.model || td.title) return;
    const i = Number(row.dataset.model);
    const c = Number(td.getAttribute("aria-colindex"));
    if (c) td.title = c === 1 ? rankHint(i) : fields[c - 3].hint(i);
  };
})();
