//! Golden cases: a folder named as a sentence holds manifests (`in.yaml`), the table they come to (`table.txt`) and what
//! is said about them (`report.txt`). A case about the names that users know its routes by, from dashboards and metrics,
//! has them in `routers.txt` too. `ADIT_UPDATE=1 cargo test --test translate` rewrites what is there: read the diff.
//!
//! A case's first lines may set what a flag would: `# strict-prefix: false`. `{{certificate: a.example}}` in a Secret
//! becomes a certificate made on the spot.

mod huge;
mod incremental;
mod tenants;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use adit::objects::{ObjectKey, Objects};
use adit::route::{Action, Internal, ListenerSet, Observability, Redirect, StatusAddress};
use adit::source::manifest;
use adit::translate::{ListenerInfo, Output, Settings, StaticRoute, StatusFrom, render, translate};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/translate");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("the cases")
        .map(|entry| entry.expect("a case").path())
        .filter(|path| path.join("in.yaml").exists())
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_case_comes_to_its_table_and_report() {
    let update = std::env::var_os("ADIT_UPDATE").is_some();
    let mut wrong = String::new();
    let cases = cases();
    assert!(cases.len() > 40, "the cases are found");
    for case in cases {
        let (objects, settings, undecodable) = read(&case);
        let output = translate(&objects, &settings);
        assert_each_has_its_place(&output, &case);
        let mut golden = vec![("table.txt", render(&output, &settings)), ("report.txt", report(&output, &undecodable))];
        if case.join("routers.txt").exists() {
            golden.push(("routers.txt", routers(&output)));
        }
        for (name, found) in golden {
            let path = case.join(name);
            if update {
                std::fs::write(&path, &found).expect("write a golden file");
            }
            let expected = std::fs::read_to_string(&path).unwrap_or_default();
            if expected != found {
                let _ = writeln!(wrong, "--- {}\nexpected:\n{expected}\nfound:\n{found}", path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Of two routes that one request could be for, one comes first.
fn assert_each_has_its_place(output: &Output, case: &Path) {
    for host in output.routes.hosts.values() {
        for pair in host.routes.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            let apart = !before.listeners.overlaps(after.listeners);
            assert!(before.rank < after.rank || apart, "{}: {before:?} and {after:?}", case.display());
        }
    }
}

/// The objects of a case, how they are read, and what could not be.
pub(crate) fn read(case: &Path) -> (Objects, Settings, Vec<String>) {
    let text = std::fs::read_to_string(case.join("in.yaml")).expect("manifests");
    let settings = settings(&text);
    let manifests = manifest::parse(&with_certificates(&text));
    let mut objects = Objects::default();
    for line in text.lines().filter_map(|line| line.strip_prefix("# forbidden: ")) {
        match line {
            "classes" => objects.access.classes = false,
            "slices" => objects.access.slices = false,
            "secrets" => objects.access.secrets = false,
            other => panic!("forbidden: {other}"),
        }
    }
    for change in manifests.changes {
        objects.apply(change);
    }
    let undecodable = manifests
        .problems
        .iter()
        .map(|problem| format!("document {} {} {}: {}", problem.document, problem.kind, problem.name, problem.reason));
    (objects, settings, undecodable.collect())
}

pub(crate) fn settings(text: &str) -> Settings {
    let listener = |name: &str, tls| ListenerInfo { name: name.into(), tls };
    let mut settings = Settings {
        listeners: vec![listener("web", false), listener("websecure", false)],
        default_listeners: ListenerSet(0b11),
        strict_prefix_matching: true,
        ..Settings::default()
    };
    for line in text.lines().map_while(|line| line.strip_prefix("# ")) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name {
            "strict-prefix" => settings.strict_prefix_matching = value == "true",
            "host-ownership" => settings.strict_hosts = value == "strict",
            "ingress-class" => settings.ingress_class = Some(value.into()),
            "external-names" => settings.allow_external_names = value == "true",
            "native-lb" => settings.native_lb_by_default = value == "true",
            "websecure-tls" => settings.listeners[1].tls = value == "true",
            "published-service" => {
                settings.status = StatusFrom::Service(ObjectKey::parse(value).expect("namespace/name"))
            }
            "ip" => settings.status = StatusFrom::Fixed { ip: value.parse().ok(), hostname: None },
            "node-internal-ips" => settings.status = StatusFrom::NodeInternalIps,
            "hostname" => settings.status = StatusFrom::Fixed { ip: None, hostname: Some(value.into()) },
            "default-certificate" => settings.default_certificate = ObjectKey::parse(value),
            "kubernetes-crd" => settings.crd_requested = value == "true",
            "redirect" => settings.static_routes.push(StaticRoute {
                listener: 0,
                path: "/".into(),
                action: Action::Redirect(Redirect { scheme: "https".into(), port: 443, permanent: true }.into()),
                priority: value.parse().expect("a priority"),
                name: "web-redirect".into(),
                observability: Observability::default(),
            }),
            "ping" => settings.static_routes.push(StaticRoute {
                listener: 0,
                path: "/ping".into(),
                action: Action::Internal(Internal::Ping),
                priority: i64::MAX,
                name: "ping".into(),
                observability: Observability { access_logs: false, metrics: false, tracing: false },
            }),
            "forbidden" => {}
            other => panic!("unknown setting {other}"),
        }
    }
    settings
}

fn report(output: &Output, undecodable: &[String]) -> String {
    let mut text = String::new();
    for problem in undecodable {
        let _ = writeln!(text, "undecodable {problem}");
    }
    for problem in &output.report.problems {
        let _ = writeln!(text, "{problem}");
    }
    for (namespace, name) in &output.report.accepted {
        let _ = writeln!(text, "accepted {namespace}/{name}");
    }
    for address in output.report.addresses.iter().flatten() {
        let _ = match address {
            StatusAddress::Ip(ip) => writeln!(text, "status ip {ip}"),
            StatusAddress::Hostname(name) => writeln!(text, "status hostname {name}"),
        };
    }
    text
}

/// What the API, logs and metrics call the routes: name, rule and priority, best first within a host.
fn routers(output: &Output) -> String {
    let mut text = String::new();
    for route in output.routes.hosts.values().flat_map(|host| &host.routes) {
        let origin = &route.origin;
        let _ = writeln!(text, "{} {} priority {}", origin.name, origin.rule, origin.priority);
    }
    text
}

/// Puts certificates where a case asks for them.
fn with_certificates(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{certificate: ") {
        let (names, after) = after.split_once("}}").expect("a closed placeholder");
        let names: Vec<String> = names.split(", ").map(str::to_owned).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let quoted = |pem: &str| serde_json::to_string(pem).expect("a string");
        let _ = write!(
            out,
            "{before}{{tls.crt: {}, tls.key: {}}}",
            quoted(&made.cert.pem()),
            quoted(&made.signing_key.serialize_pem())
        );
        rest = after;
    }
    out + rest
}
