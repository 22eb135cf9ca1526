//! Memory, before it runs out: what the kernel would end the process at, and who is turned away shortly before.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::proxy::{Look, Pressure, Proxy};
use crate::telemetry::meters::{Refusal, process};

/// How often it is looked at, at least.
const EVERY: Duration = Duration::from_millis(50);
/// While memory is short, what is free goes back to the kernel every so many looks …
const GIVE_BACK: u64 = 4;
/// … and for so many more: the allocator keeps for a second what may be wanted again, and looks at it when it is asked
/// for something.
const AFTERWARDS: u64 = 60;
/// Where each kind of pressure begins, in hundredths of the limit; it ends five below.
const CONNECTIONS: u64 = 80;
const REQUESTS: u64 = 90;
/// It is not looked at more often than once for this part of the limit.
const LEAST_ROOM: u64 = 128;

/// What this process may hold, and where the kernel tells what it does.
#[derive(Debug)]
pub(super) struct Memory {
    /// As much as was asked for, as its cgroup allows, or as the machine has: the least of these.
    pub(super) limit: Option<u64>,
    /// Where it has a limit that the kernel kills for.
    cgroup: Option<Cgroup>,
}

/// A control group's files.
#[derive(Debug)]
struct Cgroup {
    usage: PathBuf,
    statistics: PathBuf,
}

impl Memory {
    /// Asks the kernel.
    pub(super) fn find(asked: Option<u64>) -> Self {
        let machine = kilobytes("/proc/meminfo", "MemTotal:");
        let found = Cgroup::find().filter(|(_, limit)| machine.is_none_or(|machine| *limit < machine));
        let (cgroup, allowed) = found.unzip();
        let limit = [asked, allowed, machine].into_iter().flatten().min();
        Self { limit, cgroup }
    }

    /// What is held at the moment. Of a cgroup all that the kernel counts against its limit and cannot take back: beside
    /// the process's own pages those that the kernel needs for its sockets.
    fn held(&self) -> Option<u64> {
        self.cgroup.as_ref().and_then(Cgroup::held).or_else(|| kilobytes("/proc/self/status", "VmRSS:"))
    }

    /// How short it is, `before` until now, and how much may come before it is to be looked at again.
    pub(super) fn look(&self, before: Pressure) -> Look {
        let (Some(limit), Some(held)) = (self.limit, self.held()) else {
            return Look { pressure: Pressure::None, room: u64::MAX };
        };
        let look = look(held, limit, before);
        if look.pressure != before {
            let (megabytes, of) = (held >> 20, limit >> 20);
            let mend = Refusal::Memory.explain().mend;
            match look.pressure {
                Pressure::None => info!(megabytes, "there is memory again: everybody is served"),
                Pressure::Connections => {
                    warn!(megabytes, of, "memory is short: new connections are refused; {mend}");
                }
                Pressure::Requests => warn!(megabytes, of, "memory is very short: new requests are refused; {mend}"),
            }
        }
        look
    }
}

impl Cgroup {
    /// This process's, of the second version or the first, and its limit.
    fn find() -> Option<(Self, u64)> {
        [
            ("/sys/fs/cgroup", "memory.max", "memory.current"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
        ]
        .into_iter()
        .find_map(|(directory, limit, usage)| {
            let directory = PathBuf::from(directory);
            let limit = fs::read_to_string(directory.join(limit)).ok()?.trim().parse().ok()?;
            Some((Self { usage: directory.join(usage), statistics: directory.join("memory.stat") }, limit))
        })
    }

    /// All that is counted, but for pages of files: the kernel takes those back when it needs them.
    fn held(&self) -> Option<u64> {
        let usage: u64 = fs::read_to_string(&self.usage).ok()?.trim().parse().ok()?;
        let statistics = fs::read_to_string(&self.statistics).ok()?;
        let files = ["inactive_file", "active_file"].map(|key| process::field(&statistics, key).unwrap_or_default());
        Some(usage.saturating_sub(files.into_iter().sum::<f64>() as u64))
    }
}

/// A number of kilobytes that the kernel tells, in bytes.
fn kilobytes(file: &str, key: &str) -> Option<u64> {
    process::number(file, key).map(|number| (number * 1024.0) as u64)
}

/// Has the data plane look again and again, for as long as anybody asks.
pub(super) async fn watch(proxy: Arc<Proxy>) {
    let mut tick = tokio::time::interval(EVERY);
    let mut give_back_until = 0;
    for looks in 1_u64.. {
        tick.tick().await;
        if proxy.look_at_memory() != Pressure::None {
            give_back_until = looks + AFTERWARDS;
        }
        if looks < give_back_until && looks.is_multiple_of(GIVE_BACK) {
            proxy.give_back();
        }
    }
}

/// What `held` of `limit` asks for, when it was `before` until now.
fn look(held: u64, limit: u64, before: Pressure) -> Look {
    let part = |hundredths: u64| limit / 100 * hundredths;
    let is = |kind: Pressure, hundredths| held >= part(if before >= kind { hundredths - 5 } else { hundredths });
    let (pressure, next) = if is(Pressure::Requests, REQUESTS) {
        (Pressure::Requests, limit)
    } else if is(Pressure::Connections, CONNECTIONS) {
        (Pressure::Connections, part(REQUESTS))
    } else {
        (Pressure::None, part(CONNECTIONS))
    };
    Look { pressure, room: next.saturating_sub(held).max(limit / LEAST_ROOM) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_begins_before_the_limit_and_ends_a_little_later() {
        let mut before = Pressure::None;
        let mut follow = |held| {
            let look = look(held, 10_000, before);
            before = look.pressure;
            (look.pressure, look.room)
        };
        assert_eq!(follow(5_000), (Pressure::None, 3_000));
        assert_eq!(follow(7_990), (Pressure::None, 78));
        assert_eq!(follow(8_000), (Pressure::Connections, 1_000));
        assert_eq!(follow(7_600), (Pressure::Connections, 1_400));
        assert_eq!(follow(9_500), (Pressure::Requests, 500));
        assert_eq!(follow(8_600), (Pressure::Requests, 1_400));
        assert_eq!(follow(20_000), (Pressure::Requests, 78));
        assert_eq!(follow(8_400), (Pressure::Connections, 600));
        assert_eq!(follow(7_400), (Pressure::None, 600));
    }

    #[test]
    fn this_process_holds_something_and_may_hold_more() {
        let memory = Memory::find(None);
        let (held, limit) = (memory.held().expect("a count"), memory.limit.expect("a limit"));
        assert!(held > 0 && held < limit, "{held} of {limit}");
        assert_eq!(Memory::find(Some(5)).limit, Some(5));
        assert_eq!(Memory::find(Some(u64::MAX)).limit, Some(limit), "what is asked for need not be there");
    }

    #[test]
    fn pages_of_files_are_not_held() {
        let directory = std::env::temp_dir().join(format!("adit-cgroup-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let file = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).expect("a file");
            path
        };
        let usage = file("memory.current", "5000\n");
        let statistics = file("memory.stat", "anon 900\nfile 3000\nsock 100\ninactive_file 1000\nactive_file 2000\n");
        assert_eq!(Cgroup { usage, statistics }.held(), Some(2000));
        fs::remove_dir_all(directory).expect("it can be removed");
    }
}
