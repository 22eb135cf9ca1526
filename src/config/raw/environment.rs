//! Environment variables: `TRAEFIK_ENTRYPOINTS_WEB_ADDRESS`, or the same with `ADIT_`, which comes first.
//!
//! Kubernetes puts variables of its own into every pod beside a Service named `traefik` or `adit`
//! (`TRAEFIK_SERVICE_HOST`, `TRAEFIK_PORT_80_TCP`): they are no settings, and must not keep adit from starting.

use super::super::error::{Error, Warning};
use super::super::table::{self, Kind, segments};
use super::key::{self, Spelling};
use super::{Origin, Typed};

const PREFIXES: [(&str, Origin); 2] = [("TRAEFIK_", Origin::Environment), ("ADIT_", Origin::OwnEnvironment)];

/// Reads the variables that are ours.
pub(crate) fn read(variables: &[(String, String)], warnings: &mut Vec<Warning>) -> Result<Vec<Typed>, Error> {
    let mut read = Vec::new();
    for (prefix, origin) in PREFIXES {
        for (name, value) in variables {
            let Some(rest) = name.to_ascii_uppercase().strip_prefix(prefix).map(str::to_ascii_lowercase) else {
                continue;
            };
            let parts: Vec<&str> = rest.split('_').collect();
            let key = key::find(&parts, Spelling::Underscored);
            if is_service_link(&parts) && key.as_ref().is_none_or(|key| key.flag.kind == Kind::Family) {
                continue;
            }
            let Some(key) = key else {
                unknown(name, prefix, &parts, warnings)?;
                continue;
            };
            read.push(Typed { key, value: value.clone(), origin, spelt: name.clone() });
        }
    }
    Ok(read)
}

/// A misspelt setting ends the start; other people's variables (an image's `TRAEFIK_VERSION`) are one warning each.
fn unknown(name: &str, prefix: &str, parts: &[&str], warnings: &mut Vec<Warning>) -> Result<(), Error> {
    let nearest = key::nearest(parts);
    if nearest.is_none() && !has_known_root(parts) {
        warnings.push(Warning(format!("{name} is no setting of adit and is ignored")));
        return Ok(());
    }
    let spell =
        |nearest: String| format!("{prefix}{}", segments(&nearest).collect::<Vec<_>>().join("_").to_uppercase());
    Err(Error::Unknown {
        what: "environment variable",
        typed: name.to_owned(),
        file: None,
        nearest: nearest.map(spell),
    })
}

fn has_known_root(parts: &[&str]) -> bool {
    let root = parts.first().copied().unwrap_or_default();
    table::all().any(|flag| flag.segments().first().is_some_and(|known| known.eq_ignore_ascii_case(root)))
}

/// The variables by which Kubernetes and Docker links tell a pod of Services: `X_SERVICE_HOST`, `X_SERVICE_PORT`,
/// `X_SERVICE_PORT_WEB`, `X_PORT`, `X_PORT_80_TCP`, `X_PORT_80_TCP_ADDR`.
fn is_service_link(parts: &[&str]) -> bool {
    let port = |rest: &[&str]| match rest {
        [] => true,
        [number, protocol, rest @ ..] => {
            number.bytes().all(|byte| byte.is_ascii_digit())
                && ["tcp", "udp", "sctp"].contains(protocol)
                && matches!(rest, [] | ["proto" | "port" | "addr"])
        }
        [_] => false,
    };
    parts.iter().enumerate().any(|(at, part)| {
        let rest = parts.get(at + 1..).unwrap_or_default();
        match *part {
            "port" => port(rest),
            "service" => matches!(rest, ["host"] | ["port", ..]),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (Vec<(String, String)>, Vec<Warning>);

    fn read(variables: &[(&str, &str)]) -> Result<Read, Error> {
        let variables: Vec<_> = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut warnings = Vec::new();
        let typed = super::read(&variables, &mut warnings)?;
        Ok((typed.into_iter().map(|typed| (typed.key.path, typed.value)).collect(), warnings))
    }

    #[test]
    fn variables_are_keys_with_underscores() {
        let (typed, _) =
            read(&[("TRAEFIK_ENTRYPOINTS_WEB_ADDRESS", ":80"), ("PATH", "/bin")]).expect("known variables");
        assert_eq!(typed, [("entrypoints.web.address".to_owned(), ":80".to_owned())]);
    }

    #[test]
    fn our_own_prefix_does_as_well() {
        let (typed, _) = read(&[("ADIT_LOG_LEVEL", "WARN")]).expect("known variables");
        assert_eq!(typed, [("log.level".to_owned(), "WARN".to_owned())]);
    }

    #[test]
    fn what_kubernetes_says_of_a_service_named_traefik_is_not_a_setting() {
        let links = [
            "TRAEFIK_SERVICE_HOST",
            "TRAEFIK_SERVICE_PORT",
            "TRAEFIK_SERVICE_PORT_WEB",
            "TRAEFIK_PORT",
            "TRAEFIK_PORT_80_TCP",
            "TRAEFIK_PORT_80_TCP_PROTO",
            "TRAEFIK_METRICS_SERVICE_HOST",
            "TRAEFIK_TRACING_SERVICE_HOST",
            "TRAEFIK_API_PORT_8080_TCP_ADDR",
            "ADIT_ADMIN_SERVICE_PORT_HTTP",
        ];
        let variables: Vec<_> = links.iter().map(|&name| (name, "10.96.0.7")).collect();
        assert_eq!(read(&variables).expect("no settings"), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_misspelt_variable_names_the_nearest_one() {
        let error = read(&[("TRAEFIK_ENTRYPOINTS_WEB_ADRESS", ":80")]).expect_err("no such variable");
        assert_eq!(
            error.to_string(),
            "unknown environment variable TRAEFIK_ENTRYPOINTS_WEB_ADRESS; did you mean TRAEFIK_ENTRYPOINTS_WEB_ADDRESS?"
        );
    }

    #[test]
    fn an_image_that_notes_its_version_starts_with_a_warning() {
        let (typed, warnings) = read(&[("TRAEFIK_VERSION", "v3.7.11")]).expect("no setting");
        assert!(typed.is_empty());
        assert_eq!(warnings, [Warning("TRAEFIK_VERSION is no setting of adit and is ignored".into())]);
    }
}
