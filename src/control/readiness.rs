//! Whether the control plane has done its part of being ready, and what it waits for.

/// Ready needs all objects and a table made of them. The listeners are somebody else's part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The first lists of all kinds are in.
    pub synced: bool,
    /// The first table is installed. It never becomes false again, whatever the API server does.
    pub installed: bool,
    /// What the first lists wait for, for the readiness page.
    pub waiting: Vec<String>,
}

impl Readiness {
    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.synced && self.installed
    }

    /// Why it is not ready, one sentence each; empty when it is.
    pub fn reasons(&self) -> Vec<String> {
        if !self.synced && self.waiting.is_empty() {
            vec!["waiting for the source of the objects".to_owned()]
        } else if !self.synced {
            self.waiting.iter().map(|what| format!("waiting for {what}")).collect()
        } else if !self.installed {
            vec!["waiting for the first routing table".to_owned()]
        } else {
            Vec::new()
        }
    }
}
