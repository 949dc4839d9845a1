"use strict";
// The page of one model: what it is, where it stands, its scores and costs against the field, what it gets wrong.
(() => {
  const { h, charts, pages } = Harness;
  const { section, facts, table } = pages;
  const SUBMITTED = /submitted by .+?(?: on \d{4}-\d\d-\d\d|(?=;|$))/;
  const MEANING = {
    "‡": "reported, not measured here",
    "§": "submitted",
    "†": "see the note below",
    "◊": "the model was trained on images of this dataset",
  };

  function draw(query) {
    const data = Harness.data, names = data.models.map((m) => m.name), wanted = query.get("m") || "";
    const i = pages.find(wanted, names);
    if (i < 0) {
      document.title = `Model · ${data.title}`;
      return pages.missing("model", wanted, names, Harness.modelLink);
    }
    document.title = `${pages.line(pages.label(i), 80)} · ${data.title}`;
    const top = h("div", { class: "pair" }, card(i), standing(i));
    return [header(i), top, scores(i), costs(i), Harness.modelEvidence(i), provenance(i)];
  }

  function header(i) {
    const model = Harness.data.models[i];
    const about = [model.method, model.architecture, model.data].filter(Boolean).join(" · ");
    return h("header", { class: "page-head" },
      h("h1", null, pages.name(pages.label(i), 200)),
      h("p", { class: "lead" }, Harness.chip(model.paradigm), about ? [" · ", pages.name(about, 300)] : ""),
      neighbours(i));
  }

  /** Links to the comparison with the models just above and below. */
  function neighbours(i) {
    const { models, counts } = Harness.data, last = i < counts.ranked ? counts.ranked : models.length;
    const first = i < counts.ranked ? 0 : counts.ranked;
    const button = (k) => h("a", { class: "button", href: Harness.compareLink(i, k) },
      `Compare with the one ${k < i ? "above" : "below"}: `, pages.name(pages.label(k), 40));
    return h("nav", { class: "actions", "aria-label": "Compare" },
      [i - 1, i + 1].filter((k) => k >= first && k < last).map(button));
  }

  function card(i) {
    const model = Harness.data.models[i];
    return section("Card", facts([
      ["Title", model.title], ["Method", model.method], ["Paradigm", model.paradigm], ["Pretraining data", model.data],
      ["Epochs", model.epochs], ["Architecture", model.architecture],
      ["Parameters", model.parameters ? Harness.compact(model.parameters) : null], ["Licence", model.licence],
      ["Citation", model.citation], ["Link", pages.link(model.url)], ["Reported in", paper(i)], ...Object.entries(model.card || {}),
    ]));
  }

  /** Where a model's scores were published, as its records tell; null for one that was measured. */
  function paper(i) {
    const { title, url } = pages.environment(i);
    if (!title && !url) return null;
    const words = title || url;
    return /^https:/i.test(url) ? pages.link(url, words) : words;
  }

  function standing(i) {
    const { standing: all, counts, by, rule, over } = Harness.data;
    if (pages.blank(all.score[i])) {
      return section("Standing", h("p", null, "Not ranked: it lacks a score in a column that counts."));
    }
    const digits = (v) => v.toFixed(by === "rank" ? 2 : 1);
    const ranks = [...new Set([all.best[i], all.worst[i]])].filter((v) => v !== null).join(" – ");
    const sure = ranks ? `95 % interval of the rank ${ranks}` : "by the numbers alone";
    const known = [...all.score, ...all.low, ...all.high].filter((v) => !pages.blank(v));
    const place = charts.scale(Math.min(...known), Math.max(...known), { flip: by === "rank" });
    return section("Standing",
      h("p", { class: "big-rank" }, h("strong", null, i + 1), ` of ${counts.ranked}`,
        h("span", { class: "soft" }, ` · ${sure}`)),
      charts.axis(place),
      charts.strip({ place, others: all.score, value: all.score[i], low: all.low[i], high: all.high[i] }),
      facts([
        [by === "rank" ? "Average rank" : "Score", digits(all.score[i])],
        [`95 % interval${{ images: ", over test images", tasks: ", over datasets" }[over] || ""}`, all.low[i] === null ? null : `${digits(all.low[i])} – ${digits(all.high[i])}`],
        ["Average rank", by === "rank" || all.rank[i] === null ? null : all.rank[i].toFixed(2)],
        ["Shares a tie bar with", tied(i)],
      ]),
      h("p", { class: "soft" }, [
        rule, over ? "Models that share no bar differ; models that share one may still differ." : "",
        "Grey: the other models. Right is better.",
      ].filter(Boolean).join(" ")));
  }

  /** The models that share a run of ties with this one; null where the board tells nothing of ties. */
  function tied(i) {
    const { ties, over } = Harness.data, mates = new Set();
    if (!over) return null;
    for (const [first, last] of ties.filter((run) => run[0] <= i && i <= run[1])) {
      for (let k = first; k <= last; k++) mates.add(k);
    }
    mates.delete(i);
    const shown = [...mates].sort((a, b) => a - b).slice(0, 12);
    const more = mates.size > shown.length ? ` and ${mates.size - shown.length} more` : "";
    const list = shown.flatMap((k, n) => [n ? ", " : "", pages.modelName(k)]);
    return h("span", null, mates.size ? list : "no other model", more);
  }

  function scores(i) {
    const { columns, values, sd: spreads } = Harness.data;
    const row = (j) => {
      const where = pages.place(values[j], i, columns[j].better), spread = spreads[j]?.[i];
      const sd = pages.blank(spread) ? "" : ` sd ${Harness.number(spread, columns[j])}`;
      return [
        pages.columnName(j), h("span", null, pages.score(j, i), h("span", { class: "soft" }, sd)), pages.interval(j, i),
        where ? `${where[0]} of ${where[1]}` : "—", pages.done(j, i) ? against(j, i) : "",
      ];
    };
    const heads = ["Task", ["Score", "right"], ["95 % interval", "right"], ["Place", "right"],
      ["Against the field", "plot"]];
    return section("Scores against the field",
      h("p", { class: "soft" }, "Dot: this model, with its 95 % interval; grey: every model with a score; right is",
        " better. Each row has its own scale."),
      table({ caption: "Scores against the field", heads, count: columns.length, row, first: 80 }),
      footnotes(i));
  }

  /** A model's score and interval among all the scores of a column. */
  function against(j, i) {
    const { columns, values, low, high } = Harness.data, column = columns[j];
    const [least, most] = column.range.map((v) => Harness.number(v, column));
    return charts.strip({
      place: pages.columnScale(j), others: values[j], value: values[j][i], low: low[j][i], high: high[j][i],
      hint: `from ${least} to ${most} ${column.unit}`,
    });
  }

  /** What the marks in the table mean, and the notes of this model's scores. */
  function footnotes(i) {
    const { columns } = Harness.data, every = columns.map((_, j) => j);
    const found = new Set(every.flatMap((j) => [...pages.marks(j, i)]));
    const legend = [...found].map((mark) => `${mark} ${MEANING[mark]}`);
    const note = (j) => h("li", null, pages.name(columns[j].name), ": ", pages.name(pages.noteOf(j, i), 600));
    return h("div", null, legend.length ? h("p", { class: "soft" }, legend.join(" · ")) : "",
      h("ul", { class: "notes" }, every.filter((j) => pages.noteOf(j, i)).map(note)));
  }

  function costs(i) {
    const { cost } = Harness.data, known = pages.COSTS.filter(([key]) => cost[key]?.[i] > 0);
    if (!known.length) return section("Cost", h("p", null, "No record tells what this model costs."));
    const row = (k) => {
      const [key, heading, write, better] = known[k];
      const field = cost[key].map((v) => (v > 0 ? v : null)), held = field.filter((v) => v !== null);
      const [least, most] = [Math.min(...held), Math.max(...held)], [at, of] = pages.place(field, i, better);
      const place = charts.scale(least, most, { log: true, flip: better < 0 });
      return [heading, write(field[i]), `${at} of ${of}`,
        charts.strip({ place, others: field, value: field[i], hint: `from ${write(least)} to ${write(most)}` })];
    };
    const heads = ["Cost", ["This model", "right"], ["Place", "right"], ["Against the field", "plot"]];
    return section("Cost against the field",
      h("p", { class: "soft" }, "Right is cheaper or faster; logarithmic scales. Times and memory are the machine's."),
      table({ caption: "Cost against the field", heads, count: known.length, row }));
  }

  function provenance(i) {
    const { title, url, ...around } = pages.environment(i); // these two are the paper
    const own = [["submitted", submitted(i)], ...Object.entries(Harness.data.models[i].provenance || {})]
      .filter(([, value]) => !pages.blank(value));
    const shared = Object.entries(around);
    if (!own.length && !shared.length) return null;
    return h("div", { class: "pair" }, own.length ? section("Provenance", facts(own)) : "",
      shared.length ? section("Environment", facts(shared)) : "");
  }

  /** Who sent in its submitted scores and when, as their notes tell. */
  function submitted(i) {
    const { columns, status } = Harness.data;
    const told = columns.flatMap((_, j) => (status[j][i] === "s" ? pages.noteOf(j, i).match(SUBMITTED) || [] : []));
    return [...new Set(told.map((text) => text.replace(/^submitted /, "")))].join("; ");
  }

  pages.show(draw);
})();
