//! What the command line asks for.

use std::fmt;
use std::time::Duration;

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
        let read = raw::arguments(&owned(arguments), &[])?;
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

/// What an installation was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Traefik.
    Traefik,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `adit check --from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// What the installation was made for.
    pub from: Dialect,
    /// Files and directories; `-` is standard input. Without any, the running cluster.
    pub paths: Vec<String>,
    /// adit's own flags: how the cluster is reached.
    pub flags: Flags,
    /// The other's command line, if it was typed after `--`.
    pub arguments: Option<Vec<String>>,
    /// How findings are printed.
    pub format: Format,
}

/// `adit shadow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Where Traefik is, as it was typed.
    pub traefik: String,
    /// Where adit is, as it was typed.
    pub adit: String,
    /// Files with URLs or an access log; `-` is standard input.
    pub paths: Vec<String>,
    /// The host of lines that name none.
    pub host: Option<String>,
    /// The methods that are sent.
    pub methods: Vec<String>,
    /// Headers that are not compared, beside those that differ by nature.
    pub ignored: Vec<String>,
    /// Requests in flight.
    pub concurrency: usize,
    /// The longest that one answer may take.
    pub timeout: Duration,
    /// Certificates are not verified.
    pub insecure: bool,
    /// How findings are printed.
    pub format: Format,
}

/// The options that commands have beside the flags.
const OPTIONS: &[&str] =
    &["from", "output", "traefik", "adit", "host", "methods", "ignore", "concurrency", "timeout", "insecure"];
/// The most requests in flight: Traefik has others to serve.
const MOST_AT_ONCE: usize = 256;

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
    /// Compare what Traefik does with an installation with what adit would do.
    Migrate(Migration),
    /// Ask Traefik and adit the same requests, and compare the answers.
    Shadow(Shadow),
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
        let read = raw::arguments(&owned(arguments), OPTIONS)?;
        let mut words = read.words.into_iter();
        let flags = Flags(read.typed);
        let mut options = Options(read.options);
        let mut after = read.after;
        let command = words.next().or_else(|| first(&mut after));
        if read.help {
            return Ok(Self::Help);
        }
        let command = match command.as_deref() {
            None if read.version => Self::Version,
            None => Self::Run(flags),
            Some("demo") => Self::Demo(flags),
            Some("check") => {
                let mut paths: Vec<String> = words.by_ref().collect();
                match options.choice("from", &[("traefik", Dialect::Traefik)])? {
                    Some(from) => {
                        let format = options.format()?;
                        Self::Migrate(Migration { from, paths, flags, arguments: after.take(), format })
                    }
                    None => {
                        paths.extend(after.take().unwrap_or_default());
                        if paths.is_empty() {
                            let expected = "files or directories of manifests, or - for standard input".into();
                            return Err(Error::MissingValue { flag: "adit check".into(), expected });
                        }
                        Self::Check { paths, flags }
                    }
                }
            }
            Some("shadow") => Self::Shadow(shadow(&mut options, words.by_ref().collect())?),
            Some("version") => Self::Version,
            Some("healthcheck") => Self::Healthcheck(flags),
            Some("help") => return Ok(Self::Help),
            Some(other) => return Err(Error::UnexpectedArgument(other.to_owned())),
        };
        options.none_left()?;
        match words.next().or_else(|| first(&mut after)) {
            Some(word) => Err(Error::UnexpectedArgument(word)),
            None => Ok(command),
        }
    }
}

/// The options that were typed and nobody has asked for yet.
struct Options(Vec<(&'static str, String)>);

impl Options {
    /// The value of an option; the last one counts.
    fn take(&mut self, name: &str) -> Option<String> {
        let found = self.0.iter().rev().find(|(typed, _)| *typed == name).map(|(_, value)| value.clone());
        self.0.retain(|(typed, _)| *typed != name);
        found
    }

    /// One of some words.
    fn choice<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Result<Option<T>, Error> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&value)).map(|(_, meaning)| *meaning);
        let expected = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        found.map(Some).ok_or_else(|| Error::BadValue { origin: format!("--{name}"), value, expected })
    }

    /// What `parse` makes of the value.
    fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match parse(&value) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(Error::BadValue { origin: format!("--{name}"), value, expected: expected.to_owned() }),
        }
    }

    fn format(&mut self) -> Result<Format, Error> {
        Ok(self.choice("output", &[("text", Format::Text), ("json", Format::Json)])?.unwrap_or_default())
    }

    fn none_left(&self) -> Result<(), Error> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(Error::Conflict(format!("--{name} does not belong to this command; see adit --help")))
            }
        }
    }
}

