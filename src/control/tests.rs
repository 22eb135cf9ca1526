//! The loop with a scripted source and the real translator.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::objects::{Change, ObjectKey};
use crate::route::{HostPattern, ListenerSet, StatusAddress};
use crate::source::manifest;
use crate::translate::{ListenerInfo, Settings, StatusFrom};

/// Nothing takes this long; what does has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Gateway {
    source: Option<mpsc::Sender<Event>>,
    outputs: mpsc::UnboundedReceiver<Output>,
    swaps: mpsc::UnboundedReceiver<Duration>,
    readiness: watch::Receiver<Readiness>,
    statuses: watch::Receiver<Arc<Wanted>>,
    task: JoinHandle<()>,
}

impl Gateway {
    fn start() -> Self {
        let settings = Settings {
            listeners: vec![ListenerInfo { name: "web".into(), tls: false }],
            default_listeners: ListenerSet(1),
            strict_prefix_matching: true,
            status: StatusFrom::Fixed { ip: Some([192, 0, 2, 1].into()), hostname: None },
            ..Settings::default()
        };
        let (source, events) = mpsc::channel(16);
        let (publish, outputs) = mpsc::unbounded_channel();
        let (swap, swaps) = mpsc::unbounded_channel();
        let (readiness, is_ready) = watch::channel(Readiness::default());
        let (statuses, wanted) = watch::channel(Arc::default());
        let outlets = Outlets {
            publish: move |output: &Output| drop(publish.send(output.clone())),
            on_swap: move |took| swap.send(took).expect("somebody listens"),
            readiness,
            statuses,
            reports: watch::Sender::new(Arc::default()),
        };
        let run = run(events, Translator::new(settings), holdoff::Settings::default(), outlets, std::future::pending());
        let task = tokio::spawn(run);
        Self { source: Some(source), outputs, swaps, readiness: is_ready, statuses: wanted, task }
    }

    async fn say(&self, event: Event) {
        self.source.as_ref().expect("the source speaks").send(event).await.expect("the loop runs");
    }

    async fn apply(&self, manifests: &str) {
        let manifests = manifest::parse(manifests);
        assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
        self.say(Event::Changes(manifests.changes)).await;
    }

    async fn next(&mut self) -> Output {
        timeout(PATIENCE, self.outputs.recv()).await.expect("an output comes in time").expect("the loop runs")
    }

    /// Ends the source and returns what was published since the last look.
    async fn end(mut self) -> Vec<Output> {
        self.source = None;
        timeout(PATIENCE, self.task).await.expect("the loop ends with its source").expect("it does not panic");
        let mut rest = Vec::new();
        while let Ok(output) = self.outputs.try_recv() {
            rest.push(output);
        }
        rest
    }
}

fn ingress(name: &str, host: &str) -> String {
    format!(
        "kind: Ingress\nmetadata: {{name: {name}}}\nspec: {{rules: [{{host: {host}, http: {{paths: [{{path: /, \
         pathType: Prefix, backend: {{service: {{name: s, port: {{number: 80}}}}}}}}]}}}}]}}\n---\n"
    )
}

fn service() -> String {
    "kind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80, targetPort: 8080}]}\n---\n".to_owned()
}

fn slice(address: &str) -> String {
    format!(
        "kind: EndpointSlice\nmetadata: {{name: s-1, labels: {{kubernetes.io/service-name: s}}}}\naddressType: IPv4\n\
         endpoints: [{{addresses: [{address}]}}]\nports: [{{port: 8080}}]\n"
    )
}

fn hosts(output: &Output) -> Vec<String> {
    output.routes.hosts.keys().filter(|host| **host != HostPattern::Any).map(ToString::to_string).collect()
}

#[tokio::test]
async fn nothing_is_published_before_all_first_lists_are_in() {
    let mut gateway = Gateway::start();
    gateway.say(Event::Waiting(vec!["the first list of Services".into()])).await;
    gateway.apply(&ingress("a", "a.example")).await;
    let waiting = gateway.readiness.wait_for(|readiness| !readiness.waiting.is_empty()).await;
    assert_eq!(waiting.expect("the loop runs").reasons(), ["waiting for the first list of Services"]);
    assert!(gateway.outputs.is_empty());
    gateway.apply(&(service() + &slice("192.0.2.7"))).await;
    gateway.say(Event::Synced).await;
    let output = gateway.next().await;
    assert_eq!(hosts(&output), ["a.example"]);
    assert!(output.report.problems.is_empty(), "{:?}", output.report.problems);
    gateway.readiness.wait_for(Readiness::is_ready).await.expect("the loop runs");
    assert!(gateway.end().await.is_empty());
}

