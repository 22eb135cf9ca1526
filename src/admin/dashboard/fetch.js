// Asks the API, and tells apart "new", "as before" and "gone".

const tags = new Map();

/** The page at `path` below /api/, or null when it is as it was at the last call. */
export async function ask(path) {
  const headers = tags.has(path) ? { "If-None-Match": tags.get(path) } : {};
  const response = await fetch(`../api/${path}`, { headers, cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (response.status === 304) return null;
  if (!response.ok) throw Object.assign(new Error(`${path}: ${response.status}`), { status: response.status });
  const rows = await response.json();
  tags.set(path, response.headers.get("ETag"));
  if (tags.size > 200) tags.delete(tags.keys().next().value);
  const number = (name, none) => Number(response.headers.get(name) ?? none);
  return { rows, next: number("X-Next-Page", 1), total: number("X-Total-Count", 0) };
}

/** Makes the next call give the page whatever it holds. */
export function forget(path) {
  tags.delete(path);
}

/** Whether the process is ready, with its reasons. */
export async function readiness() {
  const url = new URL("/readyz", location.href);
  const response = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(5000) });
  return response.json();
}
