// Which route would this URL take? The data plane's own router is asked, and says why.

import { ask } from "./api.js";
import { bare, h, plural, redraw, section, state } from "./dom.js";
import { endpoints } from "./services.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const STEPS = { entryPoint: "Entry point", certificate: "Certificate", request: "Request", host: "Host", path: "Path", route: "Route", action: "Then" };

export function explain(_, query) {
  const result = h("div", {});
  const spoken = h("p", { class: "unseen", role: "status" });
  const url = h("input", { type: "text", id: "url", placeholder: "https://app.example.com/path?query", autocomplete: "off", spellcheck: "false", inputmode: "url" });
  const method = h("input", { type: "text", id: "method", list: "methods", autocomplete: "off", spellcheck: "false" });
  const point = h("select", { id: "point" }, h("option", { value: "" }, "by the URL"));
  const headers = h("textarea", { id: "headers", rows: 3, placeholder: "Cookie: session=1", spellcheck: "false" });
  const field = (label, input) => h("p", {}, h("label", { for: input.id }, label), input);
  const form = h(
    "form", { class: "question", submit: (event) => {
      event.preventDefault();
      const next = `#/explain?${words()}`;
      if (location.hash === next) answer().catch(() => {});
      else location.hash = next;
    } },
    field("URL", url), field("Method", method), field("Entry point", point), field("Header fields, one a line", headers),
    h("datalist", { id: "methods" }, ...METHODS.map((name) => h("option", { value: name }))),
    h("p", {}, h("button", { type: "submit", class: "button primary" }, "Explain")),
  );
  let asked = "";

  function words() {
    const given = new URLSearchParams({ url: url.value.trim() });
    if (method.value.trim() && method.value.trim() !== "GET") given.set("method", method.value.trim());
    if (point.value) given.set("entryPoint", point.value);
    if (headers.value.trim()) given.set("header", headers.value.trim());
    return given.toString();
  }

  function read(given) {
    url.value = given.get("url") ?? "";
    method.value = given.get("method") ?? "GET";
    point.dataset.wanted = given.get("entryPoint") ?? "";
    point.value = point.dataset.wanted;
    headers.value = given.getAll("header").join("\n");
    asked = url.value ? words() : "";
  }

  async function answer() {
    asked = url.value.trim() ? words() : "";
    if (!asked) {
      redraw(result, "", () => h("p", { class: "note" }, "Nothing is sent to the service: the router that serves is asked, and tells how it would decide at this moment."));
      return;
    }
    try {
      const { value } = await ask(`explain?${asked}`);
      show(value);
    } catch (error) {
      if (error.status !== 400) throw error;
      redraw(result, error.message, () => h("p", { class: "why" }, error.message));
    }
  }

  read(query);
  return {
    title: "Explain",
    element: h("div", {}, section("Which route would this URL take?", { id: "h-explain", level: "h1" }, form, spoken, result)),
    query: read,
    async update() {
      const points = (await ask("entrypoints")).value.filter(({ http }) => http);
      redraw(point, points.map(({ name }) => name), () => [h("option", { value: "" }, "by the URL"), ...points.map(({ name, address }) => h("option", { value: name }, `${name} ${address}`))]);
      if (point.dataset.wanted) {
        point.value = point.dataset.wanted;
        point.dataset.wanted = "";
        if (asked) asked = words();
      }
      // What the form says now may be half typed: the answer stays that of the address.
      if (asked || !result.shown) await (asked && asked !== words() ? again(asked) : answer());
    },
  };

  async function again(question) {
    show((await ask(`explain?${question}`)).value);
  }

  function show(value) {
    redraw(result, value, () => told(value));
    // Said when it changes, and not with every request in flight.
    const { answer, service } = value;
    const text = [answer.status, answer.text, answer.location, service && bare(service.name)].filter(Boolean).join(", ");
    if (spoken.textContent !== text) spoken.textContent = text;
  }
}

/** The answer, the way to it, and the routes that it was not. */
function told({ answer, steps, router, service, candidates, considered, request }) {
  const kind = { forward: "good", redirect: "good", internal: "good" }[answer.kind] ?? "bad";
  const word = answer.status ?? answer.kind;
  const headline = answer.kind === "forward" && service ? ["to ", h("a", { href: `#/service/${encodeURIComponent(service.name)}` }, bare(service.name))] : [answer.text, answer.location && [": ", h("code", {}, answer.location)]].flat();
  const others = considered - candidates.length;
  return [
    h("div", { class: "verdict" }, state(kind, String(word)), h("strong", {}, ...headline.filter(Boolean)), answer.reason && h("span", { class: "quiet" }, "counted as ", h("code", {}, answer.reason))),
    h("p", { class: "quiet mono" }, `${request.method} ${request.tls ? "https" : "http"}://${request.host ?? ""}${request.target}`),
    answer.mend && h("p", {}, "To do: ", answer.mend),
    h("ol", { class: "chain" }, ...steps.map(({ step, text }) => h("li", {}, h("h2", {}, STEPS[step] ?? step), h("div", {}, step === "route" && router ? [h("a", { href: `#/route/${encodeURIComponent(router.name)}` }, bare(router.name)), text.slice(router.name.length)] : text)))),
    service?.endpoints?.length > 0 && section("Endpoints", { id: "h-explained" }, ...[endpoints(service.endpoints)].flat()),
    candidates.length > 0 && section("Routes that were looked at", { id: "h-candidates" }, h(
      "table", { class: "narrow-cards" },
      h("thead", {}, h("tr", {}, ...["", "Host and path", "Ingress", "Entry points", "Why"].map((text) => h("th", { scope: "col" }, text || h("span", { class: "unseen" }, "Outcome"))))),
      h("tbody", {}, ...candidates.map((row) => h(
        "tr", { class: row.chosen && "chosen" },
        h("td", {}, state(row.chosen ? "good" : row.matches ? "warn" : "off", row.chosen ? "wins" : row.matches ? "second" : "no")),
        h("th", { scope: "row" }, h("a", { class: "mono", href: `#/route/${encodeURIComponent(row.router)}` }, `${row.host}${row.path}`), " ", h("span", { class: "tag" }, row.pathType)),
        h("td", { "data-label": "ingress" }, row.ingress ? `${row.namespace}/${row.ingress}` : "configuration"),
        h("td", {}, row.entryPoints.join(", ")),
        h("td", {}, row.why),
      ))),
    ), others > 0 && h("p", { class: "note" }, `and ${plural(others, "other")} of the same host, further away.`)),
  ].filter(Boolean);
}
