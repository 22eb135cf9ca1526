//! The router against a plain reading of its rules: every route is looked at, and the lowest rank that matches wins.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::{CompiledRoute, Lack, Lookup, Router};
use crate::proxy::upstream::state::Upstreams;
use crate::route::{
    Action, AutomaticRank, Balance, Explicit, HostHeader, HostKind, HostPattern, ListenerSet, Observability, Origin,
    PathKind, PathMatch, PortRef, Protocol, Rank, RefusalReason, RegexBudget, Route, RouteTable, Tier, TlsUse,
    Upstream, UpstreamId, VirtualHost,
};
use crate::telemetry::meters::{MeterSettings, Meters, MethodLabel, ProtocolLabel, Sample};

/// A route to be, in terms that can be drawn at random.
#[derive(Clone, Debug, PartialEq)]
struct Draft {
    host: &'static str,
    path: PathMatch,
    listeners: u64,
    tls: TlsUse,
    /// The draft that an explicit priority puts it after, and that priority.
    explicit: Option<(Option<usize>, i64)>,
}

fn draft(host: &'static str, path: PathMatch) -> Draft {
    Draft { host, path, listeners: 1, tls: TlsUse::Also, explicit: None }
}

fn exact(path: &str) -> PathMatch {
    PathMatch::exact(path).expect("a path")
}

fn prefix(path: &str) -> PathMatch {
    PathMatch::prefix(path).expect("a path")
}

fn string_prefix(path: &str) -> PathMatch {
    PathMatch::string_prefix(path).expect("a path")
}

fn regex(pattern: &str) -> PathMatch {
    PathMatch::regex(pattern, &mut RegexBudget::default()).expect("a regular expression")
}

fn automatic(draft: &Draft, index: usize) -> AutomaticRank {
    let host = HostPattern::parse(draft.host).expect("a host");
    AutomaticRank {
        tier: Tier::Rule,
        host: match host {
            HostPattern::Exact(_) => HostKind::Exact,
            HostPattern::Wildcard(_) => HostKind::Wildcard,
            HostPattern::Any => HostKind::Any,
        },
        host_length: Reverse(draft.host.len() as u16),
        fallback: false,
        path_length: Reverse(draft.path.as_str().len() as u16),
        path: match draft.path {
            PathMatch::Exact(_) => PathKind::Exact,
            PathMatch::Regex(_) => PathKind::Regex,
            _ => PathKind::Prefix,
        },
        created: 0,
        namespace: "default".into(),
        name: "test".into(),
        index: index as u32,
    }
}

/// The table of these drafts. A route's origin is named by its draft's place.
fn table(drafts: &[Draft]) -> Arc<RouteTable> {
    let mut table = RouteTable::default();
    for (index, draft) in drafts.iter().enumerate() {
        let own = automatic(draft, index);
        let anchor = |after: usize| drafts.get(after).map(|other| automatic(other, after));
        let rank = match draft.explicit {
            None => Rank::Automatic(own),
            Some((after, priority)) => Rank::Explicit {
                after: after.and_then(anchor).map(Box::new),
                explicit: Box::new(Explicit { priority: Reverse(priority), own }),
            },
        };
        let origin = Origin {
            name: index.to_string().into(),
            rule: "".into(),
            priority: 0,
            explicit_priority: draft.explicit.is_some(),
            service: None,
            namespace: "default".into(),
            ingress: "test".into(),
        };
        let route = Route {
            rank,
            listeners: ListenerSet(draft.listeners),
            tls: draft.tls.clone(),
            path: draft.path.clone(),
            action: Action::Refuse(RefusalReason::NoService),
            observability: Observability::default(),
            origin: Arc::new(origin),
        };
        let host = HostPattern::parse(draft.host).expect("a host");
        let mut routes = table.hosts.get(&host).map(|host| host.routes.clone()).unwrap_or_default();
        routes.push(Arc::new(route));
        routes.sort_by(|a, b| a.rank.cmp(&b.rank));
        table.hosts.insert(host.clone(), Arc::new(VirtualHost { host, routes }));
    }
    Arc::new(table)
}

fn make(route: &Arc<Route>) -> CompiledRoute {
    CompiledRoute::new(route.clone(), None, &Meters::new(MeterSettings::default()))
}

fn compile(drafts: &[Draft]) -> Router {
    Router::compile(None, &table(drafts), make)
}

