// Keeps the page as the process is: asks every two seconds while it is looked at, and draws what has changed.

import { ask, forget, readiness } from "./fetch.js";
import * as views from "./views.js";

const PERIOD = 2000;
const PER_PAGE = 50;
const $ = (id) => document.getElementById(id);

/** A list with its search and as many pages as were asked for. */
class List {
  constructor(id, path, draw, empty) {
    Object.assign(this, { id, path, draw, empty, pages: 1, search: "", cache: new Map() });
    $(`more-${id}`).addEventListener("click", () => {
      this.pages += 1;
      refresh();
    });
    $(`search-${id}`)?.addEventListener("input", (event) => {
      this.search = event.target.value.trim();
      this.pages = 1;
      refresh();
    });
  }

  async update() {
    const search = this.search;
    const paths = Array.from({ length: this.pages }, (_, page) => {
      return `${this.path}&per_page=${PER_PAGE}&page=${page + 1}&search=${encodeURIComponent(search)}`;
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
    const key = paths.join();
    if (answers.some(Boolean) || key !== this.drawn) this.render(paths, search);
    this.drawn = key;
  }

  /** Whether the page at `path` has changed; one that is no longer there is empty. */
  async page(path) {
    try {
      const answer = await ask(path);
      if (answer) this.cache.set(path, answer);
      return answer !== null;
    } catch (error) {
      if (!String(error.message).endsWith(": 400")) throw error;
      this.cache.set(path, { rows: [], next: 1 });
      return true;
    }
  }

  render(paths, search) {
    const pages = paths.map((path) => this.cache.get(path)).filter(Boolean);
    const rows = pages.flatMap((page) => page.rows);
    const none = rows.length === 0;
    if (!search) $(`count-${this.id}`).textContent = (pages[0]?.total ?? 0).toLocaleString("en");
    $(`list-${this.id}`).replaceChildren(...(none && this.empty && !search ? [this.empty()] : rows.map(this.draw)));
    const note = $(`note-${this.id}`);
    note.hidden = !none || Boolean(this.empty);
    note.textContent = search ? `Nothing matches “${search}”.` : "None.";
    $(`more-${this.id}`).hidden = (pages.at(-1)?.next ?? 1) === 1;
  }
}

const lists = [
  new List("problems", "problems?", views.problem, views.noProblem),
  new List("routes", "http/routers?sortBy=rule&own=false", views.route),
  new List("services", "http/services?own=false", views.service),
  new List("certificates", "certificates?sortBy=notAfter", views.certificate),
];

async function overview() {
  const [answer, points] = await Promise.all([ask("overview"), ask("entrypoints")]);
  if (points) {
    $("list-entrypoints").replaceChildren(...points.rows.map(views.entryPoint));
    $("count-entrypoints").textContent = points.rows.length;
  }
  if (!answer) return;
  const { http, certificates, problems } = answer.rows;
  color("problems", problems);
  color("routes", http.routers);
  color("services", http.services);
  color("certificates", certificates);
}

function color(id, { warnings, errors }) {
  $(`count-${id}`).className = errors ? "bad" : warnings ? "warn" : "";
}

function state(kind, text) {
  const badge = $("state");
  badge.className = `state ${kind}`;
  if (badge.textContent !== text) badge.textContent = text;
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
  try {
    const [ready] = await Promise.all([readiness(), overview(), ...lists.map((list) => list.update())]);
    state(ready.ready ? "good" : "warn", ready.ready ? "ready" : `not ready: ${ready.reasons.join(", ")}`);
    lastSeen = new Date();
  } catch (error) {
    console.error(error);
    state("bad", lastSeen ? `no answer since ${lastSeen.toLocaleTimeString()}` : "no answer");
  } finally {
    running = false;
  }
  if (again) {
    again = false;
    refresh();
  }
}

async function name() {
  const answer = await ask("version");
  const { Version, dashboardName } = answer.rows;
  $("version").textContent = Version;
  if (dashboardName) {
    $("title").textContent = dashboardName;
    document.title = `${dashboardName} – adit`;
  }
}

document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    $("search-routes").focus();
  }
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());

name().catch(console.error);
refresh();
setInterval(() => document.hidden || refresh(), PERIOD);
