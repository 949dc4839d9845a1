"use strict";
// The table: headings, and as many rows as are in sight. Long boards scroll over rows that are not there yet.
(() => {
  const { h, line } = Harness;
  const Board = Harness.boardPage;
  const ALL = 150;
  const SPARE = 4;
  const FOLDS = /(?=\[)|(?<=[,_])/;
  const FOLDED = 16; // characters from which a heading takes several lines
  const $ = (id) => document.getElementById(id);
  const now = {
    view: null, items: [], ties: null, signature: "", all: false, // what is shown
    pattern: null, height: 0, edges: [], top: 0, left: 0, from: 0, to: 0, columns: [0, 0], windowed: false, // how much of it is there
  };

  // Headings.

  function sorter(key, text, hint) {
    return h("button", { type: "button", class: "sort", "data-sort": key, title: hint }, text, h("span", { class: "way", "aria-hidden": "true" }));
  }

  /** A text that may go on in the next line at its brackets and commas: what differs in two names is often at their ends. */
  const folded = (text) => text.split(FOLDS).flatMap((part, k) => (k ? [h("wbr"), part] : [part]));

  const longest = (text) => (text.length <= FOLDED ? text.length : Math.max(...text.split(FOLDS).map((part) => part.length)));

  function heading(field) {
    const title = [field.description, field.note ? `note: ${field.note}` : ""].filter(Boolean).map((t) => line(t, 600)).join(" · ");
    const over = field.over ? folded(line(field.over, 80)) : "";
    return h("th", { scope: "col", class: `head${field.starts ? " first" : ""}${field.sort === "score" ? " total" : ""}`, "data-key": Board.sortKey(field) },
      over ? (field.link ? h("a", { class: "over", href: field.link, title: line(field.task || field.over) }, h("bdi", null, over))
        : h("span", { class: "over" }, h("bdi", null, over))) : null,
      sorter(Board.sortKey(field), h("bdi", null, folded(line(field.label, 60))), title),
      field.note ? h("span", { class: "mark", role: "img", "aria-label": `note: ${line(field.note, 300)}`, title: line(field.note, 300) }, "†") : null);
  }

  function groups(shown) {
    const cells = [];
    shown.forEach((field, k) => {
      const opens = k === 0 || shown[k - 1].group !== field.group;
      field.starts = opens && k > 0;
      if (opens) cells.push({ group: field.group, title: field.sort === "column" ? field.title : "", width: 0, pixels: 0 });
      cells.at(-1).width += 1;
      cells.at(-1).pixels += width(field);
    });
    return cells.map(({ group, title, width, pixels }) =>
      group ? h("th", { class: "group", colspan: width, scope: "colgroup", title: line(title || group) },
        h("span", null, h("bdi", null, folded(line(group, 80))), fits(title, group, pixels) ? h("small", null, h("bdi", null, line(title))) : null))
        : h("td", { class: "group none", colspan: width }));
  }

  const fits = (title, group, pixels) => title && title !== group && 6.4 * title.length + 24 < pixels;

  /** Enough for the heading and for the numbers of the first rows and of the range's ends, in pixels where text has 16. */
  function width(field) {
    const some = field.values.slice(0, 60).map((v, i) => (v === null ? 44 : 8.6 * field.text(i).length + 6.6 * Board.half(field, i).length));
    const ends = (field.range || []).map((v) => 8.6 * Harness.number(v, field).length + (field.low.some((x) => x !== null) ? 30 : 0));
    const heads = 7.3 * Math.max(longest(`${field.label} ↑`), longest(field.over || ""));
    return Math.max(84, Math.min(200, Math.max(heads, 16 + Math.max(...some, ...ends)) + 26)) + (field.sort === "score" ? 12 : 0);
  }

  /** Columns have a width of their own, so that no row, however long its name, moves them. */
  function widths(view) {
    const wide = view.shown.map(width);
    $("board").querySelector("colgroup").replaceChildren(h("col", { class: "rank" }), h("col", { class: "model" }),
      ...wide.map((w) => h("col", { style: { width: `${(w / 16).toFixed(2)}rem` } })));
    $("frame").style.setProperty("--fields", `${(wide.reduce((a, b) => a + b, 0) / 16).toFixed(2)}rem`);
  }

  function head(view) {
    const above = groups(view.shown);
    widths(view);
    $("head").replaceChildren(
      h("tr", { "aria-rowindex": 1 }, h("td", { class: "rank group none" }), h("td", { class: "model group none" }), ...above),
      h("tr", { "aria-rowindex": 2 },
        h("th", { scope: "col", class: "rank", "data-key": "rank" }, sorter("rank", "Rank", "rank, as a 95 % interval")),
        h("th", { scope: "col", class: "model", "data-key": "model" }, sorter("model", "Model", "model, by name")),
        ...view.shown.map(heading)));
  }

  function mark(view) {
    const key = Board.sorted(view.state, view.fields) || view.state.sort === "model" ? view.state.sort : "rank";
    for (const th of $("head").querySelectorAll("th[data-key]")) {
      if (th.dataset.key === key) th.setAttribute("aria-sort", view.dir === "asc" ? "ascending" : "descending");
      else th.removeAttribute("aria-sort");
    }
  }

  // Rows.

  function rowOf(k) {
    const item = now.items[k];
    if (item < 0) {
      return h("tr", { class: "divider", "aria-rowindex": k + 3 }, h("th", { colspan: now.view.shown.length + 2, scope: "rowgroup" },
        h("span", null, "Without a rank: a score is missing")));
    }
    now.pattern ??= Board.pattern(now.view.shown, now.columns);
    return put(now.pattern.cloneNode(true), k);
  }

  function put(row, k) {
    row.setAttribute("aria-rowindex", k + 3);
    Board.fill(row, now.items[k], now.ties.at?.[k] || [], now.view.shown, now.columns);
    return row;
  }

  const gap = (count) => h("tr", { class: "gap", "aria-hidden": "true" }, h("td", { colspan: now.view.shown.length + 2, style: { height: `${count * now.height}px` } }));

  const long = () => !now.all && now.items.length > ALL;

  /** The places that are in sight, and some above and below. The frame is never higher than the window. */
  function range() {
    if (!long()) return [0, now.items.length];
    const from = Math.floor(now.top / now.height) - SPARE;
    const seen = Math.ceil(Math.max(innerHeight, 400) / now.height);
    return [Math.max(0, Math.min(from, now.items.length - seen)), Math.min(now.items.length, from + seen + 2 * SPARE)];
  }

  /** The fields that are in sight. */
  function columns() {
    const count = now.view.shown.length;
    if (!long()) return [0, count];
    const from = now.edges.findIndex((right) => right > now.left);
    const to = now.edges.findIndex((right) => right > now.left + innerWidth);
    return [Math.max(0, from), to < 0 ? count : to + 1];
  }

  /** Whether fields in sight were not there; then they are to come, and some to their left and right. */
  function shifted() {
    const [from, to] = columns();
    if (now.columns && from >= now.columns[0] && to <= now.columns[1] && long() === now.windowed) return false;
    const count = now.view.shown.length;
    Object.assign(now, { columns: [Math.max(0, from - SPARE), Math.min(count, to + SPARE)], pattern: null, windowed: long() });
    return true;
  }

  /** Rows that stay are kept, and with them the focus; those that leave are filled again for those that come. */
  function scrolled(top = $("frame").scrollTop) {
    Object.assign(now, { top, left: $("frame").scrollLeft });
    if (shifted()) widen();
    const [from, to] = range();
    if (from === now.from && to === now.to) return;
    const active = document.activeElement?.closest?.("#rows tr");
    const kept = new Map();
    for (const row of $("rows").querySelectorAll("tr:not(.gap)")) kept.set(Number(row.getAttribute("aria-rowindex")) - 3, row);
    const idle = [...kept].filter(([k, row]) => (k < from || k >= to) && row.className !== "divider" && row !== active).map(([, row]) => row);
    const rows = [];
    for (let k = from; k < to; k++) {
      const spare = kept.has(k) || now.items[k] < 0 ? null : idle.pop();
      spare?.remove(); // so that those kept need not be moved, which would take the focus from them
      rows.push(kept.get(k) || (spare ? put(spare, k) : rowOf(k)));
    }
    arrange(rows, from, to);
    if (active && !active.isConnected) $("frame").focus({ preventScroll: true });
  }

  /** Rows next to the focused one are there before the focus moves on, faster as that may be than the scrolling. */
  function focused(row) {
    const k = Number(row?.getAttribute("aria-rowindex")) - 3;
    const seen = Math.ceil(Math.max(innerHeight, 400) / now.height);
    if (k >= now.to - 2 && now.to < now.items.length) scrolled((k - seen + 2) * now.height);
    else if (k >= 0 && k <= now.from + 1 && now.from > 0) scrolled((k - 1) * now.height);
  }

  /** Gives the rows that are there the cells of the fields that have come into sight. */
  function widen() {
    for (const row of $("rows").querySelectorAll("tr.row")) {
      while (row.children.length > 2) row.lastChild.remove();
      row.append(...Board.cells(now.view.shown, now.columns));
      Board.fillCells(row, Number(row.dataset.model), now.view.shown, now.columns);
    }
  }

  function arrange(rows, from, to) {
    const body = $("rows");
    const wanted = new Set(rows);
    for (const row of [...body.children]) if (!wanted.has(row)) row.remove();
    let before = body.firstChild;
    for (const row of rows) {
      if (row === before) before = before.nextSibling;
      else body.insertBefore(row, before);
    }
    if (from > 0) body.prepend(gap(from));
    if (to < now.items.length) body.append(gap(now.items.length - to));
    Object.assign(now, { from, to });
  }

  /** All rows in sight anew. */
  function draw() {
    const body = $("rows");
    if (!now.height) measure();
    if (shifted()) body.replaceChildren();
    const [from, to] = range();
    const old = [...body.querySelectorAll("tr.row")];
    const rows = [];
    for (let k = from; k < to; k++) {
      const spare = now.items[k] < 0 ? null : old.pop();
      rows.push(spare ? put(spare, k) : rowOf(k));
    }
    arrange(rows, from, to);
  }

  /** The height of a row and the right ends of the fields as they are drawn: text may be enlarged. */
  function measure() {
    const heads = [...$("head").lastChild.children];
    const sticky = heads[0].offsetWidth + heads[1].offsetWidth;
    now.edges = heads.slice(2).map((th) => th.offsetLeft + th.offsetWidth - sticky);
    now.columns = null;
    shifted();
    now.height = 46;
    if (!now.items.length) return;
    const row = rowOf(now.items.findIndex((i) => i >= 0));
    $("rows").replaceChildren(row);
    now.height = row.getBoundingClientRect().height || 46;
    row.remove();
  }

  /** Shows a view. */
  Board.draw = (view) => {
    const signature = JSON.stringify(view.shown.map((f) => [f.id, f.sort, f.label]));
    now.view = view;
    now.items = [...view.ranked, ...(view.ranked.length && view.apart.length ? [-1] : []), ...view.apart];
    now.ties = Board.ties(view);
    const table = $("board");
    if (signature !== now.signature) {
      head(view);
      now.height = 0;
      $("rows").replaceChildren();
    } else {
      groups(view.shown); // marks the fields that open a group; headings stay, and with them the focus
    }
    now.signature = signature;
    $("frame").style.setProperty("--lanes", now.ties.lanes);
    $("frame").style.setProperty("--digits", Math.max(5, ...view.ranked.map((i) => Board.rankText(i).length)));
    table.setAttribute("aria-rowcount", now.items.length + 2);
    table.setAttribute("aria-colcount", view.shown.length + 2);
    mark(view);
    $("none").hidden = now.items.length > 0;
    $("frame").hidden = !now.items.length;
    if (now.top) $("frame").scrollTop = now.top = 0;
    draw();
  };

  function print(all) {
    now.all = all;
    const table = $("board");
    const wide = 1040; // a landscape sheet of A4 in CSS pixels, margins off
    table.style.zoom = all ? Math.min(1, wide / table.scrollWidth) : "";
    if (now.view) draw();
  }

  function highlight(target) {
    const i = target?.closest?.("tr.row")?.dataset.model;
    const [first, last] = i === undefined ? [1, 0] : Board.peers(Number(i));
    for (const row of $("rows").querySelectorAll("tr.row")) {
      const other = Number(row.dataset.model);
      row.classList.toggle("peer", first < last && first <= other && other <= last);
    }
  }

  Board.startTable = () => {
    let asked = 0;
    const frame = $("frame");
    frame.addEventListener("scroll", () => { asked ||= requestAnimationFrame(() => { asked = 0; scrolled(); }); }, { passive: true });
    addEventListener("resize", () => { now.height = 0; if (now.view) draw(); });
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
    for (const type of ["pointerover", "focusin"]) {
      $("rows").addEventListener(type, (event) => { Board.explain(event.target, now.view.shown); highlight(event.target); });
    }
    $("rows").addEventListener("click", (event) => {
      const cell = event.target.closest("td[title]"); // fingers do not point
      if (cell) Harness.tell(cell.title);
    });
    $("rows").addEventListener("focusin", (event) => focused(event.target.closest("tr.row")));
    $("rows").addEventListener("pointerleave", () => highlight(null));
    $("head").addEventListener("click", (event) => {
      const button = event.target.closest("button.sort");
      if (button) Board.sortBy(button.dataset.sort);
    });
  };
})();
