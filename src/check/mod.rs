//! `adit check`: reads manifests, translates them as the gateway would, and prints the routes and every problem; and,
//! `--from traefik`, what would be another with adit ([`traefik`]).

mod found;
pub mod traefik;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::route::Severity;
use crate::source::directory::read_all;
use crate::source::manifest;
use crate::translate::{self, Settings};
use found::Found;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All traffic is served, though perhaps with warnings.
    Sound,
    /// Some traffic would be refused.
    Unsound,
    /// Something could not be read.
    Unreadable,
}

impl Verdict {
    /// The exit code: 0, 1 or 2.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Sound => 0,
            Self::Unsound => 1,
            Self::Unreadable => 2,
        }
    }
}

/// Checks the manifests at `paths`: files, directories, or `-` for `stdin`. Writes the route table and the problems to
/// `out`, and what cannot be read to `errors`.
pub fn run(
    paths: &[PathBuf],
    settings: &Settings,
    mut stdin: impl Read,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> io::Result<Verdict> {
    if paths.is_empty() {
        writeln!(errors, "adit check: name the manifests to read: files, directories, or - for standard input")?;
        return Ok(Verdict::Unreadable);
    }
    let mut found = Found::default();
    for path in paths {
        match texts(path, &mut stdin) {
            Ok(texts) => texts.iter().for_each(|(path, text)| found.take(path, manifest::parse(text))),
            Err(error) => {
                writeln!(errors, "adit check: {}: {error}", path.display())?;
                return Ok(Verdict::Unreadable);
            }
        }
    }
    let output = translate::translate(&found.objects, settings);
    write!(out, "{}", translate::render(&output, settings))?;
    let problems = &output.report.problems;
    let wrong = found.undecodable.len().saturating_add(problems.len());
    if wrong > 0 {
        writeln!(out, "\n{wrong} {}:", if wrong == 1 { "problem" } else { "problems" })?;
    }
    for problem in &found.undecodable {
        writeln!(out, "error undecodable {problem}; correct the document: the API server would refuse it too")?;
    }
    for problem in problems {
        writeln!(out, "{problem}")?;
    }
    if found.objects.ingresses.is_empty() {
        writeln!(errors, "adit check: no Ingress among {} objects", found.keys.len())?;
    }
    let unsound = !found.undecodable.is_empty() || problems.iter().any(|problem| problem.severity == Severity::Error);
    Ok(if unsound { Verdict::Unsound } else { Verdict::Sound })
}

/// The manifests at a path, and their text; `-` is `stdin`.
fn texts(path: &Path, stdin: &mut impl Read) -> io::Result<Vec<(PathBuf, String)>> {
    if path != Path::new("-") {
        return read_all(path);
    }
    let mut text = String::new();
    stdin.read_to_string(&mut text)?;
    Ok(vec![("standard input".into(), text)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::ListenerSet;

    const SERVED: &str = "
kind: Service
metadata: {name: weather}
spec: {ports: [{port: 80}]}
---
kind: Ingress
metadata: {name: weather}
spec:
  rules:
  - host: weather.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: weather, port: {number: 80}}}}]}
";

    fn settings() -> Settings {
        let listener = translate::ListenerInfo { name: "web".into(), tls: false };
        Settings {
            listeners: vec![listener],
            default_listeners: ListenerSet(1),
            strict_prefix_matching: true,
            ..Settings::default()
        }
    }

    fn check(paths: &[&str], stdin: &str) -> (Verdict, String, String) {
        let paths: Vec<_> = paths.iter().map(PathBuf::from).collect();
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let verdict = run(&paths, &settings(), stdin.as_bytes(), &mut out, &mut errors).expect("memory can be written");
        let text = |bytes| String::from_utf8(bytes).expect("the output is text");
        (verdict, text(out), text(errors))
    }

    #[test]
    fn sound_manifests_print_their_routes_and_nothing_else() {
        let (verdict, out, errors) = check(&["-"], SERVED);
        assert_eq!((verdict, verdict.exit_code()), (Verdict::Sound, 0), "{out}{errors}");
        assert!(out.starts_with("weather.example\n"), "{out}");
        assert!(!out.contains("problem"), "{out}");
        assert_eq!(errors, "");
    }

    #[test]
    fn the_demos_manifests_are_sound_as_they_lie_in_the_repository() {
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/demo");
        let mut settings = settings();
        settings.listeners.push(translate::ListenerInfo { name: "websecure".into(), tls: true });
        let paths = [PathBuf::from(demo)];
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let verdict = run(&paths, &settings, &b""[..], &mut out, &mut errors).expect("memory can be written");
        assert_eq!(verdict, Verdict::Sound, "{}", String::from_utf8_lossy(&out));
    }

    #[test]
    fn a_missing_service_is_an_error_that_names_object_field_and_remedy() {
        let (verdict, out, _) = check(&["-"], &SERVED.replace("kind: Service", "kind: Elsewhere"));
        assert_eq!((verdict, verdict.exit_code()), (Verdict::Unsound, 1), "{out}");
        assert!(out.contains("error service-not-found Ingress default/weather spec.rules[0]"), "{out}");
    }

    #[test]
    fn a_document_that_cannot_be_read_is_an_error_and_harms_only_itself() {
        let (verdict, out, _) = check(&["-"], &format!("{SERVED}---\nkind: Ingress\nmetadata: {{name: b}}\nspec: 5\n"));
        assert_eq!(verdict, Verdict::Unsound);
        assert!(out.starts_with("weather.example\n"), "{out}");
        assert!(out.contains("error undecodable standard input, document 3 (Ingress b): "), "{out}");
    }

    #[test]
    fn an_object_given_twice_is_an_error() {
        let (verdict, out, _) = check(&["-"], &format!("{SERVED}---\n{SERVED}"));
        assert_eq!(verdict, Verdict::Unsound);
        assert!(out.contains("Ingress default/weather is given twice"), "{out}");
    }

    #[test]
    fn a_path_that_does_not_exist_is_named() {
        let (verdict, _, errors) = check(&["no/such/path"], "");
        assert_eq!((verdict, verdict.exit_code()), (Verdict::Unreadable, 2));
        assert!(errors.contains("no/such/path"), "{errors}");
        assert_eq!(check(&[], "").0, Verdict::Unreadable);
    }
}
