"use strict";
// Quality versus cost: every shown model as a point, and those that no other beats on both as a front.
(() => {
  const { h, s, line } = Harness;
  const Board = Harness.boardPage;
  const $ = (id) => document.getElementById(id);
  const [LEFT, BOTTOM, TOP, RIGHT] = [56, 48, 16, 24];
  const size = () => (innerWidth < 700 ? [440, 340] : [960, 400]);
  const FEW = 150;

  const FIRST = ["parameters", "flops", "images_per_second", "peak_memory", "seconds"];
  const differs = (field) => new Set(field.values.filter((v) => v !== null)).size > 1;

  /** What a plot shows first: a cost that differs between models, if one does. */
  Board.likely = (costs) => {
    const order = [...costs].sort((a, b) => FIRST.indexOf(a.id) - FIRST.indexOf(b.id));
    return (order.find(differs) || order[0]).id;
  };

  /** The points that no other beats in both quality and cost, cheapest first. */
  Board.front = (points, better, cheaper) => {
    const order = [...points].sort((a, b) => cheaper * (b.x - a.x) || better * (b.y - a.y));
    const found = [];
    for (const p of order) if (!found.length || better * (p.y - found.at(-1).y) > 0) found.push(p);
    return found;
  };

  function ticks(low, high, log) {
    if (log) {
      const found = [];
      for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) for (const m of [1, 2, 5]) found.push(m * 10 ** e);
      const inside = found.filter((t) => t >= low && t <= high);
      return inside.length > 8 ? inside.filter((t) => /^1(e|0*$)/.test(String(t))) : inside;
    }
    const step = 10 ** Math.floor(Math.log10((high - low) / 4 || 1));
    const wide = [1, 2, 5, 10].map((k) => k * step).find((w) => (high - low) / w <= 6);
    const found = [];
    for (let t = Math.ceil(low / wide) * wide; t <= high + wide / 1e6; t += wide) found.push(Number(t.toPrecision(10)));
    return found;
  }

  /** From values to places on an axis; a logarithm where the largest is over 20 times the least. */
  function axis(values, from, to) {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const log = least > 0 && most / least > 20;
    const warp = log ? Math.log : (v) => v;
    const spare = (warp(most) - warp(least) || Math.abs(warp(most)) || 1) * 0.05;
    const [low, high] = [warp(least) - spare, warp(most) + spare];
    const place = (v) => from + ((to - from) * (warp(v) - low)) / (high - low);
    const unwarp = log ? Math.exp : (v) => v;
    return Object.assign(place, { ticks: ticks(unwarp(low), unwarp(high), log) });
  }

  function points(view, quality, cost) {
    return [...view.ranked, ...view.apart].filter((i) => quality.values[i] !== null && cost.values[i] !== null)
      .map((i) => ({ i, x: cost.values[i], y: quality.values[i] }));
  }

  const said = (p, quality, cost) =>
    `${line(Harness.data.models[p.i].name, 80)}: ${quality.text(p.i)}, ${cost.text(p.i)}${cost.id in { parameters: 1, flops: 1, images_per_second: 1 } ? ` ${cost.label}` : ""}`;

  function drawn(all, front, quality, cost) {
    const [width, height] = size();
    const x = axis(all.map((p) => p.x), LEFT, width - RIGHT);
    const y = axis(all.map((p) => p.y), height - BOTTOM, TOP);
    const ahead = new Set(front);
    const path = front.map((p, k) => (k ? `H${x(p.x).toFixed(1)}V${y(p.y).toFixed(1)}` : `M${x(p.x).toFixed(1)} ${y(p.y).toFixed(1)}`)).join("");
    const dot = (p) =>
      s("a", { href: Harness.modelLink(p.i), class: ahead.has(p) ? "ahead" : "", "aria-label": said(p, quality, cost), tabindex: ahead.has(p) || all.length <= FEW ? null : "-1" },
        s("title", null, said(p, quality, cost)),
        s("circle", { cx: x(p.x).toFixed(1), cy: y(p.y).toFixed(1), r: ahead.has(p) ? 5.5 : 4, class: `hue${Harness.hue(Harness.data.models[p.i].paradigm)}` }));
    return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "pareto", role: "group", "aria-label": `${name(quality)} against ${cost.label}, ${Harness.several(all.length, "model")}` },
      x.ticks.map((t) => [s("line", { x1: x(t), x2: x(t), y1: TOP, y2: height - BOTTOM, class: "gridline" }), s("text", { x: x(t), y: height - BOTTOM + 18, "text-anchor": "middle" }, Board.COSTS[cost.id].text(t))]),
      y.ticks.map((t) => [s("line", { x1: LEFT, x2: width - RIGHT, y1: y(t), y2: y(t), class: "gridline" }), s("text", { x: LEFT - 8, y: y(t) + 4, "text-anchor": "end" }, String(t))]),
      s("text", { x: width - RIGHT, y: height - 8, "text-anchor": "end", class: "name" }, `${cost.label} ${Board.COSTS[cost.id].better > 0 ? "→ faster" : "← cheaper"}`),
      s("path", { d: path, class: "front" }),
      all.filter((p) => !ahead.has(p)).map(dot), front.map(dot), labels(front, x, y, width));
  }

  /** Names beside the points of the front, where each is free of the others. */
  function labels(front, x, y, width) {
    const taken = [];
    return front.slice().reverse().flatMap((p) => {
      const text = line(Harness.data.models[p.i].name, 28);
      const long = 6.6 * text.length;
      const places = [-8, 18, -23, 33].flatMap((down) => [[x(p.x) + 9, down, "start"], [x(p.x) - 9 - long, down, "end"]]);
      const free = ([from, down]) => from > 4 && from + long < width - 4
        && !taken.some(([a, b, c]) => from < b && from + long > a && Math.abs(y(p.y) + down - c) < 14);
      const found = places.find(free);
      if (!found) return [];
      const [from, down, anchor] = found;
      taken.push([from, from + long, y(p.y) + down]);
      return [s("text", { x: anchor === "start" ? from : from + long, y: y(p.y) + down, "text-anchor": anchor, class: "tag", "aria-hidden": "true" }, text)];
    });
  }

  const name = (field) => (field.sort === "score" ? "Score" : field.sort === "group" ? field.id : `${field.task} ${field.label}`);

  function table(all, front, quality, cost) {
    const ahead = new Set(front);
    const body = h("tbody");
    const whole = h("details", { class: "numbers" }, h("summary", null, `${all.length === 1 ? "The point" : `The ${all.length} points`} as a table`),
      Harness.edge(h("div", { class: "frame", tabindex: "0", role: "region", "aria-label": "Points as a table" }, h("table", { class: "plain" },
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Model"), h("th", { scope: "col", class: "right" }, name(quality)), h("th", { scope: "col", class: "right" }, cost.label), h("th", { scope: "col" }, "Front"))), body))));
    whole.addEventListener("toggle", () => {
      if (!whole.open || body.firstChild) return;
      body.append(...[...front, ...all.filter((p) => !ahead.has(p))].map((p) => h("tr", null,
        h("th", { scope: "row" }, h("a", { href: Harness.modelLink(p.i) }, h("bdi", null, line(Harness.data.models[p.i].name, 80)))),
        h("td", { class: "right" }, quality.text(p.i)), h("td", { class: "right" }, cost.text(p.i)), h("td", null, ahead.has(p) ? "on the front" : ""))));
    });
    return whole;
  }

  function select(label, options, value, change) {
    const made = h("select", { class: "field", onchange: () => change(made.value) },
      options.map(([key, text, disabled]) => h("option", { value: key, disabled }, line(text, 60))));
    made.value = value;
    return h("label", { class: "axis" }, h("span", null, label), made);
  }

  const reading = (front, cost) =>
    `Line: the front, ${Harness.several(front.length, "model")} that no other beats on both. Models without a known cost are left out.`
    + (differs(cost) ? "" : ` All of them cost the same here.`);

  Board.drawPlot = (view) => {
    const holder = $("plot");
    const costs = view.state.plot ? Board.costFields() : [];
    const cost = costs.find((f) => f.id === view.state.plot);
    holder.hidden = !cost;
    if (!cost) return holder.replaceChildren();
    const candidates = [view.fields.total, ...view.fields.main].filter((f) => f && f.better);
    const quality = candidates.find((f) => Board.sortKey(f) === view.state.against) || candidates[0];
    const focused = holder.contains(document.activeElement) ? [...holder.querySelectorAll("select")].indexOf(document.activeElement) : -1;
    const all = quality ? points(view, quality, cost) : [];
    const front = Board.front(all, quality?.better, Board.COSTS[cost.id].better);
    holder.replaceChildren(
      h("div", { class: "plothead" }, h("h2", null, "Quality versus cost"),
        select("Quality", candidates.map((f) => [Board.sortKey(f), name(f)]), quality ? Board.sortKey(quality) : "", (against) => Board.set({ against: against === "score" ? "" : against })),
        select("Cost", costs.map((f) => [f.id, differs(f) ? f.label : `${f.label} (equal)`, !differs(f) && f !== cost]), cost.id, (plot) => Board.set({ plot }))),
      all.length ? drawn(all, front, quality, cost) : h("p", { class: "soft" }, "No model shown has both."),
      h("p", { class: "soft small" }, reading(front, cost)),
      all.length ? table(all, front, quality, cost) : "");
    if (focused >= 0) holder.querySelectorAll("select")[focused]?.focus();
    return null;
  };
})();
