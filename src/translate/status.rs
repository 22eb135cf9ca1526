//! What the status of our Ingresses is to say.

use std::collections::BTreeSet;

use crate::objects::Objects;
use crate::route::StatusAddress;

use super::StatusFrom;
use super::endpoints::node_addresses;

/// The addresses, sorted; `None` when no status is to be written, also while the Service has none yet.
pub(super) fn addresses(objects: &Objects, from: &StatusFrom) -> Option<Vec<StatusAddress>> {
    let ips = |ips: Option<&Vec<String>>| -> BTreeSet<StatusAddress> {
        ips.into_iter().flatten().cloned().map(StatusAddress::Ip).collect()
    };
    let found: BTreeSet<StatusAddress> = match from {
        StatusFrom::Nothing => return None,
        StatusFrom::Fixed { ip, hostname } => {
            let ip = ip.map(|ip| StatusAddress::Ip(ip.to_string()));
            ip.into_iter().chain(hostname.clone().map(StatusAddress::Hostname)).collect()
        }
        StatusFrom::NodeInternalIps => {
            node_addresses(objects, "InternalIP").map(|ip| StatusAddress::Ip(ip.to_owned())).collect()
        }
        StatusFrom::Service(key) => {
            let service = objects.services.get(key)?;
            let spec = service.spec.as_ref()?;
            match spec.type_.as_deref() {
                Some("LoadBalancer") => {
                    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
                    let points = balancer.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
                    points
                        .flat_map(|point| {
                            [
                                point.ip.clone().map(StatusAddress::Ip),
                                point.hostname.clone().map(StatusAddress::Hostname),
                            ]
                        })
                        .flatten()
                        .collect()
                }
                Some("ExternalName") => spec.external_name.clone().map(StatusAddress::Hostname).into_iter().collect(),
                Some("NodePort") => {
                    node_addresses(objects, "ExternalIP").map(|ip| StatusAddress::Ip(ip.to_owned())).collect()
                }
                _ => ips(spec.external_ips.as_ref()),
            }
        }
    };
    (!found.is_empty()).then(|| found.into_iter().collect())
}
