//! Counts the IngressRoutes that nothing serves: they must not be lost in silence.

use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Client, Error};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::debug;

use super::report::Message;

const EVERY: Duration = Duration::from_secs(60);
const KIND: &str = "IngressRoute";

/// Counts them every minute, until the supervisor is gone. A cluster without the definition has none.
pub(super) async fn count(client: Client, namespaces: Vec<String>, supervisor: mpsc::Sender<Message>) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("traefik.io", "v1alpha1", KIND));
    let apis: Vec<Api<DynamicObject>> = if namespaces.is_empty() {
        vec![Api::all_with(client, &resource)]
    } else {
        namespaces.iter().map(|namespace| Api::namespaced_with(client.clone(), namespace, &resource)).collect()
    };
    loop {
        // A count that failed leaves the last one standing.
        if let Some(count) = count_once(&apis).await
            && supervisor.send(Message::Unserved(KIND, count)).await.is_err()
        {
            return;
        }
        sleep(EVERY).await;
    }
}

async fn count_once(apis: &[Api<DynamicObject>]) -> Option<usize> {
    let mut count = 0_usize;
    for api in apis {
        // The first object and the number of the remaining ones: no need to read them all.
        match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(list) => {
                let more = list.metadata.remaining_item_count.unwrap_or(0);
                count = count.saturating_add(list.items.len()).saturating_add(usize::try_from(more).unwrap_or(0));
            }
            Err(Error::Api(status)) if status.is_not_found() || status.is_forbidden() => {
                debug!(reason = %status.message, "IngressRoutes cannot be counted");
            }
            Err(error) => {
                debug!(%error, "IngressRoutes cannot be counted now");
                return None;
            }
        }
    }
    Some(count)
}
