//! A hostile world: numbered inputs, sent as raw bytes through the built gateway to a backend that records. Each has its
//! right answer, whether its connection stays, and exactly what the backend saw.
#![allow(dead_code, reason = "tables to come use the rest")]

mod answers;
mod chunks;
mod early;
mod fields;
mod floods;
mod frames;
mod framing;
mod hello;
mod hops;
mod http2;
mod paths;
mod recorder;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod targets;
mod trailers;
mod upgrades;
mod waits;
