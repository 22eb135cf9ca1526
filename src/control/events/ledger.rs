//! Which Events are to be written, and when: each complaint once, counted on while it lasts, and never a flood. No I/O, no
//! clock of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::objects::ObjectKey;
use crate::route::{Code, Problem, Report, Severity};

/// The API server forgets an Event after an hour; what lasts is written again before that.
const REPEAT: Duration = Duration::from_secs(45 * 60);
/// What went and came back is not written again within this.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// What went is forgotten after this: its Event is gone too.
const KEPT: Duration = Duration::from_secs(60 * 60);
/// So many Events at once, and then one for each [`REFILL`].
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_secs(1);
/// So many complaints are looked after; a cluster with more has `/api/problems`.
const MOST: usize = 10_000;
/// The longest note that the API takes, bytes.
const LONGEST_NOTE: usize = 1024;

/// One thing that an Ingress is told. Worst first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Complaint {
    pub(super) severity: Severity,
    pub(super) ingress: ObjectKey,
    pub(super) code: Code,
    pub(super) note: String,
}

impl Complaint {
    fn of(ingress: ObjectKey, problem: &Problem) -> Self {
        let Problem { severity, code, field, reason, action, object } = problem;
        let place = match (object.kind, field.is_empty()) {
            ("Ingress", true) => String::new(),
            ("Ingress", false) => format!("{field}: "),
            _ => format!("{object}: "),
        };
        let mut note = format!("{place}{reason}; {action}");
        if note.len() > LONGEST_NOTE {
            note.truncate(note.floor_char_boundary(LONGEST_NOTE - 3));
            note.push('…');
        }
        Self { severity: *severity, ingress, code: *code, note }
    }
}

/// What a report has to say to Ingresses.
pub(super) fn complaints(report: &Report) -> BTreeSet<Complaint> {
    let own = report.problems.iter().filter(|problem| problem.object.kind == "Ingress").map(|problem| {
        Complaint::of(ObjectKey::new(problem.object.namespace.clone(), problem.object.name.clone()), problem)
    });
    let named = report
        .named
        .iter()
        .map(|((namespace, name), problem)| Complaint::of(ObjectKey::new(namespace.clone(), name.clone()), problem));
    let mut all: BTreeSet<Complaint> = own.chain(named).collect();
    while all.len() > MOST {
        all.pop_last();
    }
    all
}

/// What was told of one complaint.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// How often; zero until the first time.
    count: i32,
    /// When it is due, while it lasts.
    due: Instant,
    /// When it was told last, or came up.
    last: Instant,
    lasts: bool,
}

/// All complaints, and the pace at which they are told.
#[derive(Debug)]
pub(super) struct Ledger {
    complaints: BTreeMap<Complaint, Told>,
    tokens: u32,
    refilled: Instant,
}

impl Ledger {
    pub(super) fn new(now: Instant) -> Self {
        Self { complaints: BTreeMap::new(), tokens: BURST, refilled: now }
    }

    /// These are the complaints now, and no others.
    pub(super) fn want(&mut self, wanted: &BTreeSet<Complaint>, now: Instant) {
        for (complaint, told) in &mut self.complaints {
            let lasts = wanted.contains(complaint);
            if lasts && !told.lasts {
                // It came back: sooner than its next repetition, but not at once.
                told.due = told.due.min(told.last + AGAIN_AFTER);
            }
            told.lasts = lasts;
        }
        self.complaints.retain(|_, told| told.lasts || (told.count > 0 && now.duration_since(told.last) < KEPT));
        for complaint in wanted {
            let told = self.complaints.entry(complaint.clone());
            told.or_insert(Told { count: 0, due: now, last: now, lasts: true });
        }
    }

