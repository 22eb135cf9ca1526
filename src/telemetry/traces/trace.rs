//! One request's part of a trace: its own span, and one for each endpoint that it asks.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use opentelemetry::trace::{SpanContext, SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

use super::context;
use crate::telemetry::access::SpanName;
use crate::telemetry::meters::Refusal;

/// The most endpoints of a request that have a span: one that waits for endpoints may ask many.
const MOST_ATTEMPTS: usize = 16;

/// One request's part of a trace. When it is not sampled it is passed on all the same, so that what is behind us does not
/// decide anew.
#[derive(Debug)]
pub struct Trace {
    pub(super) parent: Option<SpanContext>,
    pub(super) trace: TraceId,
    /// Of the request's own span.
    pub(super) span: SpanId,
    pub(super) recording: Option<Box<Recording>>,
}

/// What is recorded of a request that is sampled, beside what the access log's record has.
#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) request_headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) response_headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) attempts: Vec<Attempt>,
}

/// One endpoint that was asked. Times are from the request's first byte.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) span: SpanId,
    /// The endpoint's URL, `http://10.42.0.9:8080`.
    pub(super) endpoint: String,
    pub(super) begins: Duration,
    /// The last attempt ends with its request.
    pub(super) ends: Option<Duration>,
    pub(super) status: Option<u16>,
    pub(super) failure: Option<Refusal>,
}

impl Trace {
    pub(super) fn new(
        parent: Option<SpanContext>,
        trace: TraceId,
        sampled: bool,
        headers: &HeaderMap,
        captured: &[HeaderName],
    ) -> Self {
        let recording = sampled.then(|| {
            Box::new(Recording {
                user_agent: headers.get(header::USER_AGENT).cloned(),
                request_headers: capture(headers, captured),
                ..Recording::default()
            })
        });
        Self { parent, trace, span: new_span(), recording }
    }

    /// What it is called.
    pub fn name(&self) -> SpanName {
        SpanName { trace: self.trace, span: self.span }
    }

    /// Whether its spans are exported.
    pub fn is_sampled(&self) -> bool {
        self.recording.is_some()
    }

    /// An endpoint is asked with these headers, so long after the request's first byte.
    pub fn asks(&mut self, headers: &mut HeaderMap, endpoint: impl FnOnce() -> String, after: Duration) {
        let span = new_span();
        context::inject(headers, self.parent.as_ref(), self.trace, span, self.is_sampled());
        if let Some(recording) = &mut self.recording {
            recording.attempts.truncate(MOST_ATTEMPTS - 1);
            let endpoint = endpoint();
            recording.attempts.push(Attempt { span, endpoint, begins: after, ends: None, status: None, failure: None });
        }
    }

    /// The endpoint that was asked last gave no answer, and for this reason.
    pub fn failed(&mut self, failure: Refusal, after: Duration) {
        if let Some(attempt) = self.last() {
            attempt.failure = Some(failure);
            attempt.ends = Some(after);
        }
    }

    /// It answered with this head.
    pub fn answered(&mut self, status: u16, headers: &HeaderMap, captured: &[HeaderName]) {
        if let Some(attempt) = self.last() {
            attempt.status = Some(status);
        }
        if let Some(recording) = &mut self.recording {
            recording.response_headers = capture(headers, captured);
        }
    }

    /// Its size in memory, roughly: the parts that others can make large.
    pub(super) fn weight(&self) -> usize {
        let Some(recording) = &self.recording else { return size_of::<Self>() };
        let headers = recording.request_headers.iter().chain(&recording.response_headers);
        let values = headers.map(|(_, value)| value).chain(&recording.user_agent);
        let values: usize = values.map(|value| 64 + value.len()).sum();
        size_of::<Self>() + size_of::<Recording>() + 128 * recording.attempts.len() + values
    }

    fn last(&mut self) -> Option<&mut Attempt> {
        self.recording.as_mut()?.attempts.last_mut()
    }
}

fn new_span() -> SpanId {
    // Zero is no id, and comes once in 2^64 times.
    RandomIdGenerator::default().new_span_id()
}

fn capture(headers: &HeaderMap, names: &[HeaderName]) -> Vec<(HeaderName, HeaderValue)> {
    // The user agent has an attribute of its own.
    let names = names.iter().filter(|name| **name != header::USER_AGENT);
    names.flat_map(|name| headers.get_all(name).iter().map(|value| (name.clone(), value.clone()))).collect()
}
