//! The built gateway with real sockets and real backends: what a client sees, and what a backend sees.

mod bodies;
mod ends;
mod forwarding;
mod http2;
mod life;
mod pages;
mod routing;
mod strict;
mod support;
mod tls;
mod upgrades;
mod upstreams;
