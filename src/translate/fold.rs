//! The fold of translations by host: routes in rank order, certificates by age, and what is in conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;

use super::Settings;
use super::anchors::Anchors;
use super::ingress::{Claim, Draft, Field, Translation};
use super::owner::Owner;
use crate::objects::{ObjectKey, pack};
use crate::route::{
    AutomaticRank, CertificateEntry, Code, Explicit, HostKind, HostPattern, ListenerSet, ObjectRef, Origin, PathKind,
    PathMatch, Problem, Rank, Route, Severity, Tier, TlsUse, VirtualHost,
};

/// Everything by host.
pub(super) struct Fold {
    drafts: BTreeMap<HostPattern, Vec<Arc<Draft>>>,
    claims: BTreeMap<HostPattern, BTreeMap<(i64, ObjectKey), Vec<Claim>>>,
    /// Hosts with routes whose place depends on automatic routes elsewhere.
    anchored: BTreeSet<HostPattern>,
    anchors: Anchors,
    dirty_hosts: BTreeSet<HostPattern>,
    dirty_claims: BTreeSet<HostPattern>,
    hosts: OrdMap<HostPattern, Arc<VirtualHost>>,
    certificates: OrdMap<HostPattern, Arc<CertificateEntry>>,
    problems: BTreeMap<ObjectKey, Box<[Problem]>>,
    conflicts: BTreeMap<HostPattern, Vec<Problem>>,
    claim_conflicts: BTreeMap<HostPattern, Vec<Problem>>,
    /// Hosts belong to one namespace: whose each is.
    owners: Option<BTreeMap<HostPattern, Owner>>,
}

impl Fold {
    /// The routes of the configuration alone.
    pub(super) fn new(settings: &Settings) -> Self {
        let mut fold = Self {
            drafts: BTreeMap::new(),
            claims: BTreeMap::new(),
            anchored: BTreeSet::new(),
            anchors: Anchors::default(),
            dirty_hosts: BTreeSet::new(),
            dirty_claims: BTreeSet::new(),
            hosts: OrdMap::new(),
            certificates: OrdMap::new(),
            problems: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            claim_conflicts: BTreeMap::new(),
            owners: settings.strict_hosts.then(BTreeMap::new),
        };
        let drafts = fixed(settings);
        if !drafts.is_empty() {
            fold.drafts.insert(HostPattern::Any, drafts);
            fold.dirty_hosts.insert(HostPattern::Any);
        }
        fold
    }

    /// Puts an Ingress's new translation in place of its old one.
    pub(super) fn replace(&mut self, key: &ObjectKey, old: Translation, new: &Translation) {
        let hosts: BTreeSet<&HostPattern> = old.drafts.iter().map(|draft| &draft.host).collect();
        for host in hosts {
            if let Some(of_host) = self.drafts.get_mut(host) {
                of_host.retain(|other| other.own().name != key.name || other.own().namespace != key.namespace);
            }
            self.dirty_hosts.insert(host.clone());
        }
        for draft in &new.drafts {
            self.drafts.entry(draft.host.clone()).or_insert_with(|| Vec::with_capacity(1)).push(draft.clone());
            self.dirty_hosts.insert(draft.host.clone());
        }
        for claim in &old.claims {
            if let Some(of_host) = self.claims.get_mut(&claim.host) {
                of_host.remove(&(old.created, key.clone()));
            }
            self.dirty_claims.insert(claim.host.clone());
        }
        for claim in &new.claims {
            self.claims
                .entry(claim.host.clone())
                .or_default()
                .entry((new.created, key.clone()))
                .or_default()
                .push(claim.clone());
            self.dirty_claims.insert(claim.host.clone());
        }
        if new.problems.is_empty() {
            self.problems.remove(key);
        } else {
            self.problems.insert(key.clone(), new.problems.clone());
        }
    }

    /// Folds what was replaced.
    pub(super) fn finish(&mut self) {
        let dirty = std::mem::take(&mut self.dirty_hosts);
        for host in &dirty {
            let anchored = self.drafts.get(host).is_some_and(|drafts| Anchors::are_needed_by(drafts));
            if anchored {
                self.anchored.insert(host.clone());
            } else {
                self.anchored.remove(host);
            }
        }
        let mut fold = dirty;
        if !fold.is_empty() {
            let anchors = Anchors::find(&self.anchored, &self.drafts, self.owners.is_some());
            fold.extend(anchors.moved(&self.anchors).cloned());
            self.anchors = anchors;
        }
        for host in fold {
            self.fold_host(&host);
        }
        for host in std::mem::take(&mut self.dirty_claims) {
            self.fold_claims(&host);
        }
    }

    /// Lays out anew what has come one by one.
    pub(super) fn settle(&mut self) {
        pack(&mut self.drafts);
        pack(&mut self.claims);
    }

    pub(super) fn hosts(&self) -> &OrdMap<HostPattern, Arc<VirtualHost>> {
        &self.hosts
    }

    pub(super) fn certificates(&self) -> &OrdMap<HostPattern, Arc<CertificateEntry>> {
        &self.certificates
    }

