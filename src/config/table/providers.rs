//! `providers`: where objects come from and how Ingresses are read.

use super::Kind::{Bool, Duration, Family, Group, List, Text};
use super::{Flag, flag};

const UNTHROTTLED: &str = "changes are applied at once, and bursts within milliseconds";
const CUSTOM: &str =
    "IngressRoutes, Middlewares and the like are not served; IngressRoutes that are found are a problem";
const CROSS: &str = "adit cannot restrict references across namespaces yet";

pub(super) const FLAGS: &[Flag] = &[
    flag("providers.kubernetesIngress", Group, "false", "Serve the Ingresses of a cluster."),
    flag(
        "providers.kubernetesIngress.endpoint",
        Text,
        "",
        "The API server's URL; without it the pod's own cluster, else KUBECONFIG.",
    ),
    flag(
        "providers.kubernetesIngress.token",
        Text,
        "",
        "The bearer token for the endpoint, or the path of a file that holds it.",
    ),
    flag(
        "providers.kubernetesIngress.certAuthFilePath",
        Text,
        "",
        "The file with the certificate authority of the endpoint.",
    ),
    flag("providers.kubernetesIngress.namespaces", List, "", "Watch these namespaces only."),
    flag("providers.kubernetesIngress.labelSelector", Text, "", "Serve only the Ingresses with these labels."),
    flag(
        "providers.kubernetesIngress.ingressClass",
        Text,
        "",
        "Serve only the Ingresses of this class; without it every class whose controller is Traefik's or adit's.",
    ),
    flag(
        "providers.kubernetesIngress.ingressEndpoint.ip",
        Text,
        "",
        "The IP address to write into the status of Ingresses.",
    ),
    flag(
        "providers.kubernetesIngress.ingressEndpoint.hostname",
        Text,
        "",
        "The host name to write into the status of Ingresses.",
    ),
    flag(
        "providers.kubernetesIngress.ingressEndpoint.publishedService",
        Text,
        "",
        "The Service, `namespace/name`, whose addresses to write into the status of Ingresses.",
    ),
    flag(
        "providers.kubernetesIngress.reportNodeInternalIPs",
        Bool,
        "false",
        "Write the nodes' internal addresses into the status of Ingresses.",
    ),
    flag("providers.kubernetesIngress.throttleDuration", Duration, "0s", "The least time between two changes.")
        .without_effect(UNTHROTTLED),
    flag(
        "providers.kubernetesIngress.allowEmptyServices",
        Bool,
        "false",
        "Answer 503 for Services without endpoints rather than 404.",
    )
    .without_effect("a rule whose Service has no endpoints always answers 503"),
    flag(
        "providers.kubernetesIngress.allowExternalNameServices",
        Bool,
        "false",
        "Allow backends that are Services of type ExternalName.",
    ),
    flag(
        "providers.kubernetesIngress.crossProviderNamespaces",
        List,
        "",
        "The namespaces that may refer to middlewares and TLS options elsewhere.",
    )
    .refused(CROSS),
    flag(
        "providers.kubernetesIngress.disableIngressClassLookup",
        Bool,
        "false",
        "Match `ingressClassName` by name, without a look at IngressClasses.",
    ),
    flag(
        "providers.kubernetesIngress.disableClusterScopeResources",
        Bool,
        "false",
        "Watch neither IngressClasses nor Nodes.",
    ),
    flag(
        "providers.kubernetesIngress.nativeLBByDefault",
        Bool,
        "false",
        "Send requests to the cluster address of Services rather than to their pods.",
    ),
    flag(
        "providers.kubernetesIngress.strictPrefixMatching",
        Bool,
        "true",
        "A Prefix path matches whole elements, as the Ingress specification says.",
    )
    .traefik("false"),
    flag("providers.providersThrottleDuration", Duration, "0s", "The least time between two changes.")
        .without_effect(UNTHROTTLED),
    flag("providers.precedence", List, "", "Which provider's routes come first.")
        .without_effect("there is one provider of routes"),
    flag("providers.kubernetesCRD.crossProviderNamespaces", List, "", "The namespaces that may refer elsewhere.")
        .refused(CROSS),
    // How the cluster is reached, where nothing but this provider says it.
    flag("providers.kubernetesCRD.endpoint", Text, "", "The API server's URL.").not_yet(CUSTOM),
    flag("providers.kubernetesCRD.token", Text, "", "The bearer token for the endpoint.").not_yet(CUSTOM),
    flag("providers.kubernetesCRD.certAuthFilePath", Text, "", "The endpoint's certificate authority.").not_yet(CUSTOM),
    flag("providers.kubernetesCRD.namespaces", List, "", "Watch these namespaces only.").not_yet(CUSTOM),
    flag("providers.kubernetesCRD", Family, "", "Serve Traefik's custom resources.").not_yet(CUSTOM),
    flag("providers.kubernetesGateway.crossProviderNamespaces", List, "", "The namespaces that may refer elsewhere.")
        .refused(CROSS),
    flag("providers.kubernetesGateway", Family, "", "Serve the Gateway API.")
        .not_yet("Gateways and routes are not served"),
    flag("providers.kubernetesIngressNGINX", Family, "", "Serve Ingresses with ingress-nginx's annotations.")
        .not_yet("nginx.ingress.kubernetes.io annotations are not read and class nginx is not served"),
    flag("providers.knative", Family, "", "Serve Knative.").not_yet("Knative services are not served"),
    flag("providers.file", Family, "", "Serve what is configured in files.").not_yet(
        "its routers, middlewares and TLS options are not applied; providers.directory.path reads Ingress manifests",
    ),
    flag("providers.http", Family, "", "Serve what an HTTP endpoint says.").not_yet("what it says is not applied"),
    flag("providers.docker", Family, "", "Serve Docker containers.").not_yet("containers are not served"),
    flag("providers.swarm", Family, "", "Serve Docker Swarm.").not_yet("services of the swarm are not served"),
    flag("providers.ecs", Family, "", "Serve AWS ECS.").not_yet("tasks are not served"),
    flag("providers.nomad", Family, "", "Serve Nomad.").not_yet("services of Nomad are not served"),
    flag("providers.consulCatalog", Family, "", "Serve Consul's catalog.").not_yet("services of Consul are not served"),
    flag("providers.consul", Family, "", "Serve what Consul's store says.").not_yet("what it says is not applied"),
    flag("providers.etcd", Family, "", "Serve what etcd says.").not_yet("what it says is not applied"),
    flag("providers.redis", Family, "", "Serve what Redis says.").not_yet("what it says is not applied"),
    flag("providers.zooKeeper", Family, "", "Serve what ZooKeeper says.").not_yet("what it says is not applied"),
    flag("providers.rest", Family, "", "Serve what is put by REST.").not_yet("what is put is not applied"),
    flag("providers.plugin", Family, "", "Serve what plugins say.").not_yet("plugins are not run"),
];
