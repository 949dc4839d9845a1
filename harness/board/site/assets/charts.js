"use strict";
// Charts that are drawn a row at a time: text stays HTML and only the marks are SVG, so that all of it wraps and zooms.
(() => {
  const { h, s } = Harness;
  const ROUND = [1, 2, 2.5, 5, 10];
  const MIDDLE = 12; // a strip is 24 pixels high
  let serial = 0;

  /** Round numbers from low to high, about `count` of them. */
  function ticks(low, high, count = 4) {
    if (!(high > low)) return [low];
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * ROUND.find((r) => r * power >= raw * 0.999);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step + 0);
    return found;
  }

  /** A tick in as few characters as tell it from its neighbours. */
  function label(value) {
    const size = Math.abs(value), long = value !== 0 && (size < 1e-3 || size >= 1e6);
    return (long ? value.toExponential(1) : String(Number(value.toPrecision(6)))).replace("-", "−");
  }

  /** value -> place from left to right in percent; a margin keeps whole the dots at the ends. */
  function scale(low, high, { log = false, flip = false } = {}) {
    const warp = log ? Math.log : (v) => v, from = warp(low), width = warp(high) - from;
    const place = (value) => {
      const share = width > 0 ? Math.min(1, Math.max(0, (warp(value) - from) / width)) : 0.5;
      return 3 + 94 * (flip ? 1 - share : share);
    };
    return Object.assign(place, { low, high });
  }

  const percent = (x) => `${x.toFixed(2)}%`;
  const line = (x1, x2, y1, y2, kind) => s("line", { x1, x2, y1, y2, class: kind });
  const upright = (x, y1, y2, kind) => line(percent(x), percent(x), y1, y2, kind);

  /** Many vertical strokes as one path, stretched to the width of the chart. */
  function field(values, place) {
    const marks = values.filter((v) => v !== null).map((v) => `M${(10 * place(v)).toFixed(1)} 5V19`);
    return s("svg", { viewBox: "0 0 1000 24", preserveAspectRatio: "none", width: "100%", height: "100%" },
      s("path", { d: marks.join(""), class: "chart-field" }));
  }

  /** The table around a strip tells what it shows: it is hidden from those who listen. */
  const hidden = (kind, hint, ...parts) =>
    s("svg", { class: kind, "aria-hidden": "true", focusable: "false" }, hint ? s("title", null, hint) : null, parts);

  /** A value with its interval on a line, among the others'. */
  function strip({ place, others = [], value = null, low = null, high = null, zero = null, tone = "", hint = "" }) {
    const held = low !== null && high !== null, ends = held ? [place(low), place(high)] : [];
    return hidden(`strip ${tone}`.trim(), hint,
      line("0", "100%", MIDDLE, MIDDLE, "chart-base"),
      zero === null ? null : upright(place(zero), 0, 24, "chart-zero"),
      others.length ? field(others, place) : null,
      held ? line(...ends.map(percent), MIDDLE, MIDDLE, "chart-whisker") : null,
      ends.map((x) => upright(x, 8, 16, "chart-cap")),
      value === null ? null : s("circle", { cx: percent(place(value)), cy: MIDDLE, r: 4.5, class: "chart-dot" }));
  }

  /** The numbers that belong above strips with a common scale. */
  function axis(place) {
    const tick = (v) => {
      const x = place(v), anchor = x < 8 ? "start" : x > 92 ? "end" : "middle";
      return s("text", { x: percent(x), y: 12, class: "chart-tick", "text-anchor": anchor }, label(v));
    };
    return hidden("strip axis", "", ticks(place.low, place.high).map(tick));
  }

  /** A share from 0 to 1 as a bar. */
  function bar(share) {
    const rect = (width, kind) => s("rect", { x: "0", y: 6, width: percent(width), height: 12, rx: 2, class: kind });
    return hidden("strip", "", rect(100, "chart-track"), rect(100 * Math.min(1, Math.max(0, share)), "chart-bar"));
  }

  /** An SVG of its own, named and described for those who do not see it. */
  function drawing(name, description, width, height, ...parts) {
    const id = `chart-${++serial}`, labels = `${id}-name ${id}-about`;
    return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "drawing", "aria-labelledby": labels },
      s("title", { id: `${id}-name` }, name), s("desc", { id: `${id}-about` }, description), parts);
  }

  /** A chart with its caption and, folded, its numbers as a table that is made when it is opened. */
  function figure(chart, caption, rows) {
    const fold = h("details", { class: "numbers" }, h("summary", null, "Show the numbers"));
    const fill = () => fold.append(Harness.edge(
      h("div", { class: "frame", tabindex: "0", role: "region", "aria-label": caption }, plain(rows, caption))));
    fold.addEventListener("toggle", fill, { once: true });
    return h("figure", { class: "chart" }, chart, h("figcaption", null, caption), fold);
  }

  /** Rows of texts as a table; the first row heads the columns, the first cell of each other row heads that row. */
  function plain([heads, ...rows], caption) {
    const row = ([first, ...rest]) =>
      h("tr", null, h("th", { scope: "row" }, first), rest.map((text) => h("td", null, text)));
    return h("table", { class: "plain" }, h("caption", { class: "hidden" }, caption),
      h("thead", null, h("tr", null, heads.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", null, rows.map(row)));
  }

  Harness.charts = { ticks, label, scale, strip, axis, bar, drawing, figure };
})();
