"use strict";
// The board's page: the reader's state, the view it gives, and everything that shows it.
(() => {
  const Board = Harness.boardPage;
  const $ = (id) => document.getElementById(id);

  Board.state = Board.parse(Harness.state.read());
  Board.current = null;

  function told(view) {
    const { models, columns } = Harness.data;
    const count = (some, all, noun) => `${some === all ? "" : `${some.toLocaleString("en")} of `}${Harness.several(all, noun)}`;
    return [count(view.ranked.length + view.apart.length, models.length, "model"), count(view.fields.columns.length, columns.length, "column")].join(" · ");
  }

  function show() {
    const view = Board.view(Board.state);
    Board.current = view;
    Board.draw(view);
    Board.drawControls(view);
    Board.drawPlot(view);
    const text = told(view);
    if ($("found").textContent !== text) $("found").textContent = text;
  }

  /** Changes the state, the address and the page; `replace` makes no new entry in the history. */
  Board.set = (changes, replace = false) => {
    Object.assign(Board.state, changes);
    Harness.state.write(Board.pack(Board.state), replace);
    show();
  };

  /** The next order by a field: best first, then the other way round. */
  Board.sortBy = (key) => {
    const { state, current } = Board;
    const again = state.sort === key || (key === "rank" && !Board.sorted(state, current.fields) && state.sort !== "model");
    Board.set({ sort: key, dir: again && !state.dir ? (current.dir === "asc" ? "desc" : "asc") : "" });
    Harness.say(`Sorted by ${key}, ${Board.current.dir === "asc" ? "ascending" : "descending"}.`);
  };

  Harness.state.listen(() => {
    Board.state = Board.parse(Harness.state.read());
    show();
  });
  Board.startHead();
  Board.startTable();
  Board.startControls();
  show();
})();
