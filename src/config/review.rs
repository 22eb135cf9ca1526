//! What adit makes of each part of a command line and environment that were typed for Traefik, by the same table and the
//! same readers as its own start.

use super::error::{Error, Warning};
use super::raw::{self, Files, Typed};
use super::table::{self, Flag, Status, is_name};
use super::{Config, meaning};

/// What was typed, part by part, and what it comes to.
#[derive(Debug)]
pub struct Review {
    /// Each flag and variable as it was typed.
    pub parts: Vec<Part>,
    /// Traefik's defaults that are others here, and that nothing of what was typed replaces.
    pub defaults: Vec<Default>,
    /// Why the whole is no configuration although each part may be in it.
    pub conflict: Option<Error>,
    /// What the parts that can be taken mean.
    pub config: Config,
    /// `strictPrefixMatching` was typed, so that prefixes mean the same with both.
    pub strict_prefix_typed: bool,
}

/// One flag or variable.
#[derive(Debug)]
pub struct Part {
    /// Its name as it was typed; its value may be a secret.
    pub name: String,
    /// What becomes of it; an error ends the start.
    pub standing: Result<Status, Error>,
}

/// A default that is another with Traefik.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Default {
    /// The flag.
    pub flag: &'static Flag,
    /// Traefik's default.
    pub traefik: &'static str,
}

/// Reads what was typed. `usual` stands for what is not typed where nobody says how Traefik is started.
pub fn review(
    arguments: &[String],
    variables: &[(String, String)],
    usual: &[&str],
    files: Files<'_>,
) -> Result<Review, Error> {
    let usual: Vec<String> = usual.iter().map(|&flag| flag.to_owned()).collect();
    let mut taken: Vec<Typed> = raw::arguments(&usual, &[])?.typed;
    let mut parts = Vec::new();
    for read in raw::each(arguments) {
        match read {
            Ok(typed) => take(typed, &mut parts, &mut taken),
            Err(error) => parts.push(Part { name: named(&error), standing: Err(error) }),
        }
    }
    let mut warnings: Vec<Warning> = Vec::new();
    for variable in variables {
        match raw::variables(std::slice::from_ref(variable), &mut warnings) {
            Ok(all) => all.into_iter().for_each(|typed| take(typed, &mut parts, &mut taken)),
            Err(error) => parts.push(Part { name: variable.0.clone(), standing: Err(error) }),
        }
    }
    let (settings, config, conflict) = match read(taken, files) {
        Ok((settings, config)) => (settings, config, None),
        // Something goes wrong only together with something else: the rest is judged by what is usual.
        Err(error) => {
            let (settings, config) = read(raw::arguments(&usual, &[])?.typed, files)?;
            (settings, config, Some(error))
        }
    };
    Ok(Review {
        defaults: defaults(&settings, &config),
        parts,
        conflict,
        strict_prefix_typed: settings.get("providers.kubernetesIngress.strictPrefixMatching").is_some(),
        config,
    })
}

/// Whether a flag of this dotted name is in the table.
pub fn is_flag(key: &str) -> bool {
    raw::is_known(key)
}

fn take(typed: Typed, parts: &mut Vec<Part>, taken: &mut Vec<Typed>) {
    let standing = typed.standing();
    let name = typed.spelt.clone();
    if standing.is_ok() {
        taken.push(typed);
    }
    parts.push(Part { name, standing });
}

fn read(taken: Vec<Typed>, files: Files<'_>) -> Result<(raw::Settings, Config), Error> {
    let mut warnings = Vec::new();
    let settings = raw::Settings::read(taken, &[], files, &mut warnings)?;
    let config = meaning::of(&settings, false, files, &mut warnings)?;
    Ok((settings, config))
}

/// What an error is about, as it was typed.
fn named(error: &Error) -> String {
    match error {
        Error::Unknown { typed, .. } => typed.clone(),
        Error::MissingValue { flag, .. } => flag.clone(),
        Error::BadValue { origin, .. } | Error::Refused { origin, .. } => origin.clone(),
        other => other.to_string(),
    }
}

