//! A table of inputs: a row per input, with its number, what it is, what is sent, and what must come of it.

use std::ops::RangeInclusive;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::io::AsyncWriteExt;

use crate::recorder::{Entry, Recorder, Reply};
use crate::streams::Streams;
use crate::support::client::{Answer, Raw};
use crate::support::gateway::{Gateway, route};

/// One input: its number is its name.
pub(crate) struct Row {
    pub(crate) number: u16,
    /// What comes in, and what must come of it.
    what: &'static str,
    kind: Kind,
}

enum Kind {
    /// Bytes that are sent one after the other over connections of their own.
    Cases(Vec<Case>),
    /// Frames of HTTP/2, over connections of their own.
    Streams(Vec<Streams>),
    /// What takes more than bytes.
    Act(Box<dyn Act>),
    /// What takes more than bytes, and a stage of its own: runs beside all others.
    Apart(Box<dyn Apart>),
    /// It cannot apply, and why.
    None(&'static str),
}

trait Act {
    fn act<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, ()>;
}

impl<F: AsyncFn(&Stage)> Act for F {
    fn act<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, ()> {
        Box::pin(self(stage))
    }
}

trait Apart {
    fn act(&self) -> LocalBoxFuture<'_, ()>;
}

impl<F: AsyncFn()> Apart for F {
    fn act(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(self())
    }
}

impl Row {
    pub(crate) fn cases(number: u16, what: &'static str, cases: impl IntoIterator<Item = Case>) -> Self {
        Self { number, what, kind: Kind::Cases(cases.into_iter().collect()) }
    }

    pub(crate) fn streams(number: u16, what: &'static str, streams: impl IntoIterator<Item = Streams>) -> Self {
        Self { number, what, kind: Kind::Streams(streams.into_iter().collect()) }
    }

    pub(crate) fn act(number: u16, what: &'static str, act: impl AsyncFn(&Stage) + 'static) -> Self {
        Self { number, what, kind: Kind::Act(Box::new(act)) }
    }

    pub(crate) fn apart(number: u16, what: &'static str, act: impl AsyncFn() + 'static) -> Self {
        Self { number, what, kind: Kind::Apart(Box::new(act)) }
    }

    pub(crate) fn none(number: u16, what: &'static str, why: &'static str) -> Self {
        Self { number, what, kind: Kind::None(why) }
    }

    /// Why it cannot apply, if it cannot.
    pub(crate) fn why_not(&self) -> Option<&'static str> {
        if let Kind::None(why) = self.kind { Some(why) } else { None }
    }

    /// What its cases send that is served: of HTTP/1, and frames of HTTP/2.
    pub(crate) fn accepted(&self) -> (Vec<&[u8]>, Vec<&[u8]>) {
        match &self.kind {
            Kind::Cases(cases) => {
                (cases.iter().filter(|case| case.answers[..] == [200]).map(|case| &case.send[..]).collect(), vec![])
            }
            Kind::Streams(streams) => {
                (vec![], streams.iter().filter(|one| one.is_served()).map(Streams::sent).collect())
            }
            _ => (vec![], vec![]),
        }
    }
}

/// What a case sends, whoever is behind the gateway.
pub(crate) struct Bytes<'a> {
    pub(crate) send: &'a [u8],
    /// The client ends its side after them.
    pub(crate) ends: bool,
    /// The most requests that a backend may see of it.
    pub(crate) most: usize,
}

impl Row {
    /// What its cases send.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = Bytes<'_>> {
        let cases = if let Kind::Cases(cases) = &self.kind { &cases[..] } else { &[] };
        let most = |case: &Case| case.saw.len() + usize::from(case.cut);
        cases.iter().map(move |case| Bytes { send: &case.send, ends: case.ends, most: most(case) })
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.number, self.what)
    }
}

/// Bytes to send, and what must come of them.
pub(crate) struct Case {
    send: Vec<u8>,
    /// The client ends its side after them.
    ends: bool,
    reply: Reply,
    answers: Vec<u16>,
    stays: bool,
    /// The whole requests that the backend saw, in short.
    saw: Vec<String>,
    /// Beside them it may have seen the start of one that never became whole.
    cut: bool,
    /// The backend's connection must not be used again.
    fresh: bool,
    check: Option<fn(&Answer)>,
}

