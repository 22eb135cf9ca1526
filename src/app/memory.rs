//! Memory, before it runs out: what the kernel would end the process at, and who is turned away shortly before.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::proxy::{Pressure, Proxy};
use crate::telemetry::meters::{Refusal, process};

/// How often it is looked at. A flood that fills the rest sooner meets the limits of its connections.
const EVERY: Duration = Duration::from_millis(50);
/// While memory is short, what is free goes back to the kernel every so many looks.
const GIVE_BACK: u32 = 4;
/// Where each kind of pressure begins, in hundredths of the limit; it ends five below.
const CONNECTIONS: usize = 80;
const REQUESTS: usize = 90;

/// The most that this process may hold: as much as was asked for, else what its cgroup allows, else what the machine has.
pub(super) fn limit(asked: Option<usize>) -> Option<usize> {
    // The second version's file, and the first one's.
    let files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let cgroup = files.iter().find_map(|file| fs::read_to_string(file).ok()?.trim().parse::<usize>().ok());
    let machine = kilobytes("/proc/meminfo", "MemTotal:");
    asked.or_else(|| cgroup.into_iter().chain(machine).min())
}

/// What this process holds at the moment.
fn held() -> Option<usize> {
    kilobytes("/proc/self/status", "VmRSS:")
}

/// A number of kilobytes that the kernel tells, in bytes.
fn kilobytes(file: &str, key: &str) -> Option<usize> {
    process::number(file, key).map(|number| (number * 1024.0) as usize)
}

/// Tells the data plane how close to `limit` the process is, for as long as anybody asks.
pub(super) async fn watch(limit: Option<usize>, proxy: Arc<Proxy>) {
    let Some(limit) = limit else { return };
    let mut before = Pressure::None;
    let mut tick = tokio::time::interval(EVERY);
    let mut looks = 0_u32;
    loop {
        tick.tick().await;
        let Some(held) = held() else { return };
        let now = pressure(held, limit, before);
        if now != before {
            proxy.press(now);
            let (megabytes, of) = (held >> 20, limit >> 20);
            match now {
                Pressure::None => info!(megabytes, "there is memory again: everybody is served"),
                Pressure::Connections => {
                    warn!(
                        megabytes,
                        of,
                        "memory is short: new connections are refused; {}",
                        Refusal::Memory.explain().mend
                    );
                }
                Pressure::Requests => {
                    warn!(
                        megabytes,
                        of,
                        "memory is very short: new requests are refused; {}",
                        Refusal::Memory.explain().mend
                    );
                }
            }
            before = now;
        }
        looks = looks.wrapping_add(1);
        if now != Pressure::None && looks.is_multiple_of(GIVE_BACK) {
            proxy.give_back();
        }
    }
}

/// What `held` of `limit` asks for, when it was `before` until now.
fn pressure(held: usize, limit: usize, before: Pressure) -> Pressure {
    let least =
        |kind: Pressure, hundredths: usize| limit / 100 * if before >= kind { hundredths - 5 } else { hundredths };
    if held >= least(Pressure::Requests, REQUESTS) {
        Pressure::Requests
    } else if held >= least(Pressure::Connections, CONNECTIONS) {
        Pressure::Connections
    } else {
        Pressure::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_begins_before_the_limit_and_ends_a_little_later() {
        let mut before = Pressure::None;
        let mut follow = |held: usize| {
            before = pressure(held, 10_000, before);
            before
        };
        assert_eq!(follow(7_900), Pressure::None);
        assert_eq!(follow(8_000), Pressure::Connections);
        assert_eq!(follow(7_600), Pressure::Connections);
        assert_eq!(follow(9_500), Pressure::Requests);
        assert_eq!(follow(8_600), Pressure::Requests);
        assert_eq!(follow(8_400), Pressure::Connections);
        assert_eq!(follow(7_400), Pressure::None);
    }

    #[test]
    fn this_process_holds_something_and_may_hold_more() {
        let (held, limit) = (held().expect("a count"), limit(None).expect("a limit"));
        assert!(held > 0 && held < limit, "{held} of {limit}");
        assert_eq!(super::limit(Some(5)), Some(5));
    }
}
