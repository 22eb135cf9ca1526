//! Logs, metrics, traces and the access log: what happened, told without ever making a worker wait.

pub mod access;
mod escape;
pub mod logs;
pub mod meters;
pub mod traces;
mod writer;

pub use writer::{FLUSH_TIME, Target};

/// An error with its causes, in one line: `connect to 10.0.0.1:80: connection refused`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
