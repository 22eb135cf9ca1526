//! adit, a Kubernetes ingress controller: `source` brings objects, `translate` turns them into a routing table,
//! `proxy` serves it. `objects` and `route` are the contracts between the three; only `app` sees both sides.
//! ARCHITECTURE.md walks through the flow and the rules of the layers.

pub mod admin;
pub mod app;
pub mod check;
pub mod config;
pub mod control;
pub mod demo;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod objects;
pub mod proxy;
pub mod route;
pub mod shadow;
pub mod source;
pub mod telemetry;
pub mod translate;

/// The version of the program, which is Cargo.toml's. Image, chart and manifests have it too; `tests/release` checks that.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
