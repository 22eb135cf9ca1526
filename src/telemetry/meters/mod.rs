//! Metrics: handles that are made once, at the first request of what they count, and the page that a scrape reads.

mod catalog;
mod labels;
mod own;
mod page;
pub mod process;
mod refusals;
mod series;
mod totals;
mod traffic;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

pub use catalog::{METRICS, Metric};
pub use labels::{
    EndpointLabel, LogLabel, MethodLabel, ProtocolLabel, Refusal, Retry, SeverityLabel, SpanLoss, TlsLabel, Wait,
};
pub use own::{Own, TableSize};
pub use refusals::Meaning;
pub use series::{Sample, Series};
pub use totals::Totals;

use catalog as c;
use page::Page;

/// What is measured.
#[derive(Clone, Debug)]
pub struct MeterSettings {
    /// How many workers record; their indices are below it.
    pub workers: usize,
    /// Upper bounds of the duration histograms, seconds (`metrics.prometheus.buckets`).
    pub buckets: Vec<f64>,
    /// `addEntryPointsLabels`.
    pub entry_points: bool,
    /// `addRoutersLabels`.
    pub routers: bool,
    /// `addServicesLabels`.
    pub services: bool,
}

impl Default for MeterSettings {
    /// Traefik's defaults, for one worker.
    fn default() -> Self {
        Self { workers: 1, buckets: vec![0.1, 0.3, 1.2, 5.0], entry_points: true, routers: false, services: true }
    }
}

/// All metrics of this process.
#[derive(Debug)]
pub struct Meters {
    settings: MeterSettings,
    bounds_ns: Arc<[u64]>,
    /// What [`Self::router`] gives while its label is off: it records nothing.
    off: Series,
    kept: Mutex<Kept>,
    own: Own,
    reloads: AtomicU64,
    last_reload: AtomicU64,
}

/// How many series are looked at under one lock.
const AT_ONCE: usize = 128;

/// The series that exist, by name.
#[derive(Debug, Default)]
struct Kept {
    entry_points: BTreeMap<Arc<str>, Series>,
    services: BTreeMap<Arc<str>, Series>,
    routers: BTreeMap<(Arc<str>, Arc<str>), Series>,
    connections: BTreeMap<String, Arc<OpenConnections>>,
    certificates: Vec<CertificateMeter>,
    servers: Vec<ServerMeter>,
}

/// The connections of one entry point that are open.
#[derive(Debug, Default)]
pub struct OpenConnections(AtomicI64);

impl OpenConnections {
    /// Counts one more.
    pub fn opened(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Counts one less.
    pub fn closed(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        u64::try_from(self.0.load(Relaxed)).unwrap_or(0)
    }
}

/// A certificate that is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateMeter {
    /// The subject's common name.
    pub common_name: String,
    /// The serial number, decimal.
    pub serial: String,
    /// The names it is for, joined by commas.
    pub sans: String,
    /// When it expires, seconds since the epoch.
    pub not_after: i64,
}

/// An endpoint and whether it takes requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerMeter {
    /// The service, `default-weather-8080@kubernetes`.
    pub service: String,
    /// Its URL, `http://10.42.0.9:8080`.
    pub url: String,
    /// Not set aside after failures.
    pub up: bool,
}

impl Meters {
    /// Metrics with nothing counted yet.
    pub fn new(settings: MeterSettings) -> Arc<Self> {
        let mut settings = settings;
        settings.buckets.retain(|bound| bound.is_finite() && *bound >= 0.0);
        settings.buckets.sort_by(f64::total_cmp);
        settings.buckets.dedup();
        let bounds_ns = settings.buckets.iter().map(|bound| (bound * 1e9).round() as u64).collect();
        Arc::new(Self {
            settings,
            off: Series::new(0, &bounds_ns),
            bounds_ns,
            kept: Mutex::default(),
            own: Own::default(),
            reloads: AtomicU64::new(0),
            last_reload: AtomicU64::new(0),
        })
    }

    /// The series of the entry point `name`. Dropping the last handle removes it, after one more scrape.
    pub fn entry_point(&self, name: &str) -> Series {
        if !self.settings.entry_points {
            return self.off.clone();
        }
        self.with(|kept| self.hold(&mut kept.entry_points, name.into()))
    }

    /// The series of a service, by its qualified name.
    pub fn service(&self, name: impl Into<Arc<str>>) -> Series {
        if !self.settings.services {
            return self.off.clone();
        }
        self.with(|kept| self.hold(&mut kept.services, name.into()))
    }

    /// The series of a router and the service that it forwards to, by their qualified names.
    pub fn router(&self, router: impl Into<Arc<str>>, service: impl Into<Arc<str>>) -> Series {
        if !self.settings.routers {
            return self.off.clone();
        }
        self.with(|kept| self.hold(&mut kept.routers, (router.into(), service.into())))
    }

