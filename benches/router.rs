//! What the routing table costs: compiling it whole, compiling one changed host, and looking routes up.

use std::cmp::Reverse;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use adit::proxy::router::{CompiledRoute, Lookup, Router};
use adit::route::{
    Action, AutomaticRank, HostKind, HostPattern, ListenerSet, Observability, Origin, PathKind, PathMatch, Rank,
    RefusalReason, Route, RouteTable, Tier, TlsUse, VirtualHost,
};
use adit::telemetry::meters::{MeterSettings, Meters};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

/// As the program has it: compiling is allocating.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SIZES: [usize; 4] = [1, 1_000, 10_000, 50_000];

/// Lookups per turn, over hosts in an order that no cache foresees.
const LOOKUPS: usize = 4_096;

fn route(host: &HostPattern, path: PathMatch, name: &Arc<str>, index: u32) -> Arc<Route> {
    let rank = AutomaticRank {
        tier: Tier::Rule,
        host: match host {
            HostPattern::Exact(_) => HostKind::Exact,
            HostPattern::Wildcard(_) => HostKind::Wildcard,
            HostPattern::Any => HostKind::Any,
        },
        host_length: Reverse(0),
        fallback: false,
        path_length: Reverse(path.as_str().len() as u16),
        path: if matches!(path, PathMatch::Exact(_)) { PathKind::Exact } else { PathKind::Prefix },
        created: 0,
        namespace: "default".into(),
        name: name.clone(),
        index,
    };
    let origin = Origin {
        name: format!("default-{name}-{index}@kubernetes").into(),
        rule: format!("Host(`{host}`) && PathPrefix(`{path}`)").into(),
        priority: 0,
        explicit_priority: false,
        service: None,
        namespace: "default".into(),
        ingress: name.clone(),
    };
    Arc::new(Route {
        rank: Rank::Automatic(rank),
        listeners: ListenerSet::only(0).with(1),
        tls: TlsUse::Also,
        path,
        action: Action::Refuse(RefusalReason::NoService),
        observability: Observability::default(),
        origin: Arc::new(origin),
    })
}

fn virtual_host(host: HostPattern, name: &str, paths: impl Iterator<Item = PathMatch>) -> Arc<VirtualHost> {
    let name: Arc<str> = name.into();
    let mut routes: Vec<_> = paths.enumerate().map(|(index, path)| route(&host, path, &name, index as u32)).collect();
    routes.sort_by(|a, b| a.rank.cmp(&b.rank));
    Arc::new(VirtualHost { host, routes })
}

fn host_name(n: usize) -> String {
    format!("app-{n}.team-{}.example.com", n % 97)
}

/// Four prefixes and one exact path, as an Ingress of some size has.
fn host(n: usize, api: &str) -> Arc<VirtualHost> {
    let prefixes = ["/", api, "/static/assets", "/admin"].map(|path| PathMatch::prefix(path).expect("a path"));
    let exact = PathMatch::exact("/healthz").expect("a path");
    let pattern = HostPattern::parse(&host_name(n)).expect("a host");
    virtual_host(pattern, &format!("app-{n}"), prefixes.into_iter().chain([exact]))
}

fn table(size: usize) -> Arc<RouteTable> {
    let mut table = RouteTable::default();
    for n in 0..size {
        let host = host(n, "/api");
        table.hosts.insert(host.host.clone(), host);
    }
    Arc::new(table)
}

fn meters() -> Arc<Meters> {
    Meters::new(MeterSettings::default())
}

fn make(meters: &Meters) -> impl FnMut(&Arc<Route>) -> CompiledRoute + '_ {
    move |route| CompiledRoute::new(route.clone(), None, meters)
}

