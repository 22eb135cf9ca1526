//! The `process_` metrics, read from `/proc/self` at each scrape. What cannot be read is left out.

use std::fs;

use super::catalog as c;
use super::page::Page;

/// The kernel's clock ticks per second as user space sees them: 100 on every architecture that Rust and Kubernetes run on.
const TICKS: f64 = 100.0;

pub(super) fn write(page: &mut Page) {
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        let stat = Stat::parse(&stat);
        if let Some(cpu) = stat.as_ref().map(|stat| stat.cpu_ticks / TICKS) {
            page.number(c::PROCESS_CPU, &[], cpu);
        }
        if let (Some(stat), Some(boot)) = (&stat, boot_time()) {
            page.number(c::PROCESS_START, &[], boot + stat.start_ticks / TICKS);
        }
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        for (key, metric, unit) in [
            ("VmRSS:", c::PROCESS_RESIDENT, 1024.0),
            ("VmSize:", c::PROCESS_VIRTUAL, 1024.0),
            ("Threads:", c::PROCESS_THREADS, 1.0),
        ] {
            if let Some(value) = field(&status, key) {
                page.number(metric, &[], value * unit);
            }
        }
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        page.number(c::PROCESS_OPEN_FDS, &[], entries.count() as f64);
    }
    if let Some(limit) = number("/proc/self/limits", "Max open files") {
        page.number(c::PROCESS_MAX_FDS, &[], limit);
    }
}

/// What is needed of `/proc/self/stat`, in clock ticks.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: f64,
    start_ticks: f64,
}

impl Stat {
    /// The second field is the name in parentheses, which may itself hold spaces and parentheses; `utime`, `stime` and
    /// `starttime` are fields 14, 15 and 22 (proc_pid_stat(5)).
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace().skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        let start = fields.nth(6)?.parse().ok()?;
        Some(Self { cpu_ticks: user + system, start_ticks: start })
    }
}

fn boot_time() -> Option<f64> {
    number("/proc/stat", "btime")
}

/// The first number after `key` at the start of a line of a file that the kernel makes.
pub fn number(file: &str, key: &str) -> Option<f64> {
    field(&fs::read_to_string(file).ok()?, key)
}

/// As [`number`], of a text.
pub fn field(text: &str, key: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 12345 1000 200";
        assert_eq!(Stat::parse(text), Some(Stat { cpu_ticks: 300.0, start_ticks: 12345.0 }));
        assert_eq!(Stat::parse("garbage"), None);
    }
}
