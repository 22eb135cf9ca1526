// What is typed into the search of routes, as a test of a row: words, and `key:word` for one member; `-` in front is not.

/** What a member is called in the search, and what it is in a row. */
export const KEYS = {
  host: (row) => row.host, path: (row) => row.path, service: (row) => row.service, ns: (row) => row.namespace, namespace: (row) => row.namespace,
  ingress: (row) => row.ingress, entrypoint: (row) => row.points, ep: (row) => row.points, state: (row) => row.state, type: (row) => row.pathType, tls: (row) => row.tls,
};

/** The test of `text`; rows have their whole text in `text`, lower-case. */
export function filter(text) {
  const tests = text.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const not = word.length > 1 && word.startsWith("-");
    const [, key, value] = /^-?([a-z]+):(.*)$/.exec(word) ?? [];
    // A URL is looked for by its host and path.
    const plain = (not ? word.slice(1) : word).replace(/^https?:\/\//, "");
    const member = key && Object.hasOwn(KEYS, key) && !value.startsWith("//") ? KEYS[key] : null;
    const test = member ? (row) => member(row).toLowerCase().includes(value) : (row) => row.text.includes(plain);
    return not ? (row) => !test(row) : test;
  });
  return (row) => tests.every((test) => test(row));
}
