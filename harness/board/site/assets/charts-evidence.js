"use strict";
// Charts of stored evidence: calibration, how hard images are, agreement between models.
(() => {
  const { h, s } = Harness;
  const { drawing, figure, ticks, label } = Harness.charts;
  const share = (x) => (x === null || x === undefined ? "—" : `${(100 * x).toFixed(1)}\u00a0%`);
  const rect = (x, y, width, height, kind) => s("rect", { x, y, width, height, class: kind });
  const line = (x1, y1, x2, y2, kind) => s("line", { x1, y1, x2, y2, class: kind });

  function text(x, y, words, anchor = "middle", turn = null) {
    const transform = turn === null ? null : `rotate(${turn} ${x} ${y})`;
    return s("text", { x, y, transform, "text-anchor": anchor, class: "chart-tick" }, words);
  }

  /**
   * Accuracy against confidence in equal bins, the gap between them shaded, and how many predictions each bin has.
   * bins: [mean confidence, accuracy, count]; with several labels an image, accuracy is how often the label is true.
   */
  function reliability({ bins, ece, kind }, name) {
    const left = 46, right = 332, top = 10, foot = 246, floor = 318, tall = 50;
    const x = (v) => left + v * (right - left), y = (v) => foot - v * (foot - top);
    const most = Math.max(1, ...bins.map((bin) => bin[2])), width = 1 / bins.length;
    const truth = kind === "multi-label" ? "label true" : "accuracy";
    const column = ([confidence, accuracy, count], i) => {
      const at = x(i * width) + 1, wide = x(width) - left - 2, over = confidence > accuracy;
      const high = y(Math.max(confidence, accuracy)), gap = Math.abs(y(confidence) - y(accuracy));
      const hint = `confidence ${share(confidence)}, ${truth} ${share(accuracy)}, ${count} predictions`;
      return s("g", null, s("title", null, hint),
        rect(at, y(accuracy), wide, foot - y(accuracy), "chart-bar"),
        rect(at, high, wide, gap, over ? "chart-over" : "chart-under"),
        rect(at, floor - (count / most) * tall, wide, (count / most) * tall, "chart-count"));
    };
    const grid = [0, 0.25, 0.5, 0.75, 1].map((v) => [line(left, y(v), right, y(v), "chart-base"),
      text(left - 6, y(v) + 4, 100 * v, "end"), text(x(v), floor + 16, 100 * v)]);
    const about = summary(bins, ece, truth);
    const rows = bins.map(([confidence, accuracy, count], i) =>
      [share(i * width), count ? share(confidence) : "—", count ? share(accuracy) : "—", count]);
    const chart = drawing(name, about, 350, 360, grid, bins.map((bin, i) => bin[2] && column(bin, i)),
      line(x(0), y(0), x(1), y(1), "chart-diagonal"), line(left, floor, right, floor, "chart-base"),
      text(left - 6, floor - tall + 8, label(most), "end"), text((left + right) / 2, floor + 34, "confidence, %"),
      text(12, (top + foot) / 2, `${truth}, %`, "middle", -90));
    const reading = `Bars: ${truth}; shaded: how far confidence is above it (dashed) or below; bottom: predictions.`;
    const heads = ["confidence from", "mean confidence", truth, "predictions"];
    return figure(chart, `${about} ${reading}`, [heads, ...rows]);
  }

  function summary(bins, ece, truth) {
    const total = bins.reduce((sum, bin) => sum + bin[2], 0);
    const mean = (k) => share(bins.reduce((sum, bin) => sum + (bin[2] ? bin[2] * bin[k] : 0), 0) / Math.max(1, total));
    const counted = `Mean confidence ${mean(0)}, ${truth} ${mean(1)} over ${total} predictions.`;
    return `${counted} Expected calibration error ${share(ece)}.`;
  }

  /** Counts of the images that exactly k models get wrong, k = 0 … M. */
  function difficulty(counts, name) {
    const left = 46, right = 452, top = 14, foot = 186, most = Math.max(1, ...counts), models = counts.length - 1;
    const step = (right - left) / counts.length, y = (v) => foot - (v / most) * (foot - top);
    const every = Math.max(1, Math.ceil(counts.length / 16)), middle = (k) => left + (k + 0.5) * step;
    const grid = ticks(0, most, 4).map((v) =>
      [line(left, y(v), right, y(v), "chart-base"), text(left - 6, y(v) + 4, label(v), "end")]);
    const bars = counts.map((count, k) => [
      s("g", null, s("title", null, `${count} images: ${k} of ${models} models wrong`),
        rect(left + (k + 0.08) * step, y(count), step * 0.84, foot - y(count), "chart-bar")),
      k % every ? null : text(middle(k), foot + 16, k),
    ]);
    const images = counts.reduce((a, b) => a + b, 0), [none, all] = [counts[0], counts[models]];
    const about = `Of ${images} images, every model is right about ${none}, and every one wrong about ${all}.`;
    const chart = drawing(name, about, 460, 228, grid, bars,
      text((left + right) / 2, foot + 36, "models that get the image wrong"),
      text(12, (top + foot) / 2, "images", "middle", -90));
    return figure(chart, about, [["models wrong", "images"], ...counts.map((count, k) => [k, count])]);
  }

  /** A square of shares as a table with shaded cells; values[i][j] or null. A wide one scrolls in its frame. */
  function matrix(names, values, caption) {
    const known = values.flatMap((row, i) => row.filter((v, j) => v !== null && i !== j));
    const least = Math.min(...known), width = Math.max(...known) - least || 1;
    const cell = (i) => (v, j) => {
      if (i === j || v === null) return h("td", { class: "own" });
      const style = { "--heat": (100 * (v - least)) / width };
      return h("td", { title: `${names[i]} · ${names[j]}: ${share(v)}`, class: "shade", style }, Math.round(100 * v));
    };
    const head = (scope) => (name) => h("th", { scope, title: name }, h("span", null, name));
    const rows = values.map((row, i) => h("tr", null, head("row")(names[i]), row.map(cell(i))));
    return Harness.edge(h("div", { class: "frame", tabindex: "0", role: "region", "aria-label": caption },
      h("table", { class: names.length > 16 ? "matrix dense" : "matrix" }, h("caption", null, caption),
        h("thead", null, h("tr", null, h("td"), names.map(head("col")))), h("tbody", null, rows))));
  }

  Object.assign(Harness.charts, { reliability, difficulty, matrix, share });
})();
