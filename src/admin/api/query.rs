//! The query of a list: what is searched, how it is sorted, which page.

/// The query of a list, as Traefik names its parts. Unknown parts are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) search: String,
    pub(super) status: String,
    pub(super) service_name: String,
    pub(super) middleware_name: String,
    pub(super) sort_by: String,
    pub(super) descending: bool,
    /// Leave out adit's own pages (`own=false`), which Traefik has no word for.
    pub(super) hide_own: bool,
    /// Say how many use a row (`uses`) instead of who (`brief=true`), which may be thousands.
    pub(super) brief: bool,
    pub(super) page: Option<String>,
    pub(super) per_page: Option<String>,
}

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for part in text.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = decode(value, true);
            match decode(name, true).as_str() {
                "search" => query.search = value.to_lowercase(),
                "status" => query.status = value,
                "serviceName" => query.service_name = value,
                "middlewareName" => query.middleware_name = value,
                "sortBy" => query.sort_by = value,
                "direction" => query.descending = value == "desc",
                "own" => query.hide_own = value == "false",
                "brief" => query.brief = value == "true",
                "page" => query.page = Some(value),
                "per_page" => query.per_page = Some(value),
                _ => {}
            }
        }
        query
    }
}

/// Decodes percent-encoding, and `+` as a blank where it is one. What is not UTF-8 is replaced.
pub(super) fn decode(text: &str, plus_is_blank: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' if plus_is_blank => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                let digits = ahead.next().zip(ahead.next());
                match digits.and_then(|(high, low)| Some((nibble(high)? << 4) | nibble(low)?)) {
                    Some(decoded) => {
                        bytes.push(decoded);
                        rest = ahead;
                    }
                    None => bytes.push(byte),
                }
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let query = Query::parse("search=Weather%20%26+Co&sortBy=name&direction=desc&page=2&unknown=x&&");
        assert_eq!((query.search.as_str(), query.sort_by.as_str()), ("weather & co", "name"));
        assert!(query.descending);
        assert_eq!(query.page.as_deref(), Some("2"));
        assert_eq!(decode("a%2", false) + &decode("%zz%ff", false), "a%2%zz\u{fffd}");
    }
}
