//! What the translation of one Ingress leaves for the fold by host.

use std::fmt;
use std::sync::Arc;

use super::Claim;
use crate::objects::ObjectKey;
use crate::route::{AutomaticRank, HostPattern, Problem, Rank, Route, Upstream};

/// A route whose place among all others is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::translate) struct Draft {
    pub(in crate::translate) host: HostPattern,
    /// The route in its automatic place. The table has this very one, unless it was given a priority.
    pub(in crate::translate) route: Arc<Route>,
    /// `router.priority`, if one was given.
    pub(in crate::translate) priority: Option<i64>,
    /// For a conflict's problem.
    pub(in crate::translate) field: Field,
}

impl Draft {
    /// Its automatic place.
    pub(in crate::translate) fn own(&self) -> &AutomaticRank {
        match &self.route.rank {
            Rank::Automatic(own) => own,
            Rank::Explicit { explicit, .. } => &explicit.own,
        }
    }
}

/// Where in its object a route stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::translate) enum Field {
    /// `spec.rules[].http.paths[]`.
    Path { rule: usize, path: usize },
    /// `spec.defaultBackend`.
    DefaultBackend,
    /// It is in no object: it comes from the configuration.
    Configuration,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { rule, path } => write!(f, "spec.rules[{rule}].http.paths[{path}]"),
            Self::DefaultBackend => f.write_str("spec.defaultBackend"),
            Self::Configuration => Ok(()),
        }
    }
}

/// What one Ingress comes to. Tens of thousands of these are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::translate) struct Translation {
    /// Shared with the fold.
    pub(in crate::translate) drafts: Box<[Arc<Draft>]>,
    pub(in crate::translate) claims: Box<[Claim]>,
    pub(in crate::translate) upstreams: Box<[Arc<Upstream>]>,
    /// Sorted, without duplicates; as are the Secrets.
    pub(in crate::translate) services: Box<[ObjectKey]>,
    pub(in crate::translate) secrets: Box<[ObjectKey]>,
    pub(in crate::translate) problems: Box<[Problem]>,
    /// Its age, for certificates: older first.
    pub(in crate::translate) created: i64,
    /// It only has a problem: it is not served.
    pub(in crate::translate) rejected: bool,
}
