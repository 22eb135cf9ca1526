//! Since when each problem is there. A report only says which there are.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use jiff::Timestamp;

use crate::route::{Problem, Report};

/// When each problem of a report was first seen, by its hash: a number for each, whatever it says.
#[derive(Debug, Default)]
pub(super) struct Since(HashMap<u64, SystemTime>);

impl Since {
    /// The times for `report`; a problem that `self` knows keeps its own.
    pub(super) fn after(&self, report: &Report, now: SystemTime) -> Self {
        let first = |problem: &Problem| {
            let hash = hash(problem);
            (hash, self.0.get(&hash).copied().unwrap_or(now))
        };
        Self(report.problems.iter().map(first).collect())
    }

    /// When a problem was first seen, as the API writes times.
    pub(super) fn text(&self, problem: &Problem) -> Option<String> {
        let at = Timestamp::try_from(*self.0.get(&hash(problem))?).ok()?;
        Some(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}

/// The same for equal problems, as long as the process lives.
fn hash(problem: &Problem) -> u64 {
    let mut hasher = DefaultHasher::new();
    problem.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::route::{Code, ObjectRef, Severity};

    #[test]
    fn a_problem_keeps_its_time_while_it_lasts_and_gets_another_when_it_comes_back() {
        let problem = Problem {
            severity: Severity::Error,
            code: Code::ServiceNotFound,
            object: ObjectRef { kind: "Ingress", namespace: "default".into(), name: "weather".into() },
            field: String::new(),
            reason: "Service default/weather does not exist".into(),
            action: "Create it".into(),
        };
        let with = Report { problems: vec![problem.clone()], ..Report::default() };
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let first = Since::default().after(&with, at(10));
        let later = first.after(&with, at(20));
        assert_eq!(later.text(&problem).as_deref(), Some("1970-01-01T00:00:10Z"));
        let mended = later.after(&Report::default(), at(30));
        assert_eq!(mended.text(&problem), None);
        assert_eq!(mended.after(&with, at(40)).text(&problem).as_deref(), Some("1970-01-01T00:00:40Z"));
    }
}
