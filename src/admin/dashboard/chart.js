// Charts of the last minutes: areas or a line over time, with one cursor for all of them, by pointer and by keyboard.

import { h, svg } from "./dom.js";

const HEIGHT = 132;
const LEFT = 56;
const BELOW = 18;
const MINUTES = 15;

/** The moment that is looked at in all charts of a group; none is the latest. */
export class Cursor {
  index = null;
  charts = [];

  set(index) {
    this.index = index;
    for (const chart of this.charts) chart.look();
  }
}

/** The next number that people like: 1, 2 or 5 times a power of ten. */
export function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5].find((step) => step * power >= value) ?? 10) * power;
}

export class Chart {
  /**
   * `series` are `{ name, kind }`, stacked from below unless there is one alone, which is a line when `line` is set.
   * `write` makes the text of a value, `note` one more line under the value.
   */
  constructor({ title, series, line = false, write, least = 1, cursor }) {
    Object.assign(this, { title, series, line, write, least, cursor, times: [], values: [], width: 0 });
    this.value = h("strong", { class: "value" }, "–");
    this.note = h("span", { class: "quiet" });
    this.drawing = svg("svg", { "aria-hidden": "true", height: HEIGHT });
    this.handle = h(
      "div",
      {
        class: "handle", role: "slider", tabindex: 0, "aria-label": `${title}, the last ${MINUTES} minutes`, "aria-valuemin": 0,
        pointermove: (event) => this.point(event), pointerdown: (event) => this.point(event),
        pointerleave: () => cursor.set(null), blur: () => cursor.set(null), keydown: (event) => this.key(event),
      },
      this.drawing,
    );
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, h("span", { class: "name" }, title), this.value, this.note), this.handle);
    cursor.charts.push(this);
    this.resized = new ResizeObserver(([entry]) => {
      this.width = Math.floor(entry.contentRect.width);
      this.draw();
    });
    this.resized.observe(this.handle);
  }

  close() {
    this.resized.disconnect();
  }

  /** `times` are the ends of the intervals, seconds; `values` a list for each series, with null where there is nothing. */
  set(times, values, now, notes) {
    Object.assign(this, { times, values, now, notes });
    this.draw();
  }

  x(time) {
    const left = this.now - MINUTES * 60;
    return LEFT + ((time - left) / (MINUTES * 60)) * (this.width - LEFT - 6);
  }

  draw() {
    if (!this.width || !this.now) return;
    const sums = this.times.map((_, index) => this.values.reduce((sum, list) => sum + (list[index] ?? 0), 0));
    const top = ceiling(Math.max(this.least, ...sums));
    const y = (value) => HEIGHT - BELOW - (value / top) * (HEIGHT - BELOW - 8);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const at = Math.round(y(top * share)) + 0.5;
      parts.push(svg("line", { class: "grid", x1: LEFT, x2: this.width, y1: at, y2: at }));
      if (share > 0) parts.push(svg("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, this.write(top * share)));
    }
    const first = Math.ceil((this.now - MINUTES * 60) / 300) * 300;
    for (let time = first; time <= this.now; time += 300) {
      const at = this.x(time);
      if (at < LEFT + 14 || at > this.width - 14) continue;
      const clock = new Date(time * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      parts.push(svg("text", { x: at, y: HEIGHT - 4, "text-anchor": "middle" }, clock));
    }
    parts.push(...(this.line ? this.lines(y) : this.areas(y)));
    this.mark = svg("line", { class: "cursor", y1: 4, y2: HEIGHT - BELOW, x1: -9, x2: -9 });
    this.drawing.setAttribute("width", this.width);
    this.drawing.replaceChildren(...parts, this.mark);
    this.look();
  }

  areas(y) {
    const floor = this.times.map(() => 0);
    return this.series.map(({ kind }, which) => {
      const upper = this.times.map((time, index) => {
        const low = floor[index];
        floor[index] += this.values[which]?.[index] ?? 0;
        return { x: this.x(time), low: y(low), high: y(floor[index]) };
      });
      if (!upper.length) return svg("path", {});
      const there = upper.map((it) => `${it.x.toFixed(1)},${it.high.toFixed(1)}`).join("L");
      const back = upper.map((it) => `${it.x.toFixed(1)},${it.low.toFixed(1)}`).reverse().join("L");
      return svg("g", { class: kind }, svg("path", { class: "area", d: `M${there}L${back}Z` }), svg("path", { class: "line", d: `M${there}` }));
    });
  }

  lines(y) {
    return this.series.map(({ kind }, which) => {
      let path = "";
      let drawing = false;
      const dots = [];
      const list = this.values[which] ?? [];
      list.forEach((value, index) => {
        const there = value !== null;
        const place = there ? `${this.x(this.times[index]).toFixed(1)},${y(value).toFixed(1)}` : "";
        if (there) path += `${drawing ? "L" : "M"}${place}`;
        // One alone between gaps would be no line.
        if (there && !drawing && (list[index + 1] ?? null) === null) {
          dots.push(svg("circle", { class: "dot", cx: place.split(",")[0], cy: place.split(",")[1], r: 1.5 }));
        }
        drawing = there;
      });
      return svg("g", { class: kind }, svg("path", { class: "line", d: path || "M0,0" }), ...dots);
    });
  }

  /** Shows the moment of the cursor, or the latest. */
  look() {
    const last = this.times.length - 1;
    const index = Math.min(this.cursor.index ?? last, last);
    const { handle } = this;
    handle.setAttribute("aria-valuemax", Math.max(last, 0));
    handle.setAttribute("aria-valuenow", Math.max(index, 0));
    if (index < 0) {
      handle.setAttribute("aria-valuetext", "nothing yet");
      return;
    }
    const parts = this.series.map(({ name }, which) => ({ name, value: this.values[which]?.[index] ?? null }));
    const known = parts.filter(({ value }) => value !== null);
    const text = known.length ? this.write(known.reduce((sum, { value }) => sum + value, 0)) : "–";
    const clock = new Date(this.times[index] * 1000).toLocaleTimeString([], { hourCycle: "h23" });
    const detail = this.notes?.(index) ?? (parts.length > 1 ? known.map(({ name, value }) => `${name} ${this.write(value)}`).join(", ") : "");
    this.value.textContent = text;
    this.note.textContent = [this.cursor.index === null ? "" : clock, detail].filter(Boolean).join(" · ");
    handle.setAttribute("aria-valuetext", [clock, text, detail].filter(Boolean).join(", "));
    const at = this.cursor.index === null ? -9 : this.x(this.times[index]);
    this.mark?.setAttribute("x1", at);
    this.mark?.setAttribute("x2", at);
  }

  point(event) {
    if (!this.times.length) return;
    const at = event.clientX - this.handle.getBoundingClientRect().left;
    const distance = this.times.map((time) => Math.abs(this.x(time) - at));
    this.cursor.set(distance.indexOf(Math.min(...distance)));
  }

  key(event) {
    const last = this.times.length - 1;
    const now = this.cursor.index ?? last;
    const next = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, PageDown: now - 12, PageUp: now + 12, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.cursor.set(null);
    if (next === undefined || last < 0) return;
    event.preventDefault();
    this.cursor.set(Math.max(0, Math.min(last, next)));
  }
}

/** A line without axes, as high as text. */
export function sparkline(values, kind) {
  const [width, height] = [120, 20];
  const top = Math.max(1e-9, ...values);
  const points = values.map((value, index) => `${((index / Math.max(1, values.length - 1)) * width).toFixed(1)},${(height - 1 - (value / top) * (height - 3)).toFixed(1)}`);
  const path = svg("path", { class: "line", d: points.length > 1 ? `M${points.join("L")}` : "M0,19" });
  return svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" }, svg("g", { class: kind }, path));
}
