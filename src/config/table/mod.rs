//! The one table of all flags: it drives parsing, the suggestion for a misspelt name, `--help`, `docs/flags.md`
//! and the tests. Keys are spelt as Traefik's documentation does; `_name_` stands for a name that the user chooses and
//! `[0]` for an index. They are matched in any case.

mod entry_points;
mod logs;
mod own;
mod pages;
mod providers;
mod tracing;
mod transports;

/// One flag, environment variable and key of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its dotted name.
    pub key: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// Its default, as it would be typed; empty when there is none.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// What adit makes of it.
    pub status: Status,
    /// Traefik's default, where it is another.
    pub traefik: Option<&'static str>,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A group that is switched on by naming it or anything in it, and off by `=false`.
    Group,
    /// `true` or `false`; bare is `true`.
    Bool,
    /// A whole number.
    Integer,
    /// A duration in Go's syntax; a bare number is seconds.
    Duration,
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// Anything.
    Text,
    /// Several values, separated by commas or given by index.
    List,
    /// This key and every key below it, whatever they are.
    Family,
}

/// What adit makes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// What Traefik makes of it.
    Supported,
    /// It is accepted and changes nothing, for this reason.
    WithoutEffect(&'static str),
    /// It is accepted with a warning: what is missing for now.
    NotYet(&'static str),
    /// The start is refused, because ignoring it would weaken security in this way.
    Refused(&'static str),
}

/// The flags that belong together, under their heading.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// The flags.
    pub flags: &'static [Flag],
}

/// All flags.
pub const SECTIONS: &[Section] = &[
    Section { title: "Entry points", flags: entry_points::FLAGS },
    Section { title: "Providers", flags: providers::FLAGS },
    Section { title: "API, ping and metrics", flags: pages::FLAGS },
    Section { title: "Logs", flags: logs::FLAGS },
    Section { title: "Traces", flags: tracing::FLAGS },
    Section { title: "Connections to backends", flags: transports::FLAGS },
    Section { title: "adit's own", flags: own::FLAGS },
];

/// All flags, in the order of the sections.
pub fn all() -> impl Iterator<Item = &'static Flag> {
    SECTIONS.iter().flat_map(|section| section.flags)
}

/// A supported flag; the methods below make it something else.
const fn flag(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Flag {
    Flag { key, kind, default, doc, status: Status::Supported, traefik: None }
}

impl Flag {
    const fn without_effect(self, reason: &'static str) -> Self {
        Self { status: Status::WithoutEffect(reason), ..self }
    }

    const fn not_yet(self, consequence: &'static str) -> Self {
        Self { status: Status::NotYet(consequence), ..self }
    }

    const fn refused(self, why: &'static str) -> Self {
        Self { status: Status::Refused(why), ..self }
    }

    /// Its default with Traefik, which is another.
    const fn traefik(self, default: &'static str) -> Self {
        Self { traefik: Some(default), ..self }
    }

    /// The parts of its key: words, `_name_` and `[0]`.
    pub(super) fn segments(&self) -> Vec<&'static str> {
        segments(self.key).collect()
    }
}

/// Splits `a.b[0].c` into `a`, `b`, `[0]`, `c`.
pub(super) fn segments(key: &str) -> impl Iterator<Item = &str> {
    key.split('.').flat_map(|part| {
        let (word, indices) = part.find('[').map_or((part, ""), |at| part.split_at(at));
        std::iter::once(word)
            .filter(|word| !word.is_empty())
            .chain(indices.split_inclusive(']'))
            .filter(|s| !s.is_empty())
    })
}

/// Whether this part of a key stands for a name that the user chooses.
pub(super) fn is_name(segment: &str) -> bool {
    segment == "_name_"
}

/// Whether this part of a key stands for an index.
pub(super) fn is_index(segment: &str) -> bool {
    segment.starts_with('[')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_there_once_in_any_case() {
        let mut seen = BTreeSet::new();
        for flag in all() {
            assert!(seen.insert(flag.key.to_ascii_lowercase()), "{} is there twice", flag.key);
        }
    }

    #[test]
    fn every_doc_is_one_sentence() {
        for flag in all() {
            assert!(
                flag.doc.ends_with('.') && !flag.doc.trim_end_matches('.').contains(". "),
                "{}: {}",
                flag.key,
                flag.doc
            );
        }
    }

    #[test]
    fn a_key_is_split_at_dots_and_indices() {
        let parts: Vec<_> = segments("entryPoints._name_.http.tls.domains[0].main").collect();
        assert_eq!(parts, ["entryPoints", "_name_", "http", "tls", "domains", "[0]", "main"]);
    }
}
