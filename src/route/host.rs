//! Which hosts a rule is for: one exactly, one label under a suffix, or any.

use std::fmt;
use std::sync::Arc;

/// The host of a rule, lower-case, without port or trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This host alone.
    Exact(Arc<str>),
    /// `*.suffix`: exactly one label before the suffix, which is kept without `*.` (Ingress v1, `rules[].host`).
    Wildcard(Arc<str>),
    /// Any host, and requests without one.
    Any,
}

/// Why a host is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidHost(pub &'static str);

impl HostPattern {
    /// Parses `rules[].host` or `tls[].hosts[]`: a DNS name, or `*.` and a DNS name. Empty means any host.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        if text.is_empty() {
            return Ok(Self::Any);
        }
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        match lower.strip_prefix("*.") {
            Some(suffix) => dns_name(suffix).map(|()| Self::Wildcard(suffix.into())),
            None => dns_name(&lower).map(|()| Self::Exact(lower.as_str().into())),
        }
    }

    /// Whether `host` (lower-case, no port, no trailing dot) is one of these.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Wildcard(suffix) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && *rest == **suffix)
            }
            Self::Any => true,
        }
    }

    /// Whether every host of `other` is one of these.
    pub fn covers(&self, other: &HostPattern) -> bool {
        match other {
            Self::Exact(name) => self.matches(name),
            _ => self == other || *self == Self::Any,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// RFC 1123 as Kubernetes applies it, with `_` let through: labels of 1–63, 253 in all.
fn dns_name(name: &str) -> Result<(), InvalidHost> {
    if name.len() > 253 {
        return Err(InvalidHost("is longer than 253 characters"));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(InvalidHost("has an empty label"));
        }
        if label.len() > 63 {
            return Err(InvalidHost("has a label longer than 63 characters"));
        }
        if label.contains('*') {
            return Err(InvalidHost("may have `*` only as its whole first label"));
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(InvalidHost("may hold only letters, digits, `-` and `.`"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(InvalidHost("has a label that starts or ends with `-`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_matches_one_label_and_not_the_bare_domain() {
        let wildcard = HostPattern::parse("*.Example.com.").expect("a wildcard host");
        assert!(wildcard.matches("a.example.com"));
        assert!(!wildcard.matches("example.com"));
        assert!(!wildcard.matches("a.b.example.com"));
        assert!(!wildcard.matches(".example.com"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["*", "a.*", "*a.com", "a..b", "-a.com", "a b", "a/b", "a:80", &"a".repeat(64), "é.com", "*."] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_as_long_as_dns_has_it_and_may_hold_hyphens_and_underscores() {
        let of_labels = |length: usize| {
            let label = "a".repeat(63);
            let rest = "b".repeat(length - 3 * 64);
            format!("{label}.{label}.{label}.{rest}")
        };
        assert!(HostPattern::parse(&of_labels(253)).is_ok());
        assert!(HostPattern::parse(&of_labels(254)).is_err());
        assert!(HostPattern::parse("a-b.c_d.example").is_ok());
        for bad in ["a-.example", "-a.example"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
