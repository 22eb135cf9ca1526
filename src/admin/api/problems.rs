//! `/api/problems`: what is wrong with which object, since when, and what to do. Worst first. `/api/problems/CODE`: what
//! that means.

use serde_json::{Value, json};

use super::Scene;
use super::list::{Key, Row, any_contains};
use crate::admin::since::Since;
use crate::route::{Code, Explanation, Problem, Severity};

/// One problem.
pub(super) struct ProblemRow<'a> {
    problem: &'a Problem,
    since: &'a Since,
    name: String,
    /// Its place in the report, which has the worst first.
    place: i64,
}

pub(super) fn rows(scene: Scene<'_>) -> Vec<ProblemRow<'_>> {
    let (problems, since) = (scene.model.view.report.problems.iter(), &scene.model.since);
    problems
        .zip(0..)
        .map(|(problem, place)| ProblemRow { problem, since, name: problem.object.to_string(), place })
        .collect()
}

/// What the problems of this code mean: once, since there may be thousands of one code.
pub(super) fn explanation(name: &str) -> Option<Value> {
    let code = Code::named(name)?;
    let Explanation { what, mend, look } = code.explain();
    let [what, mend] = [what, mend].map(Explanation::without_links);
    Some(json!({ "code": code, "what": what, "mend": mend, "look": look }))
}

impl Row for ProblemRow<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self) -> &str {
        match self.problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }

    fn contains(&self, text: &str) -> bool {
        let problem = self.problem;
        any_contains([self.name.as_str(), &problem.field, &problem.reason, &problem.action], text)
            || problem.code.to_string().contains(text)
    }

    fn key(&self, by: &str) -> Key {
        match by {
            "name" => Key::Name,
            _ => Key::Number(self.place),
        }
    }

    fn json(&self) -> Value {
        let mut value = json!(self.problem);
        value["since"] = json!(self.since.text(self.problem));
        value
    }
}
