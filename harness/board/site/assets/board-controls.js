"use strict";
// Search, filters, choice of columns: controls that follow the state, and change it.
(() => {
  const { h, line } = Harness;
  const Board = Harness.boardPage;
  const $ = (id) => document.getElementById(id);
  const MENUS = [];
  const PAUSE = 120;

  // Menus: a button that opens a panel. Escape and a click elsewhere close them.

  function menu(label, ...content) {
    const count = h("span", { class: "count" });
    const panel = h("div", { class: "panel" }, content);
    const whole = h("details", { class: "menu" }, h("summary", null, label, count), panel);
    whole.addEventListener("toggle", () => {
      if (!whole.open) return;
      for (const other of document.querySelectorAll("details.menu[open]")) if (other !== whole) other.open = false;
      panel.classList.remove("right");
      panel.classList.toggle("right", panel.getBoundingClientRect().right > document.documentElement.clientWidth - 8);
    });
    return { whole, panel, tell: (n) => (count.textContent = n ? ` ${n}` : "") };
  }

  function closing() {
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      for (const open of document.querySelectorAll("details.menu[open]")) {
        const inside = open.contains(document.activeElement);
        open.open = false;
        if (inside) open.querySelector("summary").focus();
      }
    });
    document.addEventListener("click", (event) => {
      for (const open of document.querySelectorAll("details.menu[open]")) if (!open.contains(event.target)) open.open = false;
    });
  }

  const pick = (text, count, attributes) =>
    h("label", { class: "pick" }, h("input", { type: "checkbox", ...attributes }), h("bdi", null, line(text, 80)), count === null ? null : h("small", null, count));

  /** A menu of checkboxes whose checked values are the state's list; none means all. */
  function choice(name, label, values) {
    const boxes = values.map(([value, count]) => {
      const row = pick(value, count, { value });
      row.firstChild.addEventListener("change", () => {
        Board.set({ [name]: boxes.filter((b) => b.box.checked).map((b) => b.value) });
      });
      return { row, value, box: row.firstChild };
    });
    const made = menu(label, h("fieldset", null, h("legend", null, `${label}: all, or those checked`), boxes.map((b) => b.row)));
    MENUS.push((state) => {
      const set = new Set(state[name]);
      for (const { value, box } of boxes) box.checked = set.has(value);
      made.tell(set.size);
    });
    return made.whole;
  }

  // Fields to type in.

  function typed(name, attributes) {
    let timer = 0;
    const input = h("input", { class: "field", autocomplete: "off", spellcheck: "false", ...attributes });
    const store = () => { clearTimeout(timer); if (Board.state[name] !== input.value) Board.set({ [name]: input.value }, true); };
    input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(store, PAUSE); });
    input.addEventListener("change", store);
    MENUS.push((state) => { if (document.activeElement !== input || !timer) input.value = state[name]; timer = 0; });
    return input;
  }

  function sizes() {
    const field = (name, label, hint) => h("label", { class: "size" }, h("span", null, label), typed(name, { placeholder: hint, inputmode: "text", size: 8 }));
    const made = menu("Parameters", h("fieldset", null, h("legend", null, "Parameters of the encoder, as 25M or 86000000"),
      h("div", { class: "sizes" }, field("min", "at least", "5M"), field("max", "at most", "90M"))));
    MENUS.push((state) => made.tell([state.min, state.max].filter((t) => Board.amount(t) !== null).length));
    return made.whole;
  }

  // Columns.

  function columns() {
    const { columns } = Harness.data;
    const boxes = columns.map((column) => {
      const row = pick(`${column.protocol} ${column.measure}`, null, { value: column.name });
      row.firstChild.addEventListener("change", () => choose(boxes.filter((b) => b.box.checked).map((b) => b.column.name)));
      return { row, box: row.firstChild, column };
    });
    const choose = (names) => Board.set(Board.choose(new Set(names)));
    const sets = [...new Set(columns.map((c) => c.dataset))].map((dataset) => {
      const own = boxes.filter((b) => b.column.dataset === dataset);
      return h("fieldset", null, h("legend", null, h("bdi", null, line(own[0].column.title || dataset, 80))), own.map((b) => b.row));
    });
    const every = (test) => () => choose(columns.filter(test).map((c) => c.name));
    const made = menu("Columns",
      h("label", { class: "search" }, h("span", { class: "legend" }, "Search columns"), typed("cq", { type: "search", placeholder: "cifar top1" })),
      h("div", { class: "quick" },
        h("button", { type: "button", class: "button", onclick: every(() => true) }, "All"),
        columns.some((c) => !c.ranked) && columns.some((c) => c.ranked)
          ? h("button", { type: "button", class: "button", onclick: every((c) => c.ranked) }, "Those that rank") : null),
      sets);
    made.panel.classList.add("wide");
    MENUS.push((state) => {
      const chosen = Board.chosen(state);
      for (const { box, column } of boxes) box.checked = chosen(column);
      made.tell(state.show.length || state.hide.length || state.cq ? boxes.filter((b) => b.box.checked).length : 0);
    });
    return made.whole;
  }

  function grouping() {
    const select = h("select", { class: "field", "aria-label": "Average columns by", onchange: () => Board.set({ group: select.value }) },
      h("option", { value: "" }, "Each column"),
      Board.GROUPS.map((g) => h("option", { value: g }, `Mean by ${g}`)));
    MENUS.push((state) => (select.value = state.group));
    return select;
  }

  function toggle(name, label, hint) {
    const button = h("button", { type: "button", class: "button", title: hint, onclick: () => Board.set({ [name]: !Board.state[name] }) }, label);
    MENUS.push((state) => button.setAttribute("aria-pressed", state[name] ? "true" : "false"));
    return button;
  }

  function copying() {
    const ways = { Link: () => location.href, Markdown: Board.markdown, CSV: Board.csv, LaTeX: Board.latex };
    const made = menu("Copy", h("div", { class: "ways" }, Object.entries(ways).map(([label, make]) =>
      h("button", { type: "button", class: "button plain", "data-copy": label.toLowerCase(),
        onclick: () => { Harness.copy(make(Board.current), label === "Link" ? "Link to this view" : `Table as ${label}`); made.whole.open = false; made.whole.firstChild.focus(); } },
      label === "Link" ? "Link to this view" : `Table as ${label}`))));
    made.whole.classList.add("keep");
    return made.whole;
  }

  /** On narrow screens, what shows all the other controls. */
  function filters() {
    const button = h("button", { type: "button", class: "button keep filters", "aria-expanded": "false", onclick: () => {
      button.setAttribute("aria-expanded", $("controls").classList.toggle("open") ? "true" : "false");
    } }, "Filters");
    return button;
  }

  function clearing() {
    const button = h("button", { type: "button", class: "button plain", onclick: () => {
      const { sort, dir, group, cost, plot, against } = Board.state;
      Board.set({ ...Board.defaults(), sort, dir, group, cost, plot, against });
      $("search").focus();
    } }, "Clear filters");
    MENUS.push((state) => (button.hidden = !Board.active(state)));
    return button;
  }

  Board.startControls = () => {
    const { models, columns: all, overlap, status } = Harness.data;
    const facts = { paradigm: "Paradigm", architecture: "Architecture", data: "Pretraining data" };
    const several = Object.entries(facts).map(([fact, label]) => [fact, label, Board.choices(models, fact)]).filter(([, , v]) => v.length > 1);
    const letters = new Set(status.join(""));
    const kinds = Object.entries(Board.KINDS).filter(([, letter]) => letters.has(letter)).map(([kind]) => [kind, null]);
    const domains = Board.choices(all, "domain");
    const plots = Board.costFields();
    const plain = (...nodes) => nodes.filter(Boolean);
    const plot = () => Board.set({ plot: Board.state.plot ? "" : Board.likely(plots) });
    const costly = plots.length ? h("button", { type: "button", class: "button", onclick: plot }, "Quality vs cost") : null;
    if (costly) MENUS.push((state) => costly.setAttribute("aria-pressed", state.plot ? "true" : "false"));
    $("controls").append(
      h("div", { class: "line" }, ...plain(
        h("label", { class: "search keep" }, h("span", { class: "hidden" }, "Search models"), typed("q", { id: "search", type: "search", placeholder: "Search models" })),
        filters(),
        ...several.map(([fact, label, values]) => choice(fact, label, values)),
        models.some((m) => m.parameters) ? sizes() : null,
        kinds.length > 1 ? choice("kind", "Scores", kinds) : null,
        overlap?.some((o) => o.length) ? toggle("clean", "Hide ◊", "hide models trained on the dataset of a column shown") : null,
        clearing())),
      h("div", { class: "line" }, ...plain(
        columns(), domains.length > 1 ? choice("domain", "Domain", domains) : null, grouping(),
        plots.length ? toggle("cost", "Cost columns", "seconds, images per second, memory, parameters, FLOPs") : null, costly,
        h("span", { id: "found", class: "found keep", role: "status" }), copying())));
    closing();
  };

  Board.drawControls = (view) => MENUS.forEach((follow) => follow(view.state));
})();
