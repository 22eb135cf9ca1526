//! Writes the counts of entry points, routers and services under Traefik's names.

use super::catalog::{self as c, Metric};
use super::own::seconds;
use super::page::Page;
use super::series::labels_of;
use super::{Series, TlsLabel};

/// The families that one kind of series fills.
struct Families {
    requests: Metric,
    tls: Metric,
    duration: Metric,
    request_bytes: Metric,
    response_bytes: Metric,
}

pub(super) fn entry_point(page: &mut Page, bounds: &[f64], name: &str, series: &Series) {
    let families = Families {
        requests: c::ENTRY_POINT_REQUESTS,
        tls: c::ENTRY_POINT_TLS,
        duration: c::ENTRY_POINT_DURATION,
        request_bytes: c::ENTRY_POINT_REQUEST_BYTES,
        response_bytes: c::ENTRY_POINT_RESPONSE_BYTES,
    };
    write(page, bounds, series, &families, &[("entrypoint", name)]);
}

pub(super) fn service(page: &mut Page, bounds: &[f64], name: &str, series: &Series) {
    let families = Families {
        requests: c::SERVICE_REQUESTS,
        tls: c::SERVICE_TLS,
        duration: c::SERVICE_DURATION,
        request_bytes: c::SERVICE_REQUEST_BYTES,
        response_bytes: c::SERVICE_RESPONSE_BYTES,
    };
    let own = [("service", name)];
    write(page, bounds, series, &families, &own);
    if series.retries() > 0 {
        page.number(c::SERVICE_RETRIES, &[name], series.retries() as f64);
    }
}

pub(super) fn router(page: &mut Page, bounds: &[f64], router: &str, service: &str, series: &Series) {
    let families = Families {
        requests: c::ROUTER_REQUESTS,
        tls: c::ROUTER_TLS,
        duration: c::ROUTER_DURATION,
        request_bytes: c::ROUTER_REQUEST_BYTES,
        response_bytes: c::ROUTER_RESPONSE_BYTES,
    };
    write(page, bounds, series, &families, &[("router", router), ("service", service)]);
}

fn write(page: &mut Page, bounds: &[f64], series: &Series, families: &Families, own: &[(&str, &str)]) {
    for (key, sum) in series.exchanges() {
        let (code, method, protocol) = labels_of(key);
        let code = code.to_string();
        let mut labels = own.to_vec();
        labels.extend([("code", code.as_str()), ("method", method.as_str()), ("protocol", protocol.as_str())]);
        let values = sorted_values(labels);
        page.number(families.requests, &values, sum.count() as f64);
        page.histogram(families.duration, &values, bounds, &sum.buckets, seconds(sum.duration_ns));
        page.number(families.request_bytes, &values, sum.request_bytes as f64);
        page.number(families.response_bytes, &values, sum.response_bytes as f64);
    }
    for (key, sum) in series.tls() {
        let tls = TlsLabel::from_key(key);
        let mut labels = own.to_vec();
        labels.extend([("tls_cipher", tls.cipher()), ("tls_version", tls.version())]);
        page.number(families.tls, &sorted_values(labels), sum.count() as f64);
    }
}

/// The catalog keeps labels sorted by name.
fn sorted_values<'a>(mut labels: Vec<(&str, &'a str)>) -> Vec<&'a str> {
    labels.sort_by_key(|(name, _)| *name);
    labels.into_iter().map(|(_, value)| value).collect()
}
