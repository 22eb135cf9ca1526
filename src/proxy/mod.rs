//! The data plane: accepts, routes, balances and forwards requests.
//!
//! One worker per core serves everything of a connection on its own thread ([`worker`]); what they share is a snapshot
//! that [`Proxy::install`] swaps and endpoint lists that [`Proxy::update`] swaps. `serve` is the page to open first.

mod admission;
mod balance;
mod body;
mod bounds;
mod connection;
mod error;
mod exchange;
pub mod explain;
mod forward;
mod forwarding;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod h1;
mod head;
mod headers;
mod http1;
mod http2;
mod io;
pub mod listener;
mod memory;
mod opening;
mod passes;
mod path;
mod proxy_protocol;
mod redirect;
pub mod router;
mod serve;
mod shared;
mod tls;
mod trickles;
mod tunnel;
mod turns;
mod upgrade;
pub mod upstream;
mod waiting;
mod watch;
mod worker;

use std::fmt;
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::sync::{mpsc, watch as signal};

pub use bounds::Bounds;
pub use error::{Error, Fault};
pub use memory::{Look, LookAtMemory, Pressure};
pub use path::BadPath;
pub use shared::{InternalPages, Transport};
pub(crate) use tls::client_config;
pub use tls::{ClientTls, Error as TlsError, ServedCertificate};
pub use worker::Phase;

use crate::route::{Action, CertificateFacts, EndpointTable, Listener, Route, RouteTable};
use crate::telemetry::access::AccessLog;
use crate::telemetry::meters::Meters;
use crate::telemetry::traces::Tracer;
use admission::Admission;
use memory::Memory;
use router::{CompiledRoute, Router};
use shared::Shared;
use tls::Certificates;
use upstream::state::Upstreams;
use worker::{Command, CurrentPhase, Load};

