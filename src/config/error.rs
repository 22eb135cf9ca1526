//! Why a configuration is not one. Every message names what was typed, in the form it was typed in.

use std::fmt;
use std::path::PathBuf;

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No flag, variable or key of this name.
    #[error("unknown {what} {typed}{}{}", In(.file), DidYouMean(.nearest))]
    Unknown {
        /// `flag`, `environment variable` or `key`.
        what: &'static str,
        /// What was typed.
        typed: String,
        /// The file that a key is in.
        file: Option<PathBuf>,
        /// The nearest name that exists, in the same form.
        nearest: Option<String>,
    },
    /// The flag needs a value.
    #[error("{flag} needs a value: {expected}")]
    MissingValue {
        /// What was typed.
        flag: String,
        /// What would do.
        expected: String,
    },
    /// The value is not what it should be.
    #[error("{origin}={value}: expected {expected}")]
    BadValue {
        /// What was typed.
        origin: String,
        /// Its value.
        value: String,
        /// What would do.
        expected: String,
    },
    /// Ignoring it would weaken security.
    #[error(
        "{origin} is not supported, and ignoring it would weaken security: {why}; remove it if that is acceptable, or \
         keep what needs it with the controller that has it"
    )]
    Refused {
        /// What was typed.
        origin: String,
        /// What would be weakened.
        why: &'static str,
    },
    /// Settings that do not go together, or one that needs another.
    #[error("{0}")]
    Conflict(String),
    /// A word that is neither a flag nor a command.
    #[error("unexpected argument {0}; `adit --help` lists commands and flags")]
    UnexpectedArgument(String),
    /// A file that cannot be read.
    #[error("read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file that is neither YAML nor TOML.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

struct In<'a>(&'a Option<PathBuf>);

impl fmt::Display for In<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |file| write!(f, " in {}", file.display()))
    }
}

struct DidYouMean<'a>(&'a Option<String>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => f.write_str("; `adit --help` lists all flags"),
        }
    }
}

/// Something that the operator should know and that does not keep adit from starting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Warning(pub String);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
