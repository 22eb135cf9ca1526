//! HTTP/2 on either side, by ALPN and by prior knowledge; gRPC's streams and trailers through it.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::support::backend::Backend;
use crate::support::gateway::{Gateway, ingress, route, service};
use crate::support::secure::connect;

type Client<B> = SendRequest<B>;

async fn client<B, S>(stream: S) -> Client<B>
where
    B: hyper::body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

async fn prior_knowledge(address: SocketAddr) -> Client<Empty<Bytes>> {
    client(TcpStream::connect(address).await.expect("connect")).await
}

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).expect("a request")
}

#[tokio::test]
async fn http_2_is_spoken_by_prior_knowledge_and_by_alpn() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.websecure.http.tls=true"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut clear = prior_knowledge(gateway.web()).await;
    let stream = connect(gateway.websecure(), "a.example", &[b"h2", b"http/1.1"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut secure: Client<Empty<Bytes>> = client(stream).await;
    for (client, scheme) in [(&mut clear, "http"), (&mut secure, "https")] {
        let mut request = get(&format!("{scheme}://a.example/x//y?z"));
        for crumb in ["a=1", "b=2"] {
            request.headers_mut().append("cookie", HeaderValue::from_static(crumb));
        }
        let response = client.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "app");
        let seen = backend.last();
        assert_eq!((seen.line(), seen.header("host")), ("GET /x/y?z HTTP/1.1", Some("a.example")));
        assert_eq!((seen.headers("cookie"), seen.header("x-forwarded-proto")), (vec!["a=1; b=2"], Some(scheme)));
    }
}

#[tokio::test]
async fn one_bad_stream_leaves_the_others_alone() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = prior_knowledge(gateway.web()).await;
    let mut differing = get("http://a.example/");
    differing.headers_mut().insert("host", HeaderValue::from_static("b.example"));
    assert_eq!(client.send_request(differing).await.expect("an answer").status(), 400);
    assert_eq!(client.send_request(get("http://a.example/%00")).await.expect("an answer").status(), 400);
    assert_eq!(client.send_request(get("http://nowhere.example/")).await.expect("an answer").status(), 404);
    assert_eq!(client.send_request(get("http://a.example/")).await.expect("an answer").status(), 200);
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn many_streams_share_one_connection() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let client = prior_knowledge(gateway.web()).await;
    let requests = (0..50).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.send_request(get("http://a.example/")).await.expect("an answer").status() })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.expect("it ends"), StatusCode::OK);
    }
}

/// A backend that speaks HTTP/2 by prior knowledge and echoes bodies frame by frame, with trailers as gRPC sends them.
async fn echo() -> (u16, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let service = service_fn(|request: Request<Incoming>| async move {
                let trailers_asked = request.headers().get("te").is_some_and(|te| te == "trailers");
                let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(4);
                let mut body = request.into_body();
                tokio::spawn(async move {
                    while let Some(Ok(frame)) = body.frame().await {
                        if let Ok(data) = frame.into_data()
                            && sender.send(Ok(Frame::data(data))).await.is_err()
                        {
                            return;
                        }
                    }
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", HeaderValue::from_static(if trailers_asked { "0" } else { "13" }));
                    let _ = sender.send(Ok(Frame::trailers(trailers))).await;
                });
                let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
                    receiver.recv().await.map(|frame| (frame, receiver))
                });
                let mut response = Response::new(BodyExt::boxed(StreamBody::new(Box::pin(stream))));
                response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
                Ok::<_, Infallible>(response)
            });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (port, connections)
}

#[tokio::test]
async fn grpc_streams_both_ways_with_its_trailers_over_few_connections() {
    let (port, connections) = echo().await;
    let manifests = [ingress("app", "a.example", "/", ""), service("app", &[port], "", "kubernetes.io/h2c")].concat();
    let gateway = Gateway::start(&manifests, &[]).await;
    let stream = TcpStream::connect(gateway.web()).await.expect("connect");
    let mut client: Client<BoxBody<Bytes, Infallible>> = client(stream).await;
    for _ in 0..3 {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
        let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|frame| (frame, receiver))
        });
        let body = BodyExt::boxed(StreamBody::new(Box::pin(stream)));
        let request = Request::post("http://a.example/app.Service/Stream")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .expect("a request");
        let mut response = client.send_request(request).await.expect("an answer before the request has ended");
        assert_eq!(response.status(), 200);
        for message in ["one", "two"] {
            sender.send(Ok(Frame::data(Bytes::from(message)))).await.expect("the stream is open");
            let frame = response.frame().await.expect("a frame").expect("a good one");
            assert_eq!(frame.into_data().expect("data"), message);
        }
        drop(sender);
        let frame = response.frame().await.expect("a frame").expect("a good one");
        assert_eq!(frame.into_trailers().expect("trailers")["grpc-status"], "0");
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains(r#"protocol="grpc""#), "{metrics}");
}

#[tokio::test]
async fn an_upload_over_http_2_arrives_whole() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client: Client<Full<Bytes>> = client(TcpStream::connect(gateway.web()).await.expect("connect")).await;
    let body = Bytes::from(vec![b'x'; 500_000]);
    let request = Request::post("http://a.example/").body(Full::new(body.clone())).expect("a request");
    assert_eq!(client.send_request(request).await.expect("an answer").status(), 200);
    assert_eq!(backend.last().body.len(), body.len());
}

#[tokio::test]
async fn an_expectation_over_http_2_is_met_and_not_passed_on() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client: Client<Full<Bytes>> = client(TcpStream::connect(gateway.web()).await.expect("connect")).await;
    let request = Request::post("http://a.example/")
        .header("expect", "100-continue")
        .body(Full::new(Bytes::from("hello")))
        .expect("a request");
    assert_eq!(client.send_request(request).await.expect("an answer").status(), 200);
    let seen = backend.last();
    assert_eq!((seen.body.as_slice(), seen.header("expect")), (&b"hello"[..], None));
}

#[tokio::test]
async fn a_client_that_opens_no_window_is_cut_off() {
    let backend = Backend::answering(|_| {
        let body = "x".repeat(4 << 20);
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    let flags = ["--entryPoints.web.transport.respondingTimeouts.writeTimeout=300ms"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let stream = TcpStream::connect(gateway.web()).await.expect("connect");
    let (mut client, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(65_535)
        .handshake(TokioIo::new(stream))
        .await
        .expect("a handshake");
    let connection = tokio::spawn(connection);
    let response = client.send_request(get("http://a.example/")).await.expect("an answer");
    // Its frames are read from the socket all the while; only its body is not.
    let end = tokio::time::timeout(std::time::Duration::from_secs(15), connection).await;
    let _ = end.expect("the gateway ends the connection within 15 s, not after three minutes of silence");
    assert!(response.into_body().collect().await.is_err(), "it must not look complete");
}
