//! How soon what the API server has accepted is served: `propagation PORT TLS_PORT CERTIFICATES COUNT…`
//!
//! `KUBECONFIG` names the cluster, adit serves it on `PORT` and `TLS_PORT` of loopback, `CERTIFICATES` is a directory with
//! `a.crt`, `a.key`, `b.crt` and `b.key`. For each `COUNT` of Ingresses in turn, each change is made a hundred times beside
//! them, and asked for every millisecond from the API server's answer on. One line of JSON for each count: microseconds by
//! change. What it makes is in a namespace of its own, which stays: thousands of objects are quickly gone with a cluster.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval, timeout};

#[path = "../../tests/support/trusting.rs"]
mod trusting;

const NAMESPACE: &str = "adit-propagation";
/// Ingresses that share a Service.
const SHARE: usize = 10;
const POLL: Duration = Duration::from_millis(1);
/// How long every further answer is to be right too.
const WATCHED: usize = 20;
const ROUNDS: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut given = std::env::args().skip(1);
    let mut next = |what| given.next().context(what);
    let (port, tls_port) = (next("PORT")?.parse()?, next("TLS_PORT")?.parse()?);
    let certificates = next("CERTIFICATES")?;
    let counts = given.map(|count| count.parse::<usize>()).collect::<Result<Vec<_>, _>>()?;
    // The client of the API server picks its cryptography from the process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cluster = Cluster::new().await?;
    let pair = |name: &str| -> anyhow::Result<_> {
        let read = |end: &str| std::fs::read_to_string(format!("{certificates}/{name}.{end}"));
        Ok((read("crt")?, read("key")?))
    };
    let pairs = [pair("a")?, pair("b")?];
    let mut present = 0;
    for count in counts {
        cluster.fill(present..count).await?;
        present = count;
        let mut eyes = Eyes { port, tls_port, connection: None };
        eyes.until(&host(count - 1), "a", Duration::from_secs(300)).await?;
        let found = cluster.measure(&mut eyes, &pairs).await?;
        writeln!(std::io::stdout(), "{}", json!({ "count": count, "changes": found }))?;
    }
    Ok(())
}

fn host(index: usize) -> String {
    format!("present-{index}.example")
}

/// The cluster, and two backends that it is made to lead to.
struct Cluster {
    client: Client,
    backends: [SocketAddr; 2],
}

impl Cluster {
    async fn new() -> anyhow::Result<Self> {
        let config = kube::Config::infer().await?;
        let server = config.cluster_url.clone();
        let client = Client::try_from(config)?;
        let backend = own_address(&client, &server).await?;
        let namespace = serde_json::from_value(json!({ "metadata": { "name": NAMESPACE } }))?;
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        let backends = [serve(backend, "a").await?, serve(backend, "b").await?];
        let cluster = Self { client, backends };
        for (name, at) in [("a", 0), ("b", 1)] {
            cluster.service(name, Some(at)).await?;
        }
        Ok(cluster)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn create<K>(&self, object: Value) -> anyhow::Result<()>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        self.api::<K>().create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }

    /// A Service without selector, of which the slice is ours too. Headless: the node's proxy has nothing to do with it.
    async fn service(&self, name: &str, backend: Option<usize>) -> anyhow::Result<()> {
        self.create::<Service>(json!({
            "metadata": { "name": name },
            "spec": { "clusterIP": "None", "ports": [{ "name": "http", "port": 80 }] },
        }))
        .await?;
        self.create::<EndpointSlice>(self.slice(name, backend)).await
    }

    fn slice(&self, service: &str, backend: Option<usize>) -> Value {
        let backend = backend.and_then(|at| self.backends.get(at));
        let endpoints: Vec<_> =
            backend.iter().map(|at| json!({ "addresses": [at.ip()], "conditions": { "ready": true } })).collect();
        json!({
            "metadata": { "name": format!("{service}-1"), "labels": { "kubernetes.io/service-name": service } },
            "addressType": "IPv4",
            "ports": [{ "name": "http", "port": backend.map_or(80, SocketAddr::port) }],
            "endpoints": endpoints,
        })
    }

    /// Makes the Ingresses of these numbers, and a Service with an endpoint for each ten of them.
    async fn fill(&self, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
        let make = |index: usize| async move {
            let service = format!("share-{}", index / SHARE);
            if index.is_multiple_of(SHARE) {
                self.service(&service, Some(0)).await?;
            }
            self.create::<Ingress>(ingress(&format!("present-{index}"), &host(index), &service, None)).await
        };
        stream::iter(numbers).map(make).buffer_unordered(16).try_collect().await
    }

