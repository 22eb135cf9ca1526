//! Which paths a rule is for.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

/// The path of a rule. Matching is on the request's path as it will be forwarded, and is case-sensitive.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// This path alone.
    Exact(Arc<str>),
    /// By path element: `/foo` is for `/foo`, `/foo/` and `/foo/bar`, not for `/foobar`. Kept without a trailing `/`,
    /// so that `/` is the empty string (Ingress v1, `pathType: Prefix`).
    Prefix(Arc<str>),
    /// By character: `/foo` is for `/foobar` too (Traefik's `PathPrefix`).
    StringPrefix(Arc<str>),
    /// A regular expression found anywhere in the path, unless it is anchored (Traefik's `PathRegexp`).
    Regex(Box<Regex>),
}

/// The most bytes of a regular expression.
const LONGEST_REGEX: usize = 1024;
/// What a byte of a regular expression costs beside what it compiles to: parsing is work too.
const COST_OF_BYTE: usize = 128;

/// What is left of the size, in bytes, to which regular expressions that come together may compile. A mebibyte of them is
/// some milliseconds of work.
#[derive(Clone, Debug)]
pub struct RegexBudget(usize);

impl Default for RegexBudget {
    fn default() -> Self {
        Self(6 << 20)
    }
}

/// Why a path is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPath(pub String);

impl PathMatch {
    /// `pathType: Exact`.
    pub fn exact(path: &str) -> Result<Self, InvalidPath> {
        absolute(path)?;
        Ok(Self::Exact(path.into()))
    }

    /// `pathType: Prefix`; a trailing `/` is ignored.
    pub fn prefix(path: &str) -> Result<Self, InvalidPath> {
        absolute(path)?;
        Ok(Self::Prefix(path.strip_suffix('/').unwrap_or(path).into()))
    }

    /// A plain prefix of characters.
    pub fn string_prefix(path: &str) -> Result<Self, InvalidPath> {
        absolute(path)?;
        Ok(Self::StringPrefix(path.into()))
    }

    /// A regular expression, compiled as long as the budget lasts (a tenant wrote it).
    pub fn regex(pattern: &str, budget: &mut RegexBudget) -> Result<Self, InvalidPath> {
        if pattern.len() > LONGEST_REGEX {
            return Err(InvalidPath(format!("is a regular expression of more than {LONGEST_REGEX} bytes")));
        }
        if !pattern.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
            return Err(InvalidPath("may hold only printable ASCII, as paths do".into()));
        }
        for size in [1 << 14, 1 << 16, 1 << 18, 1 << 20] {
            budget.0 = budget.0.checked_sub(size + COST_OF_BYTE * pattern.len()).ok_or_else(|| {
                InvalidPath("is a regular expression beyond what those of one Ingress may come to together".into())
            })?;
            match regex::RegexBuilder::new(pattern).size_limit(size).dfa_size_limit(1 << 20).build() {
                Ok(regex) => return Ok(Self::Regex(Box::new(regex))),
                Err(regex::Error::CompiledTooBig(_)) if size < 1 << 20 => {}
                Err(error) => {
                    let reason = last_line(&error.to_string()).to_owned();
                    return Err(InvalidPath(format!("is not a regular expression: {reason}")));
                }
            }
        }
        Err(InvalidPath("is not a regular expression".into()))
    }

    /// Whether `path` (starting with `/`, without query) is one of these.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *path,
            Self::Prefix(prefix) => {
                path.strip_prefix(&**prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::StringPrefix(prefix) => path.starts_with(&**prefix),
            Self::Regex(regex) => regex.is_match(path),
        }
    }

    /// The text as the user wrote it, but for a Prefix's trailing `/`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Prefix(path) if path.is_empty() => "/",
            Self::Exact(path) | Self::Prefix(path) | Self::StringPrefix(path) => path,
            Self::Regex(regex) => regex.as_str(),
        }
    }
}

impl PartialEq for PathMatch {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.as_str() == other.as_str()
    }
}

impl Eq for PathMatch {}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "={path}"),
            Self::Prefix(_) => write!(f, "{}", self.as_str()),
            Self::StringPrefix(path) => write!(f, "{path}*"),
            Self::Regex(regex) => write!(f, "~{regex}"),
        }
    }
}

fn absolute(path: &str) -> Result<(), InvalidPath> {
    if !path.starts_with('/') {
        return Err(InvalidPath("must start with `/`".into()));
    }
    if path.bytes().any(|b| b <= b' ' || b >= 0x7f || b == b'?' || b == b'#' || b == b'\\') {
        return Err(InvalidPath(
            "may hold only printable ASCII without space, `?`, `#` and `\\`: percent-encode the rest".into(),
        ));
    }
    Ok(())
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_by_element() {
        for spelled in ["/foo", "/foo/"] {
            let prefix = PathMatch::prefix(spelled).expect("a prefix");
            assert!(prefix.matches("/foo") && prefix.matches("/foo/") && prefix.matches("/foo/bar"));
            assert!(!prefix.matches("/foobar") && !prefix.matches("/fo"));
        }
        assert!(PathMatch::prefix("/").expect("the root").matches("/anything"));
    }

    #[test]
    fn a_string_prefix_matches_by_character() {
        assert!(PathMatch::string_prefix("/foo").expect("a prefix").matches("/foobar"));
    }

    #[test]
    fn a_huge_regular_expression_is_refused() {
        assert!(PathMatch::regex("(a{1000}){1000}", &mut RegexBudget::default()).is_err());
    }

    #[test]
    fn a_regular_expression_is_short_printable_and_within_what_is_left_for_all() {
        let mut budget = RegexBudget::default();
        for bad in ["a\nb", "a\u{202e}b", "\x1b[2J", "é", &"a".repeat(1025)] {
            assert!(PathMatch::regex(bad, &mut budget).is_err(), "{bad:?}");
        }
        let many = (0..10_000).take_while(|_| PathMatch::regex("^/api/[^/]+$", &mut budget).is_ok()).count();
        assert!((300..1000).contains(&many), "{many}");
    }

    #[test]
    fn a_path_is_absolute_and_holds_only_what_a_request_line_can() {
        for bad in ["", "a", "/a b", "/a\tb", "/a\x7f", "/é", "/a?b", "/a#b", "/a\\b"] {
            assert!(PathMatch::exact(bad).is_err() && PathMatch::prefix(bad).is_err(), "{bad:?}");
            assert!(PathMatch::string_prefix(bad).is_err(), "{bad:?}");
        }
        assert!(PathMatch::exact("/!~a%20b;c=d").is_ok());
    }
}
