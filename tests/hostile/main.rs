//! A hostile world: numbered inputs, sent as raw bytes through the built gateway to a backend that records. Each has its
//! right answer, whether its connection stays, and exactly what the backend saw.

mod answers;
mod chunks;
mod differential;
mod early;
mod fields;
mod floods;
mod frames;
mod framing;
mod handshakes;
mod hello;
mod hops;
mod http2;
mod identity;
mod mutations;
mod paths;
mod recorder;
mod secrets;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod targets;
mod trailers;
mod upgrades;
mod waits;

/// All rows, in the order of their numbers.
fn rows() -> Vec<table::Row> {
    let sections = [
        framing::rows(),
        chunks::rows(),
        trailers::rows(),
        early::rows(),
        targets::rows(),
        fields::rows(),
        hops::rows(),
        upgrades::rows(),
        http2::rows(),
        floods::rows(),
        waits::rows(),
        answers::rows(),
        paths::rows(),
        handshakes::rows(),
        identity::rows(),
    ];
    sections.into_iter().flatten().collect()
}

#[test]
fn every_input_has_its_row() {
    let rows = rows();
    assert!(rows.iter().map(|row| row.number).eq(1..=236), "a row per number");
    for row in &rows {
        if let Some(why) = row.why_not() {
            println!("none  {row}: {why}");
        }
    }
    let none = rows.iter().filter(|row| row.why_not().is_some()).count();
    println!("{} inputs, {none} that cannot apply", rows.len());
    assert!(none <= 10, "{none} that cannot apply");
}
