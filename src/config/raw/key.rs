//! Matches the name that was typed against the table, in any case, and finds the nearest one when there is none.

use super::super::table::{self, Flag, Kind, is_index, is_name};

/// A flag that was named, with the names and the index that the user chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) flag: &'static Flag,
    /// The dotted key in lower case with the chosen names in it; for a [`Kind::Family`], what is below it too.
    pub(crate) path: String,
    /// The first name that the user chose, as it was spelt.
    pub(crate) name: Option<String>,
    /// The index at its end, when a [`Kind::List`] is given value by value.
    pub(crate) index: Option<usize>,
}

/// How the parts of a key are told apart where it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// `a.b[0].c`
    Dotted,
    /// `A_B_0_C`
    Underscored,
}

impl Spelling {
    fn index(self, segment: &str) -> Option<usize> {
        match self {
            Self::Dotted => segment.strip_prefix('[')?.strip_suffix(']')?.parse().ok(),
            Self::Underscored => segment.parse().ok(),
        }
    }
}

/// The flag that these parts name. A key of its own goes before the family that it is in.
pub(crate) fn find(typed: &[&str], spelling: Spelling) -> Option<Key> {
    let exact = table::all().find_map(|flag| matched(flag, typed, spelling));
    exact.or_else(|| {
        let families = table::all().filter(|flag| flag.kind == Kind::Family);
        let mut found = families.filter_map(|flag| matched(flag, typed.get(..flag.segments().len())?, spelling));
        found.next().map(|key| Key { path: typed.join(".").to_ascii_lowercase(), ..key })
    })
}

/// Whether these parts are not a key themselves but the beginning of one.
pub(crate) fn is_prefix(typed: &[&str], spelling: Spelling) -> bool {
    table::all().any(|flag| {
        let pattern = flag.segments();
        pattern.get(..typed.len()).is_some_and(|pattern| fits(pattern, typed, spelling))
    })
}

fn matched(flag: &'static Flag, typed: &[&str], spelling: Spelling) -> Option<Key> {
    let pattern = flag.segments();
    let (body, last) = match typed.split_last() {
        Some((last, body)) if flag.kind == Kind::List && typed.len() == pattern.len() + 1 => (body, Some(*last)),
        _ => (typed, None),
    };
    let index = match last {
        Some(last) => Some(spelling.index(last)?),
        None => None,
    };
    if body.len() != pattern.len() || !fits(&pattern, body, spelling) {
        return None;
    }
    let name = pattern.iter().zip(body).find(|(part, _)| is_name(part)).map(|(_, typed)| (*typed).to_owned());
    Some(Key { flag, path: body.join(".").to_ascii_lowercase(), name, index })
}

fn fits(pattern: &[&str], typed: &[&str], spelling: Spelling) -> bool {
    pattern.iter().zip(typed).all(|(part, typed)| match *part {
        name if is_name(name) => !typed.is_empty() && !is_index(typed),
        index if is_index(index) => spelling.index(typed).is_some(),
        word => word.eq_ignore_ascii_case(typed),
    })
}

/// The nearest key to what was typed, with the user's own names in it; `None` when nothing is near.
pub(crate) fn nearest(typed: &[&str]) -> Option<String> {
    let wanted = typed.join(".").to_ascii_lowercase();
    let (distance, key) = table::all()
        .map(|flag| {
            let pattern = flag.segments();
            let key = with_names(&pattern, typed);
            let spelling = strsim::damerau_levenshtein(&wanted, &key.to_ascii_lowercase());
            (left_out(&pattern, typed).map_or(spelling, |parts| parts.min(spelling)), key)
        })
        .min_by_key(|(distance, _)| *distance)?;
    // A short word is near to any other.
    (distance <= (wanted.len() / 3).max(usize::from(wanted.len() > 3))).then_some(key)
}

/// How many parts were left out, when the others are right: `entryPoints.web.tls` for `entryPoints.web.http.tls`.
fn left_out(pattern: &[&str], typed: &[&str]) -> Option<usize> {
    let mut rest = pattern.iter();
    let are_there = typed.iter().all(|typed| rest.any(|part| is_name(part) || part.eq_ignore_ascii_case(typed)));
    let parts = pattern.len().checked_sub(typed.len())?;
    let ends_alike = pattern.last().is_some_and(|last| !is_name(last)) && rest.next().is_none();
    (are_there && ends_alike && parts <= 2).then_some(parts)
}

/// Puts the user's names where the pattern leaves them to the user.
fn with_names(pattern: &[&str], typed: &[&str]) -> String {
    let mut key = String::new();
    for (at, part) in pattern.iter().enumerate() {
        if is_index(part) {
            key.push_str(part);
            continue;
        }
        if at > 0 {
            key.push('.');
        }
        key.push_str(if is_name(part) { typed.get(at).copied().unwrap_or(part) } else { part });
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dotted(key: &str) -> Option<Key> {
        find(&table::segments(key).collect::<Vec<_>>(), Spelling::Dotted)
    }

    #[test]
    fn keys_match_in_any_case_and_keep_the_spelling_of_names() {
        let key = dotted("ENTRYPOINTS.Web.address").expect("a known key");
        assert_eq!(key.flag.key, "entryPoints._name_.address");
        assert_eq!(key.path, "entrypoints.web.address");
        assert_eq!(key.name.as_deref(), Some("Web"));
    }

    #[test]
    fn a_list_is_also_given_by_index() {
        let key = dotted("serversTransport.rootCAs[3]").expect("a known key");
        assert_eq!((key.path.as_str(), key.index), ("serverstransport.rootcas", Some(3)));
        assert_eq!(dotted("log.level[0]"), None);
    }

    #[test]
    fn everything_below_a_family_is_known() {
        let key = dotted("certificatesResolvers.le.acme.dnsChallenge.resolvers[1]").expect("a known family");
        assert_eq!(key.flag.key, "certificatesResolvers");
        assert_eq!(key.path, "certificatesresolvers.le.acme.dnschallenge.resolvers.[1]");
    }

    #[test]
    fn a_key_goes_before_the_family_that_it_is_in() {
        let key = dotted("providers.kubernetescrd.crossProviderNamespaces").expect("a known key");
        assert!(matches!(key.flag.status, table::Status::Refused(_)));
    }

    #[test]
    fn the_nearest_key_has_the_users_names() {
        let typed = |key| table::segments(key).collect::<Vec<&str>>();
        assert_eq!(nearest(&typed("entrypoints.web.adress")).as_deref(), Some("entryPoints.web.address"));
        assert_eq!(nearest(&typed("providers.kubernetesingres")).as_deref(), Some("providers.kubernetesIngress"));
        assert_eq!(nearest(&typed("entrypoints.web.tls")).as_deref(), Some("entryPoints.web.http.tls"));
        assert_eq!(nearest(&typed("gibberish")), None);
    }
}
