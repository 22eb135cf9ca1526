#!/usr/bin/env node
// The dashboard of the built program in a browser: what it shows, how fast, to whom, and that it asks nobody else.
//
//   run.mjs BINARY AXE [SCREENSHOTS]   the program, axe.min.js of the package axe-core, and where to leave pictures

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Browser } from "./browser.mjs";
import { Gateway, backend, ingress, secret, service } from "./world.mjs";

const [binary, axe, screenshots] = process.argv.slice(2);
if (!binary || !axe) {
  console.error("usage: run.mjs BINARY AXE [SCREENSHOTS]");
  process.exit(2);
}
const AXE = readFileSync(axe, "utf8");
const PAGES = ["#/", "#/routes", "#/services", "#/certificates", "#/problems", "#/explain?url=http://shop.example/cart/1", "#/route/shop-shop-shop-example@kubernetes", "#/service/shop-shop-80@kubernetes"];

const [good, bad] = [await backend(), await backend()];
const certificates = [secret("shop", "shop-tls", ["shop.example", "www.shop.example"], 80), secret("mail", "mail-tls", ["*.mail.example"], 12), secret("shop", "old-tls", ["old.example"], 400)];
const MANIFESTS = {
  "shop.yaml": [
    ingress("shop", "shop", "shop.example", ["/", "/cart", "/api/v1/orders"], { tls: "shop-tls" }), service("shop", "shop", [good.port, bad.port]),
    ingress("shop", "old", "old.example", ["/"], { service: "shop", tls: "old-tls" }),
  ].join(""),
  "mail.yaml": [
    ingress("mail", "inbox", "in.mail.example", ["/"], { tls: "mail-tls", annotations: "traefik.ingress.kubernetes.io/router.tls: 'true'" }), service("mail", "inbox", [good.port], "traefik.ingress.kubernetes.io/service.sticky.cookie: 'true'"),
    ingress("mail", "empty", "empty.example", ["/"]), service("mail", "empty", []),
  ].join(""),
  "broken.yaml": [1, 2, 3, 4, 5].map((number) => ingress("broken", `lost-${number}`, `lost-${number}.example`, ["/"], { service: "nowhere", annotations: number === 1 ? "traefik.ingress.kubernetes.io/router.entrypoint: web" : "" })).join(""),
  "secrets.yaml": certificates.map(({ text }) => text).join(""),
};

