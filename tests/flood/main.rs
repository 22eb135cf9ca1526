//! Floods: while an attacker with half a core does its worst, good clients are served as if it did so somewhere else.
//! They take their time, so they run when asked for: `cargo test --test flood -- --ignored --nocapture`, and `ADIT` names
//! the program that is tried, if not the one that was built for tests.

mod attacks;
#[path = "../hostile/frames.rs"]
#[allow(dead_code, reason = "floods send and seldom read")]
mod frames;
mod good;
mod governor;
#[path = "../hostile/hello.rs"]
#[allow(dead_code, reason = "of hellos, the usual one is used")]
mod hello;
mod siege;
#[path = "../support/mod.rs"]
mod support;

use attacks::{http1, http2, tls};
use siege::siege;

const MANY: usize = 5000;

macro_rules! floods {
    ($($name:ident: $crowd:expr, $flags:expr, $attack:expr;)*) => {$(
        #[test]
        #[ignore = "takes seconds of a machine that does nothing else"]
        fn $name() {
            siege(stringify!($name), $crowd, &$flags, $attack);
        }
    )*};
}

floods! {
    five_thousand_slow_heads: MANY, [], http1::slow_heads;
    five_thousand_slow_bodies: MANY, [], http1::slow_bodies;
    five_thousand_slow_readers: MANY, [], http1::slow_readers;
    eight_thousand_idle_connections: 8000, [], http1::idle;
    ten_thousand_idle_connections_of_one_client: 10_000, ["--limits.connectionsPerClient=1000"], http1::idle;
    connections_made_and_closed: 1, [], http1::come_and_go;
    rapid_reset: 1, [], http2::rapid_reset;
    paced_reset: 1, [], http2::paced_reset;
    made_you_reset: 1, [], http2::made_you_reset;
    continuations: 1, [], http2::continuations;
    header_bombs: 1, [], http2::header_bombs;
    settings: 1, [], http2::settings;
    pings: 1, [], http2::pings;
    two_thousand_streams_whose_windows_stay_shut: 2000, [], http2::shut_windows;
    handshakes_begun_and_left: MANY, [], tls::begun_and_left;
    renegotiation: 1, [], tls::renegotiation;
}
