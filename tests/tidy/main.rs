//! Holds the source to the rules of ARCHITECTURE.md that the compiler does not: layers, file length, reasons.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// What each module of the crate may name of the others. `app` and `main` wire everything and may name all.
const LAYERS: &[(&str, &[&str])] = &[
    ("objects", &[]),
    ("route", &[]),
    ("telemetry", &["route"]),
    ("config", &["objects", "route", "telemetry"]),
    ("source", &["objects", "telemetry"]),
    ("translate", &["objects", "route"]),
    ("control", &["objects", "route", "source", "telemetry", "translate"]),
    ("check", &["config", "objects", "route", "source", "translate"]),
    ("proxy", &["route", "telemetry"]),
    ("fuzzing", &["config", "objects", "proxy", "route", "source", "telemetry", "translate"]),
    ("admin", &["config", "proxy", "route", "telemetry"]),
    ("shadow", &["config", "proxy"]),
    ("demo", &["config", "objects", "proxy", "route", "telemetry"]),
];

/// Who alone may name a crate (or a part of std), and why. Wiring may name all but `anyhow`, which is `main`'s.
const CRATES: &[(&str, &[&str], &str)] = &[
    ("anyhow", &["main"], "everything else has an error type of its own"),
    ("kube", &["control", "source"], "the rest must work without a cluster"),
    ("k8s_openapi", &["control", "source"], "what is read of the API's objects is decided where they come in"),
    ("notify", &["source"], "only a source watches"),
    ("serde_saphyr", &["config", "source"], "text is parsed where it comes in"),
    ("hyper", &["admin", "demo", "proxy", "shadow", "telemetry"], "translation knows no connections"),
    ("tokio_rustls", &["proxy", "shadow", "telemetry"], "what is trusted is decided in `proxy::client_config` alone"),
    ("arc_swap", &["proxy"], "the table is a value; only the proxy swaps it"),
    (
        "tokio",
        &["admin", "control", "demo", "proxy", "shadow", "source", "telemetry"],
        "contracts and translation do no I/O",
    ),
    ("std::fs", &["check", "control", "demo", "source", "telemetry"], "the rest is given text"),
    ("std::env", &["control", "demo", "source"], "settings come in one way"),
    (
        "std::time::SystemTime",
        &["admin", "control", "demo", "proxy", "source", "telemetry"],
        "translation has no clock",
    ),
    ("std::time::Instant", &["admin", "control", "demo", "proxy", "source", "telemetry"], "translation has no clock"),
];

/// The most lines of a file, its tests not counted. Past it there is a second idea inside.
const LONGEST: usize = 500;

/// Files that may be longer, each with its reason.
const LONGER: &[(&str, &str)] = &[];

struct Source {
    /// Below `src`, with `/`.
    path: String,
    /// The first component: its layer.
    module: String,
    /// Its lines up to the tests, comments blanked.
    code: Vec<String>,
}

#[test]
fn modules_name_only_the_layers_below_them() {
    let inner = Regex::new(r"\b(?:crate|adit)::(\{[^;]*\}|[a-z_]+)").expect("a valid expression");
    let name = Regex::new(r"[a-z_]+").expect("a valid expression");
    check(|source| {
        let Some((_, allowed)) = LAYERS.iter().find(|(module, _)| *module == source.module) else {
            let known = ["app", "main", "lib"].contains(&source.module.as_str());
            return if known { vec![] } else { vec!["is in no layer: name it in tests/tidy".to_owned()] };
        };
        let text = source.code.join("\n");
        inner
            .captures_iter(&text)
            .flat_map(|found| {
                top_level(&found[1]).filter_map(|part| Some(name.find(part)?.as_str().to_owned())).collect::<Vec<_>>()
            })
            .filter(|named| *named != source.module && LAYERS.iter().any(|(module, _)| module == named))
            .filter(|named| !allowed.contains(&named.as_str()))
            .map(|named| format!("`{}` may not name `{named}`", source.module))
            .collect()
    });
}