    /// The complaint that is to be told now, and how often it will have been told then.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Complaint, i32)> {
        self.refill(now);
        let due = |told: &Told| told.lasts && told.due <= now;
        // What was never told goes first, errors before warnings.
        let first = self.complaints.iter().filter(|(_, told)| due(told)).min_by_key(|(_, told)| told.count.min(1));
        let (complaint, told) = first.filter(|_| self.tokens > 0)?;
        Some((complaint.clone(), told.count.saturating_add(1)))
    }

    /// When [`Ledger::next`] may have something; `None` until other complaints come.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let due = self.complaints.values().filter(|told| told.lasts).map(|told| told.due).min()?;
        let token = if self.tokens > 0 { now } else { self.refilled + REFILL };
        Some(due.max(token))
    }

    /// It was told.
    pub(super) fn told(&mut self, complaint: &Complaint, count: i32, now: Instant) {
        self.tokens = self.tokens.saturating_sub(1);
        if let Some(told) = self.complaints.get_mut(complaint) {
            *told = Told { count, due: now + REPEAT, last: now, lasts: told.lasts };
        }
    }

    /// It could not be told; not before `until` again.
    pub(super) fn put_off(&mut self, complaint: &Complaint, until: Instant) {
        self.tokens = self.tokens.saturating_sub(1);
        if let Some(told) = self.complaints.get_mut(complaint) {
            told.due = until;
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled).as_millis() / REFILL.as_millis();
        let Some(passed) = u32::try_from(passed).ok().filter(|passed| *passed > 0) else { return };
        self.tokens = self.tokens.saturating_add(passed).min(BURST);
        self.refilled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::ObjectRef;

    fn complaint(name: &str, severity: Severity) -> Complaint {
        let object = ObjectRef { kind: "Ingress", namespace: "shop".into(), name: name.into() };
        let problem = Problem {
            severity,
            code: Code::ServiceNotFound,
            object,
            field: "spec.rules[0]".into(),
            reason: "it is gone".into(),
            action: "create it".into(),
        };
        Complaint::of(ObjectKey::new("shop", name), &problem)
    }

    fn errors<const N: usize>(names: [&str; N]) -> BTreeSet<Complaint> {
        names.iter().map(|name| complaint(name, Severity::Error)).collect()
    }

    /// Tells all that is due.
    fn tell(ledger: &mut Ledger, now: Instant) -> Vec<(String, i32)> {
        let mut told = Vec::new();
        while let Some((complaint, count)) = ledger.next(now) {
            ledger.told(&complaint, count, now);
            told.push((complaint.ingress.name.to_string(), count));
        }
        told
    }

    #[test]
    fn a_complaint_is_told_once_and_counted_on_while_it_lasts() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        let wanted = errors(["a"]);
        ledger.want(&wanted, now);
        assert_eq!(tell(&mut ledger, now), [("a".to_owned(), 1)]);
        ledger.want(&wanted, now + REPEAT / 2);
        assert!(tell(&mut ledger, now + REPEAT / 2).is_empty());
        assert_eq!(ledger.wake(now + REPEAT / 2), Some(now + REPEAT));
        assert_eq!(tell(&mut ledger, now + REPEAT), [("a".to_owned(), 2)]);
        ledger.want(&BTreeSet::new(), now + REPEAT);
        assert_eq!((tell(&mut ledger, now + REPEAT * 3), ledger.wake(now + REPEAT * 3)), (vec![], None));
    }

    #[test]
    fn what_comes_and_goes_is_told_once_a_minute_at_most() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        let mut told = 0;
        for second in 0..600 {
            let now = now + Duration::from_secs(second);
            ledger.want(&if second % 2 == 0 { errors(["a"]) } else { BTreeSet::new() }, now);
            told += tell(&mut ledger, now).len();
        }
        assert_eq!(told, 10);
    }

    #[test]
    fn what_went_for_an_hour_begins_anew() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        ledger.want(&errors(["a"]), now);
        tell(&mut ledger, now);
        ledger.want(&BTreeSet::new(), now + KEPT);
        ledger.want(&errors(["a"]), now + KEPT);
        assert_eq!(tell(&mut ledger, now + KEPT), [("a".to_owned(), 1)]);
    }

    #[test]
    fn a_flood_is_told_at_a_pace_and_errors_come_first() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        let names: Vec<String> = (0..100).map(|number| format!("w{number}")).collect();
        let mut wanted: BTreeSet<Complaint> = names.iter().map(|name| complaint(name, Severity::Warning)).collect();
        wanted.insert(complaint("worst", Severity::Error));
        ledger.want(&wanted, now);
        let first = tell(&mut ledger, now);
        assert_eq!((first.len(), first[0].0.as_str()), (BURST as usize, "worst"));
        assert_eq!(ledger.wake(now), Some(now + REFILL));
        assert_eq!(tell(&mut ledger, now + REFILL * 10).len(), 10);
        assert_eq!(
            tell(&mut ledger, now + REFILL * 1000).len(),
            BURST as usize,
            "a long silence saves no more than a burst"
        );
    }

    #[test]
    fn what_could_not_be_told_waits_and_lets_others_go_first() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        ledger.want(&errors(["a", "b"]), now);
        let (a, _) = ledger.next(now).expect("something is due");
        ledger.put_off(&a, now + Duration::from_secs(30));
        assert_eq!(tell(&mut ledger, now), [("b".to_owned(), 1)]);
        assert_eq!(tell(&mut ledger, now + Duration::from_secs(30)), [("a".to_owned(), 1)]);
    }

    #[test]
    fn a_note_names_the_field_or_the_other_object_and_fits_the_api() {
        let mut problem = Problem {
            severity: Severity::Error,
            code: Code::SecretNotFound,
            object: ObjectRef { kind: "Secret", namespace: "shop".into(), name: "tls".into() },
            field: String::new(),
            reason: "it does not exist".into(),
            action: "create it".into(),
        };
        let note = |problem: &Problem| Complaint::of(ObjectKey::new("shop", "a"), problem).note;
        assert_eq!(note(&problem), "Secret shop/tls: it does not exist; create it");
        assert_eq!(complaint("a", Severity::Error).note, "spec.rules[0]: it is gone; create it");
        problem.reason = "ü".repeat(2000);
        assert!(note(&problem).len() <= LONGEST_NOTE && note(&problem).ends_with('…'));
    }
}
