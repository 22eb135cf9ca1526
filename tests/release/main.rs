//! What a release says of itself: one version, Cargo.toml's, wherever a user meets it, and a changelog in its form.
//! `deploy/release-check` looks at what only a release has: image, packages and bills of materials.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use support::gateway::Gateway;

#[path = "../support/mod.rs"]
mod support;

/// The sections of <https://keepachangelog.com/en/1.1.0/>, in its order.
const SECTIONS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

#[test]
fn the_program_says_the_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_adit")).arg("version").output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success());
    assert_eq!(text.lines().next(), Some(format!("Version:  {}", version()).as_str()), "{text}");
}

#[tokio::test]
async fn the_api_the_metrics_and_the_log_say_the_version() {
    let gateway = Gateway::start("", &[]).await;
    let version = version();
    let api: serde_json::Value = serde_json::from_str(&gateway.admin_text("/api/version").await).expect("JSON");
    assert_eq!(api["Version"], version.as_str());
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains(&format!("\nadit_build_info{{version=\"{version}\"}} 1\n")), "{metrics}");
    assert!(gateway.log().contains(&format!("\"version\":\"{version}\"")), "{}", gateway.log());
}

#[test]
fn the_chart_the_manifests_and_the_pages_name_the_version() {
    let version = version();
    let chart = read("deploy/chart/Chart.yaml");
    for key in ["version", "appVersion"] {
        assert!(chart.lines().any(|line| line == format!("{key}: {version}")), "{key} of the chart:\n{chart}");
    }
    let image = Regex::new(r"\badit:(\d+\.\d+\.\d+\S*?)[`\s]").expect("a valid expression");
    for file in ["deploy/deployment.yaml", "README.md", "docs/install.md"] {
        let text = read(file);
        let named: BTreeSet<&str> =
            image.captures_iter(&text).filter_map(|found| Some(found.get(1)?.as_str())).collect();
        assert_eq!(named, BTreeSet::from([version.as_str()]), "{file}");
    }
}

#[test]
fn the_changelog_has_the_version_and_keeps_its_form() {
    let text = read("CHANGELOG.md");
    let release =
        Regex::new(r"^\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-(0\d|1[0-2])-([0-2]\d|3[01])$").expect("a valid expression");
    let (mut releases, mut sections) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.clear();
            match release.captures(heading) {
                Some(found) => {
                    let part = |index: usize| found[index].parse::<u32>().expect("a number");
                    releases.push([part(1), part(2), part(3)]);
                }
                None => assert!(heading == "[Unreleased]" && releases.is_empty(), "## {heading}"),
            }
        } else if let Some(heading) = line.strip_prefix("### ") {
            assert!(SECTIONS.contains(&heading), "### {heading}");
            assert!(!sections.contains(&heading), "### {heading} twice in one version");
            sections.push(heading);
        }
    }
    assert!(releases.is_sorted_by(|newer, older| newer > older), "{releases:?}");
    let newest = releases.first().map(|[major, minor, patch]| format!("{major}.{minor}.{patch}"));
    assert_eq!(newest, Some(version()), "the newest release in CHANGELOG.md is not Cargo.toml's version");
}

/// What Cargo.toml says, read here and not by the compiler.
fn version() -> String {
    let manifest = read("Cargo.toml");
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = \"")).expect("a version");
    line.trim_end_matches('"').to_owned()
}

fn read(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