    /// The series of a service, if there is one already or none is wanted.
    pub fn known_service(&self, name: &Arc<str>) -> Option<Series> {
        if !self.settings.services {
            return Some(self.off.clone());
        }
        self.with(|kept| kept.services.get(name).cloned())
    }

    /// The series of a router and its service, if there is one already or none is wanted.
    pub fn known_router(&self, router: &Arc<str>, service: &Arc<str>) -> Option<Series> {
        if !self.settings.routers {
            return Some(self.off.clone());
        }
        self.with(|kept| kept.routers.get(&(router.clone(), service.clone())).cloned())
    }

    /// The count of open connections of the entry point `name`.
    pub fn open_connections(&self, name: &str) -> Arc<OpenConnections> {
        self.with(|kept| kept.connections.entry(name.to_owned()).or_default().clone())
    }

    /// Upper bounds of the duration histograms, seconds.
    pub fn bounds(&self) -> &[f64] {
        &self.settings.buckets
    }

    /// Counts one routing table installed now.
    pub fn reloaded(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.reloads.fetch_add(1, Relaxed);
        self.last_reload.store(now, Relaxed);
    }

    /// Replaces the certificates that are served.
    pub fn set_certificates(&self, mut certificates: Vec<CertificateMeter>) {
        certificates.sort();
        certificates.dedup_by(|a, b| (&a.common_name, &a.serial, &a.sans) == (&b.common_name, &b.serial, &b.sans));
        self.with(|kept| kept.certificates = certificates);
    }

    /// Replaces the endpoints and their health.
    pub fn set_servers(&self, mut servers: Vec<ServerMeter>) {
        servers.sort();
        servers.dedup_by(|a, b| (&a.service, &a.url) == (&b.service, &b.url));
        self.with(|kept| kept.servers = servers);
    }

    /// adit's own metrics.
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// The page in Prometheus' text format. Each call is one scrape: what was removed before the last one is gone.
    pub fn render(&self) -> String {
        let mut page = Page::default();
        page.number(c::CONFIG_RELOADS, &[], self.reloads.load(Relaxed) as f64);
        page.number(c::CONFIG_LAST_RELOAD, &[], self.last_reload.load(Relaxed) as f64);
        self.with(|kept| {
            for (name, open) in &kept.connections {
                page.number(c::OPEN_CONNECTIONS, &[name, "TCP"], open.0.load(Relaxed) as f64);
            }
            for cert in &kept.certificates {
                let labels = [cert.common_name.as_str(), &cert.sans, &cert.serial];
                page.number(c::CERTIFICATES, &labels, cert.not_after as f64);
            }
            for server in &kept.servers {
                page.number(c::SERVICE_SERVER_UP, &[&server.service, &server.url], f64::from(u8::from(server.up)));
            }
        });
        let entry_points = self.taken(|kept| &mut kept.entry_points);
        let services = self.taken(|kept| &mut kept.services);
        let routers = self.taken(|kept| &mut kept.routers);
        let bounds = &self.settings.buckets;
        for (name, series) in entry_points {
            traffic::entry_point(&mut page, bounds, &name, &series);
        }
        for (name, series) in services {
            traffic::service(&mut page, bounds, &name, &series);
        }
        for ((router, service), series) in routers {
            traffic::router(&mut page, bounds, &router, &service, &series);
        }
        self.own.write(&mut page);
        process::write(&mut page);
        page.render()
    }

    fn hold<K: Ord>(&self, series: &mut BTreeMap<K, Series>, name: K) -> Series {
        series.entry(name).or_insert_with(|| Series::new(self.settings.workers, &self.bounds_ns)).clone()
    }

    /// All of them, by name. Those that nobody holds any more are forgotten: this scrape is the last to see them. A worker
    /// that serves a route for the first time waits for a few of them at most, not for a page of megabytes.
    fn taken<K: Ord + Clone>(&self, of: impl Fn(&mut Kept) -> &mut BTreeMap<K, Series>) -> Vec<(K, Series)> {
        let mut all = Vec::<(K, Series)>::new();
        loop {
            let some = self.with(|kept| {
                let series = of(kept);
                let after = all.last().map_or(Bound::Unbounded, |(name, _)| Bound::Excluded(name));
                let range = series.range((after, Bound::Unbounded)).take(AT_ONCE);
                let some: Vec<_> = range.map(|(name, series)| (name.clone(), series.clone())).collect();
                // One holder is the map itself, the other is the copy just made.
                for (name, _) in some.iter().filter(|(_, series)| series.holders() <= 2) {
                    series.remove(name);
                }
                some
            });
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    fn with<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
