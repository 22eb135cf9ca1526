//! Whatever another namespace has, the routes of a host that is not its stay as they are.

use std::fmt::Write as _;

use adit::objects::Objects;
use adit::source::manifest;
use adit::translate::{render, translate};
use proptest::prelude::*;

/// An Ingress of one rule.
#[derive(Clone, Debug)]
struct Rule {
    host: &'static str,
    path: String,
    priority: Option<i64>,
    kind: &'static str,
}

fn rule(hosts: &'static [&'static str], priority: impl Strategy<Value = Option<i64>>) -> impl Strategy<Value = Rule> {
    let kind = proptest::sample::select(vec!["Prefix", "Exact"]);
    let rule = (proptest::sample::select(hosts), "(/[a-c]{1,40}){0,3}", priority, kind);
    rule.prop_map(|(host, path, priority, kind)| Rule {
        host,
        path: format!("/{}", path.trim_start_matches('/')),
        priority,
        kind,
    })
}

fn priority() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(-5..160_i64)
}

/// The Ingresses of a namespace, made in this year.
fn manifests(namespace: &str, year: u32, rules: &[Rule]) -> String {
    let mut text = format!(
        "---\nkind: Service\nmetadata: {{name: app, namespace: {namespace}}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n"
    );
    for (index, Rule { host, path, priority, kind }) in rules.iter().enumerate() {
        let annotations = priority.map(|priority| {
            format!(", annotations: {{traefik.ingress.kubernetes.io/router.priority: \"{priority}\"}}")
        });
        let _ = write!(
            text,
            "---\nkind: Ingress\nmetadata: {{name: i{index}, namespace: {namespace}, creationTimestamp: \"{year}-01-01T00:00:00Z\"{}}}\nspec: {{rules: [{{host: \"{host}\", http: {{paths: [{{path: {path}, pathType: {kind}, backend: {{service: {{name: app, port: {{number: 80}}}}}}}}]}}}}]}}\n",
            annotations.unwrap_or_default()
        );
    }
    text
}

/// What the table has of `a.example`.
fn ours(settings: &str, manifests: &str) -> Vec<String> {
    let settings = super::settings(settings);
    let mut objects = Objects::default();
    let parsed = manifest::parse(manifests);
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    for change in parsed.changes {
        objects.apply(change);
    }
    let table = render(&translate(&objects, &settings), &settings);
    let host = table.lines().skip_while(|line| *line != "a.example");
    host.skip(1).take_while(|line| line.starts_with(' ')).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_rule_for_other_hosts_moves_a_route(
        own in proptest::collection::vec(rule(&["a.example", "*.example", ""], priority()), 1..8),
        theirs in proptest::collection::vec(rule(&["b.example", "*.example", "*.a.example", ""], Just(None)), 1..8),
    ) {
        let own = own.into_iter().chain([Rule { host: "a.example", path: "/".into(), priority: None, kind: "Prefix" }]);
        let own = manifests("ours", 2020, &own.collect::<Vec<_>>());
        let alone = ours("", &own);
        prop_assert!(!alone.is_empty());
        prop_assert_eq!(ours("", &(own + &manifests("theirs", 2019, &theirs))), alone);
    }

    #[test]
    fn nobody_moves_a_route_of_a_host_that_belongs_to_another_namespace(
        own in proptest::collection::vec(rule(&["a.example", "*.example", ""], priority()), 1..8),
        theirs in proptest::collection::vec(rule(&["a.example", "b.example", "*.example", ""], priority()), 1..8),
    ) {
        const STRICT: &str = "# host-ownership: strict\n";
        let own = own.into_iter().chain([Rule { host: "a.example", path: "/".into(), priority: None, kind: "Prefix" }]);
        let own = manifests("ours", 2020, &own.collect::<Vec<_>>());
        let alone = ours(STRICT, &own);
        prop_assert!(!alone.is_empty());
        prop_assert_eq!(ours(STRICT, &(own + &manifests("theirs", 2024, &theirs))), alone);
    }
}