/// What the data plane is made of.
pub struct Settings {
    /// The entry points that hold routes, in the order of their indices.
    pub listeners: Vec<Arc<Listener>>,
    /// Threads.
    pub workers: usize,
    /// How endpoints are spoken to.
    pub transport: Transport,
    /// TLS to endpoints.
    pub client_tls: ClientTls,
    /// What `X-Forwarded-Server` says.
    pub host_name: String,
    /// Where requests are counted.
    pub meters: Arc<Meters>,
    /// Where requests are logged.
    pub access_log: Option<Arc<AccessLog>>,
    /// What traces requests.
    pub tracer: Option<Arc<Tracer>>,
    /// adit's own pages, where an entry point with routes serves them.
    pub internal: InternalPages,
    /// Client connections at once, over all listeners; more are refused.
    pub max_connections: usize,
    /// Of one address; `None` is as many as there may be of all.
    pub max_connections_per_client: Option<NonZeroU32>,
    /// `tls.sniStrict`: no default certificate for a host that has none.
    pub strict_sni: bool,
    /// How long a tunnel may be silent; zero is no limit.
    pub tunnel_idle: Duration,
    /// Looks at how short memory is.
    pub memory: LookAtMemory,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listeners", &self.listeners)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

/// The running data plane.
pub struct Proxy {
    shared: Arc<Shared>,
    upstreams: Arc<Upstreams>,
    certificates: Arc<Certificates>,
    phase: signal::Sender<Phase>,
    ended: Mutex<Option<mpsc::UnboundedReceiver<WorkerEnd>>>,
    retired: Mutex<Vec<Arc<Router>>>,
}

/// How a worker ended.
#[derive(Debug)]
pub struct WorkerEnd {
    /// Which one.
    pub worker: usize,
    /// What it says: nothing when its time had come.
    pub error: Option<String>,
}

impl Proxy {
    /// Starts the workers. They accept nothing before [`Proxy::listen`].
    pub fn start(settings: Settings) -> Result<Self, TlsError> {
        let certificates = Certificates::new()?;
        let upstreams = Arc::new(Upstreams::new());
        let workers = settings.workers.max(1);
        let memory = Memory::new(settings.memory);
        let shared = Arc::new(Shared {
            epoch: Instant::now(),
            seed: u64::from(std::process::id()),
            listener_meters: settings
                .listeners
                .iter()
                .map(|listener| settings.meters.entry_point(&listener.name))
                .collect(),
            open_connections: settings
                .listeners
                .iter()
                .map(|listener| settings.meters.open_connections(&listener.name))
                .collect(),
            listeners: settings.listeners,
            transport: settings.transport,
            waiters: upstreams.waiters().clone(),
            host_name: HeaderValue::from_str(&settings.host_name).unwrap_or_else(|_| HeaderValue::from_static("adit")),
            router: Arc::new(ArcSwap::from_pointee(Router::default())),
            server_tls: tls::server_config(certificates.clone(), settings.strict_sni)?,
            client_tls: tls::client_config(&settings.client_tls, &[b"h2", b"http/1.1"])?,
            client_tls_http1: tls::client_config(&settings.client_tls, &[b"http/1.1"])?,
            meters: settings.meters,
            access_log: settings.access_log,
            tracer: settings.tracer,
            internal: settings.internal,
            phase: CurrentPhase::default(),
            admission: Admission::new(settings.max_connections, settings.max_connections_per_client, memory.clone()),
            memory,
            tunnel_idle: settings.tunnel_idle,
            loads: (0..workers).map(|_| Load::default()).collect(),
            commands: OnceLock::new(),
        });
        let (phase, _) = signal::channel(Phase::Serving);
        let (ends, ended) = mpsc::unbounded_channel();
        let mut commands = Vec::new();
        for id in 0..workers {
            let (sender, receiver) = mpsc::unbounded_channel();
            commands.push(sender);
            let (shared, phase, ends) = (shared.clone(), phase.subscribe(), ends.clone());
            let run = move || {
                let result =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker::run(id, shared, receiver, phase)));
                let error = match result {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(_) => Some("it panicked".to_owned()),
                };
                let _ = ends.send(WorkerEnd { worker: id, error });
            };
            let spawned = std::thread::Builder::new().name(format!("worker-{id}")).spawn(run);
            spawned.map_err(|error| TlsError::Thread(error.to_string()))?;
        }
        let _ = shared.commands.set(commands);
        Ok(Self { upstreams, shared, certificates, phase, ended: Mutex::new(Some(ended)), retired: Mutex::default() })
    }

    /// Accepts on these sockets, each of the listener with that index.
    pub fn listen(&self, sockets: Vec<(usize, TcpListener)>) -> std::io::Result<()> {
        let commands = self.shared.commands.get().map(Vec::as_slice).unwrap_or_default();
        for (listener, socket) in sockets {
            for command in commands {
                let _ = command.send(Command::Listen(listener, socket.try_clone()?));
            }
        }
        Ok(())
    }

    /// Serves this table from the next request on. Routes that did not change keep their state.
    pub fn install(&self, table: &Arc<RouteTable>) {
        self.certificates.install(table);
        let before = self.shared.router.load_full();
        if before.is_of(table) {
            return;
        }
        let next = Router::compile(Some(&before), table, |route| self.compile(route));
        self.shared.router.store(Arc::new(next));
        self.upstreams.forget_unused();
        // Whoever lets go of a snapshot last pays for it: that is to be this thread, not a worker's.
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.push(before);
        retired.retain(|router| Arc::strong_count(router) > 1);
    }

    fn compile(&self, route: &Arc<Route>) -> CompiledRoute {
        let upstream = match &route.action {
            Action::Forward(upstream) => Some(self.upstreams.state(upstream)),
            _ => None,
        };
        CompiledRoute::new(route.clone(), upstream, &self.shared.meters)
    }

    /// Balances over these endpoints from the next request on.
    pub fn update(&self, endpoints: &EndpointTable) {
        self.upstreams.update_endpoints(endpoints);
    }

    /// The state of upstreams and endpoints, for the admin's eyes.
    pub fn upstreams(&self) -> &Arc<Upstreams> {
        &self.upstreams
    }

    /// The certificates that are served, last good ones included, one for each Secret.
    pub fn certificates(&self) -> Vec<ServedCertificate> {
        self.certificates.served()
    }

    /// What would become of a request at this moment.
    pub fn explain(&self, question: &explain::Question<'_>) -> explain::Explanation {
        explain::explain(&self.shared.router.load(), question)
    }

    /// The certificate that a client who names this host is shown; none if it is the self-signed one.
    pub fn certificate_for(&self, host: Option<&str>) -> Option<CertificateFacts> {
        self.certificates.facts_for(host)
    }

    /// Moves on towards the end.
    pub fn enter(&self, phase: Phase) {
        self.shared.phase.set(phase);
        self.phase.send_replace(phase);
    }

    /// Looks at how short memory is.
    pub fn look_at_memory(&self) -> Pressure {
        self.shared.memory.look()
    }

    /// Has the workers let those go who keep memory waiting, and give what is free back to the kernel. Costs each of
    /// them about a millisecond, and as much for every thousand connections.
    pub fn give_back(&self) {
        for command in self.shared.commands.get().into_iter().flatten() {
            let _ = command.send(Command::GiveBack);
        }
    }

    /// Client connections at this moment, tunnels included.
    pub fn connections(&self) -> usize {
        self.shared.admission.open()
    }

    /// Where workers report their end; can be taken once.
    pub fn ends(&self) -> Option<mpsc::UnboundedReceiver<WorkerEnd>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("shared", &self.shared).finish_non_exhaustive()
    }
}
