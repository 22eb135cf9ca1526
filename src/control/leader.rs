//! Holds the Lease that makes one replica the writer of statuses and Events. Every replica serves.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::election::{DEADLINE, DURATION, EVERY, Election, Record, Step};

/// Which Lease, and who we are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name; instances that serve different classes need different ones.
    pub name: String,
    /// Our name in it: the pod's, and unique.
    pub identity: String,
    /// Statuses are written, not Events alone.
    pub statuses: bool,
}

/// Whether this replica writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leadership {
    /// It does not.
    #[default]
    Follower,
    /// It does, until this moment unless the Lease is renewed. Whoever writes looks at the clock first: a process that
    /// was stopped for a minute must not go on as if nothing had been.
    Leader(Instant),
    /// Leases are forbidden: every replica writes what differs, after a random wait.
    Everyone,
}

impl Leadership {
    /// Whether it may write at this moment.
    pub fn may_write(self, now: Instant) -> bool {
        match self {
            Self::Follower => false,
            Self::Leader(until) => now < until,
            Self::Everyone => true,
        }
    }
}

/// The rule that allows it.
const RULE: &str =
    r#"- {apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "update"]}"#;
/// No answer within this is none.
const ANSWER: Duration = Duration::from_secs(3);
/// How often a forbidden Lease is tried again.
const REFUSED_EVERY: Duration = Duration::from_secs(60);

/// Seeks the Lease and keeps it until `shutdown`, then releases it, so that another replica leads at once.
pub async fn run(
    client: Client,
    settings: Settings,
    leadership: watch::Sender<Leadership>,
    shutdown: impl Future<Output = ()>,
) {
    let api = Api::namespaced(client, &settings.namespace);
    let mut candidate = Candidate { api, election: Election::new(settings.identity.clone()), settings, leadership };
    tokio::select! {
        () = candidate.seek() => {}
        () = shutdown => {}
    }
    candidate.release().await;
}

struct Candidate {
    api: Api<Lease>,
    election: Election,
    settings: Settings,
    leadership: watch::Sender<Leadership>,
}

impl Candidate {
    async fn seek(&mut self) {
        loop {
            let pause = match timeout(ANSWER, self.try_once()).await {
                Ok(Ok(())) => EVERY,
                Ok(Err(Error::Api(status))) if status.is_forbidden() => {
                    if self.say(Leadership::Everyone) {
                        self.explain();
                    }
                    REFUSED_EVERY
                }
                Ok(Err(error)) => {
                    // A conflict is another replica that was faster; the rest the watches speak of.
                    debug!(%error, "the Lease could not be read or written");
                    self.give_up_if_late();
                    EVERY
                }
                Err(_) => {
                    debug!("no answer about the Lease");
                    self.give_up_if_late();
                    Duration::ZERO
                }
            };
            sleep(pause + crate::source::backoff::up_to(EVERY / 10)).await;
        }
    }

    async fn try_once(&mut self) -> Result<(), Error> {
        let lease = self.api.get_opt(&self.settings.name).await?;
        // The time before the write: what we promise ourselves must end before what others are promised.
        let now = Instant::now();
        match self.election.look(lease.as_ref().map(record), now) {
            Step::Wait => {
                self.say(Leadership::Follower);
                return Ok(());
            }
            Step::Create => {
                let lease = self.lease(None, &self.settings.identity, DURATION);
                self.api.create(&PostParams::default(), &lease).await?;
            }
            // With the version that we saw: when two write, one fails.
            Step::Take | Step::Renew => {
                let lease = self.lease(lease, &self.settings.identity, DURATION);
                self.api.replace(&self.settings.name, &PostParams::default(), &lease).await?;
            }
        }
        if self.say(Leadership::Leader(now + DEADLINE)) {
            info!(lease = %self.settings.name, "this replica leads: it writes statuses and Events");
        }
        Ok(())
    }

    /// Says what it means that Leases are forbidden.
    fn explain(&self) {
        let namespace = &self.settings.namespace;
        if self.settings.statuses {
            warn!(
                "Leases in namespace {namespace} are forbidden: every replica writes statuses, but only what differs, and \
                 none writes Events. Add this rule to a role there: {RULE}"
            );
        } else {
            info!(
                "Leases in namespace {namespace} are forbidden: no replica writes Events about problems. Add this rule \
                 to a role there, or start adit with --kubernetesEvents=false: {RULE}"
            );
        }
    }

    fn give_up_if_late(&self) {
        let current = *self.leadership.borrow();
        if matches!(current, Leadership::Leader(until) if Instant::now() >= until) {
            self.say(Leadership::Follower);
        }
    }

    /// Says it, and whether it is another role than before.
    fn say(&self, now: Leadership) -> bool {
        let before = self.leadership.send_replace(now);
        let changed = std::mem::discriminant(&before) != std::mem::discriminant(&now);
        if changed && matches!(before, Leadership::Leader(_)) {
            info!(lease = %self.settings.name, "another replica may write the statuses now");
        }
        changed
    }

    async fn release(&self) {
        let before = self.leadership.send_replace(Leadership::Follower);
        if !matches!(before, Leadership::Leader(_)) {
            return;
        }
        let release = async {
            let Some(lease) = self.api.get_opt(&self.settings.name).await? else { return Ok(()) };
            if record(&lease).holder != self.settings.identity {
                return Ok(());
            }
            let free = self.lease(Some(lease), "", Duration::from_secs(1));
            self.api.replace(&self.settings.name, &PostParams::default(), &free).await.map(|_| ())
        };
        match timeout(ANSWER, release).await {
            Ok(Ok(())) => debug!("the Lease is released"),
            Ok(Err(error)) => debug!(%error, "the Lease could not be released; it runs out"),
            Err(_) => debug!("no answer about the release of the Lease; it runs out"),
        }
    }

    /// `lease`, or a new one, held by `holder` from now on.
    fn lease(&self, lease: Option<Lease>, holder: &str, lasts: Duration) -> Lease {
        let now = MicroTime(Timestamp::now());
        let mut lease = lease.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.settings.name.clone()), ..ObjectMeta::default() },
            spec: None,
        });
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        if spec.holder_identity.as_deref() != Some(holder) && !holder.is_empty() {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
        }
        spec.holder_identity = Some(holder.to_owned());
        spec.lease_duration_seconds = i32::try_from(lasts.as_secs()).ok();
        spec.renew_time = Some(now);
        lease
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        holder: spec.and_then(|spec| spec.holder_identity.clone()).unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        duration: Duration::from_secs(seconds.unwrap_or(0)),
    }
}
