//! What the watches tell their supervisor.

use std::fmt;
use std::sync::Arc;

use super::kind::Kind;
use crate::objects::Change;

/// Names a watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    pub(super) kind: Kind,
    /// `None`: the whole cluster.
    pub(super) namespace: Option<Arc<str>>,
    /// One object alone, of a namespace that is not watched otherwise.
    pub(super) name: Option<Arc<str>>,
}

impl Scope {
    /// Whether the start waits for its list, whatever happens.
    pub(super) fn is_required(&self) -> bool {
        self.kind.is_required() && self.name.is_none()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => write!(f, "{} {namespace}/{name}", self.kind),
            (Some(namespace), None) => write!(f, "{} in namespace {namespace}", self.kind),
            _ => write!(f, "{}", self.kind),
        }
    }
}

/// What a watch reports.
#[derive(Debug)]
pub(super) enum Message {
    /// Objects changed; `listed`: a complete list is in.
    Changes { scope: Scope, changes: Vec<Change>, listed: bool },
    /// The role forbids it.
    Refused { scope: Scope, reason: String },
    /// It failed otherwise and will be tried again.
    Failed { scope: Scope, reason: String },
    /// So many objects of this kind exist that nothing serves.
    Unserved(&'static str, usize),
}