/// The rules, read plainly.
fn reference<'a>(table: &'a RouteTable, lookup: &Lookup<'_>) -> Option<&'a Arc<Route>> {
    let host_matches = |pattern: &HostPattern| match lookup.host {
        Some(host) => pattern.matches(host),
        None => *pattern == HostPattern::Any,
    };
    let serves = |route: &Route| {
        let transport = match (&route.tls, lookup.listener_tls) {
            (_, true) => lookup.tls,
            (TlsUse::Never, _) => !lookup.tls,
            (TlsUse::Only, _) => lookup.tls,
            (TlsUse::Also, _) => true,
            (TlsUse::Hosts(hosts), _) => !lookup.tls || hosts.iter().any(host_matches),
        };
        transport && route.listeners.contains(lookup.listener) && route.path.matches(lookup.path)
    };
    let hosts = table.hosts.values().filter(|host| host_matches(&host.host));
    hosts.flat_map(|host| &host.routes).filter(|route| serves(route)).min_by(|a, b| a.rank.cmp(&b.rank))
}

fn lookup<'a>(host: &'a str, path: &'a str) -> Lookup<'a> {
    Lookup { listener: 0, listener_tls: false, tls: false, host: Some(host), path }
}

/// The place of the draft that wins.
fn winner(router: &Router, lookup: &Lookup<'_>) -> Option<usize> {
    router.find(lookup).map(|found| found.route.origin.name.parse().expect("a draft's place"))
}

const HOSTS: [&str; 7] = ["a.x", "b.x", "*.x", "*.a.x", "", "c.a.x", "a.x"];
const REQUEST_HOSTS: [&str; 8] = ["a.x", "b.x", "c.x", "c.a.x", "d.a.x", "x", ".x", "e.d.a.x"];
const PATHS: [&str; 18] = [
    "/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/ab", "/ab/c", "/b", "/b/a", "/a//", "/a//b", "/c/d/e", "/c/d",
    "/a-b", "/a/bc", "/%61", "/A",
];
const PATTERNS: [&str; 5] = ["^/a", "b$", "^/[ab]/?$", ".", "c/d"];

fn any_path() -> impl Strategy<Value = PathMatch> {
    prop_oneof![
        2 => prop::sample::select(&PATHS[..]).prop_map(exact),
        3 => prop::sample::select(&PATHS[..]).prop_map(prefix),
        3 => prop::sample::select(&PATHS[..]).prop_map(string_prefix),
        1 => prop::sample::select(&PATTERNS[..]).prop_map(regex),
    ]
}

fn any_tls() -> impl Strategy<Value = TlsUse> {
    let hosts = prop::collection::vec(prop::sample::select(&HOSTS[..]), 1..3).prop_map(|hosts| {
        TlsUse::Hosts(hosts.into_iter().map(|host| HostPattern::parse(host).expect("a host")).collect())
    });
    prop_oneof![3 => Just(TlsUse::Also), 1 => Just(TlsUse::Never), 1 => Just(TlsUse::Only), 1 => hosts]
}

fn any_draft() -> impl Strategy<Value = Draft> {
    let explicit = prop::option::weighted(0.2, (prop::option::of(0..40_usize), -3..3_i64));
    (prop::sample::select(&HOSTS[..]), any_path(), 1..4_u64, any_tls(), explicit)
        .prop_map(|(host, path, listeners, tls, explicit)| Draft { host, path, listeners, tls, explicit })
}

/// Every request that tells two tables apart, nearly.
fn all_lookups() -> impl Iterator<Item = Lookup<'static>> {
    let hosts = REQUEST_HOSTS.into_iter().map(Some).chain([None]);
    hosts.flat_map(|host| {
        PATHS.into_iter().chain(["/a/b/c/d", "/abc", "/zzz", "/c/d/e/f", "/0"]).flat_map(move |path| {
            (0..12).map(move |bits| Lookup {
                listener: bits % 3,
                listener_tls: bits >= 6 && bits % 2 == 0,
                tls: bits / 3 % 2 == 0,
                host,
                path,
            })
        })
    })
}