fn defaults(settings: &raw::Settings, config: &Config) -> Vec<Default> {
    let names: Vec<&str> = config.listeners.iter().map(|listener| &*listener.name).collect();
    let is_replaced = |flag: &Flag| {
        if flag.segments().iter().any(|part| is_name(part)) {
            !names.is_empty() && names.iter().all(|name| settings.get(&flag.key.replace("_name_", name)).is_some())
        } else {
            settings.get(flag.key).is_some()
        }
    };
    let differing = table::all().filter_map(|flag| Some(Default { flag, traefik: flag.traefik? }));
    differing.filter(|default| !is_replaced(default.flag)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reviewed(arguments: &[&str], variables: &[(&str, &str)]) -> Review {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let variables: Vec<_> = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        review(&arguments, &variables, &[], &|_| Err(std::io::ErrorKind::NotFound.into())).expect("a review")
    }

    fn standing<'a>(review: &'a Review, name: &str) -> &'a Result<Status, Error> {
        &review.parts.iter().find(|part| part.name == name).expect("a part of this name").standing
    }

    #[test]
    fn each_part_stands_as_the_table_says_and_one_that_is_refused_harms_no_other() {
        let review = reviewed(
            &[
                "--entryPoints.web.address=:80",
                "--providers.kubernetesIngress",
                "--providers.kubernetesIngress.throttleDuration=2s",
                "--providers.docker",
                "--tls.options=x",
                "--no.such=1",
                "--log.level=loud",
            ],
            &[("TRAEFIK_PING", "true"), ("PATH", "/bin")],
        );
        assert_eq!(*standing(&review, "--entryPoints.web.address"), Ok(Status::Supported));
        assert!(matches!(
            standing(&review, "--providers.kubernetesIngress.throttleDuration"),
            Ok(Status::WithoutEffect(_))
        ));
        assert!(matches!(standing(&review, "--providers.docker"), Ok(Status::NotYet(_))));
        assert!(matches!(standing(&review, "--tls.options"), Err(Error::Refused { .. })));
        assert!(matches!(standing(&review, "--no.such"), Err(Error::Unknown { .. })));
        assert!(matches!(standing(&review, "--log.level"), Err(Error::BadValue { .. })));
        assert_eq!(*standing(&review, "TRAEFIK_PING"), Ok(Status::Supported));
        assert_eq!((review.parts.len(), review.conflict.is_none()), (8, true));
        let names: Vec<_> = review.config.listeners.iter().map(|listener| &*listener.name).collect();
        assert_eq!(names, ["web"]);
    }

    #[test]
    fn a_default_that_differs_is_told_until_it_is_typed_for_all_entry_points() {
        let differs = |review: &Review, key: &str| review.defaults.iter().any(|default| default.flag.key == key);
        let size = "entryPoints._name_.http.maxHeaderBytes";
        let typed = ["--entryPoints.web.address=:80", "--entryPoints.web.http.maxHeaderBytes=1048576"];
        assert!(differs(&reviewed(&typed[..1], &[]), size));
        assert!(!differs(&reviewed(&typed, &[]), size));
        let both = [&typed[..], &["--entryPoints.other.address=:81"]].concat();
        assert!(differs(&reviewed(&both, &[]), size));
        assert!(!differs(&reviewed(&["--log.level=ERROR"], &[]), "log.level"));
    }

    #[test]
    fn what_is_switched_off_asks_for_nothing() {
        let review = reviewed(&["--providers.docker=false", "--tls.options=false"], &[]);
        assert!(
            review.parts.iter().all(|part| part.standing.as_ref().is_ok_and(|status| *status != Status::NotYet("")))
        );
        assert_eq!(*standing(&review, "--providers.docker"), Ok(Status::Supported));
    }
}
