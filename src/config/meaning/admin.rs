//! Which entry points hold routes, and which only adit's own pages.
//!
//! `traefik` holds adit's own pages only. So does an entry point that `ping` or `metrics` names, if nothing says that
//! clients come to it: the chart's `metrics` on :9100. Traefik serves every route there too, which nobody means, and
//! metrics are to be had while the workers are busy. But `ping.entryPoint=web` must not take `web` from the routes;
//! so in doubt an entry point holds both.

use std::sync::Arc;

use super::entry_points::EntryPoint;
use super::pages::{Asked, INTERNAL, Named};
use crate::config::address::Address;
use crate::config::error::{Error, Warning};
use crate::config::raw::Settings;
use crate::config::{AdminListener, EntryPointRedirect, InternalRoute, Pages, address_flag};
use crate::route::{Internal, Listener, ListenerSet, Redirect};

const DEFAULT_ADDRESS: &str = ":8080";

/// The entry points by what they are for.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) listeners: Vec<Listener>,
    pub(super) default_listeners: ListenerSet,
    pub(super) redirects: Vec<EntryPointRedirect>,
    pub(super) internal_routes: Vec<InternalRoute>,
    pub(super) admin: Vec<AdminListener>,
}

pub(super) fn part(
    settings: &Settings,
    mut entry_points: Vec<EntryPoint>,
    asked: &Asked,
    warnings: &mut Vec<Warning>,
) -> Result<Parts, Error> {
    for named in asked.ping.iter().chain(&asked.metrics) {
        exists(named, &entry_points, settings)?;
    }
    collisions(&entry_points)?;
    add_admin(&mut entry_points, asked, warnings)?;
    let is_admin: Vec<bool> = entry_points.iter().map(|it| is_admin(it, &entry_points, asked)).collect();
    let mut parts = Parts::default();
    let mut as_default = ListenerSet::default();
    for (entry_point, is_admin) in entry_points.iter().zip(is_admin) {
        if is_admin {
            parts.admin.push(admin_listener(entry_point, asked, warnings)?);
            continue;
        }
        let index = parts.listeners.len();
        if index >= ListenerSet::MAX {
            let most = ListenerSet::MAX;
            return Err(Error::Conflict(format!("there can be at most {most} entry points")));
        }
        if entry_point.as_default {
            as_default = as_default.with(index);
        }
        parts.listeners.push(entry_point.listener.clone());
        parts.redirects.extend(redirect(entry_point, index, &entry_points)?);
        parts.internal_routes.extend(internal_routes(entry_point, index, asked));
    }
    let all = (0..parts.listeners.len()).fold(ListenerSet::default(), ListenerSet::with);
    parts.default_listeners = if as_default.is_empty() { all } else { as_default };
    parts.admin.sort_by_key(|listener| &*listener.name != INTERNAL);
    if parts.listeners.is_empty() {
        warnings.push(Warning("no entry point holds routes; add --entryPoints.web.address=:80".into()));
    }
    Ok(parts)
}

fn exists(named: &Named, entry_points: &[EntryPoint], settings: &Settings) -> Result<(), Error> {
    let known = |entry_point: &EntryPoint| named.is(&entry_point.listener.name);
    if named.is(INTERNAL) || entry_points.iter().any(known) {
        return Ok(());
    }
    let spelt = settings.get(named.flag).map_or(named.flag, |setting| &setting.spelt);
    Err(no_such_entry_point(spelt, &named.entry_point, entry_points))
}

fn no_such_entry_point(spelt: &str, name: &str, entry_points: &[EntryPoint]) -> Error {
    let names: Vec<&str> = entry_points.iter().map(|it| &*it.listener.name).collect();
    Error::Conflict(format!("{spelt}={name}: there is no entry point {name}; there are {}", names.join(", ")))
}

fn collisions(entry_points: &[EntryPoint]) -> Result<(), Error> {
    for (at, one) in entry_points.iter().enumerate() {
        for other in entry_points.iter().skip(at + 1) {
            let shared = one.listener.reuse_port && other.listener.reuse_port;
            if one.address.collides(&other.address) && !shared {
                return Err(Error::Conflict(format!(
                    "{}={} and {}={} are the same port; change one of them",
                    address_flag(&one.listener.name),
                    one.address.text,
                    address_flag(&other.listener.name),
                    other.address.text,
                )));
            }
        }
    }
    Ok(())
}

