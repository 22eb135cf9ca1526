//! The API server with somebody in between, who makes it fail in ways that it does not by itself. What is asked with a
//! token is asked with that token, all else as this test's user.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What is asked of the API server.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) verb: Verb,
    /// `ingresses`, `ingresses/status`, `leases`.
    pub(crate) resource: String,
    /// A list goes on from here.
    pub(crate) page: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    List,
    Watch,
    Get,
    Write,
}

/// What is done to it.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is taken, and nothing is ever said.
    Hang,
    /// It is answered late.
    Slow(Duration),
    /// It is refused, with a wish to be asked later.
    Refuse(u16, &'static str, u32),
    /// A watch begins, and ends with this error.
    WatchError(u16, &'static str),
    /// The answer breaks off in its middle.
    Truncate,
    /// The answer is this one's.
    Say(String),
    /// The list has one more object.
    Add(serde_json::Value),
}

/// Whether connections go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    /// Answers under way, and those to come on connections that are there, stop and nobody is told.
    Frozen(u32),
}

type Rule = Box<dyn Fn(&Ask) -> Option<Fault> + Send>;

/// Somebody in between; ends when dropped.
pub(crate) struct Between {
    pub(crate) url: String,
    state: Arc<State>,
    _accepting: JoinSet<()>,
}

struct State {
    clients: [Client; 2],
    rule: Mutex<Option<Rule>>,
    /// The most objects of a page.
    page: Mutex<Option<u32>>,
    asked: Mutex<BTreeMap<(Verb, String), usize>>,
    flow: watch::Sender<Flow>,
    /// Counts the times that all connections were cut.
    cut: watch::Sender<u32>,
    accepts: watch::Sender<bool>,
    /// As whom it shows itself, if it speaks TLS.
    tls: Mutex<Option<TlsAcceptor>>,
}

impl Between {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        // The client of the API server picks its cryptography from the process.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut ours = kube::Config::infer().await.expect("KUBECONFIG");
        // What fails is passed on, not tried again here.
        ours.default_retry = false;
        let mut theirs = ours.clone();
        theirs.auth_info = kube::config::AuthInfo::default();
        let client = |config| Client::try_from(config).expect("a client");
        let state = Arc::new(State {
            clients: [client(ours), client(theirs)],
            rule: Mutex::default(),
            page: Mutex::default(),
            asked: Mutex::default(),
            flow: watch::channel(Flow::On).0,
            cut: watch::channel(0).0,
            accepts: watch::channel(true).0,
            tls: Mutex::default(),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, state.clone()));
        Self { url, state, _accepting: accepting }
    }

    /// Does this from now on.
    pub(crate) fn fail(&self, rule: impl Fn(&Ask) -> Option<Fault> + Send + 'static) {
        *self.state.rule.lock().expect("the rule") = Some(Box::new(rule));
    }

    /// Does this to everything, and to the connections that are there.
    pub(crate) fn fail_all(&self, fault: Fault) {
        self.fail(move |_| Some(fault.clone()));
        self.cut();
    }

    /// Fails nothing from now on.
    pub(crate) fn heal(&self) {
        *self.state.rule.lock().expect("the rule") = None;
        *self.state.page.lock().expect("the page") = None;
        self.state.accepts.send_replace(true);
    }

    /// Ends all connections, in the middle of what they say.
    pub(crate) fn cut(&self) {
        self.state.cut.send_modify(|times| *times += 1);
    }

    /// Speaks TLS from now on, with a new certificate that nobody vouches for but itself: its PEM.
    pub(crate) fn certify(&self) -> String {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a configuration");
        *self.state.tls.lock().expect("TLS") = Some(TlsAcceptor::from(Arc::new(config)));
        self.cut();
        made.cert.pem()
    }

    /// Takes no connection from now on, and ends those that are there.
    pub(crate) fn vanish(&self) {
        self.state.accepts.send_replace(false);
        self.cut();
    }

    /// Takes connections again.
    pub(crate) fn accept(&self) {
        self.state.accepts.send_replace(true);
    }

    /// Connections that are there now are silent for ever; new ones are as good as ever.
    pub(crate) fn freeze(&self) {
        let now = *self.state.cut.borrow();
        self.state.flow.send_replace(Flow::Frozen(now));
        self.state.cut.send_modify(|times| *times += 1);
    }

    /// Lists come in pages of so many objects.
    pub(crate) fn pages_of(&self, objects: u32) {
        *self.state.page.lock().expect("the page") = Some(objects);
    }

    /// How often this has been asked.
    pub(crate) fn asked(&self, verb: Verb, resource: &str) -> usize {
        let asked = self.state.asked.lock().expect("what was asked");
        asked.get(&(verb, resource.to_owned())).copied().unwrap_or(0)
    }
}

