//! The text page of all metrics, built family by family.

use std::collections::BTreeMap;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Point, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::catalog::Metric;

/// What is on the page so far.
#[derive(Default)]
pub(super) struct Page {
    families: BTreeMap<&'static str, (Metric, Vec<Point>)>,
}

impl Page {
    /// Adds one counter or gauge. `values` are those of the metric's labels, in their order.
    pub(super) fn number(&mut self, metric: Metric, values: &[&str], number: f64) {
        let mut point = Point::from_label(pairs(metric, values));
        match metric.kind {
            MetricType::COUNTER => {
                let mut counter = Counter::default();
                counter.set_value(number);
                point.set_counter(counter);
            }
            _ => point.set_gauge(gauge(number)),
        }
        self.push(metric, point);
    }

    /// Adds one histogram: `counts` by bucket, not cumulative, one more than `bounds` (seconds).
    pub(super) fn histogram(&mut self, metric: Metric, values: &[&str], bounds: &[f64], counts: &[u64], sum: f64) {
        let mut cumulative = 0;
        let buckets = bounds.iter().zip(counts).map(|(bound, count)| {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulative);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(counts.iter().sum());
        histogram.set_sample_sum(sum);
        let mut point = Point::from_label(pairs(metric, values));
        point.set_histogram(histogram);
        self.push(metric, point);
    }

    /// The text: families by name, points as they were added.
    pub(super) fn render(self) -> String {
        let families: Vec<_> = self
            .families
            .into_values()
            .map(|(metric, points)| {
                let mut family = MetricFamily::default();
                family.set_name(metric.name.to_owned());
                family.set_help(metric.help.to_owned());
                family.set_field_type(metric.kind);
                family.set_metric(points);
                family
            })
            .collect();
        let mut text = Vec::new();
        // Writing to memory fails only for families without points, and none is made without one.
        match TextEncoder::new().encode(&families, &mut text) {
            Ok(()) => String::from_utf8(text).unwrap_or_default(),
            Err(error) => format!("# {error}\n"),
        }
    }

    fn push(&mut self, metric: Metric, point: Point) {
        self.families.entry(metric.name).or_insert_with(|| (metric, Vec::new())).1.push(point);
    }
}

fn pairs(metric: Metric, values: &[&str]) -> Vec<LabelPair> {
    debug_assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
    metric
        .labels
        .iter()
        .zip(values)
        .map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        })
        .collect()
}

fn gauge(number: f64) -> Gauge {
    let mut gauge = Gauge::default();
    gauge.set_value(number);
    gauge
}
