//! What the status of our Ingresses is to say.

use std::collections::BTreeSet;

use crate::objects::{BalancerAddress, Objects, ServiceType};
use crate::route::StatusAddress;

use super::StatusFrom;
use super::endpoints::node_addresses;

/// The addresses, sorted; `None` when no status is to be written, also while the Service has none yet.
pub(super) fn addresses(objects: &Objects, from: &StatusFrom) -> Option<Vec<StatusAddress>> {
    let found: BTreeSet<StatusAddress> = match from {
        StatusFrom::Nothing => return None,
        StatusFrom::Fixed { ip, hostname } => {
            let ip = ip.map(|ip| StatusAddress::Ip(ip.to_string()));
            ip.into_iter().chain(hostname.clone().map(StatusAddress::Hostname)).collect()
        }
        StatusFrom::NodeInternalIps => ips(node_addresses(objects, |node| &node.internal_ips)),
        StatusFrom::Service(key) => {
            let service = objects.services.get(key)?;
            match service.kind {
                ServiceType::LoadBalancer => {
                    let points = service.balancer.iter().map(|point| match point {
                        BalancerAddress::Ip(ip) => StatusAddress::Ip(ip.to_string()),
                        BalancerAddress::Hostname(name) => StatusAddress::Hostname(name.to_string()),
                    });
                    points.collect()
                }
                ServiceType::ExternalName if service.external_name.is_empty() => return None,
                ServiceType::ExternalName => [StatusAddress::Hostname(service.external_name.to_string())].into(),
                ServiceType::NodePort => ips(node_addresses(objects, |node| &node.external_ips)),
                ServiceType::ClusterIp => ips(service.external_ips.iter().map(|ip| &**ip)),
            }
        }
    };
    (!found.is_empty()).then(|| found.into_iter().collect())
}

fn ips<'a>(ips: impl Iterator<Item = &'a str>) -> BTreeSet<StatusAddress> {
    ips.map(|ip| StatusAddress::Ip(ip.to_owned())).collect()
}
