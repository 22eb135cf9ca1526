//! What this machine allows: threads, descriptors, a name.

use std::num::NonZeroUsize;

use crate::telemetry::meters::process;

/// Client connections when the limit of descriptors is unknown.
const UNKNOWN: usize = 10_000;

/// What is there without any client: the program, its threads, and the lines that wait in both logs. The table of routes
/// comes to it.
pub(super) const FIXED_MEMORY: usize = 128 << 20;

/// As many as were asked for, else as the CPU quota allows (the standard library reads the cgroup's).
pub(super) fn workers(asked: Option<NonZeroUsize>) -> usize {
    asked.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

/// Each client may need a connection to an endpoint as well, and the rest of the program needs some descriptors: just
/// under half of the limit, however many were asked for.
pub(super) fn connections(asked: Option<NonZeroUsize>) -> usize {
    let soft = process::number("/proc/self/limits", "Max open files");
    let possible = soft.map_or(UNKNOWN, |soft| (soft as usize / 20).saturating_mul(9).max(64));
    asked.map_or(possible, |asked| possible.min(asked.get()))
}

/// What `X-Forwarded-Server` says: in a pod its name.
pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "adit".to_owned() } else { name.to_owned() }
}
