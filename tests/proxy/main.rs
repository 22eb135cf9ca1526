//! The built gateway with real sockets and real backends: what a client sees, and what a backend sees.

mod bodies;
mod clients;
mod ends;
mod forwarding;
mod h2c;
mod http2;
mod life;
mod limits;
mod logs;
mod memory;
mod network;
mod pages;
mod pressure;
mod refusals;
mod routing;
mod shadow;
mod strict;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod traces;
mod upgrades;
mod upstreams;
mod waiting;
