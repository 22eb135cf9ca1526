//! Endpoints: their shared state, each worker's connections to them, and one attempt at one of them.

mod attempt;
mod bell;
mod connect;
mod pool;
pub mod state;

pub(crate) use attempt::{Answer, Failure, attempt, upgrade};
pub(crate) use bell::Bell;
pub(crate) use pool::{Held, Pool};
