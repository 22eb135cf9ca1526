//! Every row of the table is what it says it is: its default is the default, a supported key changes the configuration,
//! one without effect does not, one that is not there yet warns, and a refused one refuses.

use super::super::table::{self, Flag, Kind, Status};
use super::*;

/// Groups are on, so that the keys in them count.
const BASE: &[&str] = &[
    "--entryPoints.web.address=:8000",
    "--entryPoints.web.http.redirections.entryPoint.to=websecure",
    "--entryPoints.websecure.address=:8443",
    "--api",
    "--api.insecure",
    "--ping",
    "--metrics.prometheus",
    "--accessLog",
    "--tracing",
    "--providers.kubernetesIngress",
];

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";

/// The key with names and indices in it.
fn key(flag: &Flag) -> String {
    let name = if flag.key.starts_with("entryPoints") { "web" } else { "User-Agent" };
    let below = if flag.kind == Kind::Family { ".something" } else { "" };
    format!("{}{below}", flag.key.replace("_name_", name))
}

/// A value that is not the default.
fn sample(flag: &Flag) -> String {
    let text = match flag.key {
        "entryPoints._name_.address" => "127.0.0.1:81",
        "entryPoints._name_.http.redirections.entryPoint.to" => ":444",
        "entryPoints._name_.forwardedHeaders.trustedIPs" | "entryPoints._name_.proxyProtocol.trustedIPs" => {
            "10.0.0.0/8"
        }
        "entryPoints._name_.http.maxHeaderBytes" => "9000",
        "providers.kubernetesIngress.endpoint" => "https://10.0.0.1:6443",
        "providers.kubernetesIngress.ingressEndpoint.ip" => "10.0.0.1",
        "providers.kubernetesIngress.ingressEndpoint.publishedService" | "tls.defaultCertificate" => "edge/adit",
        "api.basePath" => "/admin",
        "ping.entryPoint" | "metrics.prometheus.entryPoint" => "web",
        "ping.terminatingStatusCode" => "200",
        "metrics.prometheus.buckets" => "1,2",
        "accessLog.filters.statusCodes" => "500-599",
        "serversTransport.rootCAs" => PEM,
        "tracing.sampleRate" | "accessLog.filters.sampleRate" => "0.5",
        "tracing.otlp.http.endpoint" => "http://collector:4318",
        "tracing.otlp.grpc.endpoint" => "collector:4317",
        key if key.starts_with("tracing.otlp.") && [".ca", ".cert", ".key"].iter().any(|end| key.ends_with(end)) => PEM,
        "configFile" => "adit.yaml",
        "limits.memory" => "512Mi",
        _ => match flag.kind {
            Kind::Group => return (without(flag) != with(flag, "true")).to_string(),
            Kind::Bool => return (flag.default != "true").to_string(),
            Kind::Integer => "7",
            Kind::Duration => "7s",
            Kind::Choice(words) => {
                let other = words.iter().rev().find(|word| !word.eq_ignore_ascii_case(flag.default));
                return other.map(|word| (*word).to_owned()).unwrap_or_default();
            }
            Kind::Text | Kind::List | Kind::Family => "something",
        },
    };
    text.to_owned()
}

/// The base without this flag.
fn base(flag: &Flag) -> Vec<&'static str> {
    let same = format!("--{}", key(flag));
    // What is said of gRPC counts where it is what spans are sent by.
    let grpc = flag.key.starts_with("tracing.otlp.grpc.").then_some("--tracing.otlp.grpc");
    BASE.iter().copied().filter(|base| base.split('=').next() != Some(&same)).chain(grpc).collect()
}

fn without(flag: &Flag) -> Config {
    config(&base(flag))
}

/// The base without this flag, and then with it.
fn arguments(flag: &Flag, value: &str) -> Vec<String> {
    base(flag).into_iter().map(str::to_owned).chain([format!("--{}={value}", key(flag))]).collect()
}

