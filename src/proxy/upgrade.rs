//! Upgrades: a tunnel is opened only on a 101 with the token that was asked for, and not a byte goes through before it.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, Version, header};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

use super::balance::{Choice, MAX_ENDPOINTS};
use super::body::Body;
use super::connection::Counted;
use super::error::{Error, Fault};
use super::exchange::{Exchange, Refused};
use super::forward::{Outgoing, pass_on};
use super::headers::{clean_response, has_token};
use super::io::Io;
use super::router::CompiledRoute;
use super::upstream::{Answer, Failure, Sent, upgrade};
use super::watch::Watch;
use super::worker::Phase;
use crate::route::{Action, HostHeader};

/// The buffer of each direction of a tunnel.
const BUFFER: usize = 8 * 1024;

/// An upgrade that a client asks for.
pub(crate) struct Wish {
    token: HeaderValue,
}

/// The upgrade that a request with an `Upgrade` field asks for: `Connection: upgrade` and one token other than HTTP/2's own (RFC 9113 has no
/// `h2c` upgrade any more; passing it on would open a way around routing).
pub(crate) fn requested(parts: &Parts) -> Option<Wish> {
    if parts.version != Version::HTTP_11 {
        return None;
    }
    let mut tokens = parts.headers.get_all(header::UPGRADE).iter();
    let token = tokens.next()?.clone();
    let single = tokens.next().is_none() && !token.as_bytes().contains(&b',') && !token.is_empty();
    let asked = parts.headers.get_all(header::CONNECTION).iter().any(|value| has_token(value, "upgrade"));
    if !single || !asked || token.as_bytes().get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"h2")) {
        return None;
    }
    Some(Wish { token })
}

/// Sends an upgrade request and, on its 101, joins the two connections.
pub(crate) async fn tunnel(
    mut exchange: Box<Exchange>,
    route: &Arc<CompiledRoute>,
    mut outgoing: Box<Outgoing>,
    wish: Box<Wish>,
) -> Result<Box<Response<Body>>, Refused> {
    let (Action::Forward(upstream), Some(target), Some(request)) =
        (&route.route.action, &route.upstream, &mut outgoing.request)
    else {
        return Err(exchange.refuse(Error::NoEndpoint));
    };
    let worker = exchange.connection.worker.clone();
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    request.headers_mut().insert(header::UPGRADE, wish.token.clone());
    let mut choice = Choice::new(target, request);
    target.budget.request();
    let mut last = Error::NoEndpoint;
    let (answer, lease) = loop {
        let Some(lease) = choice.pick(&worker.random, Instant::now()) else { return Err(exchange.refuse(last)) };
        if upstream.host_header == HostHeader::Endpoint
            && let Some(request) = &mut outgoing.request
        {
            request.headers_mut().insert(header::HOST, lease.endpoint().host_header.clone());
        }
        match upgrade(&exchange.connection, &lease, upstream.protocol, &mut outgoing).await {
            Ok(answer) => {
                lease.answered(Instant::now(), answer.response.status());
                break (answer, lease);
            }
            Err(Failure { error, sent }) => {
                if error.fault() == Fault::Upstream {
                    lease.failed(Instant::now());
                }
                let again = sent == Sent::Nothing && choice.tried() < MAX_ENDPOINTS;
                if !again || !target.may_retry(Instant::now()) {
                    return Err(exchange.refuse(error));
                }
                exchange.retried();
                last = error;
            }
        }
    };
    let Answer { mut response, reply } = answer;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // Not an upgrade: an answer like any other.
        return pass_on(exchange, response, reply, lease, &choice, Instant::now());
    }
    if response
        .headers()
        .get(header::UPGRADE)
        .is_none_or(|token| !token.as_bytes().eq_ignore_ascii_case(wish.token.as_bytes()))
    {
        lease.failed(Instant::now());
        return Err(exchange.refuse(Error::UpstreamProtocol));
    }
    let (Ok(()), Some((endpoint, early))) = (clean_response(response.headers_mut()), reply.into_tunnel()) else {
        lease.failed(Instant::now());
        return Err(exchange.refuse(Error::UpstreamProtocol));
    };
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, wish.token.clone());
    if let Some(cookie) = choice.cookie_for(lease.endpoint()) {
        headers.append(header::SET_COOKIE, cookie);
    }
    exchange.answered(response.status(), response.headers(), lease);
    exchange.streaming();
    let client = exchange.connection.hand_over();
    tokio::task::spawn_local(join(exchange, client, endpoint, early));
    Ok(response)
}

/// Copies both ways until one side ends, or the worker is over. `early` is what the endpoint has said already.
async fn join(
    mut exchange: Box<Exchange>,
    client: oneshot::Receiver<(Io, BytesMut)>,
    mut endpoint: Io,
    early: BytesMut,
) {
    let connection = exchange.connection.clone();
    let counted = Counted::new(&connection.worker, connection.index);
    let watch: &Watch = &connection.watch;
    watch.relax();
    let limit = connection.worker.shared.transport.dial_timeout;
    let (mut client, said) = match tokio::time::timeout(limit, client).await {
        Ok(Ok(client)) => client,
        Ok(Err(_)) => return tracing::debug!("an upgrade came to nothing: the client has left"),
        Err(_) => return tracing::debug!("an upgrade was not completed in time"),
    };
    let worker = connection.worker.clone();
    let mut copying = std::pin::pin!(async {
        client.write_all(&early).await?;
        endpoint.write_all(&said).await?;
        let (received, sent) =
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut endpoint, BUFFER, BUFFER).await?;
        std::io::Result::Ok((received + said.len() as u64, sent + early.len() as u64))
    });
    let mut registration = None;
    let copied = std::future::poll_fn(|cx| {
        registration.get_or_insert_with(|| worker.on_phase(cx.waker().clone()));
        if worker.phase() == Phase::Over {
            return std::task::Poll::Ready(None);
        }
        copying.as_mut().poll(cx).map(Some)
    })
    .await;
    if let Some(Ok((received, sent))) = copied {
        exchange.tunnelled(received, sent);
    }
    exchange.complete(Instant::now());
    drop(counted);
}
