// One route with its whole chain: entry points, host, path, middlewares, service, endpoints.

import { ask, one } from "./api.js";
import { bare, fromNow, h, redraw, state, whole } from "./dom.js";
import { load, mark } from "./routes.js";
import { endpoints, settings } from "./services.js";

export function route(name) {
  const content = h("div", {});

  return {
    title: bare(name),
    element: h("div", {}, h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, h("a", { href: "#/routes" }, "Routes"), " / ", bare(name)), content),
    async update() {
      const encoded = encodeURIComponent(name);
      const [router, listed, rows, certificates] = await Promise.all([one(`http/routers/${encoded}`), ask("entrypoints"), load(), ask("certificates?per_page=1000")]);
      const mine = rows.filter((row) => row.router === name);
      const service = router?.service && mine.some((row) => row.action === "forward") ? await one(`http/services/${encodeURIComponent(qualified(router))}`) : null;
      const middlewares = await Promise.all((router?.middlewares ?? []).map((it) => one(`http/middlewares/${encodeURIComponent(it)}`)));
      const shown = { router, mine, service, middlewares, listed: listed.value, certificates: covering(certificates.value, mine) };
      redraw(content, [shown, Math.floor(Date.now() / 60000)], () => draw(name, shown));
    },
  };
}

/** Traefik leaves the provider out when it is the router's own. */
const qualified = ({ service, provider }) => (service.includes("@") ? service : `${service}@${provider}`);

/** The certificates that the hosts of these rows are served with. */
function covering(all, rows) {
  const hosts = new Set(rows.flatMap(({ host }) => [host, host.replace(/^[^.]+/, "*")]));
  return all.filter((certificate) => certificate.hosts.some((host) => hosts.has(host)));
}

function draw(name, { router, mine, service, middlewares, listed, certificates }) {
  if (!router) {
    return [
      h("h1", {}, bare(name)),
      h("p", { class: "note" }, "There is no such route now. It went with its Ingress, or the address is mistyped. ", h("a", { href: "#/routes" }, "All routes")),
    ];
  }
  const [first] = mine;
  const points = router.entryPoints.map((point) => {
    const { address, http } = listed.find((it) => it.name === point) ?? {};
    return h("li", {}, h("strong", {}, point), " ", h("code", {}, address ?? ""), http?.tls && h("span", { class: "tag" }, "TLS only"));
  });
  const hosts = [...new Set(mine.map(({ host }) => host))];
  const paths = [...new Map(mine.map((row) => [`${row.path} ${row.pathType}`, row])).values()];
  const ingress = router.observability?.metadata?.ingress;
  const tls = first && { never: "in the clear only", some: "in the clear, and over TLS for some of its hosts", also: "in the clear and over TLS", only: "over TLS only" }[first.tls];
  return [
    h("div", { class: "bar" }, h("h1", { class: "mono" }, hosts.length === 1 ? `${hosts[0]}${paths[0]?.path ?? ""}` : bare(name)), first && mark(first)),
    router.error && h("p", { class: "why" }, router.error.join("; ")),
    h(
      "ol", { class: "chain" },
      link("Entry points", h("ul", { class: "plain-list" }, ...points)),
      link(
        "Host",
        h("ul", { class: "plain-list" }, ...(hosts.length ? hosts : ["–"]).slice(0, 20).map((host) => h("li", {}, h("code", {}, host), host === "*" && h("span", { class: "quiet" }, " any host")))),
        tls && h("p", { class: "quiet" }, tls),
        ...certificates.slice(0, 5).map((certificate) => h("p", {}, state({ enabled: "good", warning: "warn" }[certificate.status] ?? "bad", "certificate"), ` for ${certificate.sans.join(", ")}, `, h("a", { href: "#/certificates" }, `expires ${fromNow(new Date(certificate.notAfter))}`))),
      ),
      link("Path", h("ul", { class: "plain-list" }, ...paths.map((row) => h("li", {}, h("code", {}, row.path), " ", h("span", { class: "tag" }, row.pathType))))),
      link("Middlewares", middlewares.length ? h("ul", { class: "plain-list" }, ...middlewares.map(middleware)) : h("span", { class: "quiet" }, "none: the request is passed on as it is")),
      link(
        "Service",
        service
          ? [h("p", {}, h("a", { href: `#/service/${encodeURIComponent(service.name)}` }, bare(service.name)), ingress?.serviceName && h("span", { class: "quiet" }, ` Service ${ingress.namespace}/${ingress.serviceName}, port ${ingress.servicePort}`)), h("p", { class: "quiet" }, settings(service))]
          : h("span", { class: first?.action === "refuse" ? "why" : "quiet" }, first?.action === "refuse" ? `503: ${(router.error ?? []).join("; ")}` : bare(router.service)),
      ),
      service && link("Endpoints", endpoints(service.endpoints ?? [])),
    ),
    h(
      "dl", { class: "facts" },
      fact("Ingress", ingress ? `${ingress.namespace}/${ingress.ingressName}` : "configuration"),
      fact("Rule", h("code", {}, router.rule)),
      fact("Priority", whole(router.priority)),
      fact("Recorded", [router.observability?.metrics && "metrics", router.observability?.accessLogs && "access log"].filter(Boolean).join(", ") || "nothing"),
      fact("Name", h("code", {}, name)),
    ),
    first && h("p", {}, h("a", { class: "button", href: `#/explain?${new URLSearchParams({ url: example(first) })}` }, "Explain a request for it")),
  ];
}

const link = (name, ...content) => h("li", {}, h("h2", {}, name), h("div", {}, ...content));
const fact = (name, content) => [h("dt", {}, name), h("dd", {}, content)];

function middleware(row) {
  if (!row) return h("li", {}, "–");
  const { name, type, provider, status, usedBy, ...rest } = row;
  const [values] = Object.values(rest);
  return h("li", {}, h("strong", {}, bare(name)), " ", h("span", { class: "tag" }, type), h("div", { class: "quiet" }, Object.entries(values ?? {}).map(([key, value]) => `${key} ${value}`).join(", ")));
}

/** A URL that this route is for, as near as its rule says. */
function example({ host, path, tls, pathType }) {
  const name = host === "*" ? "any.example" : host.replace(/^\*\./, "any.");
  return `${tls === "only" ? "https" : "http"}://${name}${pathType === "Regexp" ? "/" : path}`;
}