    /// Makes each change often.
    async fn measure(
        &self,
        eyes: &mut Eyes,
        pairs: &[(String, String); 2],
    ) -> anyhow::Result<BTreeMap<&'static str, Vec<u64>>> {
        let mut found = BTreeMap::<_, Vec<u64>>::new();
        let mut note = |what, delay: Duration| found.entry(what).or_default().push(delay.as_micros() as u64);
        let merge = PatchParams::default();
        let (ingresses, slices, secrets) = (self.api::<Ingress>(), self.api::<EndpointSlice>(), self.api::<Secret>());
        self.service("moving", None).await?;
        self.create::<Ingress>(ingress("moving", "moving.example", "moving", None)).await?;
        self.create::<Secret>(secret(&pairs[0])).await?;
        self.create::<Ingress>(ingress("secure", "secure.example", "a", Some("pair"))).await?;
        eyes.until("moving.example", "503", Duration::from_secs(10)).await?;
        for round in 0..ROUNDS {
            let (name, host) = (format!("new-{round}"), format!("new-{round}.example"));
            self.create::<Ingress>(ingress(&name, &host, "a", None)).await?;
            note("create an Ingress", eyes.follow(&host, "a").await?);
            ingresses.patch(&name, &merge, &Patch::Merge(ingress(&name, &host, "b", None))).await?;
            note("change its backend", eyes.follow(&host, "b").await?);
            ingresses.delete(&name, &DeleteParams::default()).await?;
            note("delete it", eyes.follow(&host, "404").await?);
            slices.patch("moving-1", &merge, &Patch::Merge(self.slice("moving", Some(0)))).await?;
            note("add an endpoint", eyes.follow("moving.example", "a").await?);
            slices.patch("moving-1", &merge, &Patch::Merge(self.slice("moving", None))).await?;
            note("remove an endpoint", eyes.follow("moving.example", "503").await?);
            let next = &pairs[(round + 1) % 2];
            secrets.patch("pair", &merge, &Patch::Merge(secret(next))).await?;
            note("rotate a certificate", eyes.follow_certificate("secure.example", &next.0).await?);
        }
        for name in ["moving", "secure"] {
            ingresses.delete(name, &DeleteParams::default()).await?;
        }
        self.api::<Service>().delete("moving", &DeleteParams::default()).await?;
        slices.delete("moving-1", &DeleteParams::default()).await?;
        secrets.delete("pair", &DeleteParams::default()).await?;
        Ok(found)
    }
}

fn ingress(name: &str, host: &str, service: &str, secret: Option<&str>) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "number": 80 } } });
    let tls: Vec<_> = secret.iter().map(|secret| json!({ "hosts": [host], "secretName": secret })).collect();
    json!({
        "metadata": { "name": name },
        "spec": {
            "rules": [{ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } }],
            "tls": tls,
        },
    })
}

fn secret((certificate, key): &(String, String)) -> Value {
    let data = json!({ "tls.crt": certificate, "tls.key": key });
    json!({ "metadata": { "name": "pair" }, "type": "kubernetes.io/tls", "stringData": data })
}

/// An address of this host that endpoints may have: they may not be on loopback.
async fn own_address(client: &Client, server: &http::Uri) -> anyhow::Result<IpAddr> {
    let host = server.host().context("the API server has a host")?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((host, server.port_u16().unwrap_or(443)))?;
    let towards = socket.local_addr()?.ip();
    if !towards.is_loopback() {
        return Ok(towards);
    }
    // The API server is on this host, and says itself where.
    let own = Api::<EndpointSlice>::namespaced(client.clone(), "default").get("kubernetes").await?;
    let address = own.endpoints.first().and_then(|endpoint| endpoint.addresses.first());
    Ok(address.context("the API server has an address")?.parse()?)
}

/// A backend whose answers are all `word`.
async fn serve(address: IpAddr, word: &'static str) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((address, 0)).await?;
    let bound = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{word}", word.len());
                let mut buffer = [0; 4096];
                // A request is one small segment here.
                while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    Ok(bound)
}

/// What a client of adit sees.
struct Eyes {
    port: u16,
    tls_port: u16,
    connection: Option<TcpStream>,
}

impl Eyes {
    /// The answer to `GET /` for a host: its body if it is 200, else its status.
    async fn see(&mut self, host: &str) -> anyhow::Result<String> {
        let stream = match &mut self.connection {
            Some(stream) => stream,
            none => none.insert(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?),
        };
        stream.set_nodelay(true)?;
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            let count = timeout(Duration::from_secs(10), stream.read_buf(&mut answer)).await??;
            ensure!(count > 0, "{host}: the connection ended");
            let text = std::str::from_utf8(&answer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() < length.unwrap_or(0) {
                continue;
            }
            let status = head.split(' ').nth(1).context("a status")?;
            return Ok(if status == "200" { body.to_owned() } else { status.to_owned() });
        }
    }

    /// Waits until the answer is `wanted`.
    async fn until(&mut self, host: &str, wanted: &str, limit: Duration) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let seen = self.see(host).await?;
            if seen == wanted {
                return Ok(());
            }
            ensure!(begin.elapsed() < limit, "{host}: {seen} instead of {wanted} for {limit:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How long it takes until the answer is `wanted`.
    async fn follow(&mut self, host: &str, wanted: &str) -> anyhow::Result<Duration> {
        follow(host, wanted, async || self.see(host).await).await
    }

    /// How long it takes until new connections are shown the certificate `wanted`.
    async fn follow_certificate(&self, host: &str, wanted: &str) -> anyhow::Result<Duration> {
        use rustls::pki_types::pem::PemObject;
        let wanted = rustls::pki_types::CertificateDer::from_pem_slice(wanted.as_bytes())?;
        let connector = tokio_rustls::TlsConnector::from(trusting::trusting(&[]));
        let see = async || {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.tls_port)).await?;
            let name = rustls::pki_types::ServerName::try_from(host.to_owned())?;
            let stream = connector.connect(name, stream).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            Ok(if shown == Some(&wanted) { "the new certificate" } else { "another certificate" }.to_owned())
        };
        follow(host, "the new certificate", see).await
    }
}

/// How long it takes until what `see` sees is `wanted`. It must stay so.
async fn follow(
    host: &str,
    wanted: &str,
    mut see: impl AsyncFnMut() -> anyhow::Result<String>,
) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let mut ticks = ticks();
    let mut delay = None;
    for _ in 0..WATCHED {
        loop {
            ticks.tick().await;
            let seen = see().await?;
            if seen == wanted {
                break;
            }
            ensure!(delay.is_none(), "{host}: {seen} after {wanted} had been right");
            ensure!(begin.elapsed() < Duration::from_secs(10), "{host}: {seen} instead of {wanted}");
        }
        delay.get_or_insert(begin.elapsed());
    }
    delay.context("some answers")
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
