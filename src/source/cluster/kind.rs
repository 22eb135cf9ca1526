//! The kinds that are watched: what each is called, what happens without it, and the rule that allows it.

use std::fmt::{self, Debug};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Endpoints, Node, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::core::DeserializeGuard;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::objects::{Change, ObjectKey};
use crate::source::convert::Convert;

/// A kind of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Ingresses,
    Services,
    Classes,
    Slices,
    Endpoints,
    Secrets,
    Nodes,
}

impl Kind {
    /// The API group, empty for the core one, and the plural.
    fn resource(self) -> (&'static str, &'static str) {
        match self {
            Self::Ingresses => ("networking.k8s.io", "ingresses"),
            Self::Classes => ("networking.k8s.io", "ingressclasses"),
            Self::Services => ("", "services"),
            Self::Slices => ("discovery.k8s.io", "endpointslices"),
            Self::Endpoints => ("", "endpoints"),
            Self::Secrets => ("", "secrets"),
            Self::Nodes => ("", "nodes"),
        }
    }

    /// What one of them is called.
    pub(super) fn singular(self) -> &'static str {
        match self {
            Self::Ingresses => "Ingress",
            Self::Classes => "IngressClass",
            Self::Services => "Service",
            Self::Slices => "EndpointSlice",
            Self::Endpoints => "Endpoints",
            Self::Secrets => "Secret",
            Self::Nodes => "Node",
        }
    }

    /// The rule that allows it, as one line of a Role's or ClusterRole's `rules`.
    pub(super) fn rule(self) -> String {
        let (group, plural) = self.resource();
        format!(r#"- {{apiGroups: ["{group}"], resources: ["{plural}"], verbs: ["get", "list", "watch"]}}"#)
    }

    /// What adit does without it.
    pub(super) fn without(self) -> &'static str {
        match self {
            Self::Ingresses | Self::Services => "adit cannot become ready without them and tries again",
            Self::Classes => "spec.ingressClassName is matched by its name alone",
            Self::Slices => "core/v1 Endpoints are read in their place",
            Self::Endpoints => "Services have no endpoints and answer 503",
            Self::Secrets => "TLS is served with the default certificate alone",
            Self::Nodes => "nodeportlb and a published NodePort Service have no addresses",
        }
    }

    /// Where the rule belongs: a Role cannot allow what lies in no namespace.
    pub(super) fn role(self) -> &'static str {
        if matches!(self, Self::Classes | Self::Nodes) { "ClusterRole" } else { "role" }
    }

    /// Whether adit waits for it rather than doing without it.
    pub(super) fn is_required(self) -> bool {
        matches!(self, Self::Ingresses | Self::Services)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingresses => "Ingresses",
            Self::Classes => "IngressClasses",
            Self::Services => "Services",
            Self::Slices => "EndpointSlices",
            Self::Endpoints => "Endpoints",
            Self::Secrets => "Secrets",
            Self::Nodes => "Nodes",
        })
    }
}

/// An object type that is watched.
pub(super) trait Watched:
    Resource<DynamicType = ()>
    + Clone
    + Debug
    + DeserializeOwned
    + Convert<Object: Debug + PartialEq + Send + Sync>
    + Send
    + 'static
{
    /// Its kind.
    const KIND: Kind;
    /// The API for one namespace, or for the whole cluster. An object that cannot be decoded comes as an error of its
    /// own: it must not spoil the list.
    fn api(client: Client, namespace: Option<&str>) -> Api<DeserializeGuard<Self>>;
    /// The change that this object's coming or going is.
    fn change(key: ObjectKey, object: Option<Arc<Self::Object>>) -> Change;
}

macro_rules! watched {
    ($type:ident, $kind:ident, $change:ident, $client:ident, $namespace:ident => $api:expr) => {
        impl Watched for $type {
            const KIND: Kind = Kind::$kind;
            fn api($client: Client, $namespace: Option<&str>) -> Api<DeserializeGuard<Self>> {
                $api
            }
            fn change(key: ObjectKey, object: Option<Arc<Self::Object>>) -> Change {
                Change::$change(key, object)
            }
        }
    };
    (namespaced $type:ident, $kind:ident, $change:ident) => {
        watched!($type, $kind, $change, client, namespace => match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        });
    };
    (clusterwide $type:ident, $kind:ident, $change:ident) => {
        watched!($type, $kind, $change, client, _namespace => Api::all(client));
    };
}

watched!(namespaced Ingress, Ingresses, Ingress);
watched!(namespaced Service, Services, Service);
watched!(namespaced EndpointSlice, Slices, Slice);
watched!(namespaced Endpoints, Endpoints, Endpoints);
watched!(namespaced Secret, Secrets, Secret);
watched!(clusterwide IngressClass, Classes, Class);
watched!(clusterwide Node, Nodes, Node);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_to_add_is_a_line_of_yaml_that_a_role_takes() {
        assert_eq!(
            Kind::Slices.rule(),
            r#"- {apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list", "watch"]}"#
        );
        assert_eq!(Kind::Nodes.rule(), r#"- {apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch"]}"#);
    }
}
