// Chromium without a window, over the pipe of the DevTools protocol: no port, no package.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PATIENCE = 20_000;

/** A running browser. */
export class Browser {
  static async start() {
    const browser = new Browser();
    browser.profile = mkdtempSync(join(tmpdir(), "adit-browser-"));
    const flags = ["--headless=new", "--remote-debugging-pipe", `--user-data-dir=${browser.profile}`, "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--force-color-profile=srgb", "about:blank"];
    browser.child = spawn(process.env.CHROMIUM ?? "chromium", flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    browser.child.on("exit", () => browser.fail(new Error("the browser ended")));
    browser.child.on("error", (error) => browser.fail(error));
    browser.waiting = new Map();
    browser.listeners = new Map();
    browser.next = 1;
    let rest = "";
    browser.child.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      for (const message of messages) browser.heard(JSON.parse(message));
    });
    browser.child.stdio[3].on("error", () => {});
    await browser.send("Browser.getVersion");
    return browser;
  }

  heard({ id, result, error, method, params, sessionId }) {
    if (!id) return this.listeners.get(sessionId)?.(method, params);
    const { resolve, reject } = this.waiting.get(id) ?? {};
    this.waiting.delete(id);
    if (error) reject?.(new Error(error.message));
    else resolve?.(result);
  }

  fail(error) {
    for (const { reject } of this.waiting?.values() ?? []) reject(error);
    this.waiting?.clear();
  }

  send(method, params = {}, sessionId) {
    const id = this.next;
    this.next += 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** A new page with nothing in it. */
  async page() {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId);
    this.listeners.set(sessionId, (method, params) => page.heard(method, params));
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await page.send(`${domain}.enable`);
    return page;
  }

  async stop() {
    this.child.removeAllListeners("exit");
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.send("Browser.close").catch(() => {});
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** One page: what it asked for and complained of, and ways to look at it and to use it. */
export class Page {
  requests = [];
  complaints = [];

  constructor(browser, session) {
    Object.assign(this, { browser, session });
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  heard(method, params) {
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    if (method === "Runtime.exceptionThrown") this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) {
      this.complaints.push(params.args.map((arg) => arg.value ?? arg.description).join(" "));
    }
    if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) this.complaints.push(`${params.entry.text} ${params.entry.url ?? ""}`);
  }

  async go(url) {
    await this.send("Page.navigate", { url });
  }

  /** The value of an expression in the page. */
  async value(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /** Waits until an expression is true, looking at every frame. */
  async until(expression, what = expression) {
    const script = `new Promise((resolve) => {
      const end = performance.now() + ${PATIENCE};
      const look = () => {
        let value = false;
        try { value = ${expression}; } catch {}
        if (value || performance.now() > end) resolve(Boolean(value));
        else setTimeout(look, 16);
      };
      look();
    })`;
    // A navigation takes the question with it.
    const held = await this.value(script).catch(() => this.value(script));
    if (!held) throw new Error(`not within ${PATIENCE / 1000} s: ${what}\n${await this.value("document.body.innerText.slice(0, 1500)")}`);
  }

  async size(width, height = 900) {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
  }

  async scheme(name) {
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: name }, { name: "prefers-reduced-motion", value: "reduce" }] });
  }

  async press(key, text) {
    const codes = { ArrowDown: 40, ArrowUp: 38, ArrowLeft: 37, ArrowRight: 39, Enter: 13, Escape: 27, Tab: 9, Home: 36, End: 35 };
    const event = { key, windowsVirtualKeyCode: codes[key] ?? key.toUpperCase().charCodeAt(0), text: text ?? (key === "Enter" ? "\r" : undefined) };
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  async type(text) {
    await this.send("Input.insertText", { text });
  }

  /** What is seen, as `png` or, smaller, as `webp`. */
  async picture(format) {
    const { data } = await this.send("Page.captureScreenshot", format === "webp" ? { format, quality: 85 } : { format });
    return Buffer.from(data, "base64");
  }
}
