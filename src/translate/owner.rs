//! Whose a host is, where it belongs to one namespace (`hostOwnership=strict`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ingress::{Claim, Draft};
use crate::objects::ObjectKey;
use crate::route::{Code, HostPattern, ObjectRef, Problem, Severity};

/// The Ingress that a host belongs to, with its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    created: i64,
    namespace: Arc<str>,
    name: Arc<str>,
}

impl Owner {
    /// The oldest that has a route for `host`. Rules without host are everybody's.
    pub(super) fn of(host: &HostPattern, drafts: &[Arc<Draft>]) -> Option<Self> {
        let own = drafts.iter().map(|draft| draft.own()).filter(|own| !own.namespace.is_empty());
        let oldest = own.min_by_key(|own| (own.created, &own.namespace, &own.name))?;
        (*host != HostPattern::Any).then(|| Self {
            created: oldest.created,
            namespace: oldest.namespace.clone(),
            name: oldest.name.clone(),
        })
    }

    /// Whether what is in `namespace` may be for the host. Routes of the configuration are in none.
    pub(super) fn admits(&self, namespace: &str) -> bool {
        namespace.is_empty() || namespace == &*self.namespace
    }

    /// What is said to those who come second: once for each Ingress, with the first of its fields.
    pub(super) fn refused<'a>(&self, host: &HostPattern, drafts: impl Iterator<Item = &'a Draft>) -> Vec<Problem> {
        let mut first: BTreeMap<(&Arc<str>, &Arc<str>), &Draft> = BTreeMap::new();
        for draft in drafts {
            let known = first.entry((&draft.own().namespace, &draft.own().name)).or_insert(draft);
            if draft.own().index < known.own().index {
                *known = draft;
            }
        }
        let problem =
            |draft: &Draft| self.problem(host, &draft.own().namespace, &draft.own().name, &draft.field.to_string());
        first.into_values().map(problem).collect()
    }

    /// What is said to an Ingress whose certificate for the host is refused.
    pub(super) fn refused_claim(&self, ingress: &ObjectKey, claim: &Claim) -> Problem {
        self.problem(&claim.host, &ingress.namespace, &ingress.name, &claim.field)
    }

    fn problem(&self, host: &HostPattern, namespace: &Arc<str>, name: &Arc<str>, field: &str) -> Problem {
        Problem {
            severity: Severity::Error,
            code: Code::HostTaken,
            object: ObjectRef { kind: "Ingress", namespace: namespace.clone(), name: name.clone() },
            field: field.to_owned(),
            reason: format!(
                "host {host} belongs to namespace {} by its Ingress {}, which is older",
                self.namespace, self.name
            ),
            action: "use another host; nothing of this Ingress is served for it".into(),
        }
    }
}
