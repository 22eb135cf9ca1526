// Keeps the page as the process is: asks every two seconds while it is looked at, and draws what has changed.

import { ask, readiness } from "./fetch.js";
import { List } from "./list.js";
import * as views from "./views.js";

const PERIOD = 2000;
const $ = (id) => document.getElementById(id);

const lists = [
  {
    id: "problems", path: "problems?", perPage: 500, draw: views.problem, gather: views.alike,
    none: "None: every object is served as it is written.",
  },
  {
    id: "routes", path: "http/routers?sortBy=severity&own=false", draw: views.route,
    none: "None: every request is answered 404. Apply an Ingress, or look whether its class is one of ours.",
  },
  {
    id: "services", path: "http/services?sortBy=severity&own=false", draw: views.service,
    none: "None: no route leads to a Service.",
  },
  {
    id: "certificates", path: "certificates?sortBy=notAfter", draw: views.certificate,
    none: "None out of a Secret: over TLS everyone gets the self-signed certificate that was made at the start.",
  },
].map((list) => new List({ ...list, changed: () => refresh() }));

let called = "adit";

async function overview() {
  const [answer, points] = await Promise.all([ask("overview"), ask("entrypoints")]);
  if (points) {
    // Those of clients first.
    const own = (row) => Number(!row.http);
    const rows = points.rows.sort((a, b) => own(a) - own(b));
    $("list-entrypoints").replaceChildren(...rows.map(views.entryPoint));
    $("count-entrypoints").textContent = rows.length;
  }
  return answer?.rows;
}

/** How many there are, and how many of them are in trouble. */
function count(id, { warnings, errors }, words) {
  const { total } = lists.find((list) => list.id === id);
  const number = (value) => value.toLocaleString("en");
  const badge = (kind, value, word) => {
    const element = views.el("i", kind, number(value));
    element.title = word;
    // For those who hear the page.
    element.append(views.el("span", "unseen", ` ${word}, `));
    return value ? element : null;
  };
  const parts = [badge("bad", errors, words[0]), badge("warn", warnings, words[1])].filter(Boolean);
  $(`count-${id}`).replaceChildren(...(id === "problems" && parts.length ? parts : [number(total), ...parts]));
}

function counts({ http, certificates, problems }) {
  count("problems", problems, ["errors: some traffic is refused", "warnings"]);
  count("routes", http.routers, ["refused with 503", "without endpoints"]);
  count("services", http.services, ["in error", "without endpoints"]);
  count("certificates", certificates, ["expired", "expire within 30 days"]);
  document.title = problems.errors ? `(${problems.errors}) ${called}` : called;
}

function state(kind, text) {
  const badge = $("state");
  badge.className = `state ${kind}`;
  if (badge.textContent !== text) badge.textContent = text;
}

/** Why no traffic should come comes before everything else. */
function waiting({ ready, reasons }) {
  state(ready ? "good" : "bad", ready ? "ready" : "not ready");
  const list = $("list-waiting");
  const text = reasons.join("\n");
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...reasons.map(views.waiting));
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
    const [ready, seen] = await Promise.all([readiness(), overview(), ...lists.map((list) => list.update())]);
    if (seen) counts(seen);
    waiting(ready);
    lastSeen = new Date();
    document.body.className = "";
  } catch {
    // Said on the page; what is below is as it was then.
    state("bad", lastSeen ? `no answer since ${lastSeen.toLocaleTimeString()}` : "no answer");
    document.body.classList.toggle("stale", lastSeen !== null);
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
    called = `${dashboardName} – adit`;
    document.title = called;
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

// A name is worth no error: without it the page is as good.
name().catch(() => {}).finally(refresh);
setInterval(() => document.hidden || refresh(), PERIOD);
