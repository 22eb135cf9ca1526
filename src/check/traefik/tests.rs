//! Whole comparisons, on manifests as people have them.

use super::*;

const INSTALLED: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: traefik, namespace: edge}
spec:
  template:
    spec:
      containers:
      - name: traefik
        image: traefik:v3.7
        args:
        - --entrypoints.web.address=:80
        - --entrypoints.websecure.address=:443
        - --entrypoints.websecure.http.tls=true
        - --providers.kubernetesingress
        - --providers.kubernetesingress.throttleduration=2s
        - --certificatesresolvers.le.acme.email=a@example.org
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: traefik}
spec: {controller: traefik.io/ingress-controller}
---
kind: Service
metadata: {name: app}
spec: {ports: [{port: 80}]}
"#;

const PATHS: &str = "{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}";

fn ingress(name: &str, annotations: &str, host: &str, paths: &str) -> String {
    format!(
        "---\nkind: Ingress\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\nspec:\n  ingressClassName: \
         traefik\n  rules: [{{host: {host}, http: {{paths: [{paths}]}}}}]\n"
    )
}

fn settings(config: &Config) -> Settings {
    let listeners = config.listeners.iter();
    Settings {
        listeners: listeners
            .map(|listener| translate::ListenerInfo { name: listener.name.clone(), tls: listener.tls })
            .collect(),
        default_listeners: config.default_listeners,
        strict_prefix_matching: config.ingress.strict_prefix,
        ingress_class: config.ingress.class.clone(),
        ..Settings::default()
    }
}

fn compared(manifests: &str, arguments: Option<&[&str]>) -> Findings {
    let installation = Installation::read(&["-".into()], manifests.as_bytes()).expect("standard input can be read");
    let arguments = arguments.map(|all| all.iter().map(|&argument| argument.to_owned()).collect());
    let files: Files<'_> = &|_| Err(io::ErrorKind::NotFound.into());
    compare(Question { installation, arguments, files, settings: &settings }).expect("a comparison")
}

fn state(findings: &Findings, name: &str) -> State {
    item(findings, name).state
}

