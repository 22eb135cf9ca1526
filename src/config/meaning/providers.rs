//! `providers`.

use std::net::IpAddr;

use super::object;
use crate::config::error::Error;
use crate::config::raw::Settings;
use crate::config::scope::{Scope, bad};
use crate::config::{Cluster, Ingress, Source, StatusFrom, Token};

/// A directory stands in for the cluster: the keys of the Ingress provider then say how its manifests are read.
pub(super) fn source(settings: &Settings) -> Result<Source, Error> {
    if let Some(path) = Scope::new(settings, "providers.directory.").path("path") {
        return Ok(Source::Directory(path));
    }
    if settings.is_on("providers.kubernetesIngress") {
        return cluster(Scope::new(settings, "providers.kubernetesIngress.")).map(Source::Cluster);
    }
    if settings.is_on("providers.kubernetesCRD") {
        return cluster(Scope::new(settings, "providers.kubernetesCRD.")).map(Source::IngressRoutes);
    }
    Ok(Source::None)
}

fn cluster(scope: Scope<'_>) -> Result<Cluster, Error> {
    let endpoint = scope.text("endpoint").map(str::to_owned);
    if let (Some(url), Some(setting)) = (&endpoint, scope.get("endpoint")) {
        let is_http = url.parse::<http::Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        if !is_http {
            return Err(bad(setting, "a URL such as https://10.0.0.1:6443"));
        }
    }
    let namespaces = scope.list("namespaces");
    if let (Some(setting), Some(_)) = (scope.get("namespaces"), namespaces.iter().find(|name| !may_be_namespace(name)))
    {
        return Err(bad(setting, "names of namespaces: lower-case letters, digits and hyphens, 63 at most"));
    }
    Ok(Cluster {
        endpoint,
        token: scope.text("token").map(|token| Token(token.to_owned())),
        certificate_authority: scope.path("certAuthFilePath"),
        namespaces,
        label_selector: scope.text("labelSelector").unwrap_or_default().to_owned(),
        nodes: !without_cluster_scope(scope)?,
    })
}

/// Of any other name the API server lists nothing, without a word.
fn may_be_namespace(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

pub(super) fn ingress(settings: &Settings) -> Result<Ingress, Error> {
    let scope = Scope::new(settings, "providers.kubernetesIngress.");
    let mut ingress = Ingress { class: scope.text("ingressClass").map(Into::into), ..Ingress::default() };
    let mut without_classes = without_cluster_scope(scope)?;
    if !without_classes {
        scope.boolean("disableIngressClassLookup", &mut without_classes)?;
    }
    ingress.class_lookup = !without_classes;
    scope.boolean("allowExternalNameServices", &mut ingress.allow_external_name)?;
    scope.boolean("nativeLBByDefault", &mut ingress.native_lb)?;
    scope.boolean("strictPrefixMatching", &mut ingress.strict_prefix)?;
    let words = [("shared", false), ("strict", true)];
    Scope::new(settings, "").choice("hostOwnership", &words, &mut ingress.strict_hosts)?;
    ingress.status = status(scope)?;
    Ok(ingress)
}

fn without_cluster_scope(scope: Scope<'_>) -> Result<bool, Error> {
    let mut without = false;
    scope.boolean("disableClusterScopeResources", &mut without)?;
    Ok(without)
}

fn status(scope: Scope<'_>) -> Result<StatusFrom, Error> {
    let ip = match (scope.text("ingressEndpoint.ip"), scope.get("ingressEndpoint.ip")) {
        (Some(text), Some(setting)) => Some(text.parse::<IpAddr>().map_err(|_| bad(setting, "an IP address"))?),
        _ => None,
    };
    let hostname = scope.text("ingressEndpoint.hostname").map(str::to_owned);
    let service = object(scope, "ingressEndpoint.publishedService")?;
    let mut nodes = false;
    scope.boolean("reportNodeInternalIPs", &mut nodes)?;
    match (ip.is_some() || hostname.is_some(), service, nodes) {
        (false, None, false) => Ok(StatusFrom::Nothing),
        (true, None, false) => Ok(StatusFrom::Fixed { ip, hostname }),
        // The Service goes before fixed addresses, as in Traefik.
        (_, Some(service), false) => Ok(StatusFrom::Service(service)),
        (false, None, true) => Ok(StatusFrom::NodeInternalIps),
        (_, _, true) => Err(Error::Conflict(
            "--providers.kubernetesIngress.reportNodeInternalIPs and .ingressEndpoint exclude each other".into(),
        )),
    }
}