fn read_with(flag: &Flag, value: &str) -> Result<(Config, Vec<Warning>), Error> {
    let files = |path: &Path| {
        let is_there = path == Path::new("adit.yaml");
        if is_there { Ok("workers: 5".to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    Config::read(Flags::parse(&arguments(flag, value))?, &[], &files)
}

fn with(flag: &Flag, value: &str) -> Config {
    match read_with(flag, value) {
        Ok((config, _)) => config,
        Err(error) => panic!("{}={value}: {error}", flag.key),
    }
}

#[test]
fn every_supported_key_changes_the_configuration() {
    for flag in table::all().filter(|flag| flag.status == Status::Supported) {
        // An entry point is none without its address.
        let before = if flag.key == "entryPoints._name_.address" { config(BASE) } else { without(flag) };
        assert!(with(flag, &sample(flag)) != before, "{}={} changes nothing", flag.key, sample(flag));
    }
}

#[test]
fn every_default_is_the_one_that_the_table_says() {
    for flag in table::all().filter(|flag| flag.status == Status::Supported && flag.kind != Kind::Group) {
        let Some(default) = flag.default.split(' ').next().filter(|default| !default.is_empty()) else { continue };
        assert_eq!(with(flag, default), without(flag), "{} is not {default} by default", flag.key);
    }
}

#[test]
fn a_key_without_effect_has_none_and_warns_of_nothing() {
    let base = read(BASE).expect("a configuration");
    for flag in table::all().filter(|flag| matches!(flag.status, Status::WithoutEffect(_))) {
        let value = if flag.kind == Kind::Group { "true".to_owned() } else { sample(flag) };
        let (config, warnings) = read_with(flag, &value).expect(flag.key);
        if flag.key != "entryPoints._name_.http.encodedCharacters.allowEncodedNullCharacter" {
            assert_eq!(config, base.0, "{} has an effect", flag.key);
        }
        assert_eq!(warnings, base.1, "{}", flag.key);
    }
}

#[test]
fn a_key_that_is_not_there_yet_is_one_warning() {
    for flag in table::all() {
        let Status::NotYet(consequence) = flag.status else { continue };
        let (_, warnings) = read_with(flag, &sample(flag)).expect(flag.key);
        let [Warning(warning)] = &warnings[..] else { panic!("{}: {warnings:?}", flag.key) };
        assert!(warning.ends_with(consequence) && warning.contains(&key(flag)), "{warning}");
    }
}

#[test]
fn a_family_is_one_warning_however_many_keys_ask_for_it() {
    let warnings = warnings(&[
        "--certificatesResolvers.le.acme.email=a@b.c",
        "--certificatesResolvers.le.acme.storage=/data/acme.json",
        "--certificatesResolvers.le.acme.tlsChallenge",
        "--entryPoints.web.address=:80",
        "--entryPoints.web.http.tls.certResolver=le",
    ]);
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.starts_with("--certificatesResolvers.le.acme.email (and 3 more like it) is not supported yet: "));
}

#[test]
fn what_is_switched_off_is_no_warning() {
    let off = ["--providers.kubernetesCRD=false", "--log.maxSize=0", "--tracing=false", "--log.compress=false"];
    assert_eq!(warnings(&off), Vec::<String>::new());
}

#[test]
fn a_key_whose_loss_would_weaken_security_refuses_the_start() {
    for flag in table::all() {
        let Status::Refused(why) = flag.status else { continue };
        let error = read_with(flag, "something").expect_err(flag.key).to_string();
        let key = key(flag);
        let begin = format!("--{key} is not supported, and ignoring it would weaken security: {why}; remove it");
        assert!(error.starts_with(&begin), "{error}");
        assert!(read_with(flag, "").is_ok(), "{key} is refused though it is empty");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_with_what_would_do() {
    for flag in table::all() {
        let wrong = match flag.kind {
            Kind::Group | Kind::Bool => "maybe",
            Kind::Integer | Kind::Duration => "-x",
            Kind::Choice(_) => "none of them",
            Kind::Text | Kind::List | Kind::Family => continue,
        };
        if matches!(flag.status, Status::Refused(_)) {
            continue;
        }
        let error = read_with(flag, wrong).expect_err(flag.key);
        assert!(matches!(&error, Error::BadValue { .. }), "{error}");
        assert!(error.to_string().contains(&key(flag)), "{error}");
    }
    assert_eq!(
        error(&["--entryPoints.web.transport.lifeCycle.graceTimeOut=-5s"]),
        "--entryPoints.web.transport.lifeCycle.graceTimeOut=-5s: expected a duration such as 500ms, 10s or 1m30s, \
         or a number of seconds"
    );
}