#[test]
fn crates_are_named_only_where_they_belong() {
    let rules: Vec<_> = CRATES
        .iter()
        .map(|(name, modules, reason)| {
            let used = Regex::new(&format!(r"\buse {name}\b|(?:^|[^\w:]){name}::")).expect("a valid expression");
            (name, modules, reason, used)
        })
        .collect();
    check(|source| {
        let mut findings = Vec::new();
        for (name, modules, reason, used) in &rules {
            let wiring = ["app", "lib", "main"].contains(&source.module.as_str()) && **name != "anyhow";
            if !wiring && !modules.contains(&source.module.as_str()) {
                let lines = source.code.iter().filter(|line| used.is_match(line));
                findings.extend(lines.map(|line| format!("names {name} ({reason}): {}", line.trim())));
            }
        }
        findings
    });
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    check(|source| {
        let mut findings = Vec::new();
        let longer = LONGER.iter().any(|(path, reason)| *path == source.path && !reason.is_empty());
        if source.code.len() > LONGEST && !longer {
            findings.push(format!("has {} lines before its tests: find the second idea in it", source.code.len()));
        }
        let text = fs::read_to_string(root().join("src").join(&source.path)).expect("a file that was just read");
        if !text.starts_with("//! ") {
            findings.push("does not start with a `//!` sentence".to_owned());
        }
        findings
    });
    let gone = LONGER.iter().find(|(path, _)| !root().join("src").join(path).exists());
    assert!(gone.is_none(), "an exception for a file that is gone: {gone:?}");
}

#[test]
fn nothing_is_left_for_later() {
    let later = Regex::new(r"\b(todo|unimplemented)!|\b(TODO|FIXME|XXX)\b").expect("a valid expression");
    let mut findings = Vec::new();
    for directory in ["src", "tests", "benches"] {
        for file in rust_files(&root().join(directory)).into_iter().filter(|file| !file.ends_with("tidy/main.rs")) {
            let text = fs::read_to_string(&file).expect("a readable source file");
            let lines = text.lines().enumerate().filter(|(_, line)| later.is_match(line));
            findings.extend(lines.map(|(number, line)| format!("{}:{}: {}", file.display(), number + 1, line.trim())));
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn every_dependency_says_what_it_is_for_and_unsafe_code_is_forbidden() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    assert!(manifest.contains("unsafe_code = \"forbid\""), "Cargo.toml must forbid unsafe code");
    let mut dependencies = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            dependencies = line.contains("dependencies");
        } else if dependencies && line.contains('=') && !line.starts_with('#') {
            assert!(line.contains(" # "), "what is it for? {line}");
        }
    }
}

/// Runs a rule over every file of `src` and shows all its findings at once.
fn check(rule: impl Fn(&Source) -> Vec<String>) {
    let findings: Vec<String> = sources()
        .iter()
        .flat_map(|source| {
            rule(source).into_iter().map(|finding| format!("src/{}: {finding}", source.path)).collect::<Vec<_>>()
        })
        .collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

fn sources() -> Vec<Source> {
    let root = root().join("src");
    let read = |file: PathBuf| {
        let path = file.strip_prefix(&root).expect("a file below src").to_string_lossy().replace('\\', "/");
        let module = path.split(['/', '.']).next().unwrap_or_default().to_owned();
        let text = fs::read_to_string(&file).expect("a readable source file");
        // A file that is all tests is declared under cfg(test) by its parent.
        let tests = path.ends_with("/tests.rs") || path.contains("/tests/");
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]" && !tests);
        let blank = |line: &str| if line.trim_start().starts_with("//") { "" } else { line }.to_owned();
        Source { path, module, code: lines.map(blank).collect() }
    };
    rust_files(&root).into_iter().map(read).collect()
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("a readable directory").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The names of `{a, b::{c, d}}` that stand at its first level, or the one name given.
fn top_level(tree: &str) -> impl Iterator<Item = &str> {
    let inside = tree.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(tree);
    let mut depth = 0_i32;
    inside
        .split(move |c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        })
        .map(str::trim)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
