//! Requests of HTTP/2 in tables: frames of the row's own, and what must come of the first stream.

use crate::frames::{End, GET, H2, data, headers};
use crate::table::Stage;

/// Frames to send, and what must come of them.
pub(crate) struct Streams {
    frames: Vec<u8>,
    /// The status, or `None`: refused in whatever way.
    answered: Option<u16>,
    /// The whole requests that the backend saw, in short.
    saw: Vec<String>,
}

/// A request without a body that has these fields.
pub(crate) fn raw<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Streams {
    frames(headers(1, true, fields))
}

/// A GET of `a.example` with more fields.
pub(crate) fn with(more: &[(&str, &str)]) -> Streams {
    raw(&[&GET[..], more].concat())
}

/// A GET of `a.example` in which this pseudo field is another.
pub(crate) fn but(name: &str, value: &str) -> Streams {
    raw(&GET.map(|(known, usual)| (known, if known == name { value } else { usual })))
}

/// A GET of `a.example` without these pseudo fields, and with others.
pub(crate) fn without(names: &[&str], more: &[(&str, &str)]) -> Streams {
    let left: Vec<(&str, &str)> = GET.into_iter().filter(|(name, _)| !names.contains(name)).collect();
    raw(&[&left[..], more].concat())
}

/// A request of `a.example` by this method with more fields, and a body.
pub(crate) fn upload(method: &str, more: &[(&str, &str)], body: &str) -> Streams {
    let fields = [&GET.map(|(name, usual)| (name, if name == ":method" { method } else { usual }))[..], more].concat();
    frames([headers(1, false, &fields), data(1, true, body)].concat())
}

/// These frames after the connection's first words.
pub(crate) fn frames(frames: Vec<u8>) -> Streams {
    Streams { frames, answered: Some(200), saw: Vec::new() }
}

impl Streams {
    /// The backend saw exactly this one, in short.
    pub(crate) fn seen(mut self, request: &str) -> Self {
        self.saw.push(request.to_owned());
        self
    }

    pub(crate) fn answered(mut self, status: u16) -> Self {
        self.answered = Some(status);
        self
    }

    /// Refused by an answer, a reset or the end of the connection; the backend never sees it whole.
    pub(crate) fn refused(mut self) -> Self {
        self.answered = None;
        self
    }

    pub(crate) fn is_served(&self) -> bool {
        self.answered == Some(200)
    }

    pub(crate) fn sent(&self) -> &[u8] {
        &self.frames
    }

    pub(crate) async fn run(&self, stage: &Stage) {
        let mut client = H2::connect(stage.gateway.web()).await;
        client.send(&self.frames).await;
        let end = client.end_of(1).await;
        let mut must: Vec<&str> = self.saw.iter().map(String::as_str).collect();
        match self.answered {
            Some(status) => assert_eq!(end, End::Answer(status)),
            None => assert!(end.is_refusal(), "{end:?}"),
        }
        // Whatever became of the stream, the next one is served, unless the connection ended with it.
        let after = GET.map(|(name, usual)| (name, if name == ":path" { "/after" } else { usual }));
        if !matches!(end, End::GoAway(_) | End::Closed) && client.send(headers(3, true, &after)).await {
            match client.end_of(3).await {
                End::Answer(200) => must.push("GET /after"),
                end => assert!(self.answered.is_none() && end.is_refusal(), "the next stream: {end:?}"),
            }
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
        assert!(self.answered.is_none() || seen.iter().all(|entry| !entry.cut), "{seen:?}");
    }
}
