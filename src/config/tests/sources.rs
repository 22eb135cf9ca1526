//! Flags, environment and file together; providers, logs and transports.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::telemetry::access::{AccessFormat, Mode};
use crate::telemetry::logs::{Format, Level};

fn layered(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> Config {
    let variables: Vec<_> = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let files = |path: &Path| {
        let is_there = path == Path::new("/etc/traefik/traefik.yaml");
        if is_there { Ok(file.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    let flags = Flags::parse(arguments).expect("known flags");
    Config::read(flags, &variables, &files).expect("a configuration").0
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "{log: {level: ERROR, format: json, noColor: true}, entryPoints: {web: {address: ':1'}}}";
    let variables = [("TRAEFIK_LOG_LEVEL", "WARN"), ("TRAEFIK_LOG_FORMAT", "common")];
    let config = layered(&["--log.level=DEBUG"], &variables, file);
    assert_eq!(config.log.level, Level::Debug);
    assert_eq!(config.log.format, Format::Common);
    assert!(config.log.no_color);
    assert_eq!(names(&config), ["web"]);
}

#[test]
fn our_own_environment_wins_over_traefiks() {
    let variables = [("ADIT_LOG_LEVEL", "WARN"), ("TRAEFIK_LOG_LEVEL", "DEBUG")];
    assert_eq!(layered(&[], &variables, "").log.level, Level::Warn);
}

#[test]
fn one_entry_point_can_be_configured_by_all_three() {
    let file = "entryPoints: {webMain: {address: ':1', reusePort: true}}";
    let variables = [("TRAEFIK_ENTRYPOINTS_WEBMAIN_ADDRESS", ":2")];
    let config = layered(&["--entrypoints.webmain.http.sanitizePath=false"], &variables, file);
    let [web] = &config.listeners[..] else { panic!("{:?}", config.listeners) };
    assert_eq!((&*web.address, web.reuse_port, web.sanitize_path), (":2", true, false));
    let config = layered(&[], &variables, file);
    assert_eq!(names(&config), ["webMain"], "the environment knows no lower case");
}

#[test]
fn a_list_given_again_grows_and_another_source_replaces_it() {
    let key = "--providers.kubernetesIngress.namespaces";
    let namespaces = |config: Config| match config.source {
        Source::Cluster(cluster) => cluster.namespaces,
        other => panic!("{other:?}"),
    };
    let twice = [format!("{key}=a"), format!("{key}=b,c"), format!("{key}[0]=d")];
    let twice: Vec<&str> = twice.iter().map(String::as_str).collect();
    assert_eq!(namespaces(config(&twice)), ["a", "b", "c", "d"]);
    let file = "providers: {kubernetesIngress: {namespaces: [x, y]}}";
    assert_eq!(namespaces(layered(&[], &[], file)), ["x", "y"]);
    assert_eq!(namespaces(layered(&twice[..1], &[], file)), ["a"]);
}

#[test]
fn a_group_is_off_when_it_says_so_whatever_is_in_it() {
    let config = config(&["--ping=false", "--ping.entryPoint=traefik", "--accessLog=false", "--accessLog.format=json"]);
    assert!(!config.ping.enabled);
    assert_eq!(config.access_log, None);
}

#[test]
fn a_directory_stands_in_for_the_cluster_and_is_read_by_the_same_rules() {
    let config = config(&[
        "--providers.directory.path=manifests",
        "--providers.kubernetesIngress.ingressClass=adit",
        "--providers.kubernetesIngress.strictPrefixMatching=false",
    ]);
    assert_eq!(config.source, Source::Directory(PathBuf::from("manifests")));
    assert_eq!(config.ingress.class.as_deref(), Some("adit"));
    assert!(!config.ingress.strict_prefix);
}

#[test]
fn without_a_provider_there_is_a_warning() {
    let (config, warnings) = read(&[]).expect("a configuration");
    assert_eq!(config.source, Source::None);
    assert!(warnings[0].0.starts_with("no provider is asked for"));
}

#[test]
fn a_cluster_elsewhere_is_named_by_its_url() {
    let key = "--providers.kubernetesIngress";
    let arguments = [
        format!("{key}.endpoint=https://10.0.0.1:6443"),
        format!("{key}.token=secret-token"),
        format!("{key}.certAuthFilePath=/ca.crt"),
        format!("{key}.disableIngressClassLookup"),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let flags = format!("{:?}", Flags::parse(&arguments));
    let config = config(&arguments);
    assert!(!format!("{flags} {config:?}").contains("secret-token"), "a token is printed");
    let Source::Cluster(cluster) = config.source else { panic!("{:?}", config.source) };
    assert_eq!(cluster.token, Some(Token("secret-token".into())));
    assert_eq!(cluster.certificate_authority, Some(PathBuf::from("/ca.crt")));
    assert!(cluster.nodes && !config.ingress.class_lookup);
    assert!(error(&["--providers.kubernetesIngress.endpoint=10.0.0.1"]).contains("expected a URL"));
}

#[test]
fn the_status_of_ingresses_comes_from_one_place() {
    let key = "--providers.kubernetesIngress";
    let status = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|argument| format!("{key}.{argument}")).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        read(&arguments).map(|(config, _)| config.ingress.status)
    };
    let fixed = StatusFrom::Fixed { ip: "10.0.0.1".parse().ok(), hostname: None };
    assert_eq!(status(&["ingressEndpoint.ip=10.0.0.1"]), Ok(fixed));
    assert_eq!(status(&["reportNodeInternalIPs"]), Ok(StatusFrom::NodeInternalIps));
    assert!(matches!(status(&["reportNodeInternalIPs", "ingressEndpoint.hostname=a"]), Err(Error::Conflict(_))));
    assert!(matches!(status(&["ingressEndpoint.ip=a"]), Err(Error::BadValue { .. })));
    assert!(matches!(status(&["ingressEndpoint.publishedService=adit"]), Err(Error::BadValue { .. })));
}

#[test]
fn an_access_log_keeps_and_drops_what_is_said() {
    let config = config(&[
        "--accessLog.format=json",
        "--accessLog.filters.statusCodes=404,500-599",
        "--accessLog.filters.minDuration=10ms",
        "--accessLog.fields.names.ClientUsername=drop",
        "--accessLog.fields.headers.names.Authorization=Redact",
    ]);
    let log = config.access_log.expect("the access log is on").settings;
    assert_eq!(log.format, AccessFormat::Json);
    assert_eq!(log.filters.status_codes, [404..=404, 500..=599]);
    assert_eq!(log.filters.min_duration, Duration::from_millis(10));
    assert_eq!(log.fields.default, Mode::Keep);
    assert_eq!(log.fields.names, [("clientusername".to_owned(), Mode::Drop)].into());
    assert_eq!(log.headers.default, Mode::Drop);
    assert_eq!(log.headers.names, [("authorization".to_owned(), Mode::Redact)].into());
    assert!(error(&["--accessLog.filters.statusCodes=599-500"]).contains("expected statuses"));
}

#[test]
fn certificate_authorities_are_files_or_text() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let files = |path: &Path| match path.to_str() {
        Some("ca.pem") => Ok(pem.to_owned()),
        Some("other.txt") => Ok("nothing".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let roots = |given: &str| {
        let flags = Flags::parse(&[format!("--serversTransport.rootCAs={given}")]).expect("a known flag");
        Config::read(flags, &[], &files).map(|(config, _)| config.transport.root_cas)
    };
    assert_eq!(roots("ca.pem"), Ok(vec![pem.into()]));
    assert_eq!(roots(&format!("{pem},ca.pem")).map(|roots| roots.len()), Ok(2));
    assert!(matches!(roots("other.txt"), Err(Error::Syntax { .. })));
    assert!(matches!(roots("missing.pem"), Err(Error::Read { .. })));
}

#[test]
fn flags_go_over_defaults() {
    let flags = Flags::parse(&["--log.level=DEBUG"]).expect("known flags");
    let defaults = Flags::parse(&["--log.level=WARN", "--log.noColor"]).expect("known flags");
    let (config, _) = Config::read(flags.over(defaults), &[], &no_files).expect("a configuration");
    assert_eq!((config.log.level, config.log.no_color), (Level::Debug, true));
}

#[test]
fn idle_connections_are_as_many_as_said_or_as_ever_or_none() {
    let idle = |text: &str| config(&[&format!("--serversTransport.maxIdleConnsPerHost={text}")]).transport;
    assert_eq!([idle("5"), idle("0"), idle("-1")].map(|transport| transport.max_idle_per_endpoint), [5, 200, 0]);
}
