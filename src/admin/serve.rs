//! The admin port's socket: HTTP/1.1 with every wait bounded, on the control runtime.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::io::{Clock, Io};
use super::{Admin, Observer, reply};
use crate::config::Pages;
use crate::telemetry::meters::OpenConnections;

/// Connections at once; more wait in the listen queue until one of these is done or has timed out.
const CONNECTIONS: usize = 256;
/// A request's head, and the wait for one on a kept connection.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The most bytes of a head.
const HEAD_BYTES: usize = 64 * 1024;
/// The longest life of a connection: one that stops reading its answer ends with it.
const CONNECTION_TIME: Duration = Duration::from_secs(120);
/// How long answers in flight may take at the end.
const GRACE: Duration = Duration::from_secs(2);
/// Rest after an accept that failed for want of descriptors or memory.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Serves `pages` on `listener` until `shutdown`, then finishes what is in flight.
pub async fn serve(
    listener: TcpListener,
    admin: Arc<Admin>,
    pages: Pages,
    observer: Observer,
    shutdown: impl Future<Output = ()>,
) {
    let observer = Arc::new(observer);
    let (ending, ended) = watch::channel(false);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // Each arm is cancel-safe: a permit that was not used is given back, accept loses no connection.
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let ended = ended.clone();
        let port = Port { admin: admin.clone(), pages, observer: observer.clone(), peer };
        connections.spawn(async move {
            let open = Open::new(&port.observer);
            connection(stream, port, ended).await;
            drop((open, permit));
        });
    }
    drop(listener);
    ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    // What is left after that is dropped with the set.
    let _ = tokio::time::timeout(GRACE, all).await;
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, SocketAddr::new(peer.ip().to_canonical(), peer.port()), permit)),
        Err(error) => {
            tracing::warn!(%error, "admin port: accept failed");
            tokio::time::sleep(ACCEPT_REST).await;
            None
        }
    }
}

/// Counts a connection for as long as it is open, however it ends.
struct Open(Arc<OpenConnections>);

impl Open {
    fn new(observer: &Observer) -> Self {
        observer.connections.opened();
        Self(observer.connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}

/// What the requests of one connection need.
#[derive(Clone)]
struct Port {
    admin: Arc<Admin>,
    pages: Pages,
    observer: Arc<Observer>,
    peer: SocketAddr,
}

async fn connection(stream: TcpStream, port: Port, mut ended: watch::Receiver<bool>) {
    // An answer is one write; without it a small one waits for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(port.clone(), request));
    let mut builder = http1::Builder::new();
    builder.timer(Clock).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES).half_close(false);
    let mut connection = pin!(builder.serve_connection(Io(stream), service));
    let life = tokio::time::sleep(CONNECTION_TIME);
    let finished = tokio::select! {
        _ = connection.as_mut() => true,
        _ = ended.wait_for(|ended| *ended) => false,
        () = life => false,
    };
    if !finished {
        connection.as_mut().graceful_shutdown();
        // A peer that does not take its answer in this time is cut off.
        let _ = tokio::time::timeout(GRACE, connection).await;
    }
}

/// Off the async threads, since a large table takes milliseconds to write; probes answer at once.
async fn answer(port: Port, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (start, began) = (SystemTime::now(), Instant::now());
    let Port { admin, pages, observer, peer } = port;
    let parts = Arc::new(request.into_parts().0);
    let asked = parts.clone();
    let probe = matches!(parts.uri.path(), "/ping" | "/healthz" | "/readyz");
    let answer = if probe {
        admin.respond(pages, &parts)
    } else {
        match tokio::task::spawn_blocking(move || admin.respond(pages, &asked)).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "admin port: a page failed");
                reply::text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    };
    observer.saw(&parts, peer, start, began.elapsed(), &answer);
    Ok(answer.map(Full::new))
}
