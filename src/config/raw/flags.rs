//! Arguments: `--key=value`, `--key value`, and bare `--key` for switches; one dash does as well.

use super::super::error::Error;
use super::super::table::{Kind, segments};
use super::key::{self, Key, Spelling};
use super::value::expected;
use super::{Origin, Typed};

/// What the arguments say.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// The flags.
    pub(crate) typed: Vec<Typed>,
    /// The other words, in their order; `-` is one.
    pub(crate) words: Vec<String>,
    /// What stands after `--`, if that is there.
    pub(crate) after: Option<Vec<String>>,
    /// The options of a command, which are in no file and no environment: name and value.
    pub(crate) options: Vec<(&'static str, String)>,
    /// Help was asked for.
    pub(crate) help: bool,
    /// The version was asked for.
    pub(crate) version: bool,
}

/// Reads all arguments; `--` ends the flags. `options`: names that commands have beside the flags, each with a value.
pub(crate) fn read(arguments: &[String], options: &[&'static str]) -> Result<Arguments, Error> {
    let mut read = Arguments::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        read.take(argument, &mut rest, options)?;
    }
    Ok(read)
}

/// Reads each flag by itself, what is wrong with one beside the others. Words that are no flags are left out.
pub(crate) fn each(arguments: &[String]) -> Vec<Result<Typed, Error>> {
    let mut all = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut read = Arguments::default();
        match read.take(argument, &mut rest, &[]) {
            Ok(()) => all.extend(read.typed.into_iter().map(Ok)),
            Err(error) => {
                all.push(Err(error));
                // The value of a flag that is not known, not a word of its own.
                if !argument.contains('=') && rest.as_slice().first().is_some_and(|next| !next.starts_with('-')) {
                    rest.next();
                }
            }
        }
    }
    all
}

impl Arguments {
    fn take(
        &mut self,
        argument: &str,
        rest: &mut std::slice::Iter<'_, String>,
        options: &[&'static str],
    ) -> Result<(), Error> {
        let Some(flag) = argument.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
            self.words.push(argument.to_owned());
            return Ok(());
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if flag.is_empty() {
            self.after = Some(rest.by_ref().cloned().collect());
            return Ok(());
        }
        if flag.eq_ignore_ascii_case("help") || flag == "h" {
            self.help = true;
            return Ok(());
        }
        if flag.eq_ignore_ascii_case("version") {
            self.version = true;
            return Ok(());
        }
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
        if let Some(option) = options.iter().find(|option| option.eq_ignore_ascii_case(name)) {
            let value = value.or_else(|| rest.next().cloned());
            let value = value.filter(|value| !value.is_empty());
            let missing = || Error::MissingValue { flag: format!("--{option}"), expected: "see adit --help".into() };
            self.options.push((option, value.ok_or_else(missing)?));
            return Ok(());
        }
        let key = find(name)?;
        let value = match value {
            Some(value) => value,
            None if is_switch(&key) => "true".to_owned(),
            None => match rest.as_slice().first() {
                Some(next) if key.flag.kind != Kind::Family || !next.starts_with('-') => {
                    rest.next();
                    next.clone()
                }
                _ if key.flag.kind == Kind::Family => "true".to_owned(),
                _ => {
                    let expected = match key.flag.kind {
                        Kind::Text => format!("--{name}=… ({})", key.flag.doc.trim_end_matches('.')),
                        kind => expected(kind),
                    };
                    return Err(Error::MissingValue { flag: format!("--{name}"), expected });
                }
            },
        };
        self.typed.push(Typed { key, value, origin: Origin::Flag, spelt: format!("--{name}") });
        Ok(())
    }
}

fn find(name: &str) -> Result<Key, Error> {
    let parts: Vec<&str> = segments(name).collect();
    // A name that was to be filled in, and is not there: it leaves another key.
    let has_gap = name.split('.').any(str::is_empty);
    key::find(&parts, Spelling::Dotted).filter(|_| !has_gap).ok_or_else(|| Error::Unknown {
        what: "flag",
        typed: format!("--{name}"),
        file: None,
        nearest: key::nearest(&parts).filter(|_| !has_gap).map(|nearest| format!("--{nearest}")),
    })
}

/// Whether the flag is complete without a value. What is below a family is not known well enough to say no.
fn is_switch(key: &Key) -> bool {
    match key.flag.kind {
        Kind::Group | Kind::Bool => true,
        Kind::Family | Kind::Integer | Kind::Duration | Kind::Choice(_) | Kind::Text | Kind::List => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(arguments: &[&str]) -> Vec<(String, String)> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let read = read(&arguments, &[]).expect("known flags");
        read.typed.into_iter().map(|typed| (typed.key.path, typed.value)).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_value_follows_an_equals_sign_or_a_space() {
        let expected = [pair("log.level", "DEBUG")];
        assert_eq!(values(&["--log.level=DEBUG"]), expected);
        assert_eq!(values(&["--log.level", "DEBUG"]), expected);
        assert_eq!(values(&["-log.level=DEBUG"]), expected);
    }

    #[test]
    fn a_bare_switch_is_true_and_takes_no_following_word() {
        assert_eq!(values(&["--api", "--ping", "--api.insecure"]).len(), 3);
        let read = read(&["--api".to_owned(), "manifests".to_owned()], &[]).expect("a known flag");
        assert_eq!(read.words, ["manifests"]);
    }

    #[test]
    fn a_bare_family_does_not_swallow_the_next_flag() {
        let expected = [pair("providers.kubernetescrd", "true"), pair("ping", "true")];
        assert_eq!(values(&["--providers.kubernetescrd", "--ping"]), expected);
    }

    #[test]
    fn a_flag_without_its_value_says_what_it_needs() {
        let error = read(&["--log.level".to_owned()], &[]).expect_err("no value");
        assert_eq!(
            error.to_string(),
            "--log.level needs a value: one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, PANIC"
        );
    }

    #[test]
    fn an_unknown_flag_names_the_nearest_one() {
        let error = read(&["--entrypoints.web.adress=:80".to_owned()], &[]).expect_err("no such flag");
        assert_eq!(error.to_string(), "unknown flag --entrypoints.web.adress; did you mean --entryPoints.web.address?");
    }

    #[test]
    fn a_dash_alone_is_a_word_and_all_after_two_is_kept_apart() {
        let arguments: Vec<String> = ["check", "-", "--", "--ping"].iter().map(|&word| word.to_owned()).collect();
        let read = read(&arguments, &[]).expect("words");
        assert_eq!((read.words, read.after), (vec!["check".into(), "-".into()], Some(vec!["--ping".into()])));
    }

    #[test]
    fn an_option_of_a_command_takes_its_value_in_either_form() {
        for arguments in [&["--from", "traefik", "--ping"][..], &["--FROM=traefik", "--ping"]] {
            let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
            let read = read(&arguments, &["from"]).expect("an option");
            assert_eq!((read.options, read.typed.len()), (vec![("from", "traefik".to_owned())], 1));
        }
        assert!(matches!(read(&["--from".to_owned()], &["from"]), Err(Error::MissingValue { .. })));
    }

    #[test]
    fn each_flag_is_read_by_itself_and_an_unknown_one_takes_its_value_with_it() {
        let arguments: Vec<String> =
            ["--ping", "--no.such", "value", "--log.level=loud", "--api"].iter().map(|&word| word.to_owned()).collect();
        let read: Vec<bool> = each(&arguments).iter().map(Result::is_ok).collect();
        assert_eq!(read, [true, false, true, true], "whether a value fits is asked later");
    }
}
