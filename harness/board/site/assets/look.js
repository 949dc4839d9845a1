"use strict";
// How it looks on every page: colours, intervals, frames that scroll, light and dark.
(() => {
  const UNKNOWN = 9; // the hue of what has none

  // Colours.

  /** The number of a paradigm's colour, for the classes hue0 to hue9: that of the figures. */
  Harness.hue = (paradigm) => (Object.hasOwn(Harness.data.hues, paradigm || "unknown") ? Harness.data.hues[paradigm || "unknown"] : UNKNOWN);
  Harness.chip = (paradigm) =>
    Harness.h("span", { class: `chip hue${Harness.hue(paradigm)}` }, Harness.line(paradigm || "unknown", 40));

  /** Where a value lies in a column's range, from 0 (least) to 1; null for a column of one value. */
  Harness.at = (value, column) => {
    const [low, high] = column.range || [null, null];
    return value === null || value === undefined || !(high > low) ? null : (value - low) / (high - low);
  };

  /** From 0 (worst) to 100 (best), squared, as one bad model would else make all others look alike; null without. */
  Harness.heatOf = (value, column) => {
    const at = column.better ? Harness.at(value, column) : null;
    return at === null ? null : Math.round(100 * (column.better > 0 ? at : 1 - at) ** 2);
  };

  Harness.heat = (value, column, element) => {
    const heat = Harness.heatOf(value, column);
    element.classList.toggle("heat", heat !== null);
    if (heat !== null) element.style.setProperty("--heat", heat);
    return element;
  };

  /** CSS for the class "whisker": the value and its interval on the column's range; empty without an interval. */
  Harness.whiskerCss = (low, value, high, column) => {
    const [from, at, to] = [low, value, high].map((x) => Harness.at(x, column));
    if (from === null || at === null || to === null) return "";
    const wide = Math.min(0.999, Math.max(0.005, to - from));
    const left = Math.min(1, Math.max(0, from / (1 - wide)));
    return `--at:${(100 * at).toFixed(1)}%;--from:${(100 * left).toFixed(1)}%;--wide:${(100 * wide).toFixed(1)}%`;
  };

  /** A drawn interval, as wide as its container; an empty span without an interval. */
  Harness.whisker = (low, value, high, column) => {
    const drawn = Harness.h("span", { class: "whisker", "aria-hidden": "true" });
    drawn.style.cssText = Harness.whiskerCss(low, value, high, column);
    drawn.classList.toggle("none", !drawn.style.length);
    return drawn;
  };

  // Tables wider than their frames.

  const fade = (frame) => frame.classList.toggle("more", frame.scrollWidth - frame.clientWidth - frame.scrollLeft > 2);
  const seen = new ResizeObserver((entries) => entries.forEach(({ target }) => fade(target.closest(".frame") || target)));

  /** Shows by its right edge whether a frame holds more than is in sight. */
  Harness.edge = (frame) => {
    for (const node of [frame, ...frame.children]) seen.observe(node);
    return frame;
  };

  document.addEventListener("scroll", ({ target }) => {
    if (target.classList?.contains("frame")) fade(target);
  }, { capture: true, passive: true });

  // Theme: "light", "dark", or "auto" (the reader's system).

  const root = document.documentElement;

  function stored(value) {
    try {
      if (value === undefined) return localStorage.getItem("harness-theme");
      localStorage.setItem("harness-theme", value);
    } catch {
      // pages opened from a file may have no storage; the choice then lasts for the page
    }
    return null;
  }

  Harness.theme = {
    get: () => root.dataset.theme || "auto",
    set: (theme) => {
      if (theme === "auto") delete root.dataset.theme;
      else root.dataset.theme = theme;
      stored(theme);
    },
    dark: () => {
      const theme = Harness.theme.get();
      return theme === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
    },
  };

  const theme = stored();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector(".skip")?.addEventListener("click", (event) => {
      event.preventDefault(); // the address holds the view
      document.getElementById("content").focus();
    });
    document.querySelectorAll(".frame").forEach(Harness.edge);
    const button = document.getElementById("theme");
    if (!button) return;
    const label = () => {
      button.setAttribute("aria-label", Harness.theme.dark() ? "Switch to light colours" : "Switch to dark colours");
    };
    label();
    button.hidden = false;
    button.addEventListener("click", () => {
      Harness.theme.set(Harness.theme.dark() ? "light" : "dark");
      label();
    });
  });
})();
