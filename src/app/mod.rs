//! Wires the parts together: the one place that sees both planes. Start, readiness, and the order of the end.

mod convert;
mod ending;
mod healthcheck;
mod limits;
mod memory;
mod traces;
mod view;

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::admin::{self, Admin};
use crate::config::{Config, Source, StatusFrom, Warning};
use crate::control::leader::Leadership;
use crate::control::{self, Outlets, Readiness};
use crate::demo::Demo;
use crate::objects::Change;
use crate::proxy::{self, Proxy, listener};
use crate::route::Listener;
use crate::source;
use crate::telemetry::access::AccessLog;
use crate::telemetry::meters::{LogLabel, Meters};
use crate::telemetry::{chain, logs};
use crate::translate::{Settings, Translator};
use ending::Signals;
use memory::Memory;
use view::Board;

/// How long connections may wait unaccepted for the first table, before the sockets are closed until there is one.
const FIRST_TABLE: Duration = Duration::from_secs(10);
/// Events that may wait for the control loop.
const EVENTS: usize = 64;

/// Why the program could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log's file cannot be opened.
    #[error(transparent)]
    Log(#[from] logs::Error),
    /// The access log's file cannot be opened.
    #[error(
        "open the access log {}; accessLog.filePath must name a file that can be written, and is standard output without",
        path.display()
    )]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A listener cannot be opened.
    #[error(transparent)]
    Listener(#[from] listener::Error),
    /// The data plane cannot start.
    #[error("start the data plane")]
    Proxy(#[from] proxy::TlsError),
    /// TLS to the collector of traces cannot be set up.
    #[error("start tracing")]
    Tracing(#[source] proxy::TlsError),
    /// The control plane's runtime cannot start.
    #[error("start the control plane")]
    Runtime(#[source] io::Error),
    /// The source cannot start.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A worker has ended before its time.
    #[error("worker {worker} ended: {error}; the process ends, so that what started it starts it anew")]
    Worker {
        /// Which one.
        worker: usize,
        /// What it said.
        error: String,
    },
}

/// How objects are read with this configuration; for `adit check`, which is the translation that serves.
pub fn translate_settings(config: &Config) -> Settings {
    convert::translate(config)
}

/// What the cluster holds that a migration asks for; nothing is written there.
pub fn inventory(config: &Config) -> Result<source::cluster::Inventory, Error> {
    let (connection, namespaces) = match &config.source {
        Source::Cluster(cluster) | Source::IngressRoutes(cluster) => {
            (convert::connection(cluster), cluster.namespaces.clone())
        }
        Source::Directory(_) | Source::None => Default::default(),
    };
    Ok(block_on(source::cluster::inventory(&connection, &namespaces))??)
}

/// Runs what a command waits for.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    Ok(runtime.block_on(work))
}

/// Asks `/ping` of the adit that was started with this configuration; the URL that answered.
pub fn healthcheck(config: &Config) -> Result<String, healthcheck::Error> {
    healthcheck::ask(config)
}

/// Runs the demo: the program as it is, on manifests and backends that it brings along.
pub fn run_demo(config: Config, warnings: &[Warning], mut demo: Demo) -> Result<(), Error> {
    let secret = demo.secret.clone();
    run_with(config, warnings, vec![secret], |runtime| {
        demo.start(runtime);
        print!("{}", demo.hints());
    })
}

/// Runs the program until a signal, or until it can go on no longer.
pub fn run(config: Config, warnings: &[Warning]) -> Result<(), Error> {
    run_with(config, warnings, Vec::new(), |_| {})
}

/// Runs the program on the source's objects and these; `started` is called once all listeners are open.
fn run_with(
    config: Config,
    warnings: &[Warning],
    objects: Vec<Change>,
    started: impl FnOnce(&tokio::runtime::Handle),
) -> Result<(), Error> {
    let log = logs::init(&config.log).map(Arc::new)?;
    info!(version = crate::VERSION, "adit starts");
    for warning in warnings {
        warn!("{}", warning.0);
    }
    let workers = limits::workers(config.workers);
    let meters = Meters::new(convert::meters(&config, workers));
    meters.own().watch_drops(LogLabel::Process, log.drops());
    let access_log = config
        .access_log
        .as_ref()
        .map(|log| {
            let path = log.settings.file.clone().unwrap_or_default();
            AccessLog::start(log.settings.clone()).map_err(|source| Error::AccessLog { path, source })
        })
        .transpose()?
        .map(Arc::new);
    if let Some(access_log) = &access_log {
        meters.own().watch_drops(LogLabel::Access, access_log.drops());
    }
    let (tracer, exporter) = match &config.tracing {
        Some(tracing) => traces::start(tracing, &meters).map(|(tracer, exporter)| (Some(tracer), Some(exporter)))?,
        None => (None, None),
    };

    let listeners: Vec<Arc<Listener>> = config.listeners.iter().cloned().map(Arc::new).collect();
    let sockets = bind(&listeners)?;
    let mut admin_sockets = Vec::new();
    for listener in &config.admin_listeners {
        let mut bound = Listener::new(listener.name.clone(), listener.address.clone());
        bound.reuse_port = listener.reuse_port;
        admin_sockets.push((listener.clone(), listener::bind(&bound)?));
    }
    for (index, socket) in &sockets {
        listening(&listeners[*index].name, socket);
    }
    for (listener, socket) in &admin_sockets {
        listening(&listener.name, socket);
    }

    let board = Board::new();
    let pages: Arc<OnceLock<Arc<Admin>>> = Arc::default();
    let max_connections = limits::connections(config.limits.connections);
    let bounds = proxy::Bounds::of(&config.listeners, max_connections);
    let (http1, http2) = (bounds.http1, bounds.http2);
    let memory = Memory::find(config.limits.memory.map(|asked| asked.get() as u64));
    let could = bounds.all.saturating_add(limits::FIXED_MEMORY) as u64;
    info!(
        workers,
        maxConnections = max_connections,
        http1Connection = http1,
        http2Connection = http2,
        memoryBound = memory.limit.map_or(could, |limit| limit.min(could)),
        memoryLimit = memory.limit,
        "limits"
    );
    let proxy = Arc::new(Proxy::start(proxy::Settings {
        listeners: listeners.clone(),
        workers,
        transport: convert::transport(&config),
        client_tls: convert::client_tls(&config.transport),
        host_name: limits::host_name(),
        meters: meters.clone(),
        access_log: access_log.clone(),
        tracer: tracer.clone(),
        internal: convert::internal_pages(&pages),
        max_connections,
        max_connections_per_client: config.limits.per_client,
        strict_sni: config.strict_sni,
        tunnel_idle: config.limits.tunnel_idle,
        memory: Box::new(move |before| memory.look(before)),
    })?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let admin = Arc::new(Admin::new(convert::admin(&config, &meters, &board, &proxy)));
    let _ = pages.set(admin.clone());
    let seen = view::Seen { meters: meters.clone(), admin: admin.clone(), proxy: proxy.clone() };
    let result = runtime.block_on(async {
        let signals = Signals::new(log.clone(), access_log.clone()).map_err(Error::Runtime)?;
        let mut tasks = JoinSet::new();
        let (stop, stopped) = watch::channel(false);
        if let Some(exporter) = exporter {
            tasks.spawn(exporter.run(until(stopped.clone())));
        }
        for (listener, socket) in admin_sockets {
            let socket = tokio::net::TcpListener::from_std(socket).map_err(Error::Runtime)?;
            let mut observer = convert::observer(&config, &listener.name, &meters, workers, access_log.as_ref());
            observer.tracer = tracer.clone().filter(|_| config.tracing.as_ref().is_some_and(|it| it.add_internals));
            tasks.spawn(admin::serve(socket, admin.clone(), listener.pages, observer, until(stopped.clone())));
        }
        tasks.spawn(admin::keep_history(admin.clone(), until(stopped.clone())));
        let (readiness, ready) = watch::channel(Readiness::default());
        board.follow(ready.clone());
        tokio::spawn(memory::watch(proxy.clone()));
        let failed = control_plane(&config, &seen, objects, readiness, &stopped, &mut tasks);
        let accepting = accept(proxy.clone(), listeners.clone(), sockets, ready);
        started(&tokio::runtime::Handle::current());
        let result = tokio::select! {
            result = accepting => result.map(|never| match never {}),
            failed = failed => failed.map_or(Ok(()), |error| Err(error.into())),
            end = ending::worker_ends(&proxy) => Err(end),
            signal = signals.first() => {
                ending::end(signal, &config, &board, &proxy, &signals).await;
                Ok(())
            }
        };
        stop.send_replace(true);
        let finish = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(3), finish).await;
        result
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    match &result {
        Ok(()) => info!("adit ends"),
        Err(error) => error!("{}", chain(error)),
    }
    if let Some(access_log) = access_log {
        access_log.flush();
    }
    result
}

fn bind(listeners: &[Arc<Listener>]) -> Result<Vec<(usize, TcpListener)>, listener::Error> {
    listeners.iter().enumerate().map(|(index, listener)| Ok((index, listener::bind(listener)?))).collect()
}

fn listening(name: &str, socket: &TcpListener) {
    if let Ok(address) = socket.local_addr() {
        info!(entryPointName = name, address = %address, "listening");
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Starts what brings objects and what turns them into tables. The answer comes when the source fails.
fn control_plane(
    config: &Config,
    seen: &view::Seen,
    objects: Vec<Change>,
    readiness: watch::Sender<Readiness>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> impl Future<Output = Option<source::Error>> + use<> {
    let (failed, failure) = oneshot::channel();
    let (events, received) = mpsc::channel(EVENTS);
    if !objects.is_empty() {
        let _ = events.try_send(source::Event::Changes(objects));
    }
    let (statuses, wanted) = watch::channel(Arc::default());
    let translator = Translator::new(convert::translate(config));
    let (publish, on_swap) = view::publisher(seen.clone());
    let (reports, reported) = watch::channel(Arc::default());
    let outlets = Outlets { publish, on_swap, readiness, statuses, reports };
    tasks.spawn(control::run(
        received,
        translator,
        control::holdoff::Settings::default(),
        outlets,
        until(stopped.clone()),
    ));
    match &config.source {
        Source::Directory(path) => {
            let source = source::directory::run(
                source::directory::Settings { path: path.clone() },
                events,
                until(stopped.clone()),
            );
            tasks.spawn(async move {
                if let Err(error) = source.await {
                    let _ = failed.send(error);
                }
            });
        }
        Source::Cluster(cluster) => {
            let statuses = config.ingress.status != StatusFrom::Nothing && !config.read_only;
            let tells = config.events && !config.read_only;
            let settings = convert::cluster(config, cluster);
            let connection = convert::connection(cluster);
            let stop = until(stopped.clone());
            let [status_stop, lease_stop, event_stop] = [(); 3].map(|()| stopped.clone());
            let lease = convert::lease(config);
            let meters = seen.meters.clone();
            tasks.spawn(async move {
                let result = async {
                    let client = source::cluster::connect(&connection).await?;
                    let (leadership, leads) = watch::channel(Leadership::default());
                    let writing = async {
                        if statuses || tells {
                            let identity = lease.identity.clone();
                            let lead = control::leader::run(client.clone(), lease, leadership, until(lease_stop));
                            let write = async {
                                if statuses {
                                    let stop = until(status_stop);
                                    control::status::run(client.clone(), wanted, leads.clone(), stop).await;
                                }
                            };
                            let tell = async {
                                if tells {
                                    let stop = until(event_stop);
                                    control::events::run(client.clone(), identity, reported, leads.clone(), stop).await;
                                }
                            };
                            tokio::join!(lead, write, tell, view::show_leadership(leads.clone(), meters));
                        }
                        Ok(())
                    };
                    let watching = source::cluster::run(client.clone(), settings, events, stop);
                    // The source's failure must not wait for the writer's end.
                    let both = tokio::try_join!(writing, watching);
                    both.map(|((), ())| ())
                };
                if let Err(error) = result.await {
                    let _ = failed.send(error);
                }
            });
        }
        Source::IngressRoutes(cluster) => {
            warn!(
                "providers.kubernetescrd alone: IngressRoutes are counted and not served; add --providers.kubernetesingress to serve Ingresses"
            );
            let (connection, namespaces) = (convert::connection(cluster), cluster.namespaces.clone());
            let stop = until(stopped.clone());
            tasks.spawn(async move {
                let _failed = failed;
                match source::cluster::connect(&connection).await {
                    Ok(client) => source::cluster::count_ingress_routes(client, namespaces, events, stop).await,
                    Err(error) => {
                        warn!("IngressRoutes cannot be counted: {}", chain(&error));
                        let _ = events.send(source::Event::Synced).await;
                        events.closed().await;
                    }
                }
            });
        }
        Source::None => {
            tasks.spawn(async move {
                let _ = events.send(source::Event::Synced).await;
                drop(failed);
                events.closed().await;
            });
        }
    }
    async move { failure.await.ok() }
}

enum Never {}

/// Opens the listeners for clients once there is a table. Until then connections wait in the listen queue; when that
/// takes too long the sockets close, so that clients and load balancers see a pod that does not serve.
async fn accept(
    proxy: Arc<Proxy>,
    listeners: Vec<Arc<Listener>>,
    sockets: Vec<(usize, TcpListener)>,
    mut ready: watch::Receiver<Readiness>,
) -> Result<Never, Error> {
    let first = tokio::time::timeout(FIRST_TABLE, ready.wait_for(|ready| ready.installed)).await;
    let sockets = match first.map(|ready| ready.is_ok()) {
        Ok(true) => sockets,
        // Nobody will make one: whoever failed says why, and ends the process.
        Ok(false) => std::future::pending().await,
        Err(_) => {
            warn!(
                "no routing table after {} s: the entry points close until there is one; /readyz says what it waits for",
                FIRST_TABLE.as_secs()
            );
            drop(sockets);
            if ready.wait_for(|ready| ready.installed).await.is_err() {
                std::future::pending::<()>().await;
            }
            bind(&listeners)?
        }
    };
    proxy.listen(sockets).map_err(Error::Runtime)?;
    std::future::pending().await
}
