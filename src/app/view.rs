//! What the admin pages look at: the tables and the readiness of this moment.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use crate::admin::{Admin, View};
use crate::control::Readiness;
use crate::control::leader::Leadership;
use crate::proxy::Proxy;
use crate::route::{Action, RouteTable, Severity};
use crate::telemetry::meters::{CertificateMeter, Meters, TableSize};
use crate::translate::Output;

/// The latest of everything.
#[derive(Debug, Default)]
pub(super) struct Board {
    readiness: OnceLock<watch::Receiver<Readiness>>,
    terminating: AtomicBool,
}

impl Board {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn follow(&self, readiness: watch::Receiver<Readiness>) {
        let _ = self.readiness.set(readiness);
    }

    /// From SIGTERM on the program is not ready.
    pub(super) fn terminate(&self) {
        self.terminating.store(true, Relaxed);
    }

    pub(super) fn is_terminating(&self) -> bool {
        self.terminating.load(Relaxed)
    }

    pub(super) fn readiness(&self) -> Readiness {
        self.readiness.get().map(|readiness| readiness.borrow().clone()).unwrap_or_default()
    }
}

/// Where the control loop's results are seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) meters: Arc<Meters>,
    pub(super) admin: Arc<Admin>,
    pub(super) proxy: Arc<Proxy>,
}

/// The control loop's way into the data plane, and to those who look at it.
pub(super) fn publisher(seen: Seen) -> (impl FnMut(&Output) + Send, impl FnMut(Duration) + Send) {
    let Seen { meters, admin, proxy } = seen;
    let own = meters.clone();
    let mut before: Option<Arc<RouteTable>> = None;
    let publish = move |output: &Output| {
        // Endpoints first: a new route finds its pods.
        proxy.update(&output.endpoints);
        proxy.install(&output.routes);
        admin.publish(View {
            routes: output.routes.clone(),
            endpoints: output.endpoints.clone(),
            report: output.report.clone(),
        });
        let same = before.as_ref().is_some_and(|before| Arc::ptr_eq(before, &output.routes));
        if !same {
            before = Some(output.routes.clone());
            meters.reloaded();
            meters.set_certificates(certificates(output));
        }
        meters.own().sized(size(output));
    };
    (publish, move |took| own.own().swapped(took))
}

fn certificates(output: &Output) -> Vec<CertificateMeter> {
    let entries = output.routes.certificates.values().chain(&output.routes.default_certificate);
    let served = entries.filter_map(|entry| entry.certificate.as_ref());
    let mut all: Vec<CertificateMeter> = served
        .map(|certificate| CertificateMeter {
            common_name: certificate.facts.common_name.to_string(),
            serial: certificate.facts.serial.to_string(),
            sans: certificate.facts.names.join(","),
            not_after: certificate.facts.not_after,
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn size(output: &Output) -> TableSize {
    let count = |severity| output.report.problems.iter().filter(|problem| problem.severity == severity).count();
    let routes = output.routes.hosts.values().flat_map(|host| &host.routes);
    TableSize {
        routes: routes.filter(|route| !matches!(route.action, Action::Internal(_))).count(),
        hosts: output.routes.hosts.len(),
        upstreams: output.endpoints.len(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
    }
}

/// Shows in the metrics whether this replica writes statuses. Ends with the leadership.
pub(super) async fn show_leadership(mut leads: watch::Receiver<Leadership>, meters: Arc<Meters>) {
    loop {
        let now = *leads.borrow_and_update();
        meters.own().leads(now != Leadership::Follower);
        if leads.changed().await.is_err() {
            return;
        }
    }
}
