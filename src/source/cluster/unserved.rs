//! Counts the IngressRoutes that nothing serves: they must not be lost in silence.

use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Client, Error};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, warn};

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
    let mut forbidden = false;
    loop {
        // A count that failed leaves the last one standing.
        if let Some(count) = count_once(&apis, &mut forbidden).await
            && supervisor.send(Message::Unserved(KIND, count)).await.is_err()
        {
            return;
        }
        sleep(EVERY).await;
    }
}

/// Says once that it is `forbidden`: then nobody knows of them.
async fn count_once(apis: &[Api<DynamicObject>], forbidden: &mut bool) -> Option<usize> {
    let mut count = 0_usize;
    for api in apis {
        // The first object and the number of the remaining ones: no need to read them all.
        match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(list) => {
                let more = list.metadata.remaining_item_count.unwrap_or(0);
                count = count.saturating_add(list.items.len()).saturating_add(usize::try_from(more).unwrap_or(0));
            }
            // The cluster has no such kind.
            Err(Error::Api(status)) if status.is_not_found() => {}
            Err(Error::Api(status)) if status.is_forbidden() => {
                if !std::mem::replace(forbidden, true) {
                    warn!(
                        "IngressRoutes are forbidden: whether there are any, and are not served, is not known. Add this rule to the role: \
                         - {{apiGroups: [\"traefik.io\"], resources: [\"ingressroutes\"], verbs: [\"get\", \"list\", \"watch\"]}} ({})",
                        status.message
                    );
                }
            }
            Err(error) => {
                debug!(%error, "IngressRoutes cannot be counted now");
                return None;
            }
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::objects::Change;
    use crate::source::Event;

    const FORBIDDEN: &str = r#"{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no","code":403}"#;

    /// Answers lists as an API server does: the first page of many in `a`, and no right to see `b`.
    async fn api_server(listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a client");
            tokio::spawn(async move {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(char::from(byte));
                }
                let list = r#"{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",
                    "metadata":{"resourceVersion":"1","continue":"x","remainingItemCount":41},
                    "items":[{"metadata":{"name":"dashboard","namespace":"a"}}]}"#;
                let in_a = head.starts_with("GET /apis/traefik.io/v1alpha1/namespaces/a/ingressroutes?");
                let (status, body) = if in_a { ("200 OK", list) } else { ("403 Forbidden", FORBIDDEN) };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    }

    #[tokio::test]
    async fn they_are_counted_though_nothing_else_of_the_cluster_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(api_server(listener));
        let config = kube::Config::new(url.parse().expect("a URL"));
        let client = Client::try_from(config).expect("a client");
        let (events, mut told) = mpsc::channel(8);
        let namespaces = vec!["a".to_owned(), "b".to_owned()];
        tokio::spawn(super::super::count_ingress_routes(client, namespaces, events, std::future::pending()));
        assert!(matches!(told.recv().await, Some(Event::Synced)), "nothing waits for the count");
        let Some(Event::Changes(changes)) = told.recv().await else { panic!("no count") };
        assert!(matches!(changes[..], [Change::Unserved(KIND, 42)]), "{changes:?}");
    }
}
