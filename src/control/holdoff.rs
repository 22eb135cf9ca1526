//! When to translate: the first event at once, then once per few milliseconds while events keep coming. No I/O, no
//! clock of its own.
//!
//! A fixed throttle would delay every change to spare us the rare burst. Here a lone change waits for nothing, and a
//! burst costs one translation per [`Settings::longest`] at most.

use std::time::{Duration, Instant};

/// How bursts are coalesced.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A burst is over when nothing came for this long.
    pub quiet: Duration,
    /// No event waits longer than this, however long the burst.
    pub longest: Duration,
}

impl Default for Settings {
    /// Quiet: longer than the pause between the events of one `kubectl apply`, shorter than anybody notices. Longest:
    /// with a translation of a few milliseconds a change in the midst of a storm is still served within 20 ms.
    fn default() -> Self {
        Self { quiet: Duration::from_millis(2), longest: Duration::from_millis(12) }
    }
}

/// Decides when pending events are due.
#[derive(Debug)]
pub struct Holdoff {
    settings: Settings,
    /// The oldest and the newest event that wait.
    pending: Option<(Instant, Instant)>,
    /// The end of the last translation.
    last: Option<Instant>,
}

impl Holdoff {
    /// Nothing waits yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, pending: None, last: None }
    }

    /// An event came.
    pub fn event(&mut self, now: Instant) {
        let oldest = self.pending.map_or(now, |(oldest, _)| oldest);
        self.pending = Some((oldest, now));
    }

    /// When the pending events are due; `None` when there are none. May lie in the past.
    pub fn due(&self) -> Option<Instant> {
        let (oldest, newest) = self.pending?;
        match self.last {
            // In a burst: wait for its end, but not for ever.
            Some(last) if oldest.saturating_duration_since(last) < self.settings.quiet => {
                Some((newest + self.settings.quiet).min(oldest + self.settings.longest))
            }
            _ => Some(oldest),
        }
    }

    /// The oldest pending event, from which the delay is measured.
    pub fn oldest(&self) -> Option<Instant> {
        self.pending.map(|(oldest, _)| oldest)
    }

    /// What was pending has been translated and is served.
    pub fn done(&mut self, now: Instant) {
        self.pending = None;
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETTINGS: Settings = Settings { quiet: Duration::from_millis(2), longest: Duration::from_millis(12) };

    fn at(start: Instant, micros: u64) -> Instant {
        start + Duration::from_micros(micros)
    }

    #[test]
    fn a_lone_event_is_due_at_once() {
        let (mut holdoff, start) = (Holdoff::new(SETTINGS), Instant::now());
        assert_eq!(holdoff.due(), None);
        holdoff.event(start);
        assert_eq!(holdoff.due(), Some(start));
        holdoff.done(start);
        assert_eq!(holdoff.due(), None);
        holdoff.event(at(start, 2_000));
        assert_eq!(holdoff.due(), Some(at(start, 2_000)));
    }

    #[test]
    fn an_event_right_after_another_waits_for_the_burst_to_end() {
        let (mut holdoff, start) = (Holdoff::new(SETTINGS), Instant::now());
        holdoff.event(start);
        holdoff.done(start);
        holdoff.event(at(start, 500));
        assert_eq!(holdoff.due(), Some(at(start, 2_500)));
        holdoff.event(at(start, 1_000));
        assert_eq!(holdoff.due(), Some(at(start, 3_000)));
        assert_eq!(holdoff.oldest(), Some(at(start, 500)));
    }

    #[test]
    fn a_burst_without_end_is_translated_all_the_same() {
        let (mut holdoff, start) = (Holdoff::new(SETTINGS), Instant::now());
        holdoff.event(start);
        holdoff.done(start);
        for micros in (500..20_000).step_by(500) {
            holdoff.event(at(start, micros));
        }
        assert_eq!(holdoff.due(), Some(at(start, 12_500)));
    }

    proptest! {
        /// Plays any train of events against a loop that translates as soon as it is due.
        #[test]
        fn no_event_waits_longer_than_the_longest_and_lone_ones_not_at_all(
            gaps in prop::collection::vec(0_u64..5_000, 1..200),
            work in 0_u64..3_000,
        ) {
            let (mut holdoff, start) = (Holdoff::new(SETTINGS), Instant::now());
            let (mut now, mut busy_until, mut translations) = (start, start, 0_usize);
            for gap in &gaps {
                let next = now + Duration::from_micros(*gap);
                while let Some(due) = holdoff.due().filter(|due| (*due).max(busy_until) <= next) {
                    let begin = due.max(busy_until);
                    let oldest = holdoff.oldest().expect("what is due is pending");
                    prop_assert!(begin.duration_since(oldest) <= SETTINGS.longest + Duration::from_micros(work));
                    busy_until = begin + Duration::from_micros(work);
                    holdoff.done(busy_until);
                    translations += 1;
                }
                now = next;
                let idle = holdoff.due().is_none() && now.saturating_duration_since(busy_until) >= SETTINGS.quiet;
                holdoff.event(now);
                if idle {
                    prop_assert_eq!(holdoff.due(), Some(now));
                }
            }
            prop_assert!(translations <= gaps.len());
        }
    }
}
