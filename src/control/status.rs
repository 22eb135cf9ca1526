//! Writes the addresses into the status of our Ingresses: the leader alone, and only what differs.
//!
//! By `update`, not `patch`: that is what the roles made for Traefik allow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::{
    self as api, IngressLoadBalancerIngress, IngressLoadBalancerStatus, IngressStatus,
};
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::leader::Leadership;
use crate::objects::{BalancerAddress, Ingress, ObjectKey, Objects};
use crate::route::{Report, StatusAddress};
use crate::source::backoff::{Backoff, up_to};
use crate::source::convert::Convert;

/// The Ingresses whose status is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What it is to say.
    pub addresses: BTreeSet<StatusAddress>,
    /// Those that say something else.
    pub ingresses: BTreeSet<ObjectKey>,
}

/// Compares what is with what the report wants. `touched`: only these may have changed since `before`; without it, all.
pub(super) fn wanted(before: &Wanted, touched: Option<&[&ObjectKey]>, objects: &Objects, report: &Report) -> Wanted {
    let Some(addresses) = &report.addresses else { return Wanted::default() };
    let addresses: BTreeSet<_> = addresses.iter().cloned().collect();
    let differs = |key: &ObjectKey| objects.ingresses.get(key).is_some_and(|ingress| said(ingress) != addresses);
    let Some(touched) = touched.filter(|_| before.addresses == addresses) else {
        let accepted = report.accepted.iter();
        let keys = accepted.map(|(namespace, name)| ObjectKey { namespace: namespace.clone(), name: name.clone() });
        return Wanted { ingresses: keys.filter(differs).collect(), addresses };
    };
    let mut ingresses = before.ingresses.clone();
    for key in touched {
        if report.accepted.contains(&(key.namespace.clone(), key.name.clone())) && differs(key) {
            ingresses.insert((*key).clone());
        } else {
            ingresses.remove(*key);
        }
    }
    Wanted { addresses, ingresses }
}

/// What an Ingress's status says.
fn said(ingress: &Ingress) -> BTreeSet<StatusAddress> {
    let addresses = ingress.addresses.iter().map(|address| match address {
        BalancerAddress::Ip(ip) => StatusAddress::Ip(ip.to_string()),
        BalancerAddress::Hostname(name) => StatusAddress::Hostname(name.to_string()),
    });
    addresses.collect()
}

/// Between two writes, so that ten thousand Ingresses do not crowd out other users of the API server.
const PACE: Duration = Duration::from_millis(20);
/// The same Ingress is not written again within this, should somebody else write it too.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// No answer within this is none.
const ANSWER: Duration = Duration::from_secs(5);
/// Where everybody writes, the first one spares the others the work.
const RANDOM_WAIT: Duration = Duration::from_secs(2);
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
/// The rule that allows it.
const RULE: &str = r#"- {apiGroups: ["networking.k8s.io"], resources: ["ingresses/status"], verbs: ["update"]}"#;

/// Writes until `shutdown`.
pub async fn run(
    client: Client,
    wanted: watch::Receiver<Arc<Wanted>>,
    leadership: watch::Receiver<Leadership>,
    shutdown: impl Future<Output = ()>,
) {
    let writer = Writer { client, wanted, leadership, written: BTreeMap::new(), refused: false };
    tokio::select! {
        () = writer.run() => {}
        () = shutdown => {}
    }
}

struct Writer {
    client: Client,
    wanted: watch::Receiver<Arc<Wanted>>,
    leadership: watch::Receiver<Leadership>,
    /// When each was written last.
    written: BTreeMap<ObjectKey, Instant>,
    refused: bool,
}

/// What became of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Complete,
    Incomplete,
}

