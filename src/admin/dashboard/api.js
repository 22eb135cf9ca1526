// Asks the API, and tells apart "new", "as before" and "gone".

const known = new Map();
const MOST = 100;

/** The page at `path` below /api/: its value, its paging, and whether it differs from the last answer. */
export async function ask(path) {
  const before = known.get(path);
  const headers = before ? { "If-None-Match": before.tag } : {};
  const response = await fetch(`../api/${path}`, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (response.status === 304 && before) {
    // The one asked for longest ago is forgotten first.
    known.delete(path);
    known.set(path, before);
    return { ...before, changed: false };
  }
  if (!response.ok) {
    const { message } = await response.json().catch(() => ({}));
    throw Object.assign(new Error(message ?? `${path}: ${response.status}`), { status: response.status });
  }
  const number = (name, none) => Number(response.headers.get(name) ?? none);
  const answer = {
    tag: response.headers.get("ETag"),
    value: await response.json(),
    next: number("X-Next-Page", 1),
    total: number("X-Total-Count", 0),
  };
  known.set(path, answer);
  if (known.size > MOST) known.delete(known.keys().next().value);
  return { ...answer, changed: true };
}

/** The one thing at `path`, or null when there is none. */
export async function one(path) {
  try {
    return (await ask(path)).value;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** Whether the process is ready, with its reasons; null where this entry point does not tell. */
export async function readiness() {
  const options = { headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(10000) };
  const response = await fetch(new URL("/readyz", location.href), options);
  const json = response.headers.get("Content-Type")?.startsWith("application/json");
  return json ? response.json() : null;
}
