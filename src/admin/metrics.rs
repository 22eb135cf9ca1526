//! `/metrics`: brings the gauges up to date that are only worth reading when asked, and renders the page.

use bytes::Bytes;
use http::{Response, StatusCode};
use prometheus::TEXT_FORMAT;

use super::model::Model;
use super::{AdminSources, reply};
use crate::proxy::upstream::state::HealthState;
use crate::telemetry::meters::{CertificateMeter, EndpointLabel, ServerMeter};

pub(super) fn page(sources: &AdminSources, model: &Model) -> Response<Bytes> {
    let meters = &sources.meters;
    let mut servers = Vec::new();
    let mut states = [0; EndpointLabel::ALL.len()];
    for service in model.services() {
        for endpoint in service.endpoints(model, &sources.health_of) {
            let label = match endpoint.state {
                HealthState::Ready => EndpointLabel::Ready,
                HealthState::Draining => EndpointLabel::Draining,
                HealthState::Ejected => EndpointLabel::Ejected,
            };
            if let Some(count) = states.get_mut(label.index()) {
                *count += 1;
            }
            let up = endpoint.state != HealthState::Ejected;
            servers.push(ServerMeter { service: service.name.to_string(), url: endpoint.url.to_string(), up });
        }
    }
    meters.set_servers(servers);
    for label in EndpointLabel::ALL {
        meters.own().endpoints(*label, states.get(label.index()).copied().unwrap_or(0));
    }
    let certificates = (sources.certificates)().into_iter().map(|served| served.facts).map(|facts| CertificateMeter {
        common_name: facts.common_name.to_string(),
        serial: facts.serial.to_string(),
        sans: facts.names.join(","),
        not_after: facts.not_after,
    });
    meters.set_certificates(certificates.collect());
    reply::with_type(StatusCode::OK, TEXT_FORMAT, meters.render().into())
}
