//! The corpora, replayed: what a fuzzer has found once is looked at with every build. And what a hostile tenant can do to
//! others, with objects made up at random.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::hostile::{Dice, document};
use super::*;
use crate::objects::Objects;
use crate::route::{HostPattern, Origin, Rank, Route, VirtualHost};
use crate::translate::{Output, Settings, translate};

#[test]
fn every_input_of_the_corpora_is_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let inputs: Vec<_> = fs::read_dir(root.join(name)).expect(name).collect();
        assert!(inputs.len() > 3, "the corpus of {name} is nearly empty");
        for input in inputs {
            let path = input.expect("an entry").path();
            let bytes = fs::read(&path).expect("a file");
            // So that a failure names its input.
            let result = std::panic::catch_unwind(|| target(&bytes));
            assert!(result.is_ok(), "{}", path.display());
        }
    }
}

/// The corpora again with random damage, which needs no fuzzer: `ADIT_ROUNDS=1000` for longer, `ADIT_SEED` for other.
#[test]
fn damaged_inputs_of_the_corpora_are_taken() {
    let number =
        |name: &str, otherwise| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (rounds, mut state) = (number("ADIT_ROUNDS", 20), number("ADIT_SEED", 20_261_121));
    // SplitMix64.
    let mut roll = |sides: usize| {
        state = u64::wrapping_add(state, 0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides.max(1) as u64) as usize
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let read = |entry: std::io::Result<fs::DirEntry>| fs::read(entry.expect("an entry").path()).expect("a file");
        let inputs: Vec<Vec<u8>> = fs::read_dir(root.join(name)).expect(name).map(read).collect();
        for _ in 0..rounds * inputs.len() as u64 {
            let mut bytes = inputs[roll(inputs.len())].clone();
            for _ in 0..=roll(4) {
                let at = roll(bytes.len() + 1);
                let other = &inputs[roll(inputs.len())];
                match roll(5) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, roll(256) as u8),
                    2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << roll(8)),
                    3 => drop(bytes.drain(at..(at + roll(8)).min(bytes.len()))),
                    _ => {
                        let from = roll(other.len());
                        let piece = &other[from..(from + roll(24)).min(other.len())];
                        bytes.splice(at..at, piece.iter().copied());
                    }
                }
            }
            let result = std::panic::catch_unwind(|| target(&bytes));
            assert!(result.is_ok(), "{name} of {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(root.join(folder))
            .expect(folder)
            .map(|entry| entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}

/// What a namespace of well-meaning people has.
fn victims(created: &str) -> Vec<String> {
    let ingress = |name: &str, host: &str, path: &str, secret: &str| {
        format!(
            r#"{{"kind": "Ingress", "metadata": {{"name": "{name}", "namespace": "victim", "creationTimestamp": "{created}"}}, "spec": {{
            "tls": [{{"hosts": ["{host}"], "secretName": "{secret}"}}],
            "rules": [{{"host": "{host}", "http": {{"paths": [{{"path": "{path}", "pathType": "Prefix", "backend": {{"service": {{"name": "o1", "port": {{"number": 80}}}}}}}}]}}}}]}}}}"#
        )
    };
    vec![
        ingress("root", "victim.example", "/", "one"),
        ingress("admin", "victim.example", "/a", "one"),
        ingress("wide", "*.victim.example", "/", "two"),
        ingress("shared", "shared.example", "/a", "two"),
        r#"{"kind": "Service", "metadata": {"name": "o1", "namespace": "victim"}, "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}}"#.into(),
    ]
}

/// The tables of the victims alone and beside what `bytes` make up; of the latter the objects too.
fn beside(bytes: &[u8], created: &str, settings: &Settings) -> (Output, Output, Objects) {
    let mut documents = victims(created);
    let alone = translate(&manifests::read(&documents.join("\n---\n")), settings);
    let mut dice = Dice::new(bytes);
    while !dice.is_empty() && documents.len() < 24 {
        documents.push(document(&mut dice, "tenant").to_string());
    }
    let objects = manifests::read(&documents.join("\n---\n"));
    (alone, translate(&objects, settings), objects)
}

