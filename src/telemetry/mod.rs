//! Logs, metrics and the access log: what happened, told without ever making a worker wait.

pub mod meters;
