//! HTTP/1.1 as it is written (RFC 9112), the same for both sides: heads, bodies, and the bytes between a socket and them.
//! What a message may mean is decided elsewhere.
//!
//! hyper would need a task for each connection to an endpoint, channels for each body, and two maps for each head; what is
//! only passed on needs none of these. Parsing is httparse's, as it is with hyper.

mod body;
mod head;
mod input;
mod send;

pub(crate) use body::{Decoded, Decoder};
pub(crate) use head::{
    MAX_ANSWER, MAX_TARGET, RequestHead, read_request, read_response, write_field, write_request_line,
};
pub(crate) use input::{Input, MOST_BODY, MOST_READ};
pub(crate) use send::{Framing, Sending};

/// The most fields of a head.
const MAX_FIELDS: usize = 100;

/// A message that breaks a rule of HTTP/1.1, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("{0}")]
    Rule(&'static str),
    /// More bytes or fields than a head may have.
    #[error("its head is too large")]
    TooLarge,
    /// A target longer than any.
    #[error("its target is too long")]
    TargetTooLong,
}
