"use strict";
// What every page of the site shares: elements, numbers, data, the view in the address, copying.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const Harness = { data: null };
  window.Harness = Harness;

  // Elements. Text is always text: no function here takes markup.

  function dress(node, attributes) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2).toLowerCase(), value);
      else if (name === "class") node.setAttribute("class", value);
      else if (name === "style") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
      else if (name === "value" || name === "checked" || name === "open") node[name] = value;
      else node.setAttribute(name, value === true ? "" : value);
    }
  }

  function fill(node, children) {
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined || child === false) continue;
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
  }

  /** An HTML element: h("a", {href, class, onclick, style: {"--x": 1}}, "text", child, [more]). */
  Harness.h = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    dress(node, attributes);
    return fill(node, children);
  };

  /** An SVG element, with the arguments of h. */
  Harness.s = (tag, attributes, ...children) => {
    const node = document.createElementNS(SVG, tag);
    dress(node, attributes);
    return fill(node, children);
  };

  // Texts and numbers.

  /** A name on one line, without control characters, cut at `most` characters. */
  Harness.line = (text, most = 160) => {
    const cut = String(text ?? "").slice(0, 4 * most);
    const plain = cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, " ").replace(/\s+/g, " ").trim();
    if (!plain && cut) return "(unprintable)";
    const letters = Array.from(plain);
    return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : plain;
  };

  /** A value in its column's decimals. Without a column: three significant digits. */
  Harness.number = (value, column) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return "—";
    const decimals = column ? column.decimals : Math.abs(value) >= 1000 ? 0 : 3;
    if (decimals === null || decimals === undefined) return value.toExponential(2);
    const text = evenly(value, decimals).toFixed(decimals);
    return Number(text) === 0 ? text.replace("-", "") : text;
  };

  /** What lies exactly between two roundings goes to the even one, as on the command line; toFixed goes away from 0. */
  function evenly(value, decimals) {
    const halves = Math.abs(value) * 2 ** (decimals + 1);
    if (!Number.isInteger(halves) || halves % 2 === 0) return value;
    const below = Math.floor(Math.abs(value) * 10 ** decimals);
    return (Math.sign(value) * (below + (below % 2))) / 10 ** decimals;
  }

  /** ``1 model``, ``3 models``; `many` is the plural where that is not the noun and an s. */
  Harness.several = (n, noun, many = `${noun}s`) => `${n.toLocaleString("en")} ${n === 1 ? noun : many}`;

  /** ``25.6 M``: three significant digits and a letter for the thousands. */
  Harness.compact = (n) => {
    if (n === null || n === undefined || !Number.isFinite(n)) return "—";
    const letters = ["", "k", "M", "G", "T", "P"];
    let power = Math.min(5, Math.max(0, Math.floor(Math.log10(Math.abs(n) || 1) / 3)));
    if (power < 5 && Number((Math.abs(n) / 1000 ** power).toPrecision(3)) >= 1000) power += 1;
    return `${Number((n / 1000 ** power).toPrecision(3))} ${letters[power]}`.trim();
  };

  Harness.duration = (seconds) => {
    if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "—";
    if (seconds < 59.95) return `${Number(seconds.toPrecision(seconds < 10 ? 2 : 3))} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };

  Harness.bytes = (n) => {
    if (n === null || n === undefined || !Number.isFinite(n)) return "—";
    const [number, letter = ""] = Harness.compact(n).split(" ");
    return `${number} ${letter}B`;
  };

  /** The address if it is a web page's, else null: nothing else may become a link. */
  Harness.url = (text) => (/^https?:\/\/[^\s]+$/i.test(String(text ?? "")) ? String(text) : null);

  // Data: scripts call board() and detail(), as pages opened from a file may not fetch.

  const waiting = new Map();

  Harness.board = (data) => {
    const ends = (far, sign) =>
      data.values.map((values, j) => values.map((v, i) => (v === null || far[j][i] === null ? null : v + sign * far[j][i] * (data.columns[j].step || 1))));
    if (data.down && !data.low) Object.assign(data, { low: ends(data.down, -1), high: ends(data.up, 1) });
    Harness.data = data;
  };

  /** What there is to say of a score beyond its number; empty for nothing. */
  Harness.note = (column, model) => {
    const { texts, at } = Harness.data.notes;
    return at[column] ? texts[at[column][model]] : "";
  };

  Harness.detail = (kind, index, data) => waiting.get(`${kind}-${index}`)?.resolve(data);

  /** The details of a model or task, by its place in the data; null where there are none. */
  Harness.load = (kind, index) => {
    const name = `${kind}-${index}`;
    if (waiting.has(name)) return waiting.get(name).promise;
    const { models } = Harness.data.details;
    const there = kind === "model" ? models[index] : Harness.data.tasks[index]?.detail;
    let resolve = null;
    const promise = new Promise((found) => (resolve = found));
    waiting.set(name, { promise, resolve });
    if (!there) resolve(null);
    else document.head.append(Harness.h("script", { src: `data/${name}.js`, onerror: () => resolve(null) }));
    return promise;
  };

  // Links and the view in the address.

  const key = encodeURIComponent;
  Harness.modelLink = (i) => `model.html#m=${key(Harness.data.models[i].name)}`;
  Harness.taskLink = (j) => `task.html#t=${key(Harness.data.tasks[j].name)}`;
  Harness.compareLink = (i, j) => `compare.html#a=${key(Harness.data.models[i].name)}&b=${key(Harness.data.models[j].name)}`;

  Harness.state = {
    /** The parameters in the address, as URLSearchParams. */
    read: () => new URLSearchParams(location.hash.slice(1)),
    /** Puts parameters ({name: text | [texts] | null}) into the address; `replace` leaves the history as it is. */
    write: (values, replace = false) => {
      const found = Harness.state.read();
      for (const [name, value] of Object.entries(values)) {
        found.delete(name);
        if (Array.isArray(value)) value.forEach((v) => found.append(name, v));
        else if (value !== null && value !== undefined && value !== "") found.set(name, value);
      }
      const hash = `#${found}`;
      if (hash === (location.hash || "#")) return;
      history[replace ? "replaceState" : "pushState"](null, "", hash);
    },
    /** Calls back when the reader goes back, forward, or edits the address. */
    listen: (change) => window.addEventListener("popstate", change),
  };

  // Saying and copying.

  /** Tells people who listen to the page, in its status region. */
  Harness.say = (text) => {
    const region = document.getElementById("status");
    if (region) region.textContent = text;
  };

  let shown = 0;

  /** Says a text, and shows it for as long as it takes to read. */
  Harness.tell = (text) => {
    const note = document.getElementById("toast");
    note.textContent = text;
    note.classList.add("shown");
    clearTimeout(shown);
    shown = setTimeout(() => note.classList.remove("shown"), Math.max(2500, 50 * text.length));
    Harness.say(text);
  };

  function byHand(text) {
    const area = Harness.h("textarea", { readonly: true, class: "hidden", "aria-hidden": "true" });
    area.value = text;
    const before = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (before instanceof HTMLElement) before.focus();
    return done;
  }

  /** Copies text and says so. */
  Harness.copy = async (text, label) => {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = byHand(text); // no permission, or no secure context
    }
    Harness.tell(done ? `${label} copied.` : `${label} could not be copied: the browser does not allow it.`);
    return done;
  };
})();
