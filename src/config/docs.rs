//! The table of flags as people read it: `adit --help`, and the configuration section of README.md.

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
                write!(text, "  --{}{}\n      {}{default}\n", flag.key, value(flag.kind), flag.doc.replace('`', ""));
        }
    }
    text
}

/// The configuration section of README.md, in Markdown.
pub fn markdown() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let _ = write!(text, "{}| flag | default | |\n|---|---|---|\n", folded(section.title));
        for flag in supported(section) {
            let default = if flag.default.is_empty() { String::new() } else { format!("`{}`", flag.default) };
            let _ = writeln!(text, "| `{}` | {default} | {} |", flag.key, flag.doc);
        }
        text.push_str("\n</details>\n");
    }
    others(&mut text, "Accepted without effect", |status| match status {
        Status::WithoutEffect(reason) => Some(reason),
        _ => None,
    });
    others(&mut text, "Accepted with a warning, for they are not done yet", |status| match status {
        Status::NotYet(consequence) => Some(consequence),
        _ => None,
    });
    others(&mut text, "Refused at start, for ignoring them would weaken security", |status| match status {
        Status::Refused(why) => Some(why),
        _ => None,
    });
    text
}

/// The beginning of a part that readers unfold: the page stays one page.
fn folded(title: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n")
}

fn supported(section: &Section) -> impl Iterator<Item = &Flag> {
    section.flags.iter().filter(|flag| flag.status == Status::Supported)
}

/// One line for each reason, with all flags that share it.
fn others(text: &mut String, title: &str, reason: impl Fn(Status) -> Option<&'static str>) {
    let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
    for flag in SECTIONS.iter().flat_map(|section| section.flags) {
        let Some(reason) = reason(flag.status) else { continue };
        let below = if flag.kind == Kind::Family { ".*" } else { "" };
        let key = format!("`{}{below}`", flag.key);
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, keys)) => keys.push(key),
            None => by_reason.push((reason, vec![key])),
        }
    }
    let _ = write!(text, "{}| flags | |\n|---|---|\n", folded(title));
    for (reason, keys) in by_reason {
        let _ = writeln!(text, "| {} | {reason} |", keys.join(", "));
    }
    text.push_str("\n</details>\n");
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::Group | Kind::Bool | Kind::Family => String::new(),
        Kind::Integer => "=NUMBER".into(),
        Kind::Duration => "=DURATION".into(),
        Kind::Choice(words) => format!("={}", words.join("|")),
        Kind::Text => "=TEXT".into(),
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

    #[test]
    fn the_table_for_readers_has_every_flag_once() {
        let markdown = markdown();
        for flag in SECTIONS.iter().flat_map(|section| section.flags) {
            let keys = [format!("`{}`", flag.key), format!("`{}.*`", flag.key)];
            let found: usize = keys.iter().map(|key| markdown.matches(key.as_str()).count()).sum();
            assert_eq!(found, 1, "{}", flag.key);
        }
    }

    /// README.md is rewritten with `ADIT_UPDATE=1 cargo test readme`.
    #[test]
    fn the_readme_has_the_table_of_flags() {
        const MARKERS: [&str; 2] = ["<!-- flags -->\n", "<!-- /flags -->"];
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = std::fs::read_to_string(&path).expect("README.md is there");
        let (before, rest) = readme.split_once(MARKERS[0]).expect("README.md has a line <!-- flags -->");
        let (section, after) = rest.split_once(MARKERS[1]).expect("README.md has a line <!-- /flags -->");
        if std::env::var_os("ADIT_UPDATE").is_some() {
            let text = format!("{before}{}{}{}{after}", MARKERS[0], markdown(), MARKERS[1]);
            std::fs::write(&path, text).expect("README.md can be written");
            return;
        }
        assert!(section == markdown(), "README.md's table of flags is old: run ADIT_UPDATE=1 cargo test readme");
    }
}
