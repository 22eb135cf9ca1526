//! The pages of `docs/` that say what the code's tables say: their marked regions are those tables, and what has no
//! region leaves out no word that a table has. `ADIT_UPDATE=1 cargo test --test book` rewrites the regions.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use adit::config::table::{Flag, Kind, SECTIONS, Status};
use adit::proxy::Error;
use adit::route::{Code, Listener};
use adit::telemetry::meters::{METRICS, MethodLabel, ProtocolLabel, Refusal, Retry, SpanLoss, Wait};
use adit::translate::{ANNOTATIONS, Annotation, Scope, Support};

#[test]
fn the_page_of_flags_has_them_all() {
    hold("flags.md", "flags", &flags());
}

#[test]
fn the_differences_from_traefik_name_every_default_that_is_another() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let (_, rest) = readme.split_once("<!-- ANCHOR: differences -->").expect("the table's beginning");
    let (table, _) = rest.split_once("<!-- ANCHOR_END: differences -->").expect("the table's end");
    let all = SECTIONS.iter().flat_map(|section| section.flags).filter(|flag| flag.traefik.is_some());
    let last = |flag: &Flag| flag.key.rsplit('.').next().unwrap_or(flag.key);
    let missing: Vec<_> =
        all.filter(|flag| !table.contains(&format!("{}`", last(flag)))).map(|flag| flag.key).collect();
    assert!(missing.is_empty(), "README.md's table of differences has no line about {missing:?}");
}

#[test]
fn the_page_of_flags_has_each_once() {
    let page = flags();
    for flag in SECTIONS.iter().flat_map(|section| section.flags) {
        let rows = [format!("| `{}`", flag.key), format!("| `{}.*`", flag.key)];
        let found: usize = rows.iter().map(|row| page.matches(row.as_str()).count()).sum();
        assert_eq!(found, 1, "{}", flag.key);
    }
}

/// What grows with the product is a page of the handbook, which README points to.
#[test]
fn the_readme_is_one_page_and_points_to_the_flags() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md is there");
    let lines = readme.lines().count();
    assert!(lines <= 120, "README.md has {lines} lines");
    assert!(readme.contains("](docs/flags.md)"), "README.md does not say where the flags are");
}

#[test]
fn the_page_of_annotations_has_them_all() {
    hold("annotations.md", "annotations", &annotations());
}

#[test]
fn the_page_of_metrics_has_them_all() {
    hold("metrics.md", "metrics", &metrics());
}

#[test]
fn the_page_of_problems_has_them_all() {
    hold("problems.md", "problems", &problems());
}

#[test]
fn the_page_of_troubleshooting_has_every_answer_of_adits_own() {
    hold("troubleshooting.md", "answers", &answers());
}

#[test]
fn the_answers_leave_out_no_error_of_a_request() {
    let source = fs::read_to_string(root().join("src/proxy/error.rs")).expect("a readable source file");
    let (_, rest) = source.split_once("pub enum Error {\n").expect("the enum of errors");
    let (body, _) = rest.split_once("\n}").expect("its end");
    let variants = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    let name = |text: &str| text.split('(').next().unwrap_or_default().to_owned();
    let mut variants: Vec<String> = variants.filter(|line| !line.starts_with("//")).map(name).collect();
    let mut told: Vec<String> = Error::EACH.iter().map(|error| name(&format!("{error:?}"))).collect();
    variants.sort_unstable();
    told.sort_unstable();
    told.dedup();
    assert!(variants.len() > 20, "{variants:?}");
    assert_eq!(told, variants, "Error::EACH");
}

#[test]
fn every_value_of_a_label_is_explained() {
    let page = page("metrics.md");
    let reasons = Retry::ALL.iter().map(|reason| reason.as_str());
    let uses = ProtocolLabel::ALL.iter().map(|label| label.as_str()).chain([MethodLabel::Extension.as_str()]);
    let waits = Wait::ALL.iter().map(|outcome| outcome.as_str());
    let losses = SpanLoss::ALL.iter().map(|reason| reason.as_str());
    let missing: Vec<_> =
        reasons.chain(uses).chain(waits).chain(losses).filter(|value| !page.contains(&format!("`{value}`"))).collect();
    assert!(missing.is_empty(), "docs/metrics.md does not say what these mean: {missing:?}");
}

#[test]
fn every_problem_has_a_heading_of_its_own_and_no_other_heading_is_there() {
    let source = fs::read_to_string(root().join("src/route/problem.rs")).expect("a readable source file");
    let (_, rest) = source.split_once("pub enum Code {\n").expect("the enum of codes");
    let (body, _) = rest.split_once("\n}").expect("its end");
    let variants = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    let mut codes: Vec<String> = variants.filter(|line| !line.starts_with("///")).map(kebab).collect();
    let page = page("problems.md");
    let mut headings: Vec<String> =
        page.lines().filter_map(|line| Some(line.strip_prefix("## ")?.to_owned())).collect();
    codes.sort_unstable();
    headings.sort_unstable();
    assert!(codes.len() > 10, "{codes:?}");
    assert_eq!(headings, codes, "docs/problems.md");
}

/// Compares the region of a page with `text`, or writes it there.
fn hold(name: &str, region: &str, text: &str) {
    let (begin, end) = (format!("<!-- {region} -->\n"), format!("<!-- /{region} -->"));
    let page = page(name);
    let (before, rest) = page.split_once(&begin).expect("the region's first line");
    let (found, after) = rest.split_once(&end).expect("the region's last line");
    if std::env::var_os("ADIT_UPDATE").is_some() {
        let text = format!("{before}{begin}{text}{end}{after}");
        fs::write(root().join("docs").join(name), text).expect("docs can be written");
        return;
    }
    assert!(found == text, "docs/{name} is old: run ADIT_UPDATE=1 cargo test --test book");
}