fn routes_of<'a>(host: &'a VirtualHost, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Route>> {
    host.routes.iter().filter(move |route| &*route.origin.namespace == namespace)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_hostile_namespace_changes_no_route_of_another(
        bytes in proptest::collection::vec(any::<u8>(), 0..700),
        older in any::<bool>(),
    ) {
        let created = if older { "2005-01-01T00:00:00Z" } else { "2060-01-01T00:00:00Z" };
        let (alone, both, _) = beside(&bytes, created, &manifests::settings());
        for (pattern, host) in &alone.routes.hosts {
            let beside = both.routes.hosts.get(pattern).expect("the host is still there");
            prop_assert!(routes_of(host, "victim").eq(routes_of(beside, "victim")), "{pattern}");
            // Before a route of the victim comes one of the tenant that is more specific, older, or has a priority.
            for (index, route) in beside.routes.iter().enumerate() {
                let Rank::Automatic(own) = &route.rank else { continue };
                for before in beside.routes.iter().take(index) {
                    let Rank::Automatic(first) = &before.rank else { continue };
                    let longer = (first.path_length, first.path) < (own.path_length, own.path);
                    let earlier = (first.path_length, first.path) == (own.path_length, own.path)
                        && (first.created, &first.namespace) <= (own.created, &own.namespace);
                    prop_assert!(longer || earlier || (!first.fallback && own.fallback), "{before:?} before {route:?}");
                }
            }
        }
        for (pattern, entry) in &alone.routes.certificates {
            let beside = both.routes.certificates.get(pattern).expect("a certificate");
            prop_assert!(beside == entry || !older, "{pattern} has another's certificate");
        }
        for (upstream, endpoints) in &*alone.endpoints {
            prop_assert_eq!(both.endpoints.get(upstream), Some(endpoints));
        }
    }

    #[test]
    fn where_hosts_have_owners_a_hostile_namespace_adds_nothing_to_the_hosts_of_an_older_one(
        bytes in proptest::collection::vec(any::<u8>(), 0..700),
    ) {
        let settings = Settings { strict_hosts: true, ..manifests::settings() };
        let (alone, both, _) = beside(&bytes, "2005-01-01T00:00:00Z", &settings);
        for (pattern, host) in &alone.routes.hosts {
            prop_assert_eq!(Some(host), both.routes.hosts.get(pattern));
        }
        for (pattern, entry) in &alone.routes.certificates {
            prop_assert_eq!(Some(entry), both.routes.certificates.get(pattern));
        }
        // And no rule for more than one host comes before those for one.
        for host in both.routes.hosts.values().filter(|host| !matches!(host.host, HostPattern::Exact(_))) {
            prop_assert!(host.routes.iter().all(|route| matches!(route.rank, Rank::Automatic(_))));
        }
    }

    #[test]
    fn what_of_a_hostile_manifest_is_not_served_has_a_problem(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let (_, both, objects) = beside(&bytes, "2005-01-01T00:00:00Z", &manifests::settings());
        let mut served: BTreeMap<(&str, &str), BTreeSet<*const Origin>> = BTreeMap::new();
        for route in both.routes.hosts.values().flat_map(|host| &host.routes) {
            let id = (&*route.origin.namespace, &*route.origin.ingress);
            served.entry(id).or_default().insert(Arc::as_ptr(&route.origin));
        }
        for (key, ingress) in &objects.ingresses {
            let accepted = both.report.accepted.contains(&(key.namespace.clone(), key.name.clone()));
            let paths: usize = ingress.rules.iter().map(|rule| rule.paths.len()).sum();
            let routes = served.get(&(&*key.namespace, &*key.name)).map_or(0, BTreeSet::len);
            let told = both.report.problems.iter().any(|problem| {
                problem.object.kind == "Ingress" && problem.object.namespace == key.namespace && problem.object.name == key.name
            });
            prop_assert!(!accepted || told || routes >= paths, "{key}: {routes} routes of {paths} paths");
        }
    }
}
