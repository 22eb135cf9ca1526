// Makes elements, and writes numbers and times. Texts come from manifests, so they are only ever set as text.

/** An element: properties that are functions are listeners, the rest are attributes; children are elements or texts. */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const WHOLE = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** `12,345`. */
export const whole = (value) => WHOLE.format(value);

/** `0.2`, `12`, `3.4K`. */
export function short(value) {
  if (value >= 1000) return SHORT.format(value);
  return value > 0 && value < 10 ? value.toFixed(value < 0.1 ? 2 : 1) : String(Math.round(value));
}

/** `0.45 ms`, `12 ms`, `3.2 s`. */
export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 10 ? Math.round(value) : value.toFixed(value < 1 ? 2 : 1)} ms`;
}

/** `3 routes`. */
export const plural = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;

const RELATIVE = new Intl.RelativeTimeFormat("en");

/** “in 4 days”, “7 hours ago”: days are too coarse on the last of them. */
export function fromNow(date) {
  const hours = (date - Date.now()) / 3600000;
  if (Math.abs(hours) >= 48) return RELATIVE.format(Math.trunc(hours / 24), "day");
  if (Math.abs(hours) >= 1) return RELATIVE.format(Math.trunc(hours), "hour");
  if (Math.abs(hours * 60) >= 1) return RELATIVE.format(Math.trunc(hours * 60), "minute");
  return hours < 0 ? "just now" : "in less than a minute";
}

/** With a capital letter. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The name without its provider. */
export const bare = (name) => (name ?? "").replace(/@[^@]*$/, "");

/** A word about a state, with a mark that is told by its form too. */
export function state(kind, text) {
  return h("span", { class: `mark ${kind}` }, text);
}

/** A section with a heading. */
export function section(title, { note, id, level = "h2" } = {}, ...children) {
  return h("section", { "aria-labelledby": id }, h("div", { class: "bar" }, h(level, { id }, title), note), ...children);
}

/** Replaces children only if `value` is not what it was, so that selection and focus stay. */
export function redraw(parent, value, draw) {
  const text = JSON.stringify(value);
  if (parent.shown === text) return;
  parent.shown = text;
  const open = new Set([...parent.querySelectorAll("details[open]")].map((details) => details.dataset.key));
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  parent.replaceChildren(...[draw()].flat().filter(Boolean));
  for (const details of parent.querySelectorAll("details")) details.open = open.has(details.dataset.key) || details.open;
  if (focused) [...parent.querySelectorAll("[data-key]")].find((it) => it.dataset.key === focused)?.focus({ preventScroll: true });
}
