//! `adit shadow`: asks a running Traefik and an adit beside it the same requests, and prints where their answers differ.
//! It sends nothing but what it was given to send: GET and HEAD, unless it is told otherwise, and never a body.

mod ask;
mod compare;
mod print;
mod requests;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::Serialize;

pub use ask::{Asker, Base, Error};
use compare::Difference;
pub use compare::Ignored;
pub use requests::{Reading, Request, read};

use crate::config::Format;

/// Whom to ask, and how.
#[derive(Debug)]
pub struct Settings {
    /// Where Traefik is.
    pub traefik: Base,
    /// Where adit is.
    pub adit: Base,
    /// Requests in flight.
    pub concurrency: usize,
    /// The longest that one answer may take, with its body.
    pub timeout: Duration,
    /// Certificates are not verified.
    pub insecure: bool,
    /// Headers that are not compared.
    pub ignored: Ignored,
}

/// What was found out.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// Requests that were sent to both.
    pub asked: usize,
    /// Lines that were no request to send.
    pub skipped: usize,
    /// Requests that neither answered.
    pub unanswered: usize,
    /// Why Traefik did not answer the first of them.
    pub reason: Option<String>,
    /// Requests whose answers differ.
    pub different: Vec<Different>,
}

/// A request whose answers differ.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Different {
    /// The request.
    #[serde(flatten)]
    pub request: Request,
    /// In what.
    pub differences: Vec<Difference>,
}

impl Findings {
    /// 0 when all answers were alike, 1 when some differ, 2 when nothing was answered.
    pub fn exit_code(&self) -> u8 {
        match (self.different.is_empty(), self.asked > self.unanswered) {
            (false, _) => 1,
            (true, true) => 0,
            (true, false) => 2,
        }
    }
}

/// Asks both all requests.
pub async fn run(settings: &Settings, requests: BTreeSet<Request>, skipped: usize) -> Result<Findings, Error> {
    let asker = Asker::new(settings.insecure, settings.timeout)?;
    let asked = requests.len();
    let all = stream::iter(requests).map(async |request| {
        let outcome = ask_both(&asker, settings, &request).await;
        (request, outcome)
    });
    let mut findings = Findings { asked, skipped, ..Findings::default() };
    let mut answers = std::pin::pin!(all.buffer_unordered(settings.concurrency.max(1)));
    while let Some((request, outcome)) = answers.next().await {
        match outcome {
            Ok(differences) if differences.is_empty() => {}
            Ok(differences) => findings.different.push(Different { request, differences }),
            Err(reason) => {
                findings.unanswered += 1;
                findings.reason.get_or_insert(reason);
            }
        }
    }
    findings.different.sort();
    Ok(findings)
}

/// In what the answers differ; an error when there is none, with Traefik's reason. What differs between two answers of
/// Traefik's own, such as a time in a page, is no difference.
async fn ask_both(asker: &Asker, settings: &Settings, request: &Request) -> Result<Vec<Difference>, String> {
    let (traefik, adit) = tokio::join!(asker.ask(&settings.traefik, request), asker.ask(&settings.adit, request));
    if let (Err(reason), Err(_)) = (&traefik, &adit) {
        return Err(reason.clone());
    }
    let mut differences = compare::differences(&traefik, &adit, &settings.ignored);
    if !differences.is_empty() && traefik.is_ok() {
        let again = asker.ask(&settings.traefik, request).await;
        let varying: BTreeSet<String> =
            compare::differences(&traefik, &again, &settings.ignored).into_iter().map(|varying| varying.what).collect();
        differences.retain(|difference| !varying.contains(&difference.what));
    }
    Ok(differences)
}

/// Prints the findings.
pub fn print(findings: &Findings, format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Text => print::text(findings, out),
        Format::Json => print::json(findings, out),
    }
}
