//! Endpoints: their shared state, each worker's connections to them, and one attempt at one of them.

mod attempt;
mod connect;
mod early;
mod h1;
mod h2;
mod pool;
mod reply;
mod resolve;
pub mod state;
mod states;
mod waiters;

pub(crate) use attempt::{Answer, Failure, Sent, attempt, upgrade};
pub(crate) use h2::STREAM_WINDOW;
pub(crate) use pool::Pool;
pub(crate) use reply::{Reply, ReplyError};
pub(crate) use waiters::Waiters;
