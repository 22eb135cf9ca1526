//! Whatever the order of events and however they are cut into batches, the table and the report are those of a full
//! translation.

use std::sync::Arc;

use adit::objects::{Access, Change, ObjectKey, Objects, Secret, Touched};
use adit::source::manifest;
use adit::translate::{Translator, translate};
use proptest::prelude::*;

/// One edit: which object, and in which of its forms (none is its deletion).
#[derive(Clone, Debug)]
struct Edit {
    object: usize,
    form: usize,
}

/// Objects that have much to do with each other, each in some forms.
fn forms() -> Vec<Vec<String>> {
    let ingress = |name: &str, created: &str, rest: &str| {
        format!("kind: Ingress\nmetadata: {{name: {name}, creationTimestamp: \"{created}\"{rest}")
    };
    let rule = |host: &str, path: &str, service: &str| {
        format!(
            "{{host: \"{host}\", http: {{paths: [{{path: {path}, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}]}}}}"
        )
    };
    let old = "2020-01-01T00:00:00Z";
    let new = "2024-01-01T00:00:00Z";
    vec![
        vec![
            ingress("one", old, &format!("}}\nspec: {{rules: [{}]}}", rule("a.example", "/", "app"))),
            ingress("one", old, &format!("}}\nspec: {{rules: [{}, {}]}}", rule("a.example", "/x", "other"), rule("*.example", "/", "app"))),
            ingress("one", old, &format!(", annotations: {{traefik.ingress.kubernetes.io/router.priority: \"40\"}}}}\nspec: {{rules: [{}]}}", rule("a.example", "/", "app"))),
        ],
        vec![
            ingress("two", new, &format!("}}\nspec: {{rules: [{}]}}", rule("a.example", "/", "other"))),
            ingress("two", new, &format!(", annotations: {{traefik.ingress.kubernetes.io/router.priority: \"1\"}}}}\nspec: {{tls: [{{hosts: [a.example], secretName: cert}}], rules: [{}]}}", rule("", "/a/long/path/indeed", "app"))),
            ingress("two", new, &format!("}}\nspec: {{ingressClassName: ours, rules: [{}]}}", rule("b.example", "/", "app"))),
        ],
        vec![
            ingress("three", new, "}\nspec: {defaultBackend: {service: {name: app, port: {name: http}}}}"),
            ingress("three", new, &format!("}}\nspec: {{tls: [{{hosts: [a.example], secretName: gone}}], defaultBackend: {{service: {{name: app, port: {{name: http}}}}}}, rules: [{}]}}", rule("c.example", "/c", "app"))),
        ],
        vec![
            "kind: Service\nmetadata: {name: app}\nspec: {ports: [{name: http, port: 80}]}".into(),
            "kind: Service\nmetadata: {name: app, annotations: {traefik.ingress.kubernetes.io/service.serversscheme: h2c}}\nspec: {ports: [{name: http, port: 80}]}".into(),
            "kind: Service\nmetadata: {name: app}\nspec: {ports: [{name: http, port: 8080}]}".into(),
            "kind: Service\nmetadata: {name: app, annotations: {traefik.ingress.kubernetes.io/service.nodeportlb: \"true\"}}\nspec: {type: NodePort, ports: [{name: http, port: 80, nodePort: 30080}]}".into(),
        ],
        vec!["kind: Service\nmetadata: {name: other}\nspec: {ports: [{name: http, port: 80}]}".into()],
        vec![
            "kind: EndpointSlice\nmetadata: {name: app-1, labels: {kubernetes.io/service-name: app}}\naddressType: IPv4\nports: [{name: http, port: 1}]\nendpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]".into(),
            "kind: EndpointSlice\nmetadata: {name: app-1, labels: {kubernetes.io/service-name: other}}\naddressType: IPv4\nports: [{name: http, port: 1}]\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: false, serving: true, terminating: true}}]".into(),
        ],
        vec![
            "kind: IngressClass\nmetadata: {name: ours}\nspec: {controller: adit.dev/ingress-controller}".into(),
            "kind: IngressClass\nmetadata: {name: ours, annotations: {ingressclass.kubernetes.io/is-default-class: \"true\"}}\nspec: {controller: somebody.example/else}".into(),
        ],
        vec![
            "kind: Endpoints\nmetadata: {name: app}\nsubsets: [{addresses: [{ip: 10.0.0.9}], ports: [{name: http, port: 1}]}]".into(),
            "kind: Endpoints\nmetadata: {name: app}\nsubsets: [{addresses: [{ip: 10.0.0.8}], ports: [{name: http, port: 1}]}]".into(),
        ],
        vec![
            "kind: Node\nmetadata: {name: n}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.1}]}".into(),
            "kind: Node\nmetadata: {name: n}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.2}]}".into(),
        ],
        vec!["kind: Secret\nmetadata: {name: cert}\nstringData: {tls.crt: none, tls.key: none}".into()],
    ]
}

