//! W3C Trace Context: which trace a request says it belongs to, and what its endpoint is told.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `00-` trace `-` span `-` flags: the length of version 0.
const LENGTH: usize = 55;
/// What of `tracestate` must be understood (§3.3.1.5). A longer one is passed on, but is not in our spans.
const LONGEST_STATE: usize = 512;

/// The span that a request says is its parent. One field that is well-formed, or none: of two, nobody knows which.
pub(super) fn extract(headers: &HeaderMap) -> Option<SpanContext> {
    let mut fields = headers.get_all(TRACEPARENT).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (trace, span, flags) = parse(field.as_bytes())?;
    Some(SpanContext::new(trace, span, flags, true, state(headers)))
}

/// Tells an endpoint that `span` asks it. What a request without a valid parent says of its state is void.
pub(super) fn inject(
    headers: &mut HeaderMap,
    parent: Option<&SpanContext>,
    trace: TraceId,
    span: SpanId,
    sampled: bool,
) {
    if parent.is_none() {
        headers.remove(TRACESTATE);
    }
    let text = format!("00-{trace}-{span}-{:02x}", u8::from(sampled));
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(TRACEPARENT, value);
    }
}

fn parse(field: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let (known, rest) = field.split_at_checked(LENGTH)?;
    let mut parts = known.split(|byte| *byte == b'-');
    let version = number(parts.next()?, 2)?;
    let (trace, span) = (number(parts.next()?, 32)?, number(parts.next()?, 16)?);
    let flags = number(parts.next()?, 2)?;
    // Later versions may have more after another dash; version ff is none (§3.2.2.1).
    let whole = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    if parts.next().is_some() || !whole || trace == 0 || span == 0 {
        return None;
    }
    // Of the flags only the first has a meaning that we pass on.
    let flags = TraceFlags::default().with_sampled(flags & 1 == 1);
    Some((TraceId::from(trace), SpanId::from(u64::try_from(span).ok()?), flags))
}

/// Lower-case hexadecimal of exactly so many digits.
fn number(digits: &[u8], length: usize) -> Option<u128> {
    if digits.len() != length {
        return None;
    }
    digits.iter().try_fold(0, |sum: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(sum << 4 | u128::from(value))
    })
}

fn state(headers: &HeaderMap) -> TraceState {
    let mut text = String::new();
    for field in headers.get_all(TRACESTATE) {
        let Ok(field) = field.to_str() else { return TraceState::default() };
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(field);
        if text.len() > LONGEST_STATE {
            return TraceState::default();
        }
    }
    TraceState::from_str(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    fn taken(traceparent: &str) -> Option<SpanContext> {
        extract(&headers(&[("traceparent", traceparent)]))
    }

    #[test]
    fn a_context_is_read_to_the_bit() {
        let context = taken(GOOD).expect("the example of the specification");
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        assert!(context.is_sampled() && context.is_remote());
        assert!(!taken(&GOOD.replace("-01", "-00")).expect("not sampled").is_sampled());
        assert!(taken(&GOOD.replace("-01", "-ff")).expect("flags of the future").is_sampled());
        assert!(!taken(&GOOD.replace("-01", "-02")).expect("random, not sampled").is_sampled());
    }

    #[test]
    fn a_later_version_may_say_more_and_version_ff_is_none() {
        assert!(taken(&GOOD.replacen("00", "cc", 1)).is_some());
        assert!(taken(&format!("{}-what-the-future", GOOD.replacen("00", "cc", 1))).is_some());
        assert!(taken(&format!("{}.what", GOOD.replacen("00", "cc", 1))).is_none());
        assert!(taken(&GOOD.replacen("00", "ff", 1)).is_none());
    }

    #[test]
    fn what_is_malformed_is_no_context() {
        let hostile = [
            "",
            "-",
            "---",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "0-00af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c8031-9c-b7ad6b71692033-1-01",
        ];
        for field in hostile {
            assert!(taken(field).is_none(), "{field:?}");
        }
        assert!(extract(&headers(&[("traceparent", GOOD), ("traceparent", GOOD)])).is_none(), "two of them");
    }

    #[test]
    fn a_state_is_joined_and_one_that_is_none_costs_only_itself() {
        let state = |fields: &[&str]| {
            let fields = fields.iter().map(|field| ("tracestate", *field));
            let all: Vec<_> = fields.chain([("traceparent", GOOD)]).collect();
            extract(&headers(&all)).expect("the parent is good").trace_state().header()
        };
        assert_eq!(state(&["a=1", "b=2"]), "a=1,b=2");
        assert_eq!(state(&["no list"]), "");
        assert_eq!(state(&[&format!("a={}", "x".repeat(600))]), "");
    }

    #[test]
    fn an_endpoint_is_told_of_one_span_and_of_no_state_without_a_parent() {
        let mut told = headers(&[("traceparent", "junk"), ("traceparent", GOOD), ("tracestate", "a=1")]);
        inject(&mut told, None, TraceId::from(0xabc), SpanId::from(0xdef), true);
        assert_eq!(told.get_all("traceparent").iter().count(), 1);
        assert_eq!(told["traceparent"], "00-00000000000000000000000000000abc-0000000000000def-01");
        assert!(!told.contains_key("tracestate"));
        let parent = taken(GOOD).expect("a parent");
        let mut told = headers(&[("tracestate", "a=1")]);
        inject(&mut told, Some(&parent), parent.trace_id(), SpanId::from(1), false);
        assert_eq!(told["traceparent"], "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-00");
        assert_eq!(told["tracestate"], "a=1");
    }
}