/// The admin port is there though nobody configured it: `/healthz` and `/readyz` always answer on it.
fn add_admin(entry_points: &mut Vec<EntryPoint>, asked: &Asked, warnings: &mut Vec<Warning>) -> Result<(), Error> {
    if entry_points.iter().any(|it| is_internal(&it.listener.name)) {
        return Ok(());
    }
    let Ok(address) = Address::parse(DEFAULT_ADDRESS) else { return Ok(()) };
    if let Some(holder) = entry_points.iter().find(|it| it.address.collides(&address)) {
        let (holder_flag, own_flag) = (address_flag(&holder.listener.name), address_flag(INTERNAL));
        let on_admin = |named: &Option<Named>| named.as_ref().filter(|named| named.is(INTERNAL)).map(|it| it.flag);
        let api = asked.api.then_some("api.insecure");
        if let Some(needs) = api.or(on_admin(&asked.ping)).or(on_admin(&asked.metrics)) {
            return Err(Error::Conflict(format!(
                "{holder_flag}={} holds the port that the entry point {INTERNAL} needs for --{needs}; \
                 set {holder_flag} or {own_flag} to another port",
                holder.address.text
            )));
        }
        warnings.push(Warning(format!(
            "{holder_flag}={} holds the admin port, so that there are no /healthz and /readyz; \
             set {own_flag} to another port to have them",
            holder.address.text
        )));
        return Ok(());
    }
    let listener = Listener::new(INTERNAL, address.text.clone());
    let admin = EntryPoint { listener, address, as_default: false, redirection: None, for_routes: Vec::new() };
    entry_points.push(admin);
    Ok(())
}

fn is_internal(name: &str) -> bool {
    name.eq_ignore_ascii_case(INTERNAL)
}

fn is_named(entry_point: &EntryPoint, asked: &Asked) -> bool {
    asked.ping.iter().chain(&asked.metrics).any(|named| named.is(&entry_point.listener.name))
}

/// Whether the entry point holds adit's own pages only. Somewhere there must be routes, so that one is left for them.
fn is_admin(entry_point: &EntryPoint, all: &[EntryPoint], asked: &Asked) -> bool {
    let holds_routes = |other: &EntryPoint| !is_internal(&other.listener.name) && !is_apart(other, all, asked);
    is_internal(&entry_point.listener.name) || (is_apart(entry_point, all, asked) && all.iter().any(holds_routes))
}

/// Whether a page is wanted on the entry point, and nothing says that clients come to it.
fn is_apart(entry_point: &EntryPoint, all: &[EntryPoint], asked: &Asked) -> bool {
    let name = entry_point.listener.name.to_ascii_lowercase();
    let sounds_public = name.starts_with("web") || name.starts_with("http");
    let is_public = sounds_public || matches!(entry_point.address.port, 80 | 443) || is_redirected_to(entry_point, all);
    is_named(entry_point, asked) && !is_public && entry_point.for_routes.is_empty()
}

fn is_redirected_to(entry_point: &EntryPoint, all: &[EntryPoint]) -> bool {
    all.iter().filter_map(|it| it.redirection.as_ref()).any(|it| it.to.eq_ignore_ascii_case(&entry_point.listener.name))
}

fn admin_listener(
    entry_point: &EntryPoint,
    asked: &Asked,
    warnings: &mut Vec<Warning>,
) -> Result<AdminListener, Error> {
    let listener = &entry_point.listener;
    if listener.tls {
        return Err(Error::Refused {
            origin: format!("--entryPoints.{}.http.tls", listener.name),
            why: "adit's own pages are served in the clear only",
        });
    }
    if let Some(first) = entry_point.for_routes.first() {
        let name = &listener.name;
        warnings.push(Warning(format!("{first} has no effect: entry point {name} holds adit's own pages only")));
    }
    let internal = is_internal(&listener.name);
    let on = |named: &Option<Named>| named.as_ref().is_some_and(|named| named.is(&listener.name));
    Ok(AdminListener {
        name: if internal { INTERNAL.into() } else { listener.name.clone() },
        address: listener.address.clone(),
        reuse_port: listener.reuse_port,
        pages: Pages {
            api: internal && asked.api,
            dashboard: internal && asked.dashboard,
            ping: on(&asked.ping),
            metrics: on(&asked.metrics),
        },
    })
}

fn internal_routes(entry_point: &EntryPoint, index: usize, asked: &Asked) -> impl Iterator<Item = InternalRoute> {
    let name = &entry_point.listener.name;
    let on = |named: &Option<Named>| named.as_ref().is_some_and(|named| named.is(name));
    let route = move |page, path: &str| InternalRoute {
        listener: index,
        page,
        path: Arc::from(path),
        // Traefik's: before a redirect of the whole entry point, so that a probe is not redirected.
        priority: i64::MAX,
    };
    let ping = on(&asked.ping).then(|| route(Internal::Ping, "/ping"));
    let metrics = on(&asked.metrics).then(|| route(Internal::Metrics, "/metrics"));
    ping.into_iter().chain(metrics)
}

fn redirect(entry_point: &EntryPoint, index: usize, all: &[EntryPoint]) -> Result<Option<EntryPointRedirect>, Error> {
    let Some(redirection) = &entry_point.redirection else { return Ok(None) };
    let to = &redirection.to;
    let port = match to.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(|| Error::BadValue {
            origin: redirection.spelt.clone(),
            value: to.clone(),
            expected: "an entry point or :port".into(),
        })?,
        None => {
            let target = all.iter().find(|it| it.listener.name.eq_ignore_ascii_case(to));
            target.ok_or_else(|| no_such_entry_point(&redirection.spelt, to, all))?.address.port
        }
    };
    let redirect = Redirect { scheme: redirection.scheme.into(), port, permanent: redirection.permanent };
    Ok(Some(EntryPointRedirect { listener: index, redirect, priority: redirection.priority }))
}