/// In the clear or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    let mut accepts = state.accepts.subscribe();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        if !*accepts.borrow_and_update() {
            // Its end is an end, as of a server that is not there.
            continue;
        }
        let state = state.clone();
        connections.spawn(async move {
            let born = *state.cut.borrow();
            let (mut cut, flow) = (state.cut.subscribe(), state.flow.clone());
            let tls = state.tls.lock().expect("TLS").clone();
            let stream: Box<dyn Stream> = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => return,
                },
                None => Box::new(stream),
            };
            let service = service_fn(|request| answer(state.clone(), request));
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let mut serving = std::pin::pin!(serving);
            let gone = async {
                let _ = cut.wait_for(|times| *times > born).await;
            };
            tokio::select! {
                _ = &mut serving => return,
                () = gone => {}
            }
            let frozen = *flow.borrow() == Flow::Frozen(born);
            if frozen {
                // Held, and not looked at any more.
                std::future::pending::<()>().await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Either<Full<Bytes>, Passing>>, std::io::Error> {
    let (mut parts, body) = request.into_parts();
    let ask = Ask::of(&parts);
    *state.asked.lock().expect("what was asked").entry((ask.verb, ask.resource.clone())).or_default() += 1;
    let fault = state.rule.lock().expect("the rule").as_ref().and_then(|rule| rule(&ask));
    match &fault {
        Some(Fault::Hang) => return std::future::pending().await,
        Some(Fault::Slow(late)) => tokio::time::sleep(*late).await,
        Some(Fault::Refuse(code, reason, after)) => return Ok(refuse(*code, reason, *after)),
        Some(Fault::WatchError(code, reason)) => {
            let event = serde_json::json!({ "type": "ERROR", "object": status(*code, reason, 0) });
            return Ok(json(StatusCode::OK, format!("{event}\n").into()));
        }
        Some(Fault::Say(text)) => return Ok(json(StatusCode::OK, text.clone().into())),
        Some(Fault::Truncate | Fault::Add(_)) | None => {}
    }
    if let Some(page) = *state.page.lock().expect("the page")
        && ask.verb == Verb::List
    {
        let uri = parts.uri.to_string().replace("limit=500", &format!("limit={page}"));
        parts.uri = uri.parse().expect("a target");
    }
    let own = parts.headers.contains_key(header::AUTHORIZATION);
    parts.headers.remove(header::HOST);
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
    let asked = Request::from_parts(parts, kube::client::Body::from(body));
    let answered = state.clients[usize::from(own)].clone().send(asked).await.map_err(std::io::Error::other)?;
    let (mut parts, body) = answered.into_parts();
    parts.headers.remove(header::TRANSFER_ENCODING);
    match fault {
        Some(Fault::Truncate) => {
            let body = body.collect_bytes().await.map_err(std::io::Error::other)?;
            let half = Passing::half_of(body);
            Ok(Response::from_parts(parts, Either::Right(half)))
        }
        Some(Fault::Add(object)) => {
            let body = body.collect_bytes().await.map_err(std::io::Error::other)?;
            let mut list: serde_json::Value = serde_json::from_slice(&body).expect("a list");
            list["items"].as_array_mut().expect("its items").push(object);
            Ok(json(parts.status, list.to_string().into()))
        }
        _ => Ok(Response::from_parts(parts, Either::Right(Passing::On(Box::pin(body))))),
    }
}

impl Ask {
    fn of(request: &http::request::Parts) -> Self {
        let query = request.uri.query().unwrap_or_default();
        let path: Vec<_> = request.uri.path().trim_matches('/').split('/').collect();
        // /api/v1/… or /apis/GROUP/VERSION/…, then perhaps a namespace.
        let rest = path.get(if path.first() == Some(&"api") { 2 } else { 3 }..).unwrap_or_default();
        let rest = if rest.first() == Some(&"namespaces") && rest.len() > 2 { &rest[2..] } else { rest };
        let resource = match rest {
            [kind, _, part] => format!("{kind}/{part}"),
            [kind, ..] => (*kind).to_owned(),
            [] => String::new(),
        };
        let verb = match request.method {
            http::Method::GET if query.contains("watch=") => Verb::Watch,
            http::Method::GET if rest.len() == 1 => Verb::List,
            http::Method::GET => Verb::Get,
            _ => Verb::Write,
        };
        Self { verb, resource, page: query.contains("continue=") }
    }
}

fn status(code: u16, reason: &str, after: u32) -> serde_json::Value {
    serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
        "message": reason, "details": { "retryAfterSeconds": after },
    })
}

fn refuse(code: u16, reason: &str, after: u32) -> Response<Either<Full<Bytes>, Passing>> {
    let code = StatusCode::from_u16(code).expect("a status");
    let mut response = json(code, status(code.as_u16(), reason, after).to_string().into());
    if after > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
    }
    response
}

fn json(code: StatusCode, body: Bytes) -> Response<Either<Full<Bytes>, Passing>> {
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The API server's answer on its way; or the first half of one, after which the connection ends.
enum Passing {
    On(Pin<Box<kube::client::Body>>),
    Half(Option<Bytes>),
}

impl Passing {
    fn half_of(body: Bytes) -> Self {
        Self::Half(Some(body.slice(..body.len() / 2)))
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::On(body) => body.as_mut().poll_frame(cx).map_err(std::io::Error::other),
            Self::Half(half) => Poll::Ready(Some(match half.take() {
                Some(half) => Ok(Frame::data(half)),
                None => Err(std::io::ErrorKind::BrokenPipe.into()),
            })),
        }
    }
}
