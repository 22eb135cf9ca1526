//! From what was typed to what it means. Each file reads one family of the table.

mod admin;
mod entry_points;
mod logs;
mod pages;
mod providers;
mod tracing;
mod transport;

use std::num::{NonZeroU32, NonZeroUsize};

use super::error::{Error, Warning};
use super::raw::{Files, Settings};
use super::scope::{Scope, bad};
use super::{Config, Limits, Source};
use crate::objects::ObjectKey;

/// The meaning of these settings.
pub(super) fn of(
    settings: &Settings,
    in_cluster: bool,
    files: Files<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Config, Error> {
    let root = Scope::new(settings, "");
    let api = pages::api(settings)?;
    let ping = pages::ping(settings)?;
    let metrics = pages::metrics(settings)?;
    let asked = pages::asked(settings)?;
    let entry_points = entry_points::read(settings, in_cluster)?;
    let parts = admin::part(settings, entry_points, &asked, warnings)?;
    let source = providers::source(settings)?;
    if source == Source::None {
        warnings.push(Warning(
            "no provider is asked for, so there is nothing to serve but 404; add --providers.kubernetesIngress or \
             --providers.directory.path"
                .into(),
        ));
    }
    let mut workers = 0usize;
    root.number("workers", 1, &mut workers)?;
    let mut wait_for_endpoint = std::time::Duration::ZERO;
    root.duration("upstream.waitForEndpoint", &mut wait_for_endpoint)?;
    let (mut events, mut read_only) = (true, false);
    root.boolean("kubernetesEvents", &mut events)?;
    root.boolean("readOnly", &mut read_only)?;
    let mut strict_sni = false;
    root.boolean("tls.sniStrict", &mut strict_sni)?;
    Ok(Config {
        listeners: parts.listeners,
        default_listeners: parts.default_listeners,
        entry_point_redirects: parts.redirects,
        internal_routes: parts.internal_routes,
        admin_listeners: parts.admin,
        source,
        ingress: providers::ingress(settings)?,
        kubernetes_crd: settings.is_on("providers.kubernetesCRD"),
        api,
        ping,
        metrics,
        log: logs::log(settings)?,
        access_log: logs::access(settings)?,
        tracing: tracing::read(settings, files)?,
        transport: transport::read(settings, files)?,
        wait_for_endpoint,
        default_certificate: object(root, "tls.defaultCertificate")?,
        events,
        read_only,
        strict_sni,
        workers: NonZeroUsize::new(workers),
        limits: limits(settings)?,
        in_cluster,
    })
}

fn limits(settings: &Settings) -> Result<Limits, Error> {
    let scope = Scope::new(settings, "limits.");
    let (mut connections, mut per_client, mut memory) = (0usize, 0u32, 0usize);
    scope.number("connections", 1, &mut connections)?;
    scope.number("connectionsPerClient", 1, &mut per_client)?;
    scope.parsed("memory", quantity, "a size such as 512Mi", &mut memory)?;
    let mut limits = Limits {
        connections: NonZeroUsize::new(connections),
        per_client: NonZeroU32::new(per_client),
        memory: NonZeroUsize::new(memory),
        ..Limits::default()
    };
    scope.duration("tunnelIdleTimeout", &mut limits.tunnel_idle)?;
    Ok(limits)
}

/// Bytes, as Kubernetes writes them: `512Mi`, `1Gi`, `1000000`.
fn quantity(text: &str) -> Option<usize> {
    let text = text.trim();
    let unit = [("Ki", 10), ("Mi", 20), ("Gi", 30)]
        .into_iter()
        .find_map(|(unit, bits)| Some((text.strip_suffix(unit)?, bits)));
    let (number, bits) = unit.unwrap_or((text, 0));
    number.parse::<usize>().ok()?.checked_mul(1 << bits).filter(|bytes| *bytes > 0)
}

/// `namespace/name`, if it is given.
fn object(scope: Scope<'_>, key: &str) -> Result<Option<ObjectKey>, Error> {
    let (Some(text), Some(setting)) = (scope.text(key), scope.get(key)) else { return Ok(None) };
    ObjectKey::parse(text).map(Some).ok_or_else(|| bad(setting, "namespace/name"))
}
