//! An endpoint's answer, as it comes: its body, and the connection that carries it.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::super::io::Io;
use super::early::Early;
use super::h1::{BodyError, H1};
use super::h2::StreamShare;
use super::pool::Pool;
use super::state::EndpointState;

/// The body of an answer, and what carries it.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A connection of its own until its end.
    H1 { connection: Box<H1>, pool: Rc<Pool>, endpoint: Arc<EndpointState> },
    /// The same, while its request is still being sent.
    Early(Early),
    /// A stream of a connection.
    H2 { incoming: Incoming, share: StreamShare },
}

/// Why an answer's body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplyError {
    #[error(transparent)]
    H1(#[from] BodyError),
    #[error(transparent)]
    H2(#[from] hyper::Error),
}

impl Reply {
    /// The next frame.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        match self {
            Self::H1 { connection, .. } => connection.poll_frame(cx).map(|frame| frame.map(|frame| Ok(frame?))),
            Self::Early(early) => early.poll_frame(cx).map(|frame| frame.map(|frame| Ok(frame?))),
            Self::H2 { incoming, .. } => Pin::new(incoming).poll_frame(cx).map(|frame| frame.map(|frame| Ok(frame?))),
        }
    }

    /// Whether it has no more frames.
    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::H1 { connection, .. } => connection.is_end_stream(),
            Self::Early(early) => early.is_end_stream(),
            Self::H2 { incoming, .. } => incoming.is_end_stream(),
        }
    }

    /// What is left of it.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::H1 { connection, .. } => connection.size_hint(),
            // Its head says it, if anything does.
            Self::Early(_) => SizeHint::default(),
            Self::H2 { incoming, .. } => incoming.size_hint(),
        }
    }

    /// It has ended well: its connection may serve the next request.
    pub(crate) fn release(self, now: Instant) {
        match self {
            Self::H1 { mut connection, pool, endpoint } => {
                if connection.may_go_on() {
                    pool.put(&endpoint, connection, now);
                }
            }
            Self::Early(_) => {}
            Self::H2 { share, .. } => drop(share),
        }
    }

    /// What follows the answer to an upgrade: the bytes themselves, and those that came with it.
    pub(crate) fn into_tunnel(self) -> Option<(Io, BytesMut)> {
        match self {
            Self::H1 { connection, .. } => Some(connection.into_tunnel()),
            Self::Early(_) | Self::H2 { .. } => None,
        }
    }
}