#[tokio::test]
async fn a_change_is_published_and_its_delay_told() {
    let mut gateway = Gateway::start();
    gateway.apply(&(service() + &slice("192.0.2.7"))).await;
    gateway.say(Event::Synced).await;
    assert!(hosts(&gateway.next().await).is_empty());
    gateway.apply(&ingress("a", "a.example")).await;
    assert_eq!(hosts(&gateway.next().await), ["a.example"]);
    gateway.say(Event::Changes(vec![Change::Ingress(ObjectKey::new("default", "a"), None)])).await;
    assert!(hosts(&gateway.next().await).is_empty());
    for _ in 0..3 {
        gateway.swaps.recv().await.expect("each swap is told");
    }
    assert!(gateway.end().await.is_empty());
}

#[tokio::test]
async fn pod_churn_changes_endpoints_and_no_route() {
    let mut gateway = Gateway::start();
    gateway.apply(&(service() + &ingress("a", "a.example") + &slice("192.0.2.7"))).await;
    gateway.say(Event::Synced).await;
    let before = gateway.next().await;
    gateway.apply(&slice("192.0.2.8")).await;
    let after = gateway.next().await;
    assert!(Arc::ptr_eq(&before.routes, &after.routes));
    assert_ne!(before.endpoints, after.endpoints);
}

#[tokio::test]
async fn what_changes_nothing_is_not_published() {
    let mut gateway = Gateway::start();
    gateway.apply(&(service() + &ingress("a", "a.example") + &slice("192.0.2.7"))).await;
    gateway.say(Event::Synced).await;
    gateway.next().await;
    gateway.apply(&slice("192.0.2.7")).await;
    gateway.apply("kind: Service\nmetadata: {name: unused}\n").await;
    gateway.apply(&ingress("a", "a.example")).await;
    assert!(gateway.end().await.is_empty());
}

#[tokio::test]
async fn a_burst_is_published_far_less_often_than_it_has_events() {
    let mut gateway = Gateway::start();
    gateway.apply(&service()).await;
    gateway.say(Event::Synced).await;
    gateway.next().await;
    for number in 0..500 {
        gateway.apply(&ingress(&format!("i{number}"), &format!("h{number}.example"))).await;
    }
    let mut outputs = 0;
    loop {
        outputs += 1;
        if hosts(&gateway.next().await).len() == 500 {
            break;
        }
    }
    assert!(outputs < 250, "{outputs}");
}

#[tokio::test]
async fn the_statuses_that_differ_are_named_until_they_say_what_they_should() {
    let mut gateway = Gateway::start();
    gateway.apply(&(service() + &ingress("a", "a.example"))).await;
    gateway.say(Event::Synced).await;
    let wanted = gateway.statuses.wait_for(|wanted| !wanted.ingresses.is_empty()).await.expect("the loop runs").clone();
    assert!(wanted.ingresses.contains(&ObjectKey::new("default", "a")));
    assert!(wanted.addresses.contains(&StatusAddress::Ip("192.0.2.1".into())));
    let written = ingress("a", "a.example").replace("---\n", "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n");
    gateway.apply(&written).await;
    gateway.statuses.wait_for(|wanted| wanted.ingresses.is_empty()).await.expect("the loop runs");
}

#[tokio::test]
async fn an_object_that_cannot_be_decoded_is_a_problem_until_it_can() {
    let mut gateway = Gateway::start();
    gateway.apply(&(service() + &ingress("a", "a.example") + &slice("192.0.2.7"))).await;
    gateway.say(Event::Synced).await;
    let before = gateway.next().await;
    let change =
        |why: Option<&str>| Change::undecodable("Ingress", ObjectKey::new("default", "b"), why.map(Into::into));
    gateway.say(Event::Changes(vec![change(Some("bad"))])).await;
    let output = gateway.next().await;
    assert!(Arc::ptr_eq(&before.routes, &output.routes));
    let problems: Vec<_> = output.report.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("error undecodable Ingress default/b"), "{problems:?}");
    gateway.say(Event::Changes(vec![change(None)])).await;
    assert!(gateway.next().await.report.problems.is_empty());
}