/// The change that an edit is; beyond the objects, of what the role allows.
fn change(forms: &[Vec<String>], edit: &Edit) -> Change {
    if edit.object == forms.len() {
        return Change::Access(Access {
            slices: edit.form.is_multiple_of(2),
            classes: edit.form < 2,
            ..Access::default()
        });
    }
    let all = &forms[edit.object % forms.len()];
    let form = edit.form % (all.len() + 1);
    let parsed = manifest::parse(all.get(form).unwrap_or(&all[0]));
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    let change = parsed.changes.into_iter().next().expect("an object");
    if form < all.len() {
        return change;
    }
    match change {
        Change::Ingress(key, _) => Change::Ingress(key, None),
        Change::Class(key, _) => Change::Class(key, None),
        Change::Service(key, _) => Change::Service(key, None),
        Change::Slice(key, _) => Change::Slice(key, None),
        Change::Secret(key, _) => Change::Secret(key, None),
        Change::Endpoints(key, _) => Change::Endpoints(key, None),
        Change::Node(key, _) => Change::Node(key, None),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_batches_come_to_the_same(
        edits in proptest::collection::vec((0..11usize, 0..5usize).prop_map(|(object, form)| Edit { object, form }), 1..24),
        cuts in proptest::collection::vec(any::<bool>(), 24),
    ) {
        let forms = forms();
        let settings = super::settings("# redirect: 9000\n");
        let mut objects = Objects::default();
        let mut translator = Translator::new(settings.clone());
        translator.apply(&objects, &[Touched::All]);
        let mut touched = Vec::new();
        for (edit, cut) in edits.iter().zip(cuts) {
            touched.extend(objects.apply(change(&forms, edit)));
            if cut {
                translator.apply(&objects, &std::mem::take(&mut touched));
            }
        }
        let incremental = translator.apply(&objects, &touched);
        let full = translate(&objects, &settings);
        prop_assert_eq!(&*incremental.routes, &*full.routes);
        prop_assert_eq!(&*incremental.endpoints, &*full.endpoints);
        prop_assert_eq!(&*incremental.report, &*full.report);
        let again = translator.apply(&objects, &[Touched::All]);
        prop_assert!(std::sync::Arc::ptr_eq(&again.routes, &incremental.routes), "nothing changed, and yet a new table");
    }
}

/// A Secret with this chain; its first certificate is the key's.
fn secret(chain: &[&str], key: &str) -> Change {
    let secret = Secret { certificate: chain.concat().into_bytes().into(), key: key.as_bytes().into() };
    Change::Secret(ObjectKey::new("default", "cert"), Some(Arc::new(secret)))
}

#[test]
fn a_renewed_certificate_or_another_chain_makes_a_new_table_and_the_same_again_does_not() {
    let ingress = "kind: Ingress\nmetadata: {name: i}\nspec: {tls: [{hosts: [a.example], secretName: cert}]}";
    let mut objects = Objects::default();
    for change in manifest::parse(ingress).changes {
        objects.apply(change);
    }
    let mut translator = Translator::new(super::settings(""));
    translator.apply(&objects, &[Touched::All]);
    let make = || rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).expect("a certificate");
    let (one, other) = (make(), make());
    let (pem, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    let (other_pem, other_key) = (other.cert.pem(), other.signing_key.serialize_pem());
    let mut routes = |change| {
        let touched = objects.apply(change);
        translator.apply(&objects, &touched).routes
    };
    let first = routes(secret(&[&pem], &key));
    assert!(Arc::ptr_eq(&first, &routes(secret(&[&pem], &key))), "the same again");
    let chained = routes(secret(&[&pem, &other_pem], &key));
    assert!(first.certificates != chained.certificates, "another chain");
    let renewed = routes(secret(&[&other_pem], &other_key));
    assert!(chained.certificates != renewed.certificates, "a renewed certificate");
}
