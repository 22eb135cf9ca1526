// A table of any length, of which only the rows in the window exist. The page scrolls, not the table.

import { h } from "./dom.js";

const BEYOND = 12;

export class VirtualTable {
  /** `columns` are `{ title, name, sort }`; `draw` makes the cells of a row; `link` makes its address. */
  constructor({ label, columns, draw, link, sorted }) {
    Object.assign(this, { columns, draw, link, rows: [], live: new Map() });
    this.heads = columns.map(({ title, name, sort }) => h(
      "div", { role: "columnheader", class: name, "aria-sort": sort && "none" },
      sort ? h("button", { type: "button", class: "plain", click: () => sorted(sort) }, title) : title,
    ));
    this.body = h("div", { class: "rows", role: "rowgroup", keydown: (event) => this.key(event) });
    this.element = h(
      "div", { class: "virtual", role: "table", "aria-label": label },
      h("div", { class: "heads", role: "rowgroup" }, h("div", { role: "row", class: "row" }, ...this.heads)),
      this.body,
    );
    this.scrolled = () => {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = null;
        this.render();
      });
    };
    window.addEventListener("scroll", this.scrolled, { passive: true });
    this.resized = () => {
      for (const { element } of this.live.values()) element.remove();
      this.live.clear();
      this.set(this.rows);
    };
    window.addEventListener("resize", this.resized);
  }

  close() {
    window.removeEventListener("scroll", this.scrolled);
    window.removeEventListener("resize", this.resized);
  }

  /** Says by which column the rows are sorted. */
  sortedBy(sort, ascending) {
    this.columns.forEach((column, index) => {
      if (column.sort) this.heads[index].setAttribute("aria-sort", column.sort !== sort ? "none" : ascending ? "ascending" : "descending");
    });
  }

  /** Shows these rows. */
  set(rows) {
    const focused = this.body.contains(document.activeElement) ? Number(document.activeElement.closest(".row").dataset.index) : null;
    this.rows = rows;
    this.height = parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 36;
    this.body.style.height = `${rows.length * this.height}px`;
    this.element.setAttribute("aria-rowcount", rows.length + 1);
    const kept = new Map();
    for (const [index, { row, element }] of this.live) {
      if (rows[index] === row) kept.set(index, { row, element });
      else element.remove();
    }
    this.live = kept;
    this.render();
    // New rows in the place of those that somebody moves about in.
    if (focused !== null && !this.body.contains(document.activeElement)) this.focus(focused);
  }

  render() {
    if (!this.element.isConnected || !this.height) return;
    const above = -this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / this.height) - BEYOND);
    const last = Math.min(this.rows.length, Math.ceil((above + window.innerHeight) / this.height) + BEYOND);
    for (const [index, { element }] of this.live) {
      // What has the focus stays, or the focus would be lost.
      if ((index < first || index >= last) && !element.contains(document.activeElement)) {
        element.remove();
        this.live.delete(index);
      }
    }
    const added = document.createDocumentFragment();
    for (let index = first; index < last; index += 1) {
      if (this.live.has(index)) continue;
      const row = this.rows[index];
      const cells = this.draw(row).map((content, column) => h("div", { role: "cell", class: this.columns[column].name }, content));
      const element = h("div", { role: "row", class: "row", "aria-rowindex": index + 2 }, ...cells);
      element.dataset.index = index;
      element.style.transform = `translateY(${index * this.height}px)`;
      this.live.set(index, { row, element });
      added.append(element);
    }
    this.body.append(added);
  }

  /** Moves to the row at `index`. */
  focus(index) {
    if (!this.rows.length) return;
    const at = Math.max(0, Math.min(this.rows.length - 1, index));
    const top = this.body.getBoundingClientRect().top + at * this.height;
    if (top < 120) window.scrollBy(0, top - 120);
    else if (top + this.height > window.innerHeight) window.scrollBy(0, top + 2 * this.height - window.innerHeight);
    this.render();
    this.live.get(at)?.element.querySelector("a")?.focus({ preventScroll: true });
  }

  key(event) {
    const row = event.target.closest(".row");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const now = Number(row.dataset.index);
    const page = Math.max(1, Math.floor((window.innerHeight - 160) / this.height));
    const next = { ArrowDown: now + 1, ArrowUp: now - 1, PageDown: now + page, PageUp: now - page, Home: 0, End: this.rows.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.focus(next);
  }
}
