//! Writes Kubernetes Events about problems on the Ingresses that they concern, so that `kubectl describe ingress` shows
//! them: the leader alone, at a pace ([`ledger`]), and not at all where the role forbids it.

mod ledger;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tracing::{debug, info};

use self::ledger::{Complaint, Ledger, complaints};
use super::leader::Leadership;
use crate::route::Report;

/// Who writes, in the words of an IngressClass's controller.
const CONTROLLER: &str = "adit.dev/ingress-controller";
/// What was being done when the problem showed.
const ACTION: &str = "Routing";
/// No answer within this is none.
const ANSWER: Duration = Duration::from_secs(5);
/// A write that failed is tried again after this.
const RETRY: Duration = Duration::from_secs(30);
/// A namespace where Events are forbidden is left alone for this long.
const REFUSED_FOR: Duration = Duration::from_secs(10 * 60);
/// The longest name of an object, less the hash at its end.
const LONGEST_NAME: usize = 253 - 17;
/// The rule that allows it.
const RULE: &str = r#"- {apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"]}"#;

/// Writes until `shutdown`. `instance`: this replica's own name.
pub async fn run(
    client: Client,
    instance: String,
    reports: watch::Receiver<Arc<Report>>,
    leadership: watch::Receiver<Leadership>,
    shutdown: impl Future<Output = ()>,
) {
    let ledger = Ledger::new(Instant::now());
    let writer = Writer { client, instance, reports, leadership, ledger, refused: BTreeMap::new(), said: false };
    tokio::select! {
        () = writer.run() => {}
        () = shutdown => {}
    }
}

struct Writer {
    client: Client,
    instance: String,
    reports: watch::Receiver<Arc<Report>>,
    leadership: watch::Receiver<Leadership>,
    ledger: Ledger,
    /// Until when the namespaces are left alone where Events are forbidden.
    refused: BTreeMap<Arc<str>, Instant>,
    said: bool,
}

/// What became of a write.
#[derive(Debug)]
enum Outcome {
    Written,
    /// The Ingress is gone: there is nobody to tell.
    Pointless,
    Forbidden(String),
    Failed(String),
}

impl Writer {
    async fn run(mut self) {
        loop {
            let now = Instant::now();
            self.ledger.want(&complaints(&self.reports.borrow_and_update()), now);
            // Where Leases are forbidden all replicas are alike, and each would write the same.
            let leads = matches!(*self.leadership.borrow_and_update(), Leadership::Leader(until) if now < until);
            if leads && let Some((complaint, count)) = self.ledger.next(now) {
                self.tell(&complaint, count).await;
                continue;
            }
            let wake = self.ledger.wake(now).filter(|_| leads);
            tokio::select! {
                changed = self.reports.changed() => if changed.is_err() { return },
                changed = self.leadership.changed(), if !leads => if changed.is_err() { return },
                () = sleep_until(wake.unwrap_or(now).into()), if wake.is_some() => {}
            }
        }
    }

    async fn tell(&mut self, complaint: &Complaint, count: i32) {
        let namespace = complaint.ingress.namespace.clone();
        if let Some(until) = self.refused.get(&namespace).copied() {
            if Instant::now() < until {
                self.ledger.put_off(complaint, until);
                return;
            }
            self.refused.remove(&namespace);
        }
        let outcome = timeout(ANSWER, self.write(complaint, count)).await;
        let now = Instant::now();
        match outcome.unwrap_or_else(|_| Outcome::Failed("no answer".into())) {
            Outcome::Written => self.ledger.told(complaint, count, now),
            Outcome::Pointless => self.ledger.put_off(complaint, now + RETRY),
            Outcome::Forbidden(message) => {
                if !std::mem::replace(&mut self.said, true) {
                    info!("Events about problems cannot be written: {message}. Add this rule to the role: {RULE}");
                }
                self.refused.insert(namespace, now + REFUSED_FOR);
                self.ledger.put_off(complaint, now + REFUSED_FOR);
            }
            Outcome::Failed(reason) => {
                debug!(ingress = %complaint.ingress, reason, "the Event was not written; trying again");
                self.ledger.put_off(complaint, now + RETRY);
            }
        }
    }

