//! One watch: a kind in one namespace or all, followed for ever and reported to the supervisor.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::kind::{Kind, Watched};
use super::relist::{Difference, Known};
use super::report::{Message, Scope};
use crate::objects::{Change, ObjectKey};
use crate::source::backoff::Backoff;
use crate::source::keys::Keys;

/// The API server ends each watch after this long, and kube takes five seconds more of silence as its death: a
/// connection that only looks alive is replaced within a minute.
const WATCH_SECONDS: u32 = 50;
/// No watch is silent for longer.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 8);
/// An API server that just came back refuses for a moment what it will allow: what was allowed before is taken as
/// forbidden only after this.
const REFUSAL_GRACE: Duration = Duration::from_secs(30);
/// How soon a refused watch is tried again: a new rule heals it.
const REFUSED: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(45));
/// How soon a failed watch is tried again: the end of an outage is to be noticed within a second or two.
const FAILED: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(1500));
/// An API server that was away may have come back with an older store, and a watch that goes on from a version of the
/// future is told nothing: what there is then is listed anew. Away is one that cannot be reached, however briefly, and
/// one in whose place somebody has answered for this long that it is not there.
const AWAY: Duration = Duration::from_secs(1);
/// A failure so long after the last one has nothing to do with it: a watch in trouble is tried again within two seconds,
/// and connecting may take five.
const APART: Duration = Duration::from_secs(8);
/// The longest that an API server can make us wait by its `retryAfterSeconds`.
const LONGEST_WISH: Duration = Duration::from_secs(10);

/// A watch that can be run.
pub(super) struct Watch<K: Watched> {
    pub(super) scope: Scope,
    pub(super) api: Api<DeserializeGuard<K>>,
    pub(super) labels: Option<String>,
    /// Off, it forgets what it knows, says so, and rests.
    pub(super) wanted: watch::Receiver<bool>,
    pub(super) supervisor: mpsc::Sender<Message>,
}

/// The supervisor is gone: the process ends.
struct Unheard;

impl<K: Watched> Watch<K> {
    /// Follows the watch until the supervisor is gone.
    pub(super) async fn run(self) {
        let mut known = Known::default();
        let (mut on, mut off) = (self.wanted.clone(), self.wanted.clone());
        loop {
            if on.wait_for(|wanted| *wanted).await.is_err() {
                return;
            }
            let rest = async { off.wait_for(|wanted| !*wanted).await.is_ok() };
            tokio::select! {
                Unheard = self.follow(&mut known) => return,
                // Wherever this interrupts: what is known is forgotten, and said to be gone.
                _ = rest => {}
            }
            let mut changes = changes::<K>(known.clear());
            let readable = known.readability().into_iter();
            changes.extend(readable.map(|(key, _)| Change::undecodable(K::KIND.singular(), key, None)));
            if self.tell(Message::Changes { scope: self.scope.clone(), changes, listed: false }).await.is_err() {
                return;
            }
        }
    }

