//! The three generations of ClusterRole that are in the wild: what a role forbids costs only what it is for.

use http::StatusCode;

use crate::support::client::expect;
use crate::support::install::WEATHER;
use crate::support::kubectl::{Applied, apply, kubectl, load_balancer, pods, rolled_out};
use crate::support::{eventually, turn};

const CLASSIC: &str = include_str!("manifests/classic.yaml");

/// A role, and the resources that it forbids.
struct Generation {
    role: &'static str,
    forbids: &'static [&'static str],
}

const FIRST: Generation =
    Generation { role: include_str!("manifests/role-first.yaml"), forbids: &["endpointslices", "nodes"] };
const WITH_SLICES: Generation = Generation { role: include_str!("manifests/role-slices.yaml"), forbids: &[] };
const WITHOUT_NODES: Generation =
    Generation { role: include_str!("manifests/role-without-nodes.yaml"), forbids: &["nodes"] };
/// As the classic manifest has it: older than IngressClasses.
const CLASSIC_ROLE: Generation = Generation { role: "", forbids: &["endpointslices", "ingressclasses", "nodes"] };

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn the_role_of_the_classic_manifest_is_enough() {
    CLASSIC_ROLE.is_enough().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn the_role_of_the_first_generation_is_enough() {
    FIRST.is_enough().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn the_role_with_endpoint_slices_is_enough() {
    WITH_SLICES.is_enough().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn the_role_without_nodes_is_enough() {
    WITHOUT_NODES.is_enough().await;
}

impl Generation {
    async fn is_enough(&self) {
        let _turn = turn();
        let _applied = (Applied::new("default", CLASSIC), Applied::new("default", WEATHER));
        if !self.role.is_empty() {
            apply("default", self.role);
            // The pod that started under the classic role must not be the one that is looked at.
            kubectl("rollout restart deployment/traefik");
        }
        rolled_out("default", "traefik", "app=traefik").await;
        rolled_out("default", "weather-api", "app=weather-api-pod").await;
        let address = load_balancer("default", "traefik").await;
        eventually("the weather is served", async || expect(&address, 80, "weather.lvh.me", "/", StatusCode::OK).await)
            .await;

        let pod = pods("default", "app=traefik").join(" ");
        // The Lease is sought beside the first lists.
        let logs = eventually("the log speaks of Leases", async || {
            let logs = kubectl(&format!("logs {pod}"));
            if logs.contains("Leases in namespace default are forbidden") { Ok(logs) } else { Err(logs) }
        })
        .await;
        // None of them allows a Lease; without one no Event is tried.
        for resource in ["endpointslices", "ingressclasses", "secrets", "services", "nodes", "leases", "events.k8s.io"]
        {
            let said = logs.lines().filter(|line| line.contains("Add this rule") && line.contains(resource)).count();
            let expected = usize::from(resource == "leases" || self.forbids.contains(&resource));
            assert_eq!(said, expected, "lines about {resource} in\n{logs}");
        }
        let restarts = "{.items[*].status.containerStatuses[*].restartCount}";
        assert_eq!(kubectl(&format!("get pods -l app=traefik -o jsonpath={restarts}")), "0", "{logs}");
    }
}
