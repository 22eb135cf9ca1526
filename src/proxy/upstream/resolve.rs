//! The addresses behind an endpoint's name: asked for once, however many connections wait for them, and kept while nobody
//! answers. A name that is said not to exist has none: its last ones may be another's by now.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::time::timeout;

/// For so long an answer holds, or that there is none.
const FRESH: Duration = Duration::from_secs(1);
/// Where there are addresses of before, a connection waits no longer than this for those of today.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the resolver says that a name does not exist (`EAI_NONAME`), or has no address (`EAI_NODATA`). What else goes wrong
/// is trouble of the name servers, and says nothing of the name.
const GONE: [&str; 2] = ["Name or service not known", "No address associated with hostname"];

/// A name's addresses, over all workers.
#[derive(Debug, Default)]
pub(crate) struct Resolved(watch::Sender<Answers>);

/// What is known of a name.
#[derive(Debug, Default)]
struct Answers {
    /// Those of the last answer that had any.
    addresses: Vec<SocketAddr>,
    /// The last question got no answer.
    failing: bool,
    /// When that was.
    answered: Option<Instant>,
    /// A question is under way.
    asking: bool,
}

/// There is no address to connect to.
#[derive(Debug)]
pub(crate) struct Unresolved;

impl Resolved {
    /// The name's addresses. A question outlives who asks it, so that there is never a second one beside it: each holds
    /// a thread for as long as the name server is silent.
    pub(crate) async fn addresses(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Unresolved> {
        let mut answers = self.0.subscribe();
        let asks =
            self.0.send_if_modified(|answers| !answers.is_fresh() && !std::mem::replace(&mut answers.asking, true));
        if asks {
            let question = Question(self.0.clone());
            let name = name.to_owned();
            tokio::spawn(async move {
                let found = lookup_host((&*name, port)).await.map(Vec::from_iter);
                question.0.send_modify(|answers| answers.take(&name, found));
            });
        }
        let answered = answers.wait_for(|answers| !answers.asking);
        if self.0.borrow().addresses.is_empty() {
            let _ = answered.await;
        } else {
            let _ = timeout(PATIENCE, answered).await;
        }
        let known = self.0.borrow();
        if known.addresses.is_empty() { Err(Unresolved) } else { Ok(known.addresses.clone()) }
    }
}

impl Answers {
    fn is_fresh(&self) -> bool {
        self.answered.is_some_and(|answered| answered.elapsed() < FRESH)
    }

    fn take(&mut self, name: &str, found: io::Result<Vec<SocketAddr>>) {
        self.answered = Some(Instant::now());
        let failure = match found {
            Ok(found) => {
                self.addresses = found;
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if failure.as_ref().is_some_and(|reason| GONE.iter().any(|gone| reason.contains(gone))) {
            self.addresses.clear();
        }
        let failing = failure.is_some();
        match failure {
            Some(reason) if !self.failing => {
                let known = self.addresses.len();
                tracing::warn!(
                    name, %reason, known,
                    "the name of an ExternalName Service is not resolved; the addresses that are known serve: does the name \
                     exist, and do the cluster's name servers answer?"
                );
            }
            None if self.failing => tracing::info!(name, "the name is resolved again"),
            _ => {}
        }
        self.failing = failing;
    }
}

/// A question that is under way. Whatever ends it, it is not under way after that.
struct Question(watch::Sender<Answers>);

impl Drop for Question {
    fn drop(&mut self) {
        self.0.send_modify(|answers| answers.asking = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<SocketAddr> {
        vec!["192.0.2.1:80".parse().expect("an address")]
    }

    #[tokio::test]
    async fn a_name_with_an_address_has_it_and_one_without_has_none() {
        let resolved = Resolved::default();
        let addresses = resolved.addresses("192.0.2.1", 80).await.expect("an address is its own name");
        assert_eq!(addresses, some());
        assert!(Resolved::default().addresses("no name at all", 80).await.is_err());
    }

    #[tokio::test]
    async fn a_failure_keeps_what_was_known_and_an_answer_that_there_is_none_does_not() {
        let resolved = Resolved::default();
        resolved.0.send_modify(|answers| answers.take("a", Ok(some())));
        assert!(resolved.0.borrow().is_fresh());
        resolved.0.send_modify(|answers| answers.take("a", Err(io::ErrorKind::TimedOut.into())));
        assert_eq!(resolved.addresses("a", 80).await.expect("what was known"), some());
        let gone = "failed to lookup address information: Name or service not known";
        resolved.0.send_modify(|answers| answers.take("a", Err(io::Error::other(gone))));
        assert!(resolved.addresses("a", 80).await.is_err());
    }

    #[tokio::test]
    async fn with_addresses_of_before_nobody_waits_for_long() {
        let resolved = Resolved::default();
        let question = Question(resolved.0.clone());
        resolved.0.send_modify(|answers| answers.asking = true);
        assert!(timeout(PATIENCE / 20, resolved.addresses("a", 80)).await.is_err(), "there is nothing to go by");
        resolved.0.send_modify(|answers| answers.addresses = some());
        let addresses = timeout(PATIENCE * 20, resolved.addresses("a", 80)).await;
        assert_eq!(addresses.expect("in time").expect("what was known"), some());
        drop(question);
        assert!(!resolved.0.borrow().asking, "whatever ended it");
    }
}
