//! Objects as large as the API server takes them (1.5 MiB), each of the form that costs its reader the most.

use std::sync::Arc;

use adit::objects::{
    Backend, BackendPort, Change, Ingress, IngressTls, ObjectKey, Objects, Path, PathType, Rule, Secret, Service,
    ServicePort,
};

/// Each with what it has too much of.
pub(crate) fn cases() -> Vec<(&'static str, Objects)> {
    let exact = |index: usize| path(&format!("/p{index}"), PathType::Exact, 80);
    let same = |_: usize| path("/same", PathType::Prefix, 80);
    let regex = |pattern: &str| path(pattern, PathType::ImplementationSpecific, 80);
    let regexes = || annotated([("adit.dev/router.pathmatcher".to_owned(), "PathRegexp".to_owned())]);
    let hosts = |count: usize| {
        (0..count)
            .map(|index| rule(&format!("h{index}.example"), vec![path("/", PathType::Prefix, 80)]))
            .collect::<Vec<_>>()
    };
    let names = |count: usize| (0..count).map(|index| format!("n{index}.example").into()).collect::<Box<[Box<str>]>>();
    let entry = |hosts: Box<[Box<str>]>, secret: String| IngressTls { hosts, secret: secret.into() };
    let near = |count: usize| (0..count).map(|index| (format!("adit.dev/router.priorit{index}"), "1".to_owned()));
    let for_all = |rules: Vec<Rule>, tls: Vec<IngressTls>| Ingress { tls: tls.into(), ..of_rules(rules) };
    let mut all = Vec::new();
    let mut add = |what, ingress, service| all.push((what, objects(ingress, service)));
    let plain = || service(vec![80], []);

    // As many as are read, and as many as fit.
    for count in [4096, 16_000] {
        let paths = |of: &dyn Fn(usize) -> Path| vec![rule("a.example", (0..count).map(of).collect())];
        add("paths", of_rules(paths(&exact)), plain());
        add("the same path", of_rules(paths(&same)), plain());
        add("paths whose Service is not there", of_rules(paths(&exact)), None);
        add(
            "paths to ports of their own",
            of_rules(paths(&|index| path("/", PathType::Prefix, index as u16))),
            service((1..=256).collect(), []),
        );
        add(
            "paths to a Service with many annotations",
            of_rules(paths(&|index| path("/", PathType::Prefix, index as u16 % 256))),
            service((1..=256).collect(), near(64)),
        );
        add("bad paths", of_rules(paths(&|_| path(&"\u{202e}".repeat(30), PathType::Exact, 80))), plain());
        let pattern = |index: usize| regex(&format!("^/a{index}/[^/]+$"));
        add(
            "regular expressions",
            Ingress { annotations: regexes().annotations, ..of_rules(paths(&pattern)) },
            plain(),
        );
        for (what, bomb) in [
            ("bombs of one size", "(a{1000}){1000}"),
            ("bombs of classes", r"\w{100}"),
            ("bombs of text", &*"(a|b)".repeat(200)),
        ] {
            let bombs = Ingress { annotations: regexes().annotations, ..of_rules(paths(&|_| regex(bomb))) };
            add(what, bombs, plain());
        }
        add(
            "TLS hosts under a rule for all",
            for_all(
                paths(&exact).into_iter().map(|rule| Rule { host: "".into(), ..rule }).collect(),
                vec![entry(names(count), String::new())],
            ),
            plain(),
        );
        add("TLS hosts and hosts", for_all(hosts(count), vec![entry(names(count), "s".into())]), plain());
        add(
            "TLS entries without hosts",
            for_all(hosts(count), (0..count).map(|_| IngressTls::default()).collect()),
            plain(),
        );
        add(
            "Secrets for all hosts",
            for_all(hosts(count), (0..count).map(|index| entry([].into(), format!("s{index}"))).collect()),
            plain(),
        );
        add(
            "a Secret named often",
            for_all(hosts(count), (0..count).map(|_| entry([].into(), "cert".into())).collect()),
            plain(),
        );
    }
    add(
        "annotations",
        Ingress {
            annotations: annotated(near(25_000)).annotations,
            ..of_rules(vec![rule("a.example", vec![same(0)])])
        },
        plain(),
    );
    add(
        "annotations of the Service",
        of_rules(vec![rule("a.example", (0..4096).map(same).collect())]),
        service(vec![80], near(25_000)),
    );
    add(
        "ports",
        of_rules(vec![rule("a.example", (0..4096).map(|index| path("/", PathType::Prefix, index)).collect())]),
        service((1..27_000).collect(), []),
    );
    add(
        "entry points",
        Ingress {
            annotations: annotated([("adit.dev/router.entrypoints".to_owned(), "x,".repeat(120_000))]).annotations,
            ..of_rules(vec![rule("a.example", vec![same(0)])])
        },
        plain(),
    );
    add("a host", of_rules(vec![rule(&"a".repeat(1_500_000), vec![same(0)])]), plain());
    add(
        "a path",
        of_rules(vec![rule("a.example", vec![path(&format!("/{}", "a".repeat(1_500_000)), PathType::Exact, 80)])]),
        plain(),
    );
    add(
        "a pattern",
        Ingress {
            annotations: regexes().annotations,
            ..of_rules(vec![rule("a.example", vec![regex(&"a|".repeat(700_000))])])
        },
        plain(),
    );
    all
}

fn path(path: &str, kind: PathType, port: u16) -> Path {
    let backend = Backend::Service { name: "s".into(), port: Some(BackendPort::Number(port)) };
    Path { path: path.into(), kind, backend }
}

fn rule(host: &str, paths: Vec<Path>) -> Rule {
    Rule { host: host.into(), paths: paths.into() }
}

fn of_rules(rules: Vec<Rule>) -> Ingress {
    Ingress { rules: rules.into(), ..Ingress::default() }
}

fn annotated(pairs: impl IntoIterator<Item = (String, String)>) -> Ingress {
    Ingress { annotations: pairs.into_iter().collect(), ..Ingress::default() }
}

fn service(ports: Vec<u16>, annotations: impl IntoIterator<Item = (String, String)>) -> Option<Service> {
    let port = |port| ServicePort { name: format!("p{port}").into(), port, node_port: None, protocol: None };
    let ports = ports.into_iter().map(port).collect();
    Some(Service { ports, annotations: annotations.into_iter().collect(), ..Service::default() })
}

fn objects(ingress: Ingress, service: Option<Service>) -> Objects {
    let mut objects = Objects::default();
    let key = |name: &str| ObjectKey::new("tenant", name);
    objects.apply(Change::Ingress(key("i"), Some(Arc::new(ingress))));
    objects.apply(Change::Service(key("s"), service.map(Arc::new)));
    let made =
        rcgen::generate_simple_self_signed((0..500).map(|index| format!("c{index}.example")).collect::<Vec<_>>());
    let made = made.expect("a certificate");
    let secret = Secret {
        certificate: made.cert.pem().into_bytes().into(),
        key: made.signing_key.serialize_pem().into_bytes().into(),
    };
    objects.apply(Change::Secret(key("cert"), Some(Arc::new(secret))));
    objects
}
