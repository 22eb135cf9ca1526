//! Upgrades: a tunnel is opened only on a 101 with the token that was asked for, and not a byte goes through before it.

use std::time::Instant;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, Version, header};

use super::balance::MAX_ENDPOINTS;
use super::body::Body;
use super::error::Error;
use super::exchange::{Exchange, Refused};
use super::forward::{Outgoing, pass_on};
use super::headers::{clean_response, has_token};
use super::router::Found;
use super::tunnel;
use super::upstream::{Answer, Failure, Sent, upgrade};
use super::waiting;
use crate::route::HostHeader;

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
    route: &Found,
    mut outgoing: Box<Outgoing>,
    wish: Box<Wish>,
) -> Result<Box<Response<Body>>, Refused> {
    let (Some(target), Some(request)) = (&route.upstream, &mut outgoing.request) else {
        return Err(exchange.refuse(Error::NoEndpoint));
    };
    let upstream = &target.spec;
    let worker = exchange.connection.worker.clone();
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    request.headers_mut().insert(header::UPGRADE, wish.token.clone());
    let mut choice = waiting::choose(&exchange.connection, target, request);
    target.budget.request();
    let mut last = Error::NoEndpoint;
    let (answer, lease) = loop {
        let Some(lease) = choice.pick(&worker.random, Instant::now()) else {
            match waiting::for_endpoints(&exchange, target, &mut choice, last).await {
                Ok(()) => continue,
                Err(error) => return Err(exchange.refuse(error)),
            }
        };
        if upstream.host_header == HostHeader::Endpoint
            && let Some(request) = &mut outgoing.request
        {
            request.headers_mut().insert(header::HOST, lease.endpoint().host_header().clone());
        }
        exchange.asks(&lease, &mut outgoing.request, Instant::now());
        match upgrade(&exchange.connection, &lease, upstream.protocol, &mut outgoing).await {
            Ok(answer) => {
                lease.answered(Instant::now(), answer.response.status());
                break (answer, lease);
            }
            Err(Failure { error, sent }) => {
                exchange.unanswered(error, &lease, Instant::now());
                if error.blames_endpoint() {
                    lease.failed(Instant::now());
                }
                if sent != Sent::Nothing {
                    return Err(exchange.refuse(error));
                }
                if (choice.tried() >= MAX_ENDPOINTS || !target.may_retry(Instant::now()))
                    && let Err(error) = waiting::for_endpoints(&exchange, target, &mut choice, error).await
                {
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
    tokio::task::spawn_local(tunnel::join(exchange, client, endpoint, early));
    Ok(response)
}
