//! `adit check --from traefik` on installations as people have them.

use super::{adit, stderr, stdout};

const CLASSIC: &str = include_str!("../cluster/manifests/classic.yaml");
const CHART: &str = include_str!("../cluster/manifests/chart.yaml");

#[test]
fn the_classic_installation_has_nothing_that_is_missing() {
    let output = adit(&["check", "--from", "traefik", "-"], CLASSIC);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("  same       --providers.kubernetesingress\n"), "{text}");
    assert!(text.contains("0 not yet\n") && !text.contains("  not yet  "), "{text}");
}

#[test]
fn the_chart_asks_for_traefiks_own_resources_which_a_pipeline_is_told_by_the_exit_code() {
    let output = adit(&["check", "--from=traefik", "--output=json", "-"], CHART);
    let page: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &page["exitCode"]), (Some(1), &1.into()), "{page:#}");
    let items = page["items"].as_array().expect("items");
    let missing: Vec<_> = items.iter().filter(|item| item["state"] == "not yet").map(|item| &item["name"]).collect();
    assert!(!missing.is_empty(), "{page:#}");
    assert!(missing.iter().all(|name| name.as_str().is_some_and(|name| name.starts_with("--providers.kubernetescrd"))));
}

#[test]
fn a_command_line_alone_is_judged_and_its_configuration_file_read() {
    let file = std::env::temp_dir().join(format!("adit-test-traefik-{}.yaml", std::process::id()));
    std::fs::write(&file, "entryPoints: {edge: {address: ':80'}}\n").expect("a file can be written");
    let named = format!("--configFile={}", file.display());
    let output = adit(&["check", "--from", "traefik", "-", "--", &named, "--tls.options.x=y"], "");
    let _ = std::fs::remove_file(file);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
    assert!(text.contains("add --entryPoints.edge.http.maxHeaderBytes=1048576"), "{text}");
    assert!(text.contains("! not yet    --tls.options.x: "), "{text}");
}

#[test]
fn without_a_cluster_or_manifests_it_says_what_to_name() {
    let output = adit(&["check", "--from", "traefik", "no/such/file"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no/such/file"), "{}", stderr(&output));
    let output = adit(&["check", "--from", "traefik"], "");
    assert_ne!(output.status.code(), Some(0));
    assert!(stderr(&output).starts_with("adit: "), "{}", stderr(&output));
    let output = adit(&["check", "--from", "nginx", "-"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected traefik"), "{}", stderr(&output));
}
