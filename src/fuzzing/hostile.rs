//! Manifests of a hostile tenant, made of bytes: the right form with the wrong things in it, and the wrong form.

use serde_json::{Map, Value, json};

/// Bytes that decide. At their end every decision is the first.
#[derive(Debug)]
pub(super) struct Dice<'a>(&'a [u8]);

impl<'a> Dice<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, most: usize) -> usize {
        usize::from(self.byte()) % most.max(1)
    }

    fn of<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[self.below(all.len())]
    }

    /// True once in so many times.
    fn once_in(&mut self, times: u8) -> bool {
        let byte = self.byte();
        byte != 0 && byte.is_multiple_of(times)
    }

    /// Text that the bytes themselves are.
    fn text(&mut self) -> String {
        let length = self.below(48).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}

/// Hosts: good ones, some of them another's, and every trick.
pub(super) const HOSTS: &[&str] = &[
    "",
    "tenant.example",
    "shared.example",
    "victim.example",
    "VICTIM.example",
    "victim.example.",
    "*.victim.example",
    "*.example",
    "*",
    "*.*.example",
    "a.*.example",
    "victim.example:80",
    "victim.example/admin",
    "victim.example\r\nX-Evil: 1",
    "victim.example\0",
    "victim。example",
    "vıctim.example",
    "victim\u{200b}.example",
    "victim\u{202e}elpmaxe.",
    "ⅴictim.example",
    "xn--victim-",
    "[::1]",
    "127.0.0.1",
    "..",
    "-.example",
    "`) || Host(`victim.example",
];

const PATHS: &[&str] = &[
    "/",
    "",
    "/a",
    "/a/",
    "/a/../b",
    "//",
    "/%2e%2e/",
    "/a b",
    "/a\r\nb",
    "/\0",
    "/ä",
    "/a\u{202e}b",
    "/a?b#c",
    "a",
    "(a{1000}){1000}",
    "(((((((((a*)*)*)*)*)*)*)*)*)",
    "^/(a|b)+$",
    "[",
    "(?i)\\w{200}",
    "/`) || PathPrefix(`/",
];

const VALUES: &[&str] = &[
    "",
    "true",
    "false",
    "default",
    "web",
    "websecure,web",
    "web\r\nX-Evil: 1",
    "-1",
    "9223372036854775807",
    "99999999999999999999",
    "1e9",
    "PathRegexp",
    "Path",
    "none; Domain=victim.example",
    "a=b; Path=/",
    "h2c",
    "tenant-a@kubernetescrd",
    "\u{202e}eurt",
];

/// One document: an object, or what only looks like one.
pub(super) fn document(dice: &mut Dice<'_>, namespace: &str) -> Value {
    let name = format!("o{}", dice.below(6));
    let mut metadata = json!({ "name": name, "namespace": namespace, "annotations": annotations(dice) });
    metadata["creationTimestamp"] = match dice.below(6) {
        0 => Value::Null,
        1 => json!("tomorrow"),
        2 => json!("9999-12-31T23:59:59Z"),
        _ => json!(format!("20{:02}-01-01T00:00:00Z", 10 + dice.below(40))),
    };
    let (kind, spec) = match dice.below(10) {
        0..=5 => ("Ingress", ingress(dice)),
        6 => ("Service", service(dice)),
        7 => {
            return json!({ "kind": "Secret", "metadata": metadata, "data": { "tls.crt": "AAAA", "tls.key": dice.text() } });
        }
        8 => return slice(dice, metadata),
        _ => ("IngressClass", json!({ "controller": dice.of(VALUES) })),
    };
    let mut object = json!({ "kind": kind, "metadata": metadata, "spec": spec });
    if dice.once_in(8) {
        spoil(dice, &mut object);
    }
    object
}

/// Puts something of another type somewhere.
fn spoil(dice: &mut Dice<'_>, value: &mut Value) {
    let stop = dice.once_in(3);
    match value {
        Value::Object(map) if !stop && !map.is_empty() => {
            let index = dice.below(map.len());
            if let Some(inner) = map.values_mut().nth(index) {
                spoil(dice, inner);
            }
        }
        Value::Array(list) if !stop && !list.is_empty() => {
            let index = dice.below(list.len());
            spoil(dice, &mut list[index]);
        }
        _ => {
            *value = match dice.below(6) {
                0 => Value::Null,
                1 => json!(-1),
                2 => json!(1e300),
                3 => json!([[], {}, null]),
                4 => json!({ "": { "": "" } }),
                _ => json!(dice.text()),
            };
        }
    }
}