fn item<'a>(findings: &'a Findings, name: &str) -> &'a Item {
    let found = findings.items.iter().find(|item| item.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {:#?}", findings.items))
}

#[test]
fn flags_come_from_the_deployment_and_stand_as_the_table_says() {
    let findings = compared(INSTALLED, None);
    assert_eq!(findings.line, "Deployment edge/traefik");
    assert_eq!(state(&findings, "--entrypoints.web.address"), State::Same);
    assert_eq!(state(&findings, "--providers.kubernetesingress.throttleduration"), State::Different);
    assert_eq!(state(&findings, "--certificatesresolvers.le.acme.email"), State::NotYet);
    assert_eq!(state(&findings, "entryPoints._name_.http.maxHeaderBytes"), State::Different);
    assert_eq!(findings.verdict(), Verdict::Unsound);
}

#[test]
fn a_command_line_after_two_dashes_counts_instead_and_one_that_ends_the_start_blocks() {
    let findings = compared(INSTALLED, Some(&["--providers.kubernetesingress", "--tls.options.x=y", "--nosuch"]));
    assert_eq!(findings.line, "the command line after --");
    assert!(item(&findings, "--tls.options.x").blocks);
    assert!(item(&findings, "--nosuch").blocks);
    assert!(!findings.items.iter().any(|item| item.name.contains("acme")));
}

#[test]
fn an_ingress_without_anything_special_is_the_same() {
    let findings = compared(
        &(INSTALLED.replace("        - --certificatesresolvers.le.acme.email=a@example.org\n", "")
            + &ingress("front", "traefik.ingress.kubernetes.io/router.entrypoints: web", "a.example", PATHS)),
        None,
    );
    assert_eq!(state(&findings, "Ingress default/front"), State::Same, "{:#?}", findings.items);
    assert_eq!(state(&findings, "traefik.ingress.kubernetes.io/router.entrypoints"), State::Same);
    assert_eq!(findings.verdict(), Verdict::Sound, "differences that are told do not fail");
    assert_eq!(findings.notes, Vec::<String>::new());
}

#[test]
fn a_middleware_is_not_there_yet_and_blocks_its_ingress() {
    let annotation = "traefik.ingress.kubernetes.io/router.middlewares: default-auth@kubernetescrd";
    let middleware = "---\napiVersion: traefik.io/v1alpha1\nkind: Middleware\nmetadata: {name: auth}\n";
    let findings = compared(&format!("{INSTALLED}{middleware}{}", ingress("a", annotation, "a.example", PATHS)), None);
    let whole = item(&findings, "Ingress default/a");
    assert_eq!((whole.state, whole.blocks), (State::NotYet, true));
    assert!(item(&findings, "traefik.ingress.kubernetes.io/router.middlewares").how.contains("503"));
    assert_eq!(state(&findings, "1 Middleware"), State::NotYet);
}

#[test]
fn requests_that_the_length_of_rules_would_send_elsewhere_are_named() {
    let long = "{path: /a-long-path, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}";
    let manifests = format!(
        "{INSTALLED}{}{}",
        ingress("exact", "", "a.example", PATHS),
        ingress("wild", "", "'*.example'", long).replace("/a-long-path", "/with/a/path/that/is/quite/long")
    );
    let findings = compared(&manifests, None);
    let request = item(&findings, "a.example/with/a/path/that/is/quite/long");
    assert_eq!(
        (request.about, request.state, request.object.as_str()),
        (About::Request, State::Different, "Ingress default/wild")
    );
    assert_eq!(request.how, "Ingress default/exact here, Ingress default/wild with Traefik");
}

#[test]
fn a_prefix_of_characters_is_different_until_both_are_told_to_be_strict() {
    let path = "{path: /foo, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}";
    let manifests = format!("{INSTALLED}{}", ingress("a", "", "a.example", path));
    let findings = compared(&manifests, None);
    assert_eq!(item(&findings, "a.example/foo-and-more").how, "404 here, Ingress default/a with Traefik");
    for typed in ["true", "false"] {
        let strict = format!("--providers.kubernetesingress.strictprefixmatching={typed}");
        let findings =
            compared(&manifests, Some(&["--entrypoints.web.address=:80", "--providers.kubernetesingress", &strict]));
        assert_eq!(state(&findings, "Ingress default/a"), State::Same, "{typed}: {:#?}", findings.items);
    }
}

#[test]
fn what_was_not_given_is_a_note_and_no_difference() {
    let alone = ingress("a", "", "a.example", PATHS) + "  tls: [{hosts: [a.example], secretName: s}]\n";
    let findings = compared(&alone, None);
    assert_eq!(findings.notes.len(), 4, "{:#?}", findings.notes);
    assert!(!findings.items.iter().any(|item| item.how.contains("does not exist")), "{:#?}", findings.items);
    assert!(item(&findings, "spec.tls").how.contains("404 over TLS"));
}

#[test]
fn an_ingress_of_another_controller_is_left_alone_by_both_and_one_without_a_class_is_told() {
    let class = "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx, annotations: \
                 {ingressclass.kubernetes.io/is-default-class: 'true'}}\nspec: {controller: k8s.io/ingress-nginx}\n";
    let other =
        ingress("other", "", "a.example", PATHS).replace("ingressClassName: traefik", "ingressClassName: nginx");
    let none = ingress("none", "", "b.example", PATHS).replace("  ingressClassName: traefik\n", "");
    let findings = compared(&format!("{INSTALLED}{class}{other}{none}"), None);
    assert_eq!(state(&findings, "Ingress default/other"), State::Same);
    let none = item(&findings, "Ingress default/none");
    assert_eq!((none.state, none.blocks), (State::Different, true));
}

#[test]
fn both_formats_say_the_same_and_name_no_value_of_a_flag() {
    let findings = compared(INSTALLED, Some(&["--providers.kubernetesingress.token=secret", "--nosuch=secret2"]));
    let (mut text, mut json) = (Vec::new(), Vec::new());
    print(&findings, Format::Text, &mut text).expect("memory can be written");
    print(&findings, Format::Json, &mut json).expect("memory can be written");
    let text = String::from_utf8(text).expect("text");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert!(text.contains("! not yet    --nosuch: "), "{text}");
    assert!(!text.contains("secret") && !json.to_string().contains("secret"), "{text}");
    assert_eq!(json["summary"]["notYet"], 1);
    assert_eq!((&json["exitCode"], json["items"].as_array().map(Vec::len)), (&1.into(), Some(findings.items.len())));
}

#[test]
fn a_configuration_file_is_found_in_its_config_map_and_one_that_is_not_given_is_a_note() {
    let installed =
        INSTALLED.replace("        - --entrypoints.web.address=:80", "        - --configfile=/config/static.yml");
    let findings = compared(&installed, None);
    assert!(
        findings.notes.iter().any(|note| note.contains("--configfile=/config/static.yml is not given")),
        "{findings:#?}"
    );
    assert!(!findings.items.iter().any(|item| item.how.contains("does not start")), "{findings:#?}");
    let map = "---\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  static.yml: |\n    entryPoints: {edge: {address: ':80'}}\n";
    let findings = compared(&format!("{installed}{map}"), None);
    assert_eq!(findings.notes, ["no Ingress is given"], "{findings:#?}");
    assert!(findings.items.iter().any(|item| item.action.contains("--entryPoints.edge.http")), "{findings:#?}");
}

#[test]
fn values_of_the_chart_are_read_as_the_flags_that_they_come_to() {
    let values =
        "ports:\n  web:\n    http:\n      middlewares: [auth@file]\nproviders:\n  kubernetesCRD: {enabled: false}\n";
    let findings = compared(values, None);
    assert_eq!(findings.line, "the chart's values");
    assert!(item(&findings, "--entryPoints.web.http.middlewares").blocks);
    assert_eq!(state(&findings, "--entryPoints.web.address"), State::Same);
}
