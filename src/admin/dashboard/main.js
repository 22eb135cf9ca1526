// The frame of all pages: which one is shown, what the header says, and the rounds in which the process is asked.

import { ask, readiness } from "./api.js";
import { certificates } from "./certificates.js";
import { h } from "./dom.js";
import { explain } from "./explain.js";
import { overview } from "./overview.js";
import { problems } from "./problems.js";
import { route } from "./route.js";
import { routes } from "./routes.js";
import { service, services } from "./services.js";

const PERIOD = 2000;
const $ = (id) => document.getElementById(id);
const PAGES = { "": overview, routes, route, services, service, certificates, problems, explain };

let page = null;
let shown = null;
let called = "adit";
let health = { ready: null, counts: null };

/** `#/route/NAME?q=1` in its parts. */
function address() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [name, ...rest] = path.split("/");
  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return { name, rest: decode(rest.join("/")), query: new URLSearchParams(query) };
}

/** Shows the page that the address names. A page may change its own query without being made anew. */
function navigate() {
  if (location.hash === "#view") return;
  const { name, rest, query } = address();
  const known = Object.hasOwn(PAGES, name) ? name : "";
  const key = `${known}/${rest}`;
  for (const link of document.querySelectorAll("nav a")) {
    const target = link.getAttribute("href").slice(2);
    const current = target === known || target === `${known}s`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (key === shown) {
    page.query?.(query);
    refresh();
    return;
  }
  page?.close?.();
  const first = shown === null;
  shown = key;
  page = PAGES[known](rest, query);
  $("view").replaceChildren(page.element);
  title();
  page.heard?.(health);
  if (!first) {
    window.scrollTo(0, 0);
    $("view").focus({ preventScroll: true });
  }
  refresh();
}

function title() {
  const errors = health.counts?.problems.errors;
  document.title = `${errors ? `(${errors}) ` : ""}${page.title} – ${called}`;
}

function state(kind, text) {
  const badge = $("state");
  badge.className = `state ${kind}`;
  if (badge.textContent !== text) badge.textContent = text;
}

/** What the header says, and what every page may want to know. */
async function header() {
  const [ready, { value: counts }] = await Promise.all([readiness(), ask("overview")]);
  health = { ready, counts };
  if (ready) state(ready.ready ? "good" : "bad", ready.ready ? "ready" : "not ready");
  else state("good", "live");
  const { errors, warnings } = counts.problems;
  const text = `${errors}/${warnings}`;
  const badge = $("count-problems");
  if (badge.dataset.text !== text) {
    badge.dataset.text = text;
    const part = (kind, count, word) => count > 0 && h("i", { class: kind, title: word }, String(count), h("span", { class: "unseen" }, ` ${word} `));
    badge.replaceChildren(...[part("bad", errors, "errors"), part("warn", warnings, "warnings")].filter(Boolean));
  }
  page.heard?.(health);
  title();
}

let lastSeen = null;
let running = false;
let again = false;

/** One round; a change while it runs makes another one follow. */
async function refresh() {
  if (running) {
    again = true;
    return;
  }
  running = true;
  const of = page;
  try {
    await Promise.all([header(), of.update?.()]);
    lastSeen = new Date();
    document.body.className = "";
  } catch (error) {
    // Said on the page; what is below is as it was then. A mistake of the page itself is for its author.
    if (!(error instanceof TypeError && error.message.includes("fetch")) && !["TimeoutError", "AbortError"].includes(error.name) && !error.status) console.error(error);
    state("bad", lastSeen ? `no answer since ${lastSeen.toLocaleTimeString()}` : "no answer");
    document.body.className = lastSeen ? "stale" : "loading";
  } finally {
    running = false;
  }
  if (again) {
    again = false;
    refresh();
  }
}

async function name() {
  const { Version, dashboardName } = (await ask("version")).value;
  $("version").textContent = Version;
  if (dashboardName) {
    called = dashboardName;
    $("title").textContent = dashboardName;
    title();
  }
}

/** Light, dark, or as the system has it; kept where the browser lets it be kept. */
function theme() {
  const order = ["auto", "light", "dark"];
  const stored = () => {
    try {
      return localStorage.getItem("adit-theme");
    } catch {
      return null;
    }
  };
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    $("theme").textContent = `theme: ${name}`;
    try {
      localStorage.setItem("adit-theme", name);
    } catch {
      // It lasts as long as the page.
    }
  };
  set(order.includes(stored()) ? stored() : "auto");
  $("theme").addEventListener("click", () => {
    set(order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length]);
  });
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const search = document.querySelector("main input[type=search]");
  if (search) search.focus();
  else location.hash = "#/routes?focus=1";
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("view").focus();
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
window.addEventListener("hashchange", navigate);

theme();
navigate();
// A name is worth no error: without it the page is as good.
name().catch(() => {});
setInterval(() => document.hidden || refresh(), PERIOD);
