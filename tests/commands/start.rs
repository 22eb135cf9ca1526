//! What the program says when it cannot start: what, where, why, and what to do.

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use super::{stderr, stdout};

const WEB: &str = "--entryPoints.web.address=127.0.0.1:0";
const ADMIN: &str = "--entryPoints.traefik.address=127.0.0.1:0";
const CLUSTER: &str = "--providers.kubernetesIngress";
const API_SERVER: &str = "--providers.kubernetesIngress.endpoint=https://127.0.0.1:1";

/// Starts it with nothing but these variables and flags, and waits for its end.
fn start(variables: &[(&str, &str)], flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    command.env_clear().envs(variables.iter().copied()).args(flags).stdin(Stdio::null());
    command.output().expect("the program runs")
}

/// Its last words.
fn words(output: &Output) -> String {
    stderr(output).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_mistake_in_what_was_typed_is_named_with_what_would_do() {
    for (flag, expected) in [
        ("--no.such=1", "unknown flag --no.such; `adit --help` lists all flags"),
        ("--foo", "unknown flag --foo; `adit --help` lists all flags"),
        ("--log.levl=DEBUG", "unknown flag --log.levl; did you mean --log.level?"),
        ("--entryPoints..address=:80", "unknown flag --entryPoints..address; `adit --help` lists all flags"),
        (
            "--entryPoints.web.http.tls=true",
            "entry point web has settings and no address: set --entryPoints.web.address=[host]:port, or correct its name \
             where it is set",
        ),
        ("--log.level=loud", "--log.level=loud: expected one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, PANIC"),
        (
            "--limits.tunnelIdleTimeout=5x",
            "--limits.tunnelIdleTimeout=5x: expected a duration such as 500ms, 10s or 1m30s, or a number of seconds",
        ),
        ("--workers=0", "--workers=0: expected a whole number from 1"),
        (
            "--providers.directory.path",
            "--providers.directory.path needs a value: --providers.directory.path=… (Read manifests from this directory instead of a cluster, and again when they change)",
        ),
        ("bogus", "unexpected argument bogus; `adit --help` lists commands and flags"),
    ] {
        let output = start(&[], &[flag]);
        assert_eq!((words(&output), output.status.code()), (format!("adit: {expected}"), Some(2)), "{flag}");
    }
    let output = start(&[], &[CLUSTER, "--providers.kubernetesIngress.namespaces=shop,A_B"]);
    let expected = "--providers.kubernetesIngress.namespaces=shop,A_B: expected names of namespaces: lower-case letters, \
                    digits and hyphens, 63 at most";
    assert_eq!((words(&output), output.status.code()), (format!("adit: {expected}"), Some(2)));
    let output = start(&[("TRAEFIK_LOG_LEVL", "DEBUG")], &[]);
    let expected = "unknown environment variable TRAEFIK_LOG_LEVL; did you mean TRAEFIK_LOG_LEVEL?";
    assert_eq!((words(&output), output.status.code()), (format!("adit: {expected}"), Some(2)));
}

#[test]
fn a_mistake_in_a_file_is_named_with_the_file() {
    let path = std::env::temp_dir().join(format!("adit-start-{}.yaml", std::process::id()));
    std::fs::write(&path, "entryPoints: {web: {adress: ':80'}}\n").expect("a file");
    let output = start(&[], &[&format!("--configFile={}", path.display())]);
    let _ = std::fs::remove_file(&path);
    let expected = format!(
        "adit: unknown key entryPoints.web.adress in {}; did you mean entryPoints.web.address?",
        path.display()
    );
    assert_eq!((words(&output), output.status.code()), (expected, Some(2)));
}

#[test]
fn what_the_machine_does_not_allow_is_named_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let address = format!("--entryPoints.web.address=127.0.0.1:{port}");
    let in_use = format!(
        "entry point web: cannot listen on 127.0.0.1:{port}: the port is in use; change it with \
         --entryPoints.web.address=[host]:port"
    );
    let missing = "No such file or directory (os error 2)";
    for (variables, flags, expected) in [
        (&[][..], vec![&*address], in_use),
        (
            &[],
            vec!["--log.filePath=/no/log"],
            format!(
                "open the log /no/log; log.filePath must name a file that can be written, and is standard output without: {missing}"
            ),
        ),
        (
            &[],
            vec!["--accessLog", "--accessLog.filePath=/no/log"],
            format!(
                "open the access log /no/log; accessLog.filePath must name a file that can be written, and is standard \
                 output without: {missing}"
            ),
        ),
        (
            &[("KUBECONFIG", "/no/config")],
            vec![CLUSTER],
            format!(
                "KUBECONFIG=\"/no/config\" is no file to reach a cluster with: {missing}; name one that `kubectl cluster-info` works with"
            ),
        ),
        (
            &[],
            vec![CLUSTER, API_SERVER, "--providers.kubernetesIngress.token=/no/token"],
            format!(
                "providers.kubernetesingress.token=/no/token is neither a token nor a file that can be read: {missing}"
            ),
        ),
        (
            &[],
            vec![CLUSTER, API_SERVER, "--providers.kubernetesIngress.certAuthFilePath=/no/ca"],
            format!("read the API server's authority, providers.kubernetesingress.certauthfilepath=/no/ca: {missing}"),
        ),
        (
            &[],
            vec!["--providers.directory.path=/no/manifests"],
            format!("read the manifests in \"/no/manifests\" (providers.directory.path): {missing}"),
        ),
    ] {
        // What comes after them counts.
        let flags = [&[WEB, ADMIN][..], &flags].concat();
        let output = start(variables, &flags);
        assert_eq!((words(&output), output.status.code()), (format!("adit: {expected}"), Some(1)), "{flags:?}");
        let log = stdout(&output);
        assert!(!log.contains("no routing table after"), "nobody has waited: {log}");
    }
}