impl Writer {
    async fn run(mut self) {
        let mut retry = RETRY;
        loop {
            // Marked as seen before it is read: what comes meanwhile starts another round.
            let everyone = matches!(*self.leadership.borrow_and_update(), Leadership::Everyone);
            if everyone && !self.wanted.borrow_and_update().ingresses.is_empty() {
                sleep(up_to(RANDOM_WAIT)).await;
            }
            let round = self.round().await;
            let pause = match round {
                Round::Complete => {
                    retry = RETRY;
                    None
                }
                Round::Incomplete => Some(retry.wait()),
            };
            tokio::select! {
                changed = self.wanted.changed() => if changed.is_err() { return },
                // Each renewal of the Lease is a change; it must not hurry what failed.
                changed = self.leadership.changed(), if pause.is_none() => if changed.is_err() { return },
                () = sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    async fn round(&mut self) -> Round {
        let wanted = self.wanted.borrow_and_update().clone();
        let mut round = Round::Complete;
        self.written.retain(|_, at| at.elapsed() < AGAIN_AFTER);
        for key in &wanted.ingresses {
            if !self.leadership.borrow().may_write(Instant::now()) {
                return Round::Complete;
            }
            if self.written.contains_key(key) {
                round = Round::Incomplete;
                continue;
            }
            match timeout(ANSWER, self.write(key, &wanted.addresses)).await {
                Ok(Ok(())) => {}
                Ok(Err(Error::Api(status))) if status.is_not_found() => {}
                Ok(Err(Error::Api(status))) if status.is_forbidden() => {
                    if !std::mem::replace(&mut self.refused, true) {
                        warn!(
                            "statuses of Ingresses cannot be written: {}. Add this rule to the role: {RULE}",
                            status.message
                        );
                    }
                    return Round::Incomplete;
                }
                Ok(Err(error)) => {
                    debug!(ingress = %key, %error, "the status was not written; trying again");
                    round = Round::Incomplete;
                }
                Err(_) => {
                    debug!(ingress = %key, "no answer about the status; trying again");
                    round = Round::Incomplete;
                }
            }
        }
        round
    }

    /// Reads the Ingress as it is now, and writes it if its status differs: what we know of it may be a moment old.
    async fn write(&mut self, key: &ObjectKey, addresses: &BTreeSet<StatusAddress>) -> Result<(), Error> {
        let api: Api<api::Ingress> = Api::namespaced(self.client.clone(), &key.namespace);
        let mut ingress = api.get(&key.name).await?;
        if said(&ingress.clone().convert()) == *addresses {
            return Ok(());
        }
        let points = addresses.iter().map(point).collect();
        let balancer = IngressLoadBalancerStatus { ingress: Some(points) };
        ingress.status = Some(IngressStatus { load_balancer: Some(balancer) });
        ingress.metadata.managed_fields = None;
        api.replace_status(&key.name, &PostParams::default(), &ingress).await?;
        self.written.insert(key.clone(), Instant::now());
        if std::mem::take(&mut self.refused) {
            info!("statuses of Ingresses can be written now");
        }
        debug!(ingress = %key, "wrote the status");
        sleep(PACE).await;
        Ok(())
    }
}

fn point(address: &StatusAddress) -> IngressLoadBalancerIngress {
    match address {
        StatusAddress::Ip(ip) => IngressLoadBalancerIngress { ip: Some(ip.clone()), ..Default::default() },
        StatusAddress::Hostname(name) => {
            IngressLoadBalancerIngress { hostname: Some(name.clone()), ..Default::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Change;

    fn ingress(points: &[StatusAddress]) -> Ingress {
        let addresses = points.iter().map(|point| match point {
            StatusAddress::Ip(ip) => BalancerAddress::Ip(ip.as_str().into()),
            StatusAddress::Hostname(name) => BalancerAddress::Hostname(name.as_str().into()),
        });
        Ingress { addresses: addresses.collect(), ..Ingress::default() }
    }

    fn objects(ingresses: &[(&str, &[StatusAddress])]) -> Objects {
        let mut objects = Objects::default();
        for (name, points) in ingresses {
            objects.apply(Change::Ingress(ObjectKey::new("default", *name), Some(Arc::new(ingress(points)))));
        }
        objects
    }

    fn report(accepted: &[&str], addresses: Option<&[StatusAddress]>) -> Report {
        Report {
            accepted: accepted.iter().map(|name| ("default".into(), (*name).into())).collect(),
            addresses: addresses.map(<[_]>::to_vec),
            ..Report::default()
        }
    }

    #[test]
    fn only_accepted_ingresses_that_say_something_else_are_written() {
        let (a, b) = (StatusAddress::Ip("192.0.2.1".into()), StatusAddress::Hostname("lb.example".into()));
        let both = [a.clone(), b.clone()];
        let turned = [b.clone(), a.clone()];
        let objects = objects(&[("same", &turned), ("none", &[]), ("part", &both[..1]), ("foreign", &[])]);
        let wanted =
            wanted(&Wanted::default(), None, &objects, &report(&["same", "none", "part", "unknown"], Some(&both)));
        let names: Vec<_> = wanted.ingresses.iter().map(|key| &*key.name).collect();
        assert_eq!(names, ["none", "part"]);
        assert_eq!(wanted.addresses, BTreeSet::from(both));
    }

    #[test]
    fn nothing_is_written_when_no_address_is_configured() {
        let objects = objects(&[("a", &[])]);
        assert_eq!(wanted(&Wanted::default(), None, &objects, &report(&["a"], None)), Wanted::default());
    }

    #[test]
    fn looking_at_what_was_touched_comes_to_the_same_as_looking_at_all() {
        let addresses = [StatusAddress::Ip("192.0.2.1".into())];
        let all = report(&["a", "b", "c"], Some(&addresses));
        let before = wanted(&Wanted::default(), None, &objects(&[("a", &[]), ("b", &[]), ("c", &addresses)]), &all);
        // a is written, b is not ours any more, c is spoilt.
        let after = objects(&[("a", &addresses), ("b", &[]), ("c", &[])]);
        let fewer = report(&["a", "c"], Some(&addresses));
        let keys = ["a", "b", "c"].map(|name| ObjectKey::new("default", name));
        let touched: Vec<_> = keys.iter().collect();
        assert_eq!(wanted(&before, Some(&touched), &after, &fewer), wanted(&before, None, &after, &fewer));
        // Other addresses concern all, whatever was touched.
        let other = report(&["a", "c"], Some(&[StatusAddress::Ip("192.0.2.9".into())]));
        assert_eq!(wanted(&before, Some(&[]), &after, &other).ingresses.len(), 2);
    }
}