/// Sends these bytes. Without more, they must be answered 200, and the connection must stay.
pub(crate) fn send(bytes: impl AsRef<[u8]>) -> Case {
    Case {
        send: bytes.as_ref().to_vec(),
        ends: false,
        reply: Reply::Echo,
        answers: vec![200],
        stays: true,
        saw: Vec::new(),
        cut: false,
        fresh: false,
        check: None,
    }
}

/// Sends a POST of `a.example` with these lines of fields and this body.
pub(crate) fn post(fields: &str, body: &str) -> Case {
    send(format!("POST / HTTP/1.1\r\nHost: a.example\r\n{}\r\n{body}", lines(fields)))
}

/// Sends a GET of `a.example` with these lines of fields.
pub(crate) fn get(fields: &str) -> Case {
    send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{}\r\n", lines(fields)))
}

fn lines(fields: &str) -> String {
    if fields.is_empty() { String::new() } else { format!("{fields}\r\n") }
}

/// Sends a request of `a.example` that begins with this line.
pub(crate) fn line(line: &str) -> Case {
    send(format!("{line}\r\nHost: a.example\r\n\r\n"))
}

impl Case {
    /// The backend saw exactly this one, in short.
    pub(crate) fn seen(mut self, request: &str) -> Self {
        self.saw.push(request.to_owned());
        self
    }

    /// The one answer has this status.
    pub(crate) fn answered(mut self, status: u16) -> Self {
        self.answers = vec![status];
        self
    }

    /// A further answer has this status.
    pub(crate) fn then(mut self, status: u16) -> Self {
        self.answers.push(status);
        self
    }

    /// The connection is closed after the last answer.
    pub(crate) fn closed(mut self) -> Self {
        self.stays = false;
        self
    }

    /// Answered so and closed, and the backend saw nothing at all.
    pub(crate) fn refused(self, status: u16) -> Self {
        self.answered(status).closed()
    }

    /// Answered so and closed; the backend saw the start of it at most.
    pub(crate) fn broken(mut self, status: u16) -> Self {
        self.cut = true;
        self.answered(status).closed()
    }

    /// The client ends its side after its bytes.
    pub(crate) fn ends(mut self) -> Self {
        self.ends = true;
        self
    }

    /// The backend answers so.
    pub(crate) fn reply(mut self, reply: Reply) -> Self {
        self.reply = reply;
        self
    }

    /// The backend answers with these bytes.
    pub(crate) fn says(self, bytes: impl AsRef<[u8]>) -> Self {
        self.reply(Reply::Bytes(bytes.as_ref().to_vec()))
    }

    /// The backend answers with these bytes and closes.
    pub(crate) fn says_and_ends(self, bytes: impl AsRef<[u8]>) -> Self {
        self.reply(Reply::BytesAndEnd(bytes.as_ref().to_vec()))
    }

    /// The backend's connection is not used again.
    pub(crate) fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// The last answer is looked at.
    pub(crate) fn check(mut self, check: fn(&Answer)) -> Self {
        self.check = Some(check);
        self
    }

    async fn run(&self, stage: &Stage) {
        stage.recorder.answers(self.reply.clone());
        let mut client = Raw::connect(stage.gateway.web()).await;
        // The gateway may have closed before the last byte.
        let _ = client.stream.write_all(&self.send).await;
        if self.ends {
            let _ = client.stream.shutdown().await;
        }
        let method = String::from_utf8_lossy(&self.send).split(' ').next().unwrap_or_default().to_owned();
        let mut last = None;
        for (nth, status) in self.answers.iter().enumerate() {
            let answer = client.answer_to(&method).await;
            let got = answer.as_ref().map(|answer| answer.status);
            assert_eq!(
                got,
                Some(*status),
                "answer {nth}: {answer:?}; the backend saw {:?}",
                stage.recorder.take().await
            );
            last = answer;
        }
        if let (Some(check), Some(answer)) = (self.check, &last) {
            check(answer);
        }
        let mut must: Vec<&str> = self.saw.iter().map(String::as_str).collect();
        if self.stays {
            let served = client.stream.write_all(b"GET /after HTTP/1.1\r\nHost: a.example\r\n\r\n").await.is_ok();
            assert!(served, "the connection is closed, and should stay");
            let after = client.answer().await.expect("the connection stays");
            assert_eq!((after.status, &*after.text()), (200, "/after"), "the next request: {after:?}");
            must.push("GET /after");
        } else {
            client.closed().await;
            let rest = client.rest();
            assert!(rest.is_empty(), "more than the answer: {:?}", String::from_utf8_lossy(&rest));
        }
        stage.probe().await;
        let seen = stage.recorder.take().await;
        let whole: Vec<&str> = seen
            .iter()
            .filter(|entry| !entry.cut)
            .map(|entry| &*entry.text)
            .filter(|text| *text != "GET /probe")
            .collect();
        assert_eq!(whole, must, "what the backend saw");
        let cut: Vec<&Entry> = seen.iter().filter(|entry| entry.cut).collect();
        assert!(cut.len() <= usize::from(self.cut), "the backend saw the start of {cut:?}");
        if self.fresh {
            let (later, first): (Vec<&Entry>, Vec<&Entry>) =
                seen.iter().partition(|entry| matches!(&*entry.text, "GET /after" | "GET /probe"));
            let again = first.iter().any(|one| later.iter().any(|other| other.connection == one.connection));
            assert!(!again, "the backend's connection was used again");
        }
    }
}