fn problems() -> String {
    let mut codes = Code::ALL.map(|code| (code.to_string(), code.explain()));
    codes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut text = String::new();
    for (code, explanation) in codes {
        let _ = write!(text, "\n## {code}\n\n{}\n\n**To do:** {}\n", explanation.what, explanation.mend);
        if !explanation.look.is_empty() {
            let _ = write!(text, "\n```sh\n{}\n```\n", explanation.look);
        }
    }
    text
}

/// What clients get of adit itself, by reason.
fn answers() -> String {
    let limits = Listener::new("web", ":80");
    let mut text = String::from("\n| client gets | `reason` | why | what to do |\n|---|---|---|---|\n");
    for reason in Refusal::ALL {
        let meaning = reason.explain();
        // Nobody is there to get that one.
        let errors = Error::EACH.iter().filter(|error| error.reason() == *reason && **error != Error::ClientGone);
        let answer = |error: &Error| format!("{} `{}`", error.status().as_u16(), error.body(&limits).trim_end());
        let mut gets: Vec<String> = errors.map(answer).collect();
        gets.extend((!meaning.seen.is_empty()).then(|| meaning.seen.to_owned()));
        let mend = meaning.mend[..1].to_uppercase() + &meaning.mend[1..];
        let end = if mend.ends_with('?') { "" } else { "." };
        let _ = writeln!(text, "| {} | `{reason}` | {} | {mend}{end} |", gets.join("<br>"), meaning.why);
        assert!(!gets.is_empty(), "what a client gets for {reason}");
    }
    text
}

fn flags() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let _ = write!(text, "\n## {}\n\n| flag | what it does |\n|---|---|\n", section.title);
        for flag in section.flags.iter().filter(|flag| flag.status == Status::Supported) {
            let default =
                if flag.default.is_empty() { String::new() } else { format!("; `{}` by default", flag.default) };
            let other = flag.traefik.map(|default| format!(", with Traefik `{default}`")).unwrap_or_default();
            let below = if flag.kind == Kind::Family { ".*" } else { "" };
            let value = value(flag.kind);
            let _ = writeln!(text, "| `{}{below}`<br>{value}{default}{other} | {} |", flag.key, flag.doc);
        }
    }
    others(&mut text, "Accepted without effect", "because", |status| match status {
        Status::WithoutEffect(reason) => Some(reason),
        _ => None,
    });
    others(&mut text, "Accepted with a warning", "what is missing", |status| match status {
        Status::NotYet(consequence) => Some(consequence),
        _ => None,
    });
    others(&mut text, "Refused at start", "because", |status| match status {
        Status::Refused(why) => Some(why),
        _ => None,
    });
    text
}

fn others(text: &mut String, title: &str, column: &str, reason: impl Fn(Status) -> Option<&'static str>) {
    let _ = write!(text, "\n## {title}\n\n| flag | {column} |\n|---|---|\n");
    let all = SECTIONS.iter().flat_map(|section| section.flags);
    for (flag, reason) in all.filter_map(|flag: &Flag| Some((flag, reason(flag.status)?))) {
        let below = if flag.kind == Kind::Family { ".*" } else { "" };
        let _ = writeln!(text, "| `{}{below}` | {reason} |", flag.key);
    }
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::Group | Kind::Bool => "true or false".into(),
        Kind::Integer => "a number".into(),
        Kind::Duration => "a duration".into(),
        Kind::Choice(words) => format!("one of `{}`", words.join("`, `")),
        Kind::Text | Kind::Family => "text".into(),
        Kind::List => "a list".into(),
    }
}

fn annotations() -> String {
    let mut text = String::new();
    for (scope, title) in [(Scope::Ingress, "On an Ingress"), (Scope::Service, "On a Service")] {
        let _ = write!(text, "\n## {title}\n\n| annotation | what it does |\n|---|---|\n");
        let scoped = |annotation: &&Annotation| annotation.scope == scope;
        for annotation in ANNOTATIONS.iter().filter(scoped) {
            let effect = match annotation.support {
                Support::Supported => "",
                Support::Ignored => "**No effect yet**, with a warning: ",
                Support::FailsClosed => "**Answers 503**: ",
            };
            let _ = writeln!(text, "| `{}` | {effect}{} |", annotation.name, annotation.doc);
        }
    }
    text
}

fn metrics() -> String {
    let mut text = String::new();
    for (prefix, title) in
        [("traefik_", "Under Traefik's names"), ("adit_", "adit's own"), ("process_", "Of the process")]
    {
        let _ = write!(text, "\n## {title}\n\n| metric | what it says |\n|---|---|\n");
        for metric in METRICS.iter().filter(|metric| metric.name.starts_with(prefix)) {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let by = if labels.is_empty() { String::new() } else { format!(" by {}", labels.join(", ")) };
            let kind = format!("{:?}", metric.kind).to_lowercase();
            let _ = writeln!(text, "| `{}`<br>{kind}{by} | {} |", metric.name, metric.help);
        }
    }
    let missing = METRICS.iter().find(|metric| !text.contains(&format!("`{}`", metric.name)));
    assert!(missing.is_none(), "a metric under a prefix that the page does not have: {missing:?}");
    text
}

/// `HostTaken` as it is written in reports: `host-taken`.
fn kebab(variant: &str) -> String {
    let mut text = String::new();
    for char in variant.chars() {
        if char.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(char.to_ascii_lowercase());
    }
    text
}

fn page(name: &str) -> String {
    let path = root().join("docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