    async fn follow(&self, known: &mut Known<K::Object>) -> Unheard {
        let (mut failed, mut refused) = (FAILED, REFUSED);
        let mut refused_since: Option<Instant> = None;
        let (mut away_since, mut last_failure) = (None::<Instant>, Instant::now());
        let (mut expired, mut last_expiry) = (FAILED, None::<Instant>);
        let mut listed = false;
        loop {
            // After a refusal the list is taken anew, so that a role with `list` but without `watch` is at least polled;
            // and after a while without an API server.
            let mut stream = pin!(watcher::watcher(self.api.clone(), self.config()));
            while let Some(event) = stream.next().await {
                let failure = match event {
                    Ok(event) => {
                        if matches!(event, watcher::Event::InitDone) {
                            listed = true;
                            refused_since = None;
                            refused = REFUSED;
                        }
                        if !matches!(event, watcher::Event::Init) {
                            failed = FAILED;
                            away_since = None;
                        }
                        if self.take(event, known).await.is_err() {
                            return Unheard;
                        }
                        continue;
                    }
                    Err(error) => {
                        // It was there until now.
                        if matches!(error, watcher::Error::WatchFailed(_) | watcher::Error::WatchError(_)) {
                            away_since = None;
                        }
                        Failure::of(&error)
                    }
                };
                let now = Instant::now();
                match failure {
                    // kube lists anew by itself when it is told so in the middle of a watch, and never at its beginning.
                    // A list that comes to no watch either must not follow at once.
                    Failure::Expired => {
                        debug!(watch = %self.scope, "the watch is too far behind; listing anew");
                        if last_expiry.is_some_and(|last| now.duration_since(last) < LONGEST_SILENCE) {
                            sleep(expired.wait()).await;
                        } else {
                            expired = FAILED;
                        }
                        last_expiry = Some(now);
                        break;
                    }
                    Failure::Refused(reason) => {
                        let since = *refused_since.get_or_insert(now);
                        let graced = listed && now.duration_since(since) < REFUSAL_GRACE;
                        if !graced && self.tell(Message::Refused { scope: self.scope.clone(), reason }).await.is_err() {
                            return Unheard;
                        }
                        sleep(if graced { FAILED.longest() } else { refused.wait() }).await;
                        break;
                    }
                    Failure::Other { reason, wish, unreached } => {
                        if now.duration_since(last_failure) > LONGEST_SILENCE {
                            failed = FAILED;
                        }
                        if now.duration_since(last_failure) > APART {
                            away_since = None;
                        }
                        let since = *away_since.get_or_insert(now);
                        last_failure = now;
                        debug!(watch = %self.scope, %reason, "the watch failed; trying again");
                        if self.tell(Message::Failed { scope: self.scope.clone(), reason }).await.is_err() {
                            return Unheard;
                        }
                        sleep(failed.wait().max(wish.min(LONGEST_WISH))).await;
                        if unreached || now.duration_since(since) >= AWAY {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn config(&self) -> watcher::Config {
        let fields = match (&self.scope.name, self.scope.kind) {
            (Some(name), _) => Some(format!("metadata.name={name}")),
            // Helm keeps whole releases in Secrets, a megabyte each.
            (None, Kind::Secrets) => Some("type!=helm.sh/release.v1".to_owned()),
            (None, _) => None,
        };
        let labels = match self.scope.kind {
            Kind::Secrets => Some("owner!=helm".to_owned()),
            _ => self.labels.clone(),
        };
        watcher::Config {
            field_selector: fields,
            label_selector: labels,
            timeout: Some(WATCH_SECONDS),
            ..watcher::Config::default()
        }
    }

    /// Takes one event in; reports what it changes.
    async fn take(
        &self,
        event: watcher::Event<DeserializeGuard<K>>,
        known: &mut Known<K::Object>,
    ) -> Result<(), Unheard> {
        let (differences, listed) = match event {
            watcher::Event::Init => {
                known.begin_list();
                return Ok(());
            }
            watcher::Event::InitApply(guarded) => {
                let key = key_of(&guarded, &mut known.keys);
                match decode(guarded) {
                    Ok(object) => known.list(key, object),
                    Err(reason) => known.list_unreadable(key, reason),
                }
                return Ok(());
            }
            watcher::Event::InitDone => {
                let before = known.len();
                let differences = known.end_list();
                let gone = differences.iter().filter(|(_, object)| object.is_none()).count();
                if before > 1 && gone > before / 2 {
                    warn!(watch = %self.scope, "the API server's new list lacks {gone} of the {before} objects known");
                }
                (differences, true)
            }
            watcher::Event::Apply(guarded) => {
                let key = key_of(&guarded, &mut known.keys);
                match decode(guarded) {
                    Ok(object) => (known.put(key, object).into_iter().collect(), false),
                    Err(reason) => {
                        known.put_unreadable(key, reason);
                        (Vec::new(), false)
                    }
                }
            }
            watcher::Event::Delete(guarded) => {
                let key = key_of(&guarded, &mut known.keys);
                (known.remove(key).into_iter().collect(), false)
            }
        };
        let mut changes = changes::<K>(differences);
        changes.extend(
            known
                .readability()
                .into_iter()
                .map(|(key, why)| Change::undecodable(K::KIND.singular(), key, why.map(Into::into))),
        );
        if changes.is_empty() && !listed {
            return Ok(());
        }
        self.tell(Message::Changes { scope: self.scope.clone(), changes, listed }).await
    }

    async fn tell(&self, message: Message) -> Result<(), Unheard> {
        self.supervisor.send(message).await.map_err(|_| Unheard)
    }
}

/// What is read of the object; or why it cannot be decoded, which harms it alone.
fn decode<K: Watched>(guarded: DeserializeGuard<K>) -> Result<K::Object, String> {
    guarded.0.map(K::convert).map_err(|invalid| invalid.error)
}

fn key_of<K: Watched>(object: &DeserializeGuard<K>, keys: &mut Keys) -> ObjectKey {
    keys.key(&object.namespace().unwrap_or_default(), object.name_any())
}

fn changes<K: Watched>(differences: Vec<Difference<K::Object>>) -> Vec<Change> {
    differences.into_iter().map(|(key, object)| K::change(key, object)).collect()
}

/// Why a watch stumbled.
enum Failure {
    /// 403.
    Refused(String),
    /// 410: what the watch would go on from is no longer kept.
    Expired,
    /// Anything else.
    Other {
        reason: String,
        /// How long the API server wants us to wait.
        wish: Duration,
        /// Nobody answered a beginning. A watch that is cut and begins again at once has met an API server that was
        /// there all along.
        unreached: bool,
    },
}

impl Failure {
    fn of(error: &watcher::Error) -> Self {
        let begins = matches!(error, watcher::Error::InitialListFailed(_) | watcher::Error::WatchStartFailed(_));
        let status = match error {
            watcher::Error::WatchError(status) => Some(status.as_ref()),
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status.as_ref()),
            _ => None,
        };
        let Some(status) = status else {
            return Self::Other { reason: innermost(error), wish: Duration::ZERO, unreached: begins };
        };
        let said = if status.message.is_empty() { &status.reason } else { &status.message };
        match status.code {
            403 => Self::Refused(said.clone()),
            410 => Self::Expired,
            code => {
                let wish = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
                let wish = Duration::from_secs(wish.into());
                Self::Other { reason: format!("{code} {said}"), wish, unreached: false }
            }
        }
    }
}

/// The cause that says most: each layer of the client repeats the one below.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}
