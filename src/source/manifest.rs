//! Manifests as people write them: YAML documents and lists of objects, each taken or refused by itself.

use std::sync::Arc;

use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::convert::Convert;
use super::keys::Keys;
use crate::objects::{Change, ObjectKey};

/// What a text holds.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects that came.
    pub changes: Vec<Change>,
    /// What could not be taken.
    pub problems: Vec<ManifestProblem>,
    /// Documents of kinds that nothing here reads.
    pub skipped: usize,
}

/// A document that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestProblem {
    /// Which document of the text, from 1.
    pub document: usize,
    /// Its kind, if it says one.
    pub kind: String,
    /// Its name, if it says one.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The most bytes of one document; etcd takes 1.5 MiB.
const MAX_DOCUMENT: usize = 4 << 20;

/// One document of a text.
#[derive(Debug)]
pub struct Document {
    /// Which of the text, from 1.
    pub number: usize,
    /// Its objects, lists unfolded; or why it cannot be read.
    pub objects: Result<Vec<Value>, String>,
}

/// Reads all documents of `text`. A bad one harms only itself.
pub fn parse(text: &str) -> Manifests {
    take(documents(text))
}

/// The documents of `text` that hold something, as they are written.
pub fn documents(text: &str) -> impl Iterator<Item = Document> {
    let numbered = split(text).enumerate().map(|(index, document)| (index + 1, document));
    numbered.filter_map(|(number, document)| {
        let objects = match read_document(document) {
            Ok(Value::Null) => return None,
            Ok(value) => Ok(unfold(value)),
            Err(reason) => Err(reason),
        };
        Some(Document { number, objects })
    })
}

/// Takes of the objects what is read of them.
pub fn take(documents: impl IntoIterator<Item = Document>) -> Manifests {
    let mut manifests = Manifests::default();
    let (mut routes, mut keys) = (0, Keys::default());
    for Document { number, objects } in documents {
        let problem = |kind: &str, name: &str, reason: String| ManifestProblem {
            document: number,
            kind: kind.to_owned(),
            name: name.to_owned(),
            reason,
        };
        let objects = match objects {
            Ok(objects) => objects,
            Err(reason) => {
                manifests.problems.push(problem("", "", reason));
                continue;
            }
        };
        for object in objects {
            let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (kind, name) = (text("/kind"), text("/metadata/name"));
            if kind == "IngressRoute" {
                routes += 1;
            }
            match change(&kind, object, &mut keys) {
                Ok(Some(change)) => manifests.changes.push(change),
                Ok(None) => manifests.skipped += 1,
                Err(reason) => manifests.problems.push(problem(&kind, &name, reason)),
            }
        }
    }
    if routes > 0 {
        manifests.changes.push(Change::Unserved("IngressRoute", routes));
    }
    manifests
}

fn read_document(document: &str) -> Result<Value, String> {
    if document.len() > MAX_DOCUMENT {
        return Err(format!("is larger than {MAX_DOCUMENT} bytes"));
    }
    // Only `true` and `false` are booleans: a namespace may be called `n` or `on`.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(document, options)
        .map_err(|error: serde_saphyr::Error| first_line(&error.to_string()))
}

/// The objects of a list, or the object itself.
fn unfold(value: Value) -> Vec<Value> {
    match value {
        Value::Object(mut list) if list.get("items").is_some_and(Value::is_array) => match list.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        object => vec![object],
    }
}

/// The documents of a YAML text; `---` stands alone or before a comment at the start of a line.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let mut at = 0;
        for line in current.split_inclusive('\n') {
            let separates = line
                .strip_prefix("---")
                .is_some_and(|after| after.starts_with([' ', '\r', '\n', '\t']) || after.is_empty());
            if separates && at > 0 {
                let (document, after) = current.split_at(at);
                rest = Some(after);
                return Some(document);
            }
            at += line.len();
        }
        rest = None;
        Some(current)
    })
    .filter(|document| {
        document.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#') && line.trim() != "---")
    })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn change(kind: &str, object: Value, keys: &mut Keys) -> Result<Option<Change>, String> {
    Ok(Some(match kind {
        "Ingress" => {
            let (key, object) = read::<networking::Ingress>(object, "default", keys)?;
            Change::Ingress(key, Some(object))
        }
        "IngressClass" => {
            let (key, object) = read::<networking::IngressClass>(object, "", keys)?;
            Change::Class(key, Some(object))
        }
        "Service" => {
            let (key, object) = read::<core::Service>(object, "default", keys)?;
            Change::Service(key, Some(object))
        }
        "EndpointSlice" => {
            let (key, object) = read::<discovery::EndpointSlice>(object, "default", keys)?;
            Change::Slice(key, Some(object))
        }
        "Endpoints" => {
            let (key, object) = read::<core::Endpoints>(object, "default", keys)?;
            Change::Endpoints(key, Some(object))
        }
        "Secret" => {
            let (key, object) = read::<core::Secret>(object, "default", keys)?;
            Change::Secret(key, Some(object))
        }
        "Node" => {
            let (key, object) = read::<core::Node>(object, "", keys)?;
            Change::Node(key, Some(object))
        }
        "" => return Err("has no kind".to_owned()),
        _ => return Ok(None),
    }))
}

/// Its key and what is read of it. `namespace`: where it is when it does not say; empty for a kind that is in none.
fn read<K>(object: Value, namespace: &str, keys: &mut Keys) -> Result<(ObjectKey, Arc<K::Object>), String>
where
    K: Convert + DeserializeOwned + Metadata<Ty = ObjectMeta>,
{
    let object: K = serde_json::from_value(object).map_err(|error| error.to_string())?;
    let metadata = object.metadata();
    let name = metadata.name.clone().filter(|name| !name.is_empty()).ok_or("has no metadata.name")?;
    let own = metadata.namespace.as_deref().filter(|_| !namespace.is_empty());
    let key = keys.key(own.unwrap_or(namespace), name);
    Ok((key, Arc::new(object.convert())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_document_harms_only_itself() {
        let manifests = parse(
            "# a comment\n---\nkind: Service\nmetadata: {name: a}\n--- # another\nkind: [\n---\nkind: Ingress\nmetadata: {name: b}\nspec: {rules: 5}\n---\nkind: Deployment\nmetadata: {name: d}\n---\nkind: Ingress\nmetadata: {name: c, namespace: n}\n",
        );
        assert_eq!(manifests.changes.len(), 2, "{manifests:?}");
        assert_eq!(manifests.skipped, 1);
        let problems: Vec<_> =
            manifests.problems.iter().map(|problem| (problem.kind.as_str(), problem.name.as_str())).collect();
        assert_eq!(problems, [("", ""), ("Ingress", "b")]);
    }

    #[test]
    fn a_list_is_unfolded_and_string_data_is_data() {
        let manifests = parse(
            "kind: List\nitems:\n- {kind: Secret, metadata: {name: s}, stringData: {tls.crt: x, other: y}}\n- {kind: IngressRoute, metadata: {name: r}}\n",
        );
        let [Change::Secret(key, Some(secret)), Change::Unserved("IngressRoute", 1)] = manifests.changes.as_slice()
        else {
            panic!("{manifests:?}");
        };
        assert_eq!(key.to_string(), "default/s");
        assert_eq!(*secret.certificate, *b"x");
    }
}
