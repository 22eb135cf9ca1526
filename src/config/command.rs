//! What the command line asks for.

use std::fmt;

use super::error::Error;
use super::raw::{self, Typed};

/// Flags as they were typed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Flags(pub(super) Vec<Typed>);

/// Names only: a value may be a token.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|typed| &typed.spelt)).finish()
    }
}

impl Flags {
    /// Reads flags and nothing else.
    pub fn parse<S: AsRef<str>>(arguments: &[S]) -> Result<Self, Error> {
        let read = raw::arguments(&owned(arguments))?;
        match read.words.into_iter().next() {
            Some(word) => Err(Error::UnexpectedArgument(word)),
            None => Ok(Self(read.typed)),
        }
    }

    /// These flags over those: what is in both counts as it is here.
    #[must_use]
    pub fn over(self, defaults: Self) -> Self {
        let mut flags = defaults.0;
        flags.extend(self.0);
        Self(flags)
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Run(Flags),
    /// Serve the manifests and backends that adit brings along.
    Demo(Flags),
    /// Translate manifests and say what is wrong with them.
    Check {
        /// Files and directories; `-` is standard input.
        paths: Vec<String>,
        /// The flags.
        flags: Flags,
    },
    /// Say which version this is.
    Version,
    /// Ask `/ping` of the adit that was started with these flags.
    Healthcheck(Flags),
    /// Explain commands and flags.
    Help,
}

impl Command {
    /// Reads the arguments after the program's name. Flags may come before and after a command.
    pub fn parse<S: AsRef<str>>(arguments: &[S]) -> Result<Self, Error> {
        let read = raw::arguments(&owned(arguments))?;
        let mut words = read.words.into_iter();
        let flags = Flags(read.typed);
        let command = words.next();
        if read.help {
            return Ok(Self::Help);
        }
        let command = match command.as_deref() {
            None if read.version => Self::Version,
            None => Self::Run(flags),
            Some("demo") => Self::Demo(flags),
            Some("check") => {
                let paths: Vec<String> = words.by_ref().collect();
                if paths.is_empty() {
                    let expected = "files or directories of manifests, or - for standard input".into();
                    return Err(Error::MissingValue { flag: "adit check".into(), expected });
                }
                Self::Check { paths, flags }
            }
            Some("version") => Self::Version,
            Some("healthcheck") => Self::Healthcheck(flags),
            Some("help") => return Ok(Self::Help),
            Some(other) => return Err(Error::UnexpectedArgument(other.to_owned())),
        };
        match words.next() {
            Some(word) => Err(Error::UnexpectedArgument(word)),
            None => Ok(command),
        }
    }
}

fn owned<S: AsRef<str>>(arguments: &[S]) -> Vec<String> {
    arguments.iter().map(|argument| argument.as_ref().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_command_adit_serves() {
        assert_eq!(Command::parse::<&str>(&[]), Ok(Command::Run(Flags::default())));
        assert!(matches!(Command::parse(&["--api", "--api.insecure"]), Ok(Command::Run(flags)) if flags.0.len() == 2));
    }

    #[test]
    fn each_command_is_known_by_its_name() {
        assert_eq!(Command::parse(&["version"]), Ok(Command::Version));
        assert_eq!(Command::parse(&["--version"]), Ok(Command::Version));
        for help in ["help", "--help", "-h"] {
            assert_eq!(Command::parse(&[help]), Ok(Command::Help));
        }
        assert_eq!(Command::parse(&["check", "--help"]), Ok(Command::Help));
        assert!(
            matches!(Command::parse(&["demo", "--log.level=DEBUG"]), Ok(Command::Demo(flags)) if flags.0.len() == 1)
        );
        assert!(matches!(Command::parse(&["healthcheck", "--ping"]), Ok(Command::Healthcheck(_))));
    }

    #[test]
    fn check_takes_paths_among_flags() {
        let Ok(Command::Check { paths, flags }) = Command::parse(&["check", "a.yaml", "--log.level", "WARN", "-"])
        else {
            panic!("not a check");
        };
        assert_eq!(paths, ["a.yaml", "-"]);
        assert_eq!(flags.0.len(), 1);
        assert!(matches!(Command::parse(&["check"]), Err(Error::MissingValue { .. })));
    }

    #[test]
    fn a_word_too_many_is_refused() {
        for arguments in [&["serve"][..], &["demo", "now"], &["version", "2"]] {
            assert!(matches!(Command::parse(arguments), Err(Error::UnexpectedArgument(_))), "{arguments:?}");
        }
    }
}