fn annotations(dice: &mut Dice<'_>) -> Value {
    let mut all = Map::new();
    for _ in 0..dice.below(5) {
        let prefix = dice.of(&["traefik.ingress.kubernetes.io/", "adit.dev/", "nginx.ingress.kubernetes.io/", ""]);
        let name = match dice.below(4) {
            0 => dice.text(),
            _ => crate::translate::ANNOTATIONS[dice.below(crate::translate::ANNOTATIONS.len())].name.to_owned(),
        };
        let value = if dice.once_in(4) { dice.text() } else { (*dice.of(VALUES)).to_owned() };
        all.insert(format!("{prefix}{name}"), value.into());
    }
    Value::Object(all)
}

fn host(dice: &mut Dice<'_>) -> String {
    if dice.once_in(8) { dice.text() } else { (*dice.of(HOSTS)).to_owned() }
}

fn backend(dice: &mut Dice<'_>) -> Value {
    let port = match dice.below(5) {
        0 => json!({ "number": 80 }),
        1 => json!({ "name": "http" }),
        2 => json!({ "number": -1, "name": "" }),
        3 => json!({ "number": 2147483647 }),
        _ => json!({ "name": dice.text() }),
    };
    match dice.below(8) {
        0 => json!({ "resource": { "kind": "Bucket", "name": "b" } }),
        1 => json!({}),
        _ => json!({ "service": { "name": format!("o{}", dice.below(6)), "port": port } }),
    }
}

fn ingress(dice: &mut Dice<'_>) -> Value {
    let mut spec = json!({});
    if dice.once_in(4) {
        spec["ingressClassName"] = json!(dice.of(VALUES));
    }
    if dice.once_in(3) {
        spec["defaultBackend"] = backend(dice);
    }
    let mut rules = Vec::new();
    for _ in 0..dice.below(5) {
        let host = host(dice);
        let mut paths = Vec::new();
        for _ in 0..dice.below(5) {
            let path = if dice.once_in(5) { dice.text() } else { (*dice.of(PATHS)).to_owned() };
            let kind = dice.of(&["Prefix", "Exact", "ImplementationSpecific", "", "Regex"]);
            paths.push(json!({ "path": path, "pathType": kind, "backend": backend(dice) }));
        }
        rules.push(json!({ "host": host, "http": { "paths": paths } }));
    }
    spec["rules"] = rules.into();
    let mut tls = Vec::new();
    for _ in 0..dice.below(4) {
        let hosts: Vec<String> = (0..dice.below(4)).map(|_| host(dice)).collect();
        tls.push(json!({ "hosts": hosts, "secretName": format!("o{}", dice.below(6)) }));
    }
    spec["tls"] = tls.into();
    spec
}

fn service(dice: &mut Dice<'_>) -> Value {
    json!({
        "type": dice.of(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "\r\n"]),
        "clusterIP": dice.of(&["10.0.0.1", "None", "", "::1", "256.0.0.1"]),
        "externalName": host(dice),
        "ports": [
            { "name": "http", "port": 80, "nodePort": dice.of(&[0, 30000, 70000]), "appProtocol": dice.of(VALUES) },
            { "name": "https", "port": 443 },
        ],
    })
}

fn slice(dice: &mut Dice<'_>, mut metadata: Value) -> Value {
    metadata["labels"] = json!({ "kubernetes.io/service-name": format!("o{}", dice.below(6)) });
    json!({
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": dice.of(&["IPv4", "IPv6", "FQDN", "?"]),
        "ports": [{ "name": "http", "port": dice.of(&[8080, 0, -1, 65536]) }],
        "endpoints": [{ "addresses": [dice.of(&["10.0.0.1", "fe80::1%eth0", "x", "", "169.254.169.254"]), host(dice)] }],
    })
}