const CASES = {
  async "every page shows itself, asks nobody else and complains of nothing"({ gateway, page }) {
    for (const address of PAGES) {
      await open(page, gateway, address);
      await page.until("document.querySelector('main h1') && !document.body.classList.contains('loading')", address);
    }
    assert.ok(page.requests.length > 20);
    const elsewhere = page.requests.filter((url) => !url.startsWith(`${gateway.origin}/`));
    assert.deepEqual(elsewhere, []);
  },

  async "axe finds nothing on any page, light and dark, wide and narrow, and nothing is wider than the window"({ gateway, page }) {
    for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [390, "light"], [390, "dark"]]) {
      await page.size(width);
      await page.scheme(scheme);
      for (const address of PAGES) {
        await open(page, gateway, address);
        await page.value(AXE);
        const found = await page.value("axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`))");
        assert.deepEqual(found, [], `${address} ${width} ${scheme}`);
        const across = await page.value("document.scrollingElement.scrollWidth");
        assert.ok(across <= width, `${address} is ${across} wide, and the window ${width}`);
      }
    }
  },

  async "what needs attention comes first"({ gateway, page }) {
    await open(page, gateway, "#/");
    await page.until("document.querySelector('.needs li')");
    const first = await page.value("document.querySelector('main section').innerText");
    for (const text of ["The Service broken/nowhere does not exist (5 objects)", "5 routes are refused", "1 service has no endpoints", "1 certificate expires within 30 days"]) assert.ok(first.includes(text), `${text} is not in\n${first}`);
    await open(page, gateway, "#/problems");
    const text = await page.value("document.querySelector('main').innerText");
    await page.value("document.querySelector('.problems details[data-key$=meaning] summary').click()");
    await page.until("document.querySelector('.problems details[open] code')?.innerText", "the long explanation");
    for (const word of ["Where", "Since", "Mend", "What it means", "Ingress broken/lost-1", "and 2 more", "just now"]) assert.ok(new RegExp(word.replace("just now", "just now|minute")).test(text), `${word} is not in\n${text}`);
  },

  async "the charts show what was asked, and a cursor that keys move"({ gateway, page }) {
    for (let count = 0; count < 40; count += 1) await gateway.ask("shop.example", count % 4 ? "/" : "/fail");
    for (let count = 0; count < 10; count += 1) await gateway.ask("unknown.example");
    await open(page, gateway, "#/");
    const chart = (name) => `[...document.querySelectorAll('.chart')].find((it) => it.querySelector('.name').textContent === '${name}')`;
    for (const name of ["Requests", "Errors", "Mean latency"]) {
      // The count falls to nothing again with the next sample: the cursor finds it.
      await page.until(`(${chart(name)}.querySelectorAll('path.line').length > 0)`);
    }
    await page.until("document.querySelector('main').innerText.includes('No route matches')", "refusals by reason");
    const cut = await page.value("[...document.querySelectorAll('.chart svg text')].filter((it) => it.getBoundingClientRect().left < it.ownerSVGElement.getBoundingClientRect().left).map((it) => it.textContent)");
    assert.deepEqual(cut, [], "labels that stick out");
    await page.value(`${chart("Errors")}.querySelector('.handle').focus()`);
    const seen = new Set();
    const [last, text] = ["aria-valuemax", "aria-valuetext"].map((name) => `${chart("Errors")}.querySelector('.handle').getAttribute('${name}')`);
    await page.press("End");
    for (let step = Number(await page.value(last)); step >= 0; step -= 1) {
      seen.add(await page.value(text));
      await page.press("ArrowLeft");
    }
    assert.ok([...seen].some((text) => /5xx [0-9.]+\/s, 4xx [0-9.]+\/s/.test(text) && !/5xx 0\/s/.test(text)), [...seen].join("\n"));
  },

  async "routes are found by words, by member and by state"({ gateway, page }) {
    await open(page, gateway, "#/routes");
    await page.until("document.querySelectorAll('.rows .row').length > 9");
    for (const [words, count] of [["cart", "1 of 11"], ["host:shop.example path:/api", "1 of 11"], ["ns:broken", "5 of 11"], ["state:refused -lost-3", "4 of 11"], ["service:inbox", "1 of 11"], ["https://shop.example/cart", "1 of 11"], ["nothing-like-it", "0 of 11"]]) {
      await search(page, words);
      await page.until(`document.querySelector('.count').textContent === '${count}'`, `${words} finds ${count}`);
    }
    await search(page, "");
  },

  async "a key leads to the search, the next to the first route, and the next opens it with its whole chain"({ gateway, page }) {
    await open(page, gateway, "#/routes");
    await page.until("document.querySelectorAll('.rows .row').length > 9");
    await page.press("/");
    await page.until("document.activeElement.type === 'search'");
    await page.type("host:shop.example path:/cart");
    await page.until("document.querySelectorAll('.rows .row').length === 1");
    await page.press("ArrowDown");
    await page.until("document.activeElement.closest('.row')");
    await page.press("Enter");
    await page.until("location.hash.startsWith('#/route/') && document.querySelector('.chain')");
    const chain = await page.value("document.querySelector('.chain').innerText");
    for (const text of ["Entry points", "web", "websecure", "TLS only", "Host", "shop.example", "certificate", "Path", "/cart", "Middlewares", "Service", "shop-shop-80", "balanced by latency", "Endpoints", `127.0.0.1:${good.port}`, "ready"]) assert.ok(chain.includes(text), `${text} is not in\n${chain}`);
    const times = await page.value("document.querySelectorAll('.chain .endpoints tbody tr').length");
    assert.equal(times, 2);
  },

  async "an Ingress that comes and goes does so on the page without a reload"({ gateway, page }) {
    await open(page, gateway, "#/routes?q=fresh");
    await page.until("document.querySelector('.count').textContent.startsWith('0 of')");
    await page.value("window.unchanged = true");
    gateway.write("fresh.yaml", ingress("shop", "fresh", "fresh.example", ["/"], { service: "shop" }));
    await page.until("document.querySelector('.rows .row')?.innerText.includes('fresh.example')", "it comes");
    gateway.remove("fresh.yaml");
    await page.until("document.querySelectorAll('.rows .row').length === 0", "it goes");
    await page.value("location.hash = '#/problems'");
    gateway.write("fresh.yaml", ingress("shop", "fresh", "fresh.example", ["/"], { service: "misspelt" }));
    await page.until("document.querySelector('main').innerText.includes('shop/misspelt')", "its problem comes");
    gateway.remove("fresh.yaml");
    await page.until("!document.querySelector('main').innerText.includes('shop/misspelt')", "its problem is mended");
    assert.equal(await page.value("window.unchanged"), true);
  },

  async "a URL is explained, and the router that explains is the one that serves"({ gateway, page }) {
    await open(page, gateway, "#/explain");
    await page.until("document.querySelector('#point option:nth-child(3)')");
    for (const [url, path, expected] of [["http://shop.example/cart//x", "/cart//x", "to shop-shop-80"], ["http://lost-1.example/", "/", "503"], ["http://shop.exampel/", "/", "404"]]) {
      await page.value("document.querySelector('#url').value = ''; document.querySelector('#url').focus()");
      await page.type(url);
      await page.press("Enter");
      await page.until(`document.querySelector('.verdict')?.innerText.includes('${expected}')`, `${url} is ${expected}`);
      const status = await gateway.ask(new URL(url).host, path);
      assert.equal(String(status), expected.startsWith("to") ? "200" : expected);
    }
    assert.ok((await page.value("document.querySelector('.chain').innerText")).includes("is shop.example meant?"));
    assert.ok((await page.value("location.hash")).startsWith("#/explain?url="));
  },

  async "certificates lie on a line of time, each with the hosts that it serves"({ gateway, page }) {
    await open(page, gateway, "#/certificates");
    await page.until("document.querySelectorAll('.timeline circle').length === 3");
    const rows = await page.value("[...document.querySelectorAll('main tbody tr')].map((row) => row.innerText)");
    assert.equal(rows.length, 3);
    assert.match(rows[0], /in 11 days[^]*\*\.mail\.example[^]*in\.mail\.example[^]*mail\/mail-tls/);
    assert.match(rows[1], /in 79 days[^]*www\.shop\.example[^]*shop\/shop-tls/);
  },

  async "no key is in any answer of the API"({ gateway }) {
    const lines = certificates.flatMap(({ key }) => key.split("\n").filter((line) => line.length > 40));
    for (const path of ["overview", "rawdata", "certificates", "routes", "problems", "history", "http/routers", "http/services", "explain?url=https://shop.example/"]) {
      const text = await (await gateway.get(`/api/${path}`)).text();
      assert.ok(text.length > 20 && !text.includes("PRIVATE"), path);
      for (const line of lines) assert.ok(!text.includes(line) && !text.includes(Buffer.from(line).toString("base64").slice(0, 40)), path);
    }
  },

  async "below a base path all of it works as well"({ browser }) {
    const gateway = await Gateway.start(binary, MANIFESTS, ["--api.basepath=/gate"]);
    const page = await browser.page();
    try {
      await page.go(`${gateway.origin}/gate/dashboard/#/routes`);
      await page.until("document.querySelectorAll('.rows .row').length > 9 && document.querySelector('#state').textContent === 'ready'");
      assert.deepEqual(page.complaints, []);
      assert.deepEqual(page.requests.filter((url) => !url.startsWith(`${gateway.origin}/gate/`) && !url.endsWith("/readyz")), []);
    } finally {
      gateway.stop();
    }
  },

  async "ten thousand routes are filtered while one types, within two frames, and scrolled to their end"({ browser }) {
    const names = Array.from({ length: 100 }, (_, number) => `app-${number}`);
    const paths = Array.from({ length: 100 }, (_, number) => `/part-${number}/of`);
    const manifests = { "services.yaml": service("many", "many", [good.port]) };
    names.forEach((name) => (manifests[`${name}.yaml`] = ingress(`team-${name}`, name, `${name}.example.com`, paths, { service: "many" })));
    const gateway = await Gateway.start(binary, manifests);
    const page = await browser.page();
    try {
      await page.size(1280);
      await open(page, gateway, "#/routes");
      await page.until("document.querySelector('.count')?.textContent === '10,000'", "ten thousand routes");
      // From a key to a page that is laid out, without the wait for the screen.
      const took = await page.value(`(async () => {
        const input = document.querySelector('main input[type=search]');
        const took = [];
        for (const words of ['app-42 part-7', 'host:app-9 path:/part-1', 'team-app-77', 'state:refused', '-app-1']) {
          for (let end = 1; end <= words.length; end += 1) {
            input.value = words.slice(0, end);
            const start = performance.now();
            input.dispatchEvent(new InputEvent('input', { bubbles: true }));
            document.body.getBoundingClientRect();
            took.push(performance.now() - start);
            await new Promise(requestAnimationFrame);
          }
        }
        return took.sort((a, b) => a - b);
      })()`);
      const [median, worst] = [took[Math.floor(took.length / 2)], took[Math.floor(took.length * 0.95)]];
      console.log(`    a key takes ${median.toFixed(1)} ms, 95 of 100 at most ${worst.toFixed(1)} ms, over ${took.length} keys`);
      assert.ok(median < 33, `${median} ms`);
      await search(page, "");
      await page.until("document.querySelector('.count')?.textContent === '10,000'");
      await page.value("window.scrollTo(0, document.body.scrollHeight)");
      await page.until("document.querySelector('.row[aria-rowindex=\"10001\"]')", "the last row");
      const rows = await page.value("document.querySelectorAll('.rows .row').length");
      assert.ok(rows < 100, `${rows} rows exist`);
      assert.deepEqual(page.complaints, []);
    } finally {
      gateway.stop();
    }
  },
};

