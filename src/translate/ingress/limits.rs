//! How much an Ingress may hold. Whoever writes one decides what reading it costs everybody; no sane one comes near.

use super::annotations::Annotations;
use crate::objects::Ingress;
use crate::route::{Code, ObjectRef, Problem, Severity};

/// The most paths, over all rules.
const MOST_PATHS: usize = 4096;
/// The most rules; and the most hosts, and the most entries, of `spec.tls`.
const MOST_HOSTS: usize = 4096;
/// The most bytes of a path: no request has a longer one.
const LONGEST_PATH: usize = 64 * 1024;
/// The most entry points that an annotation names: there are no more.
pub(super) const MOST_ENTRY_POINTS: usize = crate::route::ListenerSet::MAX;
/// How much of a text is repeated to say what is wrong with it.
const SHOWN: usize = 120;

/// The problem of an Ingress that is not read, since there is too much of it.
pub(super) fn excess(ingress: &Ingress, object: &ObjectRef) -> Option<Problem> {
    let paths = || ingress.rules.iter().flat_map(|rule| &rule.paths);
    let tls_hosts: usize = ingress.tls.iter().map(|entry| entry.hosts.len()).sum();
    let (field, reason) = if paths().count() > MOST_PATHS {
        ("spec.rules", format!("it has more than {MOST_PATHS} paths"))
    } else if ingress.rules.len() > MOST_HOSTS {
        ("spec.rules", format!("it has more than {MOST_HOSTS} rules"))
    } else if ingress.tls.len().max(tls_hosts) > MOST_HOSTS {
        ("spec.tls", format!("it has more than {MOST_HOSTS} entries or hosts"))
    } else if paths().any(|path| path.path.len() > LONGEST_PATH) {
        ("spec.rules", format!("it has a path of more than {LONGEST_PATH} bytes"))
    } else {
        Annotations::of(&ingress.annotations).excess()?
    };
    Some(Problem {
        severity: Severity::Error,
        code: Code::TooLarge,
        object: object.clone(),
        field: field.into(),
        reason,
        action: "split it; until then none of it is served".into(),
    })
}

/// As much of a text as a problem repeats.
pub(super) fn shown(text: &str) -> &str {
    text.char_indices().nth(SHOWN).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}
