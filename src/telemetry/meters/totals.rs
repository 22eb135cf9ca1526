//! A series in the few numbers that a chart is drawn from.

use super::series::labels_of;
use super::{ProtocolLabel, Series};

/// The sums of a series over all codes and methods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Exchanges.
    pub requests: u64,
    /// Those that were the client's fault: 4xx.
    pub client_errors: u64,
    /// Those that were not: 5xx.
    pub server_errors: u64,
    /// Nanoseconds of those that end with their answer: no WebSockets and event streams, which last as long as they may.
    pub nanos: u64,
    /// How many these are, by bucket of the histogram; the last one is `+Inf`.
    pub buckets: Vec<u64>,
}

impl Series {
    /// The sums of this moment.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (key, sum) in self.exchanges() {
            let (code, _, protocol) = labels_of(key);
            let count = sum.count();
            totals.requests += count;
            match fault(code, protocol) {
                Some(Fault::Client) => totals.client_errors += count,
                Some(Fault::Server) => totals.server_errors += count,
                None => {}
            }
            if !matches!(protocol, ProtocolLabel::Websocket | ProtocolLabel::Sse) {
                totals.nanos = totals.nanos.wrapping_add(sum.duration_ns);
                totals.buckets.resize(sum.buckets.len(), 0);
                for (total, bucket) in totals.buckets.iter_mut().zip(&sum.buckets) {
                    *total += bucket;
                }
            }
        }
        totals
    }
}

enum Fault {
    Client,
    Server,
}

/// Whose fault a code is. That of gRPC is a grpc-status, if an endpoint gave one.
fn fault(code: u16, protocol: ProtocolLabel) -> Option<Fault> {
    match code {
        // Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss.
        2 | 4 | 12..=15 if protocol == ProtocolLabel::Grpc => Some(Fault::Server),
        1..=16 if protocol == ProtocolLabel::Grpc => Some(Fault::Client),
        400..=499 => Some(Fault::Client),
        500..=599 => Some(Fault::Server),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::meters::{MethodLabel, Sample};

    #[test]
    fn errors_are_told_apart_and_what_lasts_by_its_nature_is_not_timed() {
        let series = Series::new(1, &[100_000_000].into());
        for (code, protocol) in [
            (200, ProtocolLabel::Http),
            (404, ProtocolLabel::Http),
            (499, ProtocolLabel::Http),
            (502, ProtocolLabel::Http),
            (0, ProtocolLabel::Grpc),
            (5, ProtocolLabel::Grpc),
            (14, ProtocolLabel::Grpc),
            (503, ProtocolLabel::Grpc),
            (101, ProtocolLabel::Websocket),
        ] {
            let duration = Duration::from_millis(if protocol == ProtocolLabel::Websocket { 60_000 } else { 50 });
            let method = MethodLabel::Get;
            series.record(
                0,
                &Sample { code, method, protocol, duration, request_bytes: 0, response_bytes: 0, tls: None },
            );
        }
        let expected =
            Totals { requests: 9, client_errors: 3, server_errors: 3, nanos: 400_000_000, buckets: vec![8, 0] };
        assert_eq!(series.totals(), expected);
    }
}
