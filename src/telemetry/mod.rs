//! Logs, metrics, traces and the access log: what happened, told without ever making a worker wait.

pub mod access;
mod escape;
pub mod logs;
pub mod meters;
pub mod traces;
mod writer;

pub use writer::{FLUSH_TIME, Target};
