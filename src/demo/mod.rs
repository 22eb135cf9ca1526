//! `adit demo`: the real program on sample manifests, with two small backends of its own.

mod weather;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use tokio::sync::watch;

use crate::objects::{Change, ObjectKey, Secret};

/// The manifests as they are in the repository, for a binary that is run elsewhere.
pub(crate) const MANIFESTS: [(&str, &str); 2] = [
    ("ingress.yaml", include_str!("../../deploy/demo/ingress.yaml")),
    ("service.yaml", include_str!("../../deploy/demo/service.yaml")),
];
/// Where they are when the program runs in its repository.
const DIRECTORY: &str = "deploy/demo";
/// The host of the demo's Ingress; every name under `lvh.me` resolves to the loopback.
const HOST: &str = "weather.lvh.me";
/// The backends' addresses, as the EndpointSlices say.
const BACKENDS: [(&str, &str); 2] = [("weather-api-1", "127.0.0.1:5001"), ("weather-api-2", "127.0.0.1:5002")];
/// How long its certificate is good for.
const DAYS: i64 = 90;
/// How long a forecast takes.
const DELAY: Duration = Duration::from_millis(20);

/// The Secret that is made at the start, as [`FLAGS`] name it.
const SECRET: (&str, &str) = ("default", "weather-tls");

/// What the demo starts with, before the flags that were typed.
pub const FLAGS: [&str; 9] = [
    "--entryPoints.web.address=:8000",
    "--entryPoints.websecure.address=:8443",
    "--entryPoints.websecure.http.tls=true",
    "--entryPoints.traefik.address=:8080",
    "--api.insecure=true",
    "--ping=true",
    "--metrics.prometheus=true",
    "--accesslog=true",
    "--tls.defaultCertificate=default/weather-tls",
];

/// Why the demo cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifests could not be written.
    #[error("write the demo's manifests to {path}")]
    Manifests {
        /// Where to.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A backend's port is taken.
    #[error(
        "the demo's backend cannot listen on {address}: {reason}; free the port, or change it in {DIRECTORY}/service.yaml and here"
    )]
    Backend {
        /// Which.
        address: &'static str,
        /// Why not.
        reason: String,
    },
    /// The certificate could not be made.
    #[error("make the demo's certificate")]
    Certificate(#[from] rcgen::Error),
}

/// The demo's manifests, backends and certificate, made ready.
#[derive(Debug)]
pub struct Demo {
    /// Where the manifests are; edit them while it runs.
    pub manifests: PathBuf,
    /// The Secret with the certificate that the Ingress's host is served with.
    pub secret: Change,
    backends: Vec<(&'static str, TcpListener)>,
    /// Ends the backends when it goes.
    stop: watch::Sender<bool>,
}

impl Demo {
    /// Finds or writes the manifests, binds the backends' ports, makes a certificate.
    pub fn prepare() -> Result<Self, Error> {
        let backends = BACKENDS.iter().map(|&(name, address)| {
            let bound =
                TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
            let listener = bound.map_err(|error| Error::Backend { address, reason: error.to_string() })?;
            Ok((name, listener))
        });
        Ok(Self {
            backends: backends.collect::<Result<_, Error>>()?,
            manifests: manifests()?,
            secret: secret()?,
            stop: watch::channel(false).0,
        })
    }

    /// Starts the backends on this runtime.
    pub fn start(&mut self, runtime: &tokio::runtime::Handle) {
        for (name, listener) in self.backends.drain(..) {
            let stop = self.stop.subscribe();
            runtime.spawn(async move {
                let served = async {
                    weather::serve(tokio::net::TcpListener::from_std(listener)?, name.to_owned(), DELAY, stop).await
                };
                if let Err(error) = served.await {
                    tracing::error!(%error, backend = name, "the demo's backend ended");
                }
            });
        }
    }

    /// What to try, for the person who started it.
    pub fn hints(&self) -> String {
        format!(
            "\nadit is up. Try:\n  curl -H 'Host: {HOST}' localhost:8000/london/uk/\n  curl -k --resolve {HOST}:8443:127.0.0.1 https://{HOST}:8443/london/uk/\n  open http://localhost:8080/dashboard/, then edit {} and look again\n\n",
            self.manifests.join("ingress.yaml").display()
        )
    }
}

fn manifests() -> Result<PathBuf, Error> {
    let here = Path::new(DIRECTORY);
    if here.is_dir() {
        return Ok(here.to_owned());
    }
    let path = std::env::temp_dir().join(format!("adit-demo-{}", std::process::id()));
    let write = || {
        std::fs::create_dir_all(&path)?;
        MANIFESTS.iter().try_for_each(|(name, text)| std::fs::write(path.join(name), text))
    };
    match write() {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::Manifests { path, source }),
    }
}

/// A self-signed certificate for the demo's host, in the Secret that [`FLAGS`] name.
pub(crate) fn secret() -> Result<Change, Error> {
    let mut parameters = CertificateParams::new(vec![HOST.to_owned()])?;
    // Otherwise it is for two thousand years, which no one shows to a user.
    let day = |days: i64| {
        let at = Timestamp::now() + SignedDuration::from_hours(24 * days);
        let date = TimeZone::UTC.to_datetime(at).date();
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    (parameters.not_before, parameters.not_after) = (day(-1), day(DAYS));
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, HOST);
    parameters.distinguished_name.push(DnType::OrganizationName, "adit demo");
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    let bytes = |text: String| text.into_bytes().into();
    let secret = Secret { certificate: bytes(certificate.pem()), key: bytes(key.serialize_pem()) };
    let (namespace, name) = SECRET;
    Ok(Change::Secret(ObjectKey::new(namespace, name), Some(secret.into())))
}