    /// The problems of other objects, with the Ingresses that name these.
    pub(super) fn named(&self) -> impl Iterator<Item = (&ObjectKey, &Problem)> {
        self.problems.iter().flat_map(|(ingress, problems)| {
            problems.iter().filter(|problem| problem.object.kind != "Ingress").map(move |problem| (ingress, problem))
        })
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        let own = self.problems.values().flatten();
        own.chain(self.conflicts.values().flatten()).chain(self.claim_conflicts.values().flatten())
    }

    fn fold_host(&mut self, host: &HostPattern) {
        let owner = self.own(host);
        let drafts = self.drafts.get(host).into_iter().flatten().map(|draft| &**draft);
        let admitted = |draft: &&Draft| owner.as_ref().is_none_or(|owner| owner.admits(&draft.own().namespace));
        let (drafts, refused): (Vec<&Draft>, Vec<&Draft>) = drafts.partition(admitted);
        if drafts.is_empty() {
            self.drafts.remove(host);
            self.hosts.remove(host);
            self.conflicts.remove(host);
            return;
        }
        let mut routes = Vec::new();
        for draft in drafts {
            match draft.priority {
                None => routes.push((draft.route.clone(), draft)),
                // One route for each listener: it may have another place on each.
                Some(priority) => routes.extend(draft.route.listeners.iter().map(|listener| {
                    let after = self.anchors.of(draft, priority, listener).cloned().map(Box::new);
                    let explicit =
                        Box::new(Explicit { priority: std::cmp::Reverse(priority), own: draft.own().clone() });
                    let (rank, listeners) = (Rank::Explicit { after, explicit }, ListenerSet::only(listener));
                    (Arc::new(Route { rank, listeners, ..(*draft.route).clone() }), draft)
                })),
            }
        }
        routes.sort_by(|(a, _), (b, _)| a.rank.cmp(&b.rank));
        let mut conflicts = conflicts(host, &routes);
        conflicts.extend(owner.iter().flat_map(|owner| owner.refused(host, refused.iter().copied())));
        if conflicts.is_empty() {
            self.conflicts.remove(host);
        } else {
            self.conflicts.insert(host.clone(), conflicts);
        }
        let before = self.hosts.get(host);
        // Collected in place, it would keep the room of the routes themselves.
        let mut shared = Vec::with_capacity(routes.len());
        shared.extend(
            routes.into_iter().map(|(route, _)| {
                before.and_then(|before| same_route(&before.routes, &route)).cloned().unwrap_or(route)
            }),
        );
        let next = VirtualHost { host: host.clone(), routes: shared };
        if before.is_none_or(|before| **before != next) {
            self.hosts.insert(host.clone(), Arc::new(next));
        }
    }

    /// Finds out whose a host is, where that matters. Its certificates are another's with it.
    fn own(&mut self, host: &HostPattern) -> Option<Owner> {
        let owners = self.owners.as_mut()?;
        let owner = Owner::of(host, self.drafts.get(host).map_or(&[], Vec::as_slice));
        let before = match &owner {
            Some(owner) => owners.insert(host.clone(), owner.clone()),
            None => owners.remove(host),
        };
        if before != owner {
            self.dirty_claims.insert(host.clone());
        }
        owner
    }

    fn fold_claims(&mut self, host: &HostPattern) {
        self.claim_conflicts.remove(host);
        if self.claims.get(host).is_none_or(BTreeMap::is_empty) {
            self.claims.remove(host);
            self.certificates.remove(host);
            return;
        }
        let owner = self.owners.as_ref().and_then(|owners| owners.get(host));
        let claims = self.claims.get(host);
        let all = claims
            .into_iter()
            .flatten()
            .flat_map(|((_, ingress), claims)| claims.iter().map(move |claim| (ingress, claim)));
        let (admitted, refused): (Vec<_>, Vec<_>) =
            all.partition(|(ingress, _)| owner.is_none_or(|owner| owner.admits(&ingress.namespace)));
        let refused =
            refused.into_iter().filter_map(|(ingress, claim)| owner.map(|owner| owner.refused_claim(ingress, claim)));
        let mut problems: Vec<Problem> = refused.collect();
        let mut all = admitted.into_iter();
        let Some((winner, first)) = all.next() else {
            self.certificates.remove(host);
            self.claim_conflicts.insert(host.clone(), problems);
            return;
        };
        let losers = all.filter(|(_, claim)| claim.secret != first.secret).map(|(ingress, claim)| Problem {
            severity: Severity::Warning,
            code: Code::Conflict,
            object: ObjectRef { kind: "Ingress", namespace: ingress.namespace.clone(), name: ingress.name.clone() },
            field: claim.field.clone(),
            reason: format!(
                "the certificate for {host} comes from Secret {} of the older Ingress {winner}",
                first.secret
            ),
            action: "use the same Secret, or remove the host from one of the two".into(),
        });
        problems.extend(losers);
        let entry = CertificateEntry {
            host: host.clone(),
            secret: first.secret.to_string().into(),
            certificate: first.certificate.clone(),
        };
        if !problems.is_empty() {
            self.claim_conflicts.insert(host.clone(), problems);
        }
        if self.certificates.get(host).is_none_or(|before| **before != entry) {
            self.certificates.insert(host.clone(), Arc::new(entry));
        }
    }
}

