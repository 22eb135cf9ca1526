//! A route that leads back here: requests would go round until all connections were taken, so each pass is written down
//! (RFC 8586).

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Who has passed a request on. No client gains by adding to it, and nobody behind us has a reason to take it off.
pub(super) const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
/// We have.
pub(super) const US: HeaderValue = HeaderValue::from_static("adit");
/// More adits in a row than anybody has.
const MOST: usize = 10;

/// A request that has passed here too often.
#[derive(Debug)]
pub(super) struct Loop;

/// Adds this pass to those that a request's fields tell of.
pub(super) fn count(headers: &mut HeaderMap) -> Result<(), Loop> {
    let told = headers.get_all(CDN_LOOP).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let ours = |pass: &&[u8]| {
        let name = pass.split(|&byte| byte == b';').next().unwrap_or_default();
        US.as_bytes().eq_ignore_ascii_case(name.trim_ascii())
    };
    if told.filter(ours).count() >= MOST {
        return Err(Loop);
    }
    headers.append(CDN_LOOP, US);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_counted_however_they_are_written_down() {
        let mut headers = HeaderMap::new();
        headers.append(CDN_LOOP, HeaderValue::from_static("other; v=1, ADIT;x, adit,,"));
        for _ in 2..MOST {
            count(&mut headers).expect("not too many");
        }
        assert!(count(&mut headers).is_err(), "{headers:?}");
    }
}
