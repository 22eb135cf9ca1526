//! Certificates come from Secrets, and change without a restart or a broken connection.

use http::StatusCode;

use crate::support::client::{Connection, get_tls};
use crate::support::install::Installation;
use crate::support::kubectl::apply;
use crate::support::{eventually, turn};

const HOST: &str = "secure.lvh.me";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_certificate_rotates_without_a_broken_connection_and_a_bad_one_keeps_the_last_good_one() {
    let _turn = turn();
    let installation = Installation::new().await;
    let address = &installation.address;
    let [first, second] = [made(), made()];
    apply("adit-weather", &secret(&first.pem, &first.key));
    apply("adit-weather", INGRESS);
    shown(address, &first.der).await;

    let mut kept = Connection::open_tls(address, 443, HOST).await.expect("a TLS connection");
    apply("adit-weather", &secret(&second.pem, &second.key));
    shown(address, &second.der).await;
    let answer = kept.get(HOST, "/").await.expect("a connection from before the rotation still serves");
    assert_eq!((answer.status, &kept.certificate), (StatusCode::OK, &first.der));

    apply("adit-weather", &secret("no certificate", "no key"));
    // The report is made after the change was taken in, so what is served then is what it led to.
    let pod = crate::support::kubectl::kubectl(
        "get pods -n adit -l app.kubernetes.io/name=adit -o jsonpath={.items[0].status.podIP}",
    );
    eventually("the bad Secret is a problem", async || {
        let problems = crate::support::client::get(&pod, 8080, "localhost", "/api/problems").await?;
        if problems.body.contains("secure-tls") { Ok(()) } else { Err(problems.body) }
    })
    .await;
    shown(address, &second.der).await;
}

/// Waits until a new connection is shown this certificate and its request is answered.
async fn shown(address: &str, certificate: &[u8]) {
    eventually("the certificate is served", async || {
        let (answer, seen) = get_tls(address, 443, HOST, "/").await?;
        match (answer.status, seen == certificate) {
            (StatusCode::OK, true) => Ok(()),
            (status, _) => Err(format!("{status}, a certificate of {} bytes", seen.len())),
        }
    })
    .await;
}

struct Made {
    pem: String,
    key: String,
    der: Vec<u8>,
}

fn made() -> Made {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    Made { pem: made.cert.pem(), key: made.signing_key.serialize_pem(), der: made.cert.der().to_vec() }
}

fn secret(certificate: &str, key: &str) -> String {
    let data = serde_json::json!({ "tls.crt": certificate, "tls.key": key });
    // Not of type kubernetes.io/tls, whose data the API server itself would check.
    let object = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "secure-tls" }, "stringData": data,
    });
    object.to_string()
}

const INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: secure}
spec:
  ingressClassName: adit
  tls: [{hosts: [secure.lvh.me], secretName: secure-tls}]
  rules:
    - host: secure.lvh.me
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: weather-api-service, port: {number: 8080}}}}]}
";