/// The one of `routes`, which are in the order of their ranks, that is equal.
fn same_route<'a>(routes: &'a [Arc<Route>], route: &Route) -> Option<&'a Arc<Route>> {
    let first = routes.partition_point(|old| old.rank < route.rank);
    let mut of_rank = routes.iter().skip(first).take_while(|old| old.rank == route.rank);
    of_rank.find(|old| ***old == *route)
}

/// A route in its place, and the draft that it was made of.
type Placed<'a> = (Arc<Route>, &'a Draft);

/// A later route that asks for exactly what an earlier one, of another Ingress, already has.
fn conflicts(host: &HostPattern, routes: &[Placed<'_>]) -> Vec<Problem> {
    let mut first: BTreeMap<(u8, &str), Vec<&Placed<'_>>> = BTreeMap::new();
    let mut problems = BTreeSet::new();
    for entry in routes {
        let (route, draft) = entry;
        let kind = match route.path {
            PathMatch::Exact(_) => 0,
            PathMatch::Prefix(_) => 1,
            PathMatch::StringPrefix(_) => 2,
            PathMatch::Regex(_) => 3,
        };
        let same = first.entry((kind, route.path.as_str())).or_default();
        let shared = |other: &Route| other.listeners.overlaps(route.listeners) && both(&other.tls, &route.tls);
        let winner = same.iter().find(|(other, older)| {
            let one_object = (&older.own().namespace, &older.own().name) == (&draft.own().namespace, &draft.own().name);
            shared(other)
                && older.own().fallback == draft.own().fallback
                && older.own().tier == draft.own().tier
                && !one_object
                && !older.own().namespace.is_empty()
        });
        if let Some((_, winner)) = winner {
            problems.insert(Problem {
                severity: Severity::Error,
                code: Code::Conflict,
                object: ObjectRef {
                    kind: "Ingress",
                    namespace: draft.own().namespace.clone(),
                    name: draft.own().name.clone(),
                },
                field: draft.field.to_string(),
                reason: format!(
                    "host {host} and path {} already belong to Ingress {}/{}, which comes first",
                    route.path.as_str(),
                    winner.own().namespace,
                    winner.own().name
                ),
                action: "remove one of the two, or change its host or path".into(),
            });
        }
        // Those of one object are side by side.
        let repeated = same.last().is_some_and(|(other, last)| {
            (&last.own().namespace, &last.own().name) == (&draft.own().namespace, &draft.own().name)
                && (last.own().fallback, last.own().tier) == (draft.own().fallback, draft.own().tier)
                && (other.listeners, &other.tls) == (route.listeners, &route.tls)
        });
        if !repeated {
            same.push(entry);
        }
    }
    problems.into_iter().collect()
}

/// Whether some request could be for either.
fn both(one: &TlsUse, other: &TlsUse) -> bool {
    !matches!((one, other), (TlsUse::Never, TlsUse::Only) | (TlsUse::Only, TlsUse::Never))
}

/// The routes of the configuration.
fn fixed(settings: &Settings) -> Vec<Arc<Draft>> {
    let listener_tls = |index: usize| settings.listeners.get(index).is_some_and(|listener| listener.tls);
    let drafts = settings.static_routes.iter().zip(0..).map(|(fixed, index)| {
        let path: Arc<str> = fixed.path.strip_suffix('/').unwrap_or(&fixed.path).into();
        let internal = matches!(fixed.action, crate::route::Action::Internal(_));
        let own = AutomaticRank {
            tier: Tier::Rule,
            host: HostKind::Any,
            host_length: std::cmp::Reverse(0),
            fallback: false,
            path_length: std::cmp::Reverse(u16::try_from(path.len()).unwrap_or(u16::MAX)),
            path: PathKind::Prefix,
            created: i64::MIN,
            namespace: "".into(),
            name: fixed.name.clone(),
            index,
        };
        let origin = Origin {
            name: format!("{}@internal", fixed.name).into(),
            rule: format!("PathPrefix({:?})", fixed.path).into(),
            priority: fixed.priority,
            explicit_priority: true,
            service: None,
            namespace: "".into(),
            ingress: "".into(),
        };
        let route = Route {
            rank: Rank::Automatic(own),
            listeners: ListenerSet::only(fixed.listener),
            tls: if internal {
                TlsUse::Also
            } else if listener_tls(fixed.listener) {
                TlsUse::Only
            } else {
                TlsUse::Never
            },
            path: PathMatch::Prefix(path),
            action: fixed.action.clone(),
            observability: fixed.observability,
            origin: Arc::new(origin),
        };
        let (host, priority) = (HostPattern::Any, Some(fixed.priority));
        Arc::new(Draft { host, route: Arc::new(route), priority, field: Field::Configuration })
    });
    drafts.collect()
}