fn agree(router: &Router, table: &RouteTable) -> Result<(), TestCaseError> {
    for lookup in all_lookups() {
        let found = router.find(&lookup).map(|found| found.route.origin.name.clone());
        let expected = reference(table, &lookup).map(|route| route.origin.name.clone());
        prop_assert_eq!(found, expected, "{:?}", lookup);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn few_routes_are_found_as_if_each_were_looked_at(drafts in prop::collection::vec(any_draft(), 0..20)) {
        agree(&compile(&drafts), &table(&drafts))?;
    }

    #[test]
    fn many_routes_are_found_as_if_each_were_looked_at(drafts in prop::collection::vec(any_draft(), 60..160)) {
        agree(&compile(&drafts), &table(&drafts))?;
    }

    #[test]
    fn the_first_candidate_is_the_route_that_is_found_and_each_of_the_rest_lacks_what_it_says(
        drafts in prop::collection::vec(any_draft(), 0..60),
    ) {
        let router = compile(&drafts);
        for lookup in all_lookups() {
            let candidates = router.candidates(&lookup, usize::MAX);
            let matching: Vec<_> = candidates.nearest.iter().take_while(|it| it.lacks.is_none()).collect();
            let first = matching.first().map(|it| Arc::as_ptr(&it.compiled.route));
            prop_assert_eq!(first, router.find(&lookup).map(|found| Arc::as_ptr(&found.route)));
            prop_assert_eq!(candidates.total, candidates.nearest.len());
            for it in candidates.nearest.iter().skip(matching.len()) {
                let route = &it.compiled.route;
                match it.lacks {
                    None => prop_assert!(false, "what matches comes first"),
                    Some(Lack::Path) => prop_assert!(!route.path.matches(lookup.path)),
                    Some(Lack::Listener) => prop_assert!(!route.listeners.contains(lookup.listener)),
                    Some(Lack::Clear) => prop_assert!(!lookup.tls),
                    Some(Lack::Tls) => prop_assert!(lookup.tls),
                }
            }
        }
    }

    #[test]
    fn compiling_what_changed_equals_compiling_all(
        before in prop::collection::vec(any_draft(), 0..80),
        changes in prop::collection::vec((0..80_usize, prop::option::of(any_draft())), 0..6),
    ) {
        let mut after = before.clone();
        for (place, change) in changes {
            match change {
                Some(draft) if place < after.len() => after[place] = draft,
                Some(draft) => after.push(draft),
                None => after.truncate(after.len().saturating_sub(place % 7)),
            }
        }
        let (old, new) = (table(&before), table(&after));
        let previous = Router::compile(None, &old, make);
        let made = RefCell::new(HashSet::new());
        let router = Router::compile(Some(&previous), &new, |route| {
            prop_assert_unique(&made, route);
            make(route)
        });
        agree(&router, &new)?;
        // An equal route of another host is another one.
        let routes = |table: &RouteTable| -> Vec<(HostPattern, Arc<Route>)> {
            let hosts = table.hosts.values();
            hosts.flat_map(|host| host.routes.iter().map(|route| (host.host.clone(), route.clone()))).collect()
        };
        let kept = routes(&old);
        let changed = routes(&new).into_iter().filter(|route| !kept.contains(route)).count();
        prop_assert_eq!(made.borrow().len(), changed, "only what is new is made");
        prop_assert!(router.is_of(&new));
        prop_assert_eq!(router.is_of(&old), old.hosts == new.hosts);
    }
}

fn prop_assert_unique(made: &RefCell<HashSet<Arc<str>>>, route: &Arc<Route>) {
    assert!(made.borrow_mut().insert(route.origin.name.clone()), "made twice: {route:?}");
}

/// More routes than are tried one after the other, none of which any of these tests asks for.
fn crowd(host: &'static str) -> Vec<Draft> {
    (0..20).map(|n| draft(host, prefix(&format!("/crowd/{n}")))).collect()
}

#[test]
fn an_empty_router_finds_nothing() {
    assert!(Router::default().find(&lookup("a.x", "/")).is_none());
    assert!(compile(&[]).find(&lookup("a.x", "/")).is_none());
}

#[test]
fn what_the_exact_host_lacks_falls_through_to_the_wildcard_and_then_to_host_less_rules() {
    let router = compile(&[draft("a.x", prefix("/own")), draft("*.x", prefix("/wild")), draft("", prefix("/"))]);
    assert_eq!(winner(&router, &lookup("a.x", "/own")), Some(0));
    assert_eq!(winner(&router, &lookup("a.x", "/wild")), Some(1));
    assert_eq!(winner(&router, &lookup("a.x", "/other")), Some(2));
    assert_eq!(winner(&router, &lookup("unknown", "/own")), Some(2));
}

#[test]
fn a_request_without_host_reaches_host_less_rules_only() {
    let router = compile(&[draft("a.x", prefix("/")), draft("*.x", prefix("/")), draft("", prefix("/"))]);
    assert_eq!(winner(&router, &Lookup { host: None, ..lookup("", "/") }), Some(2));
}

#[test]
fn a_wildcard_host_does_not_match_the_bare_domain_or_two_labels() {
    let router = compile(&[draft("*.a.x", prefix("/"))]);
    assert_eq!(winner(&router, &lookup("b.a.x", "/")), Some(0));
    for host in ["a.x", ".a.x", "c.b.a.x", "x", ""] {
        assert_eq!(winner(&router, &lookup(host, "/")), None, "{host}");
    }
}

#[test]
fn an_explicit_priority_may_put_a_wider_host_first() {
    let mut first = draft("", prefix("/"));
    first.explicit = Some((None, 1000));
    let mut after = draft("*.x", prefix("/"));
    after.explicit = Some((Some(0), 10));
    let router = compile(&[draft("a.x", prefix("/")), first, after.clone()]);
    assert_eq!(winner(&router, &lookup("a.x", "/")), Some(1));
    let router = compile(&[draft("a.x", prefix("/long")), draft("a.x", prefix("/")), after]);
    assert_eq!(winner(&router, &lookup("a.x", "/long/er")), Some(0));
    assert_eq!(winner(&router, &lookup("a.x", "/short")), Some(2), "after /long, before /");
}

#[test]
fn a_listener_that_is_tls_only_serves_nothing_in_the_clear_and_all_over_tls() {
    let mut never = draft("a.x", prefix("/"));
    never.tls = TlsUse::Never;
    let router = compile(&[never]);
    let on = |listener_tls, tls| winner(&router, &Lookup { listener_tls, tls, ..lookup("a.x", "/") });
    assert_eq!(on(true, true), Some(0));
    assert_eq!(on(true, false), None);
    assert_eq!(on(false, true), None);
    assert_eq!(on(false, false), Some(0));
}

#[test]
fn over_tls_a_route_serves_only_the_hosts_that_its_certificate_section_names() {
    let mut some = draft("*.x", prefix("/"));
    some.tls = TlsUse::Hosts(Arc::new([HostPattern::parse("a.x").expect("a host")]));
    let router = compile(&[some]);
    let over = |host, tls| winner(&router, &Lookup { tls, ..lookup(host, "/") });
    assert_eq!(over("a.x", true), Some(0));
    assert_eq!(over("b.x", true), None);
    assert_eq!(over("b.x", false), Some(0));
}

#[test]
fn a_route_of_another_listener_hides_none_behind_it() {
    for more in [vec![], crowd("a.x")] {
        let mut other = draft("a.x", exact("/a/b"));
        other.listeners = 2;
        let mut drafts = vec![other, draft("a.x", prefix("/a/b")), draft("a.x", string_prefix("/a/b"))];
        drafts.extend(more);
        assert_eq!(winner(&compile(&drafts), &lookup("a.x", "/a/b")), Some(1));
    }
}

#[test]
fn among_many_routes_the_longest_prefix_wins_whether_by_element_or_by_character() {
    let mut drafts = crowd("a.x");
    let first = drafts.len();
    drafts.extend([
        draft("a.x", prefix("/")),
        draft("a.x", prefix("/a")),
        draft("a.x", string_prefix("/a/b")),
        draft("a.x", exact("/a/bc")),
        draft("a.x", regex("^/a/bcde$")),
    ]);
    let router = compile(&drafts);
    for (path, place) in [
        ("/", 0),
        ("/ab", 0),
        ("/a", 1),
        ("/a/", 1),
        ("/a/c", 1),
        ("/a/bx", 2),
        ("/a/bc", 3),
        ("/a/bcd", 2),
        ("/a/bcde", 4),
    ] {
        assert_eq!(winner(&router, &lookup("a.x", path)), Some(first + place), "{path}");
    }
}

#[test]
fn a_hostile_path_costs_no_more_than_its_routes_do() {
    let mut drafts = crowd("a.x");
    drafts.push(draft("a.x", prefix("/")));
    let router = compile(&drafts);
    let slashes = "/".repeat(60_000);
    let started = std::time::Instant::now();
    for _ in 0..1_000 {
        assert_eq!(winner(&router, &lookup("a.x", &slashes)), Some(20));
    }
    // Hashing each of its 60,000 elements would take seconds each time.
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn an_unchanged_route_is_not_compiled_again_when_others_of_its_host_change() {
    let before = [draft("a.x", prefix("/a")), draft("a.x", prefix("/b")), draft("b.x", prefix("/"))];
    let mut after = before.clone();
    after[1].path = prefix("/longer");
    let old = Router::compile(None, &table(&before), make);
    let mut made = Vec::new();
    let new = Router::compile(Some(&old), &table(&after), |route| {
        made.push(route.origin.name.to_string());
        make(route)
    });
    assert_eq!(made, ["1"]);
    assert_eq!((winner(&new, &lookup("a.x", "/a")), winner(&new, &lookup("b.x", "/"))), (Some(0), Some(2)));
    assert!(new.find(&lookup("a.x", "/b")).is_none() && new.find(&lookup("a.x", "/longer")).is_some());
    assert!(old.find(&lookup("a.x", "/b")).is_some(), "the old snapshot is as it was");
}

#[test]
fn a_host_without_routes_is_no_host() {
    let before = [draft("a.x", prefix("/")), draft("*.x", prefix("/")), draft("", prefix("/"))];
    let old = Router::compile(None, &table(&before), make);
    let mut emptied = RouteTable::default();
    for host in ["a.x", "*.x", ""] {
        let host = HostPattern::parse(host).expect("a host");
        emptied.hosts.insert(host.clone(), Arc::new(VirtualHost { host, routes: Vec::new() }));
    }
    let new = Router::compile(Some(&old), &Arc::new(emptied), make);
    assert_eq!(winner(&new, &lookup("a.x", "/")), None);
}

#[test]
fn the_walk_up_from_a_path_meets_only_what_it_begins_with() {
    let drafts: Vec<_> =
        (0..100).map(|n| draft("a.x", prefix(&format!("/{n}")))).chain([draft("a.x", prefix("/"))]).collect();
    let router = compile(&drafts);
    // The root, and for two digits the one: siblings are no ancestors.
    assert_eq!(router.exact.get("a.x").and_then(|routes| routes.deepest()), Some(3));
}

#[test]
fn a_host_that_goes_leaves_nothing_behind() {
    let before = [draft("a.x", prefix("/")), draft("*.x", prefix("/")), draft("", prefix("/"))];
    let old = Router::compile(None, &table(&before), make);
    for left in 0..3 {
        let new = Router::compile(Some(&old), &table(&before[..left]), make);
        assert_eq!(winner(&new, &lookup("a.x", "/")), (left > 0).then_some(0));
        assert_eq!(winner(&new, &lookup("c.x", "/")), (left > 1).then_some(1));
        assert_eq!(winner(&new, &lookup("y", "/")), None);
    }
}

#[test]
fn an_exchange_counts_for_its_router_and_its_service_and_a_retry_for_the_service() {
    let meters = Meters::new(MeterSettings { routers: true, ..MeterSettings::default() });
    let table = table(&[draft("a.x", prefix("/"))]);
    let spec = Arc::new(Upstream {
        id: UpstreamId::new("n", "s", PortRef::Number(80)),
        protocol: Protocol::Http,
        host_header: HostHeader::Pass,
        balance: Balance::PeakEwma,
        sticky: None,
    });
    let upstreams = Upstreams::new();
    let router = Router::compile(None, &table, |route| {
        let origin = Origin { name: "r".into(), service: Some("s".into()), ..(*route.origin).clone() };
        let route = Arc::new(Route { origin: Arc::new(origin), ..(**route).clone() });
        CompiledRoute::new(route, Some(upstreams.state(&spec)), &meters)
    });
    let route = router.find(&lookup("a.x", "/")).expect("the route");
    route.retried(&meters);
    let sample = Sample {
        code: 200,
        method: MethodLabel::Get,
        protocol: ProtocolLabel::Http,
        duration: std::time::Duration::ZERO,
        request_bytes: 0,
        response_bytes: 0,
        tls: None,
    };
    route.record(&meters, 0, &sample);
    // Compiled anew before the next request, it goes on counting where it was.
    let again = CompiledRoute::new(route.route.clone(), route.upstream.clone(), &meters);
    drop(router);
    meters.render();
    meters.render();
    again.record(&meters, 0, &sample);
    let page = meters.render();
    for expected in [
        "traefik_router_requests_total{code=\"200\",method=\"GET\",protocol=\"http\",router=\"r\",service=\"s\"} 2\n",
        "traefik_service_requests_total{code=\"200\",method=\"GET\",protocol=\"http\",service=\"s\"} 2\n",
        "traefik_service_retries_total{service=\"s\"} 1\n",
    ] {
        assert!(page.contains(expected), "{expected}\nis missing in\n{page}");
    }
}
