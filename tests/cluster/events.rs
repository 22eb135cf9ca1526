//! A problem is an Event on the Ingress that it concerns, and one Event however many replicas come and go.

use std::process::{Child, Command, Stdio};

use crate::support::kubectl::{Namespace, apply, kubectl};
use crate::support::{eventually, turn};

const BROKEN: &str = r#"
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: adit-events}
spec: {controller: adit.dev/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: broken}
spec:
  ingressClassName: adit-events
  tls: [{hosts: [broken.example], secretName: absent}]
  rules:
  - host: broken.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: nowhere, port: {number: 80}}}}]}
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_problem_is_an_event_on_its_ingress_and_a_new_leader_counts_it_on() {
    let _turn = turn();
    let namespace = Namespace::new("adit-events");
    let _class = Class;
    apply(namespace.0, BROKEN);
    let first = Program::start();
    eventually("kubectl describe shows both problems", async || {
        let text = kubectl("describe ingress -n adit-events broken");
        let both = ["ServiceNotFound", "SecretNotFound", "adit.dev/ingress-controller", "nowhere", "absent"];
        if both.iter().all(|word| text.contains(word)) { Ok(()) } else { Err(text) }
    })
    .await;
    assert_eq!(counts(), ["", ""], "each is told once");
    first.end();

    let second = Program::start();
    eventually("the next leader counts them on", async || {
        let counts = counts();
        if counts == ["2", "2"] { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;
    second.end();
}

/// How often each Event was seen; empty for once.
fn counts() -> Vec<String> {
    let text = kubectl("get events.events.k8s.io -n adit-events -o json");
    let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let events = list["items"].as_array().into_iter().flatten();
    events.map(|event| event["series"]["count"].as_i64().map(|count| count.to_string()).unwrap_or_default()).collect()
}

/// The IngressClass, which belongs to no namespace, and the Lease for it.
struct Class;

impl Drop for Class {
    fn drop(&mut self) {
        kubectl("delete ingressclass adit-events --ignore-not-found");
        kubectl("delete lease -n default adit-leader-adit-events --ignore-not-found");
    }
}

/// The built program, with the rights that `KUBECONFIG` gives.
struct Program(Child);

impl Program {
    fn start() -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_adit"))
            .args(["--entryPoints.web.address=127.0.0.1:0", "--entryPoints.traefik.address=127.0.0.1:0"])
            .args(["--providers.kubernetesingress", "--providers.kubernetesingress.ingressclass=adit-events"])
            .args(["--workers=1"])
            .stdout(Stdio::inherit())
            .spawn()
            .expect("the program starts");
        Self(child)
    }

    /// Ends it as a node would, so that it gives its Lease back.
    fn end(mut self) {
        let done = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().expect("kill runs");
        assert!(done.success());
        assert!(self.0.wait().expect("it ends").success());
    }
}

impl Drop for Program {
    /// A test that fails in the middle leaves nobody behind.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