/** Opens a page of the dashboard and waits for its first round. */
async function open(page, gateway, address) {
  await page.go("about:blank");
  await page.until("location.href === 'about:blank'");
  await page.go(`${gateway.origin}/dashboard/${address}`);
  await page.until("document.querySelector('main h1') && document.body.className === ''", address);
}

async function search(page, words) {
  await page.value(`(() => { const input = document.querySelector('main input[type=search]'); input.value = ${JSON.stringify(words)}; input.dispatchEvent(new InputEvent('input', { bubbles: true })); })()`);
}

async function pictures(page, gateway) {
  mkdirSync(screenshots, { recursive: true });
  for (const width of [1280, 390]) {
    for (const scheme of ["light", "dark"]) {
      await page.size(width, width === 390 ? 844 : 800);
      await page.scheme(scheme);
      for (const address of PAGES) {
        await open(page, gateway, address);
        const name = address.replace(/^#\//, "").replace(/[?/].*$/, "") || "overview";
        for (const format of ["png", "webp"]) writeFileSync(join(screenshots, `${name}-${width}-${scheme}.${format}`), await page.picture(format));
      }
    }
  }
}

const browser = await Browser.start();
const gateway = await Gateway.start(binary, MANIFESTS);
let failed = 0;
try {
  for (const [name, run] of Object.entries(CASES)) {
    const page = await browser.page();
    await page.size(1280);
    try {
      await run({ browser, gateway, page });
      assert.deepEqual(page.complaints, [], "the console is empty");
      console.log(`ok: ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED: ${name}\n${error.stack}`);
    }
  }
  if (screenshots) await pictures(await browser.page(), gateway);
} finally {
  await browser.stop();
  gateway.stop();
  good.stop();
  bad.stop();
}
console.log(failed ? `${failed} failed` : `${Object.keys(CASES).length} passed`);
process.exit(failed ? 1 : 0);