    /// The first time as an Event of its own, then as its series.
    async fn write(&self, complaint: &Complaint, count: i32) -> Outcome {
        let ingresses: Api<Ingress> = Api::namespaced(self.client.clone(), &complaint.ingress.namespace);
        // `kubectl describe` looks for the object by its uid.
        let uid = match ingresses.get_metadata_opt(&complaint.ingress.name).await {
            Ok(Some(ingress)) => ingress.metadata.uid,
            Ok(None) => return Outcome::Pointless,
            Err(error) => return failed(error),
        };
        let events: Api<Event> = Api::namespaced(self.client.clone(), &complaint.ingress.namespace);
        let now = Timestamp::now();
        let event = event(complaint, uid, &self.instance, now);
        if count == 1 {
            match events.create(&PostParams::default(), &event).await {
                Ok(_) => return Outcome::Written,
                // The leader before has told it.
                Err(Error::Api(status)) if status.is_already_exists() => {}
                Err(error) => return failed(error),
            }
        }
        let series = EventSeries { count: count.max(2), last_observed_time: MicroTime(now) };
        let patch = Patch::Merge(serde_json::json!({ "series": series }));
        let name = event.metadata.name.clone().unwrap_or_default();
        match events.patch(&name, &PatchParams::default(), &patch).await {
            Ok(_) => Outcome::Written,
            // The API server has forgotten it.
            Err(Error::Api(status)) if status.is_not_found() => {
                events.create(&PostParams::default(), &event).await.map_or_else(failed, |_| Outcome::Written)
            }
            Err(error) => failed(error),
        }
    }
}

fn failed(error: Error) -> Outcome {
    match error {
        Error::Api(status) if status.is_forbidden() => Outcome::Forbidden(status.message.clone()),
        error => Outcome::Failed(error.to_string()),
    }
}

/// The Event of a complaint. Its name is the same whoever leads, so that no replica repeats another.
fn event(complaint: &Complaint, uid: Option<String>, instance: &str, now: Timestamp) -> Event {
    let Complaint { ingress, code, note, .. } = complaint;
    let mut hasher = DefaultHasher::new();
    (&uid, code, note).hash(&mut hasher);
    let end = ingress.name.floor_char_boundary(LONGEST_NAME);
    let begin = ingress.name.get(..end).unwrap_or_default().trim_end_matches(['.', '-']);
    Event {
        metadata: ObjectMeta {
            namespace: Some(ingress.namespace.to_string()),
            name: Some(format!("{begin}.{:016x}", hasher.finish())),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(CONTROLLER.into()),
        reporting_instance: Some(instance.chars().take(128).collect()),
        action: Some(ACTION.into()),
        reason: Some(format!("{code:?}")),
        note: Some(note.clone()),
        type_: Some("Warning".into()),
        regarding: Some(ObjectReference {
            api_version: Some("networking.k8s.io/v1".into()),
            kind: Some("Ingress".into()),
            namespace: Some(ingress.namespace.to_string()),
            name: Some(ingress.name.to_string()),
            uid,
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::ObjectKey;
    use crate::route::{Code, Severity};

    fn complaint(name: &str, note: &str) -> Complaint {
        Complaint {
            severity: Severity::Error,
            ingress: ObjectKey::new("shop", name),
            code: Code::ServiceNotFound,
            note: note.into(),
        }
    }

    fn name(complaint: &Complaint, uid: &str, instance: &str) -> String {
        event(complaint, Some(uid.into()), instance, Timestamp::now()).metadata.name.expect("a name")
    }

    #[test]
    fn one_complaint_has_one_name_whoever_writes_it_and_whenever() {
        let (a, b) = (complaint("front", "gone"), complaint("front", "no port"));
        assert_eq!(name(&a, "1", "one"), name(&a, "1", "other"));
        assert_ne!(name(&a, "1", "one"), name(&b, "1", "one"));
        assert_ne!(name(&a, "1", "one"), name(&a, "2", "one"), "an Ingress that was made anew");
    }

    #[test]
    fn the_longest_names_still_make_a_name() {
        let long = format!("{}.{}", "a".repeat(LONGEST_NAME - 1), "b".repeat(17));
        let name = name(&complaint(&long, "gone"), "1", "one");
        assert!(name.len() <= 253 && !name.contains(".."), "{name}");
    }

    #[test]
    fn an_event_has_what_the_api_demands() {
        let event = event(&complaint("front", "gone"), Some("1".into()), &"x".repeat(300), Timestamp::now());
        assert_eq!(event.reason.as_deref(), Some("ServiceNotFound"));
        assert!(event.reporting_instance.is_some_and(|instance| instance.len() == 128));
        assert!(event.event_time.is_some() && event.action.is_some() && event.reporting_controller.is_some());
        let regarding = event.regarding.expect("an object");
        assert_eq!(regarding.namespace, event.metadata.namespace);
        assert_eq!(regarding.uid.as_deref(), Some("1"));
    }
}
