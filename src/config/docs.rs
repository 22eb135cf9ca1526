//! The table of flags as `adit help` prints it. `docs/flags.md` is the same table, made by `tests/book`.

use std::fmt::Write;

use super::table::{Flag, Kind, SECTIONS, Section, Status};

const USAGE: &str = "\
adit, a Kubernetes ingress controller

Usage:
  adit [flags]                serve
  adit demo [flags]           serve the manifests and backends that adit brings along
  adit check PATH... [flags]  translate manifests (files, directories, - for standard input) and say what is wrong
  adit check --from traefik [PATH...] [--output text|json] [flags] [-- TRAEFIK'S FLAGS]
                              say what of an installation of Traefik is the same, different, or not there yet; PATHs
                              are manifests and values of Traefik's chart, without any the cluster that KUBECONFIG names
  adit shadow --traefik URL --adit URL FILE... [--host NAME] [--methods GET,HEAD] [--ignore HEADERS]
              [--concurrency 8] [--timeout 10s] [--insecure true] [--output text|json]
                              ask both the requests of the files (URLs, or an access log of Traefik's, - for standard
                              input) and say where their answers differ
  adit healthcheck [flags]    ask /ping of the adit that was started with these flags
  adit version                say which version this is
  adit help                   this text

Flags are typed --key=value in any case; a switch alone is true. The same keys are environment variables
(TRAEFIK_LOG_LEVEL or ADIT_LOG_LEVEL) and keys of a YAML or TOML file. Flags win over the environment, and that
over the file. _name_ is a name of your choice.
";

/// The text of `adit help`.
pub fn help() -> String {
    let mut text = USAGE.to_owned();
    for section in SECTIONS {
        let _ = write!(text, "\n{}:\n", section.title);
        for flag in supported(section) {
            let default = if flag.default.is_empty() { String::new() } else { format!(" [{}]", flag.default) };
            let _ =
                write!(text, "  --{}{}\n      {}{default}\n", key(flag), value(flag.kind), flag.doc.replace('`', ""));
        }
    }
    text
}

fn supported(section: &Section) -> impl Iterator<Item = &Flag> {
    section.flags.iter().filter(|flag| flag.status == Status::Supported)
}

/// Its key, and `.*` for all that is below a family's.
fn key(flag: &Flag) -> String {
    format!("{}{}", flag.key, if flag.kind == Kind::Family { ".*" } else { "" })
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::Group | Kind::Bool => String::new(),
        Kind::Integer => "=NUMBER".into(),
        Kind::Duration => "=DURATION".into(),
        Kind::Choice(words) => format!("={}", words.join("|")),
        Kind::Text | Kind::Family => "=TEXT".into(),
        Kind::List => "=A,B".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_command_and_every_supported_flag() {
        let help = help();
        for command in [
            "adit demo",
            "adit check PATH",
            "adit check --from traefik",
            "adit shadow",
            "adit healthcheck",
            "adit version",
            "adit help",
        ] {
            assert!(help.contains(command), "{command}");
        }
        for flag in SECTIONS.iter().flat_map(supported) {
            assert!(help.contains(&format!("  --{}", flag.key)), "{}", flag.key);
        }
    }
}