fn compile(c: &mut Criterion) {
    let meters = meters();
    let mut group = c.benchmark_group("compile");
    group.sample_size(20);
    for size in SIZES {
        let table = table(size);
        group.bench_function(BenchmarkId::new("whole", size), |b| {
            b.iter_with_large_drop(|| Router::compile(None, &table, make(&meters)));
        });
        let router = Router::compile(None, &table, make(&meters));
        let changed = host(size / 2, "/api/v2");
        let changed = Arc::new(RouteTable {
            hosts: table.hosts.update(changed.host.clone(), changed),
            ..RouteTable::clone(&table)
        });
        group.bench_function(BenchmarkId::new("one changed host", size), |b| {
            b.iter_batched(
                || (),
                |()| Router::compile(Some(&router), &changed, make(&meters)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Looks each of these up, and reports the time of all of them.
fn lookups(c: &mut Criterion, name: &str, size: usize, router: &Router, requests: &[(String, String)], hit: bool) {
    let mut turn = requests.iter().cycle();
    c.bench_function(&format!("lookup/{name}/{size}"), |b| {
        b.iter(|| {
            let Some((host, path)) = turn.next() else { return };
            let lookup = Lookup { listener: 0, listener_tls: false, tls: true, host: Some(host), path };
            let found = router.find(black_box(&lookup));
            assert_eq!(found.is_some(), hit);
        });
    });
}

fn lookup(c: &mut Criterion) {
    let meters = meters();
    let paths = ["/", "/api/v1/users/42", "/static/assets/logo.svg", "/healthz", "/admin", "/unknown/path"];
    for size in SIZES {
        let router = Router::compile(None, &table(size), make(&meters));
        // A stride that is prime to the size visits the hosts in an order that is as good as random.
        let hosts = (0..LOOKUPS.min(size.max(64))).map(|n| host_name(n * 7_919 % size));
        let hits: Vec<_> = hosts.enumerate().map(|(n, host)| (host, paths[n % paths.len()].to_owned())).collect();
        lookups(c, "hit", size, &router, &hits, true);
        let misses: Vec<_> = hits.iter().map(|(host, path)| (format!("no-{host}"), path.clone())).collect();
        lookups(c, "unknown host", size, &router, &misses, false);
    }
}

/// The dearest lookups: every table is asked, and the last route of a long list wins.
fn worst(c: &mut Criterion) {
    let meters = meters();
    let mut table = RouteTable::clone(&table(50_000));
    let suffix = "wide.example.com";
    let many = |from: usize, to: usize| {
        (from..to).map(|n| match n % 2 {
            0 => PathMatch::prefix(&format!("/team-{}/service-{n}", n % 10)).expect("a path"),
            _ => PathMatch::string_prefix(&format!("/team-{}/service-{n}", n % 10)).expect("a path"),
        })
    };
    for count in [16, 100, 1_000] {
        let exact = HostPattern::parse(&format!("h{count}.{suffix}")).expect("a host");
        table.hosts.insert(exact.clone(), virtual_host(exact, "exact", many(0, count)));
    }
    let wildcard = HostPattern::parse(&format!("*.{suffix}")).expect("a host");
    table.hosts.insert(wildcard.clone(), virtual_host(wildcard, "wildcard", many(2_000, 2_100)));
    let root = PathMatch::prefix("/").expect("a path");
    table.hosts.insert(HostPattern::Any, virtual_host(HostPattern::Any, "any", many(4_000, 4_100).chain([root])));
    let router = Router::compile(None, &Arc::new(table), make(&meters));
    for count in [16, 100, 1_000] {
        let host = format!("h{count}.{suffix}");
        let last = format!("/team-{}/service-{}/x", (count - 1) % 10, count - 1);
        lookups(c, "last of its host's routes", count, &router, &[(host.clone(), last)], true);
        lookups(c, "falls through three hosts", count, &router, &[(host, "/team-5/other".into())], true);
    }
    let slashes = vec![(format!("h1000.{suffix}"), "/".repeat(8_000))];
    lookups(c, "8,000 slashes", 1_000, &router, &slashes, true);
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = compile, lookup, worst
}
criterion_main!(benches);
