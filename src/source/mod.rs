//! Brings objects: from a cluster by watches, or from a directory of manifests. I/O, no meaning.

use std::path::PathBuf;

use crate::objects::Change;

pub(crate) mod backoff;
pub mod cluster;
pub(crate) mod convert;
pub mod directory;
mod keys;
pub mod manifest;

/// What a source says.
#[derive(Debug)]
pub enum Event {
    /// Objects came, changed or went. They belong together: apply all of them before translating.
    Changes(Vec<Change>),
    /// The first lists of all kinds are in. Said once; until then an object that is missing may just not be here yet.
    Synced,
    /// What the first lists wait for, in words for the readiness page. Only before [`Event::Synced`].
    Waiting(Vec<String>),
}

/// Why a source cannot start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing says where the API server is.
    #[error(
        "no Kubernetes API server is known: not in a pod (KUBERNETES_SERVICE_HOST), no KUBECONFIG, and \
         providers.kubernetesingress.endpoint is empty; providers.directory.path serves manifests without a cluster"
    )]
    NoApiServer,
    /// The service account's files in the pod are missing or bad.
    #[error("read the pod's service account, which automountServiceAccountToken: true puts into the pod")]
    InCluster(#[source] kube::config::InClusterError),
    /// The file that `KUBECONFIG` names is missing or bad.
    #[error(
        "KUBECONFIG={path:?} is no file to reach a cluster with: {reason}; name one that `kubectl cluster-info` works with"
    )]
    Kubeconfig {
        /// What it says.
        path: std::ffi::OsString,
        /// What is wrong with it.
        reason: String,
    },
    /// The endpoint is not a URL.
    #[error("providers.kubernetesingress.endpoint {endpoint:?} is not a URL such as https://10.0.0.1:6443")]
    Endpoint {
        /// What was typed.
        endpoint: String,
        /// Why it is none.
        #[source]
        source: http::uri::InvalidUri,
    },
    /// The certificate authority cannot be read.
    #[error("read the API server's authority, providers.kubernetesingress.certauthfilepath={}", path.display())]
    CertificateAuthority {
        /// What was typed.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// The certificate authority holds no certificate.
    #[error("providers.kubernetesingress.certauthfilepath={} holds no PEM certificate", path.display())]
    NoCertificate {
        /// What was typed.
        path: PathBuf,
    },
    /// The token looks like a path, and there is no such file.
    #[error("providers.kubernetesingress.token={} is neither a token nor a file that can be read", path.display())]
    Token {
        /// What was typed.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// The client cannot be built from the credentials.
    #[error("make a client for the Kubernetes API of the credentials that were found")]
    Client(#[source] kube::Error),
    /// The API server does not show what a comparison needs.
    #[error("list {what}: {reason}; name manifests instead, or use a KUBECONFIG that may list them")]
    Inventory {
        /// The kind.
        what: &'static str,
        /// What the API server said.
        reason: String,
    },
    /// A watch ended, which none does.
    #[error("a watch of the Kubernetes API ended by itself")]
    WatchEnded,
    /// The directory of manifests cannot be read.
    #[error("read the manifests in {path:?} (providers.directory.path)")]
    Directory {
        /// What was typed.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
}