fn shadow(options: &mut Options, paths: Vec<String>) -> Result<Shadow, Error> {
    let missing = |flag: &str, expected: &str| Error::MissingValue { flag: flag.into(), expected: expected.into() };
    if paths.is_empty() {
        return Err(missing("adit shadow", "files with URLs or an access log, or - for standard input"));
    }
    let mut base = |name: &str| {
        options.take(name).ok_or_else(|| missing(&format!("adit shadow --{name}"), "its address, http://HOST:PORT"))
    };
    Ok(Shadow {
        traefik: base("traefik")?,
        adit: base("adit")?,
        paths,
        host: options.take("host"),
        methods: options.take("methods").map_or_else(|| vec!["GET".into(), "HEAD".into()], |text| raw::list(&text)),
        ignored: options.take("ignore").map(|text| raw::list(&text)).unwrap_or_default(),
        concurrency: options
            .parsed("concurrency", "a number from 1 to 256", |text| {
                text.parse().ok().filter(|number| (1..=MOST_AT_ONCE).contains(number))
            })?
            .unwrap_or(8),
        timeout: options
            .parsed("timeout", "a duration such as 10s", |text| raw::duration(text).filter(|it| !it.is_zero()))?
            .unwrap_or(Duration::from_secs(10)),
        insecure: options.parsed("insecure", "true or false", raw::boolean)?.unwrap_or(false),
        format: options.format()?,
    })
}

fn first(words: &mut Option<Vec<String>>) -> Option<String> {
    words.as_mut().filter(|words| !words.is_empty()).map(|words| words.remove(0))
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
    fn check_from_takes_paths_a_format_and_the_others_command_line() {
        let typed = ["check", "--from=traefik", "a.yaml", "--output", "json", "--ping", "--", "--api", "x"];
        let Ok(Command::Migrate(migration)) = Command::parse(&typed) else { panic!("not a migration") };
        assert_eq!((migration.from, migration.format), (Dialect::Traefik, Format::Json));
        assert_eq!((migration.paths, migration.flags.0.len()), (vec!["a.yaml".to_owned()], 1));
        assert_eq!(migration.arguments, Some(vec!["--api".to_owned(), "x".to_owned()]));
        let Ok(Command::Migrate(cluster)) = Command::parse(&["check", "--from", "traefik"]) else {
            panic!("no cluster")
        };
        assert_eq!((cluster.paths.len(), cluster.arguments), (0, None));
        assert!(matches!(Command::parse(&["check", "--from=haproxy"]), Err(Error::BadValue { .. })));
    }

    #[test]
    fn shadow_needs_both_addresses_and_something_to_ask() {
        let typed = ["shadow", "--traefik=http://a", "--adit", "http://b", "urls", "--timeout=2s", "--ignore=etag,x"];
        let Ok(Command::Shadow(shadow)) = Command::parse(&typed) else { panic!("not a shadow") };
        assert_eq!((shadow.traefik.as_str(), shadow.adit.as_str()), ("http://a", "http://b"));
        assert_eq!((shadow.concurrency, shadow.timeout), (8, Duration::from_secs(2)));
        assert_eq!(
            (shadow.methods, shadow.ignored),
            (vec!["GET".into(), "HEAD".into()], vec!["etag".into(), "x".into()])
        );
        for missing in [&typed[..2], &["shadow", "--adit=http://b", "urls"], &["shadow", "--traefik=http://a", "urls"]]
        {
            assert!(matches!(Command::parse(missing), Err(Error::MissingValue { .. })), "{missing:?}");
        }
        for bad in ["--concurrency=0", "--concurrency=9999", "--timeout=0", "--insecure=maybe"] {
            let typed = [&typed[..5], &[bad]].concat();
            assert!(matches!(Command::parse(&typed), Err(Error::BadValue { .. })), "{bad}");
        }
    }

    #[test]
    fn an_option_of_another_command_is_refused() {
        for arguments in [&["--from=traefik"][..], &["demo", "--output=json"], &["check", "a.yaml", "--output=json"]] {
            assert!(matches!(Command::parse(arguments), Err(Error::Conflict(_))), "{arguments:?}");
        }
    }

    #[test]
    fn a_word_too_many_is_refused() {
        for arguments in [&["serve"][..], &["demo", "now"], &["version", "2"]] {
            assert!(matches!(Command::parse(arguments), Err(Error::UnexpectedArgument(_))), "{arguments:?}");
        }
    }
}
