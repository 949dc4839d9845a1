"use strict";
// Differences between two models of one column, with the interval that the board's data allow.
(() => {
  const decoded = new Map();

  const NONE = -128;
  const Z = 1.96;

  /** Correlations of a column's redrawn scores, -127..127 or NONE: above the diagonal, row by row, of the ranked. */
  function triangle(column) {
    const text = Harness.data.correlation ? Harness.data.correlation[column] : null;
    if (!text) return null;
    if (!decoded.has(column)) decoded.set(column, Int8Array.from(atob(text), (c) => c.charCodeAt(0)));
    return decoded.get(column);
  }

  /** The correlation of two models' bootstrap draws; null where the board does not hold it. */
  function correlation(column, a, b) {
    const found = triangle(column), ranked = Harness.data.counts.ranked;
    if (!found || a >= ranked || b >= ranked) return null;
    if (a === b) return 1;
    const i = Math.min(a, b), j = Math.max(a, b);
    const code = found[i * ranked - (i * (i + 1)) / 2 + (j - i - 1)];
    return code === undefined || code === NONE ? null : code / 127;
  }

  /** The standard error that a 95 % interval stands for. */
  function error(column, model) {
    const { low, high } = Harness.data;
    const [least, most] = [low[column][model], high[column][model]];
    return least === null || most === null ? null : (most - least) / (2 * Z);
  }

  /**
   * Model a's score less model b's, with a 95 % interval; null where either has no score.
   * var(a - b) = sa² + sb² - 2 r sa sb: r from the draws (`paired`), else 0, the intervals taken for independent.
   * `verdict`: "a", "b", "open" (the interval holds 0), "unknown" (no interval), "neither" (no better direction).
   */
  function difference(column, a, b) {
    const { columns, values } = Harness.data, [x, y] = [values[column][a], values[column][b]];
    if (x === null || y === null) return null;
    const value = x - y, sa = error(column, a), sb = error(column, b), r = correlation(column, a, b);
    if (sa === null || sb === null) {
      return { value, low: null, high: null, paired: false, verdict: columns[column].better ? "unknown" : "neither" };
    }
    const half = Z * Math.sqrt(Math.max(0, sa * sa + sb * sb - 2 * (r ?? 0) * sa * sb));
    const pair = { value, low: value - half, high: value + half, paired: r !== null };
    return { ...pair, verdict: verdict(pair, columns[column].better) };
  }

  function verdict({ low, high }, better) {
    if (!better) return "neither";
    if (low <= 0 && high >= 0) return "open";
    return low > 0 === better > 0 ? "a" : "b";
  }

  Harness.pairs = { correlation, difference };
})();
