// One list of the page: its search, as many pages as were asked for, and rows that are drawn anew only when they change.

import { ask, forget } from "./fetch.js";

const $ = (id) => document.getElementById(id);

export class List {
  /**
   * `path` is the list's query, `draw` makes an element of a row, `none` says what it means that there is no row.
   * `gather` makes the rows that are drawn out of those of the API; `changed` is called when the user asks for other rows.
   */
  constructor({ id, path, perPage = 50, draw, gather = (rows) => rows, none, changed }) {
    Object.assign(this, { id, path, perPage, draw, gather, none, pages: 1, search: "", cache: new Map(), drawn: new Map() });
    $(`more-${id}`).addEventListener("click", () => {
      this.pages += 1;
      changed();
    });
    $(`search-${id}`).addEventListener("input", (event) => {
      this.search = event.target.value.trim();
      this.pages = 1;
      changed();
    });
  }

  async update() {
    const search = this.search;
    const paths = Array.from({ length: this.pages }, (_, page) => {
      return `${this.path}&per_page=${this.perPage}&page=${page + 1}&search=${encodeURIComponent(search)}`;
    });
    const answers = await Promise.all(paths.map((path) => this.page(path)));
    if (search !== this.search) return;
    for (const path of this.cache.keys()) {
      if (paths.includes(path)) continue;
      this.cache.delete(path);
      forget(path);
    }
    const last = paths.findIndex((path) => this.cache.get(path)?.next === 1);
    if (last >= 0) this.pages = Math.max(1, last + 1);
    const shown = paths.join();
    if (answers.some(Boolean) || shown !== this.shown) this.render(paths, search);
    this.shown = shown;
  }

  /** Whether the page at `path` has changed; one that is no longer there is empty. */
  async page(path) {
    try {
      const answer = await ask(path);
      if (answer) this.cache.set(path, answer);
      return answer !== null;
    } catch (error) {
      if (error.status !== 400) throw error;
      this.cache.set(path, { rows: [], next: 1 });
      return true;
    }
  }

  render(paths, search) {
    const pages = paths.map((path) => this.cache.get(path)).filter(Boolean);
    const rows = this.gather(pages.flatMap((page) => page.rows));
    if (!search) this.total = pages[0]?.total ?? 0;
    this.place(rows);
    const note = $(`note-${this.id}`);
    note.hidden = rows.length > 0;
    note.textContent = search ? `Nothing matches “${search}”.` : this.none;
    $(`search-${this.id}`).hidden = !search && this.total === 0;
    $(`list-${this.id}`).closest("table")?.toggleAttribute("hidden", rows.length === 0);
    $(`more-${this.id}`).hidden = (pages.at(-1)?.next ?? 1) === 1;
  }

  /** Rows that are as they were stay untouched, with the reader's selection, focus and open details. */
  place(rows) {
    const parent = $(`list-${this.id}`);
    const before = this.drawn;
    this.drawn = new Map();
    let next = parent.firstElementChild;
    for (const row of rows) {
      const key = row.key ?? row.name;
      const text = JSON.stringify(row);
      const known = before.get(key);
      before.delete(key);
      const same = known?.text === text;
      const element = same ? known.element : this.draw(row);
      this.drawn.set(key, { text, element });
      if (known && !same) {
        const held = known.element.contains(document.activeElement);
        if (next === known.element) next = element;
        known.element.replaceWith(element);
        if (held) element.querySelector("summary")?.focus({ preventScroll: true });
      }
      if (next === element) next = element.nextElementSibling;
      else parent.insertBefore(element, next);
    }
    for (const { element } of before.values()) element.remove();
  }
}