/// A gateway and what is behind it.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) recorder: Recorder,
}

impl Stage {
    /// `a.example` leads to the recorder, and so does every host that nobody named.
    pub(crate) async fn new(flags: &[&str]) -> Self {
        Self::with("", flags).await
    }

    /// The same with more manifests.
    pub(crate) async fn with(manifests: &str, flags: &[&str]) -> Self {
        Self::beside(|_| manifests.to_owned(), flags).await
    }

    /// The same with manifests that may lead to the recorder's port too.
    pub(crate) async fn beside(manifests: impl FnOnce(u16) -> String, flags: &[&str]) -> Self {
        let recorder = Recorder::start().await;
        let port = recorder.port();
        let ours = [route("app", "a.example", "/", &[port]), route("any", "", "/", &[port]), manifests(port)].concat();
        Self { gateway: Gateway::start(&ours, flags).await, recorder }
    }

    /// Another client is served as if nothing had happened.
    pub(crate) async fn probe(&self) {
        let mut other = Raw::connect(self.gateway.web()).await;
        other.send("GET /probe HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").await;
        let answer = other.answer().await.expect("another client is served");
        assert_eq!((answer.status, &*answer.text()), (200, "/probe"), "another client got {answer:?}");
    }
}

/// Runs the rows of a section, whose numbers are these, and says all that went wrong.
pub(crate) async fn run(numbers: RangeInclusive<u16>, rows: Vec<Row>, stage: &Stage) {
    assert!(rows.iter().map(|row| row.number).eq(numbers), "a row per number, in their order");
    let apart = rows.iter().filter_map(|row| match &row.kind {
        Kind::Apart(act) => Some(async { failure(row, None, act.act()).await }),
        _ => None,
    });
    let together = async {
        let mut failures = Vec::new();
        for row in &rows {
            match &row.kind {
                Kind::Cases(cases) => {
                    for case in cases {
                        failures.extend(failure(row, Some(&case.send), case.run(stage)).await);
                    }
                }
                Kind::Streams(streams) => {
                    for one in streams {
                        failures.extend(failure(row, Some(one.sent()), one.run(stage)).await);
                    }
                }
                Kind::Act(act) => {
                    failures.extend(failure(row, None, act.act(stage)).await);
                    stage.recorder.answers(Reply::Echo);
                    failures.extend(failure(row, None, stage.probe()).await);
                    stage.recorder.take().await;
                }
                Kind::Apart(_) | Kind::None(_) => {}
            }
        }
        failures
    };
    let (apart, mut failures) = futures_util::future::join(futures_util::future::join_all(apart), together).await;
    failures.extend(apart.into_iter().flatten());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

async fn failure(row: &Row, sent: Option<&[u8]>, run: impl Future<Output = ()>) -> Option<String> {
    let panic = AssertUnwindSafe(run).catch_unwind().await.err()?;
    let why = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let sent = sent.map(|sent| String::from_utf8_lossy(sent).chars().take(300).collect::<String>()).unwrap_or_default();
    let why: String = why.unwrap_or("panicked").chars().take(1000).collect();
    Some(format!("{row} {sent:?}\n     {why}"))
}
