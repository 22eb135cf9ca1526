//! Says each problem once when it appears and once when it is mended.

use std::collections::BTreeSet;

use tracing::{error, info, warn};

use crate::route::{Problem, Report, Severity};

/// So many lines at a time; a cluster moved here with thousands of unknown annotations must not drown the log.
const LINES: usize = 50;

/// The problems said last.
#[derive(Debug, Default)]
pub(super) struct Problems {
    said: BTreeSet<Problem>,
}

/// What a new report says that the last did not, and the other way round.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) appeared: Vec<Problem>,
    pub(super) mended: Vec<Problem>,
}

impl Problems {
    /// Compares with the last report. Worst first.
    pub(super) fn news(&mut self, report: &Report) -> News {
        let now: BTreeSet<Problem> = report.problems.iter().cloned().collect();
        let news = News {
            appeared: now.difference(&self.said).cloned().collect(),
            mended: self.said.difference(&now).cloned().collect(),
        };
        self.said = now;
        news
    }
}

impl News {
    /// Writes them to the log.
    pub(super) fn log(&self) {
        for problem in self.appeared.iter().take(LINES) {
            let Problem { code, object, field, reason, action, .. } = problem;
            match problem.severity {
                Severity::Error => error!(%code, %object, field, "{object}: {reason}; {action}"),
                Severity::Warning => warn!(%code, %object, field, "{object}: {reason}; {action}"),
            }
        }
        for Problem { code, object, field, reason, .. } in self.mended.iter().take(LINES) {
            info!(%code, %object, field, "{object}: mended: {reason}");
        }
        let more = self.appeared.len().saturating_sub(LINES).saturating_add(self.mended.len().saturating_sub(LINES));
        if more > 0 {
            warn!("and {more} more problems that appeared or were mended; /api/problems has all that there are");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Code, ObjectRef};

    fn problem(name: &str, severity: Severity) -> Problem {
        Problem {
            severity,
            code: Code::ServiceNotFound,
            object: ObjectRef { kind: "Ingress", namespace: "default".into(), name: name.into() },
            field: "spec".into(),
            reason: "reason".into(),
            action: "action".into(),
        }
    }

    fn report<const N: usize>(problems: [&Problem; N]) -> Report {
        Report { problems: problems.map(Clone::clone).to_vec(), ..Report::default() }
    }

    #[test]
    fn a_problem_is_news_when_it_appears_and_when_it_is_mended_and_not_between() {
        let (mut problems, a, b) =
            (Problems::default(), problem("a", Severity::Warning), problem("b", Severity::Error));
        assert_eq!(problems.news(&report([&a])), News { appeared: vec![a.clone()], mended: vec![] });
        assert_eq!(problems.news(&report([&a])), News::default());
        assert_eq!(problems.news(&report([&b])), News { appeared: vec![b], mended: vec![a] });
    }

    #[test]
    fn errors_come_before_warnings() {
        let (a, b) = (problem("a", Severity::Warning), problem("b", Severity::Error));
        let news = Problems::default().news(&report([&a, &b]));
        assert_eq!(news.appeared, [b, a]);
    }
}
