//! What an author of manifests writes: text, objects with anything in them, annotations.

use std::sync::Arc;

use super::hostile::{Dice, document};
use crate::objects::{Backend, BackendPort, Change, Ingress, ObjectKey, Objects, Path, PathType, Rule, Service};
use crate::route::{ListenerSet, Severity};
use crate::source::manifest;
use crate::translate::{ANNOTATIONS, ListenerInfo, Output, Settings, render, translate};

/// How the program reads objects by default.
pub(super) fn settings() -> Settings {
    let listener = |name: &str| ListenerInfo { name: name.into(), tls: false };
    Settings {
        listeners: vec![listener("web"), listener("websecure")],
        default_listeners: ListenerSet(0b11),
        strict_prefix_matching: true,
        ..Settings::default()
    }
}

/// Manifests as text.
pub fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    checked(&read(text));
}

/// Objects that have the form of objects and anything in it.
pub fn objects(data: &[u8]) {
    let mut dice = Dice::new(data);
    let mut documents = Vec::new();
    while !dice.is_empty() && documents.len() < 32 {
        documents.push(document(&mut dice, "tenant").to_string());
    }
    checked(&read(&documents.join("\n---\n")));
}

/// One Ingress and one Service with annotations, a name and a value on each line. `@` before a name is Traefik's prefix.
pub fn annotations(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let pairs = text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| {
        let prefixed = name.strip_prefix('@').map(|name| format!("traefik.ingress.kubernetes.io/{name}"));
        (prefixed.unwrap_or_else(|| name.to_owned()), value.to_owned())
    });
    let known = |name: &str| {
        let short = name.strip_prefix("traefik.ingress.kubernetes.io/").or_else(|| name.strip_prefix("adit.dev/"));
        short.map(|short| ANNOTATIONS.iter().any(|annotation| annotation.name == short.to_ascii_lowercase()))
    };
    let pairs: Vec<_> = pairs.collect();
    // An Ingress of another class is another's to judge.
    let ours = !pairs.iter().any(|(name, _)| name == "kubernetes.io/ingress.class");
    let unknown = ours && pairs.iter().any(|(name, _)| known(name) == Some(false));
    let backend = Backend::Service { name: "s".into(), port: Some(BackendPort::Number(80)) };
    let path = Path { path: "/".into(), kind: PathType::ImplementationSpecific, backend };
    let ingress = Ingress {
        annotations: pairs.iter().cloned().collect(),
        rules: [Rule { host: "a.example".into(), paths: [path].into() }].into(),
        ..Ingress::default()
    };
    let service = Service { annotations: pairs.into_iter().collect(), ..Service::default() };
    let mut objects = Objects::default();
    let key = |name: &str| ObjectKey::new("tenant", name);
    objects.apply(Change::Ingress(key("i"), Some(Arc::new(ingress))));
    objects.apply(Change::Service(key("s"), Some(Arc::new(service))));
    let output = checked(&objects);
    assert!(!unknown || !output.report.problems.is_empty(), "a name that means nothing, and nobody says so");
}

/// All that can be read of a text.
pub(super) fn read(text: &str) -> Objects {
    let mut objects = Objects::default();
    for change in manifest::parse(text).changes {
        objects.apply(change);
    }
    objects
}

/// The translation, which is the same whenever it is made and can be shown.
fn checked(objects: &Objects) -> Output {
    let settings = settings();
    let output = translate(objects, &settings);
    let shown = render(&output, &settings);
    assert!(!shown.contains('\r'), "{shown:?}");
    let again = translate(objects, &settings);
    assert!(again.routes == output.routes && again.report == output.report, "another translation is another");
    for host in output.routes.hosts.values() {
        assert!(host.routes.is_sorted_by(|before, after| before.rank <= after.rank), "{}", host.host);
    }
    for problem in &output.report.problems {
        assert!(matches!(problem.severity, Severity::Error | Severity::Warning) && !problem.reason.is_empty());
    }
    output
}
