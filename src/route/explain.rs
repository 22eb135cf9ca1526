//! What each problem means and how it is mended, in the words of the handbook: `docs/problems.md` is this table.

use super::Code;

/// A problem for somebody who meets it for the first time. Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is wrong, and what is served meanwhile.
    pub what: &'static str,
    /// What to do.
    pub mend: &'static str,
    /// A command that shows the cause; empty when there is none.
    pub look: &'static str,
}

const fn explained(what: &'static str, mend: &'static str, look: &'static str) -> Explanation {
    Explanation { what, mend, look }
}

impl Explanation {
    /// `text` where there is no handbook to lead to: a link is its words.
    pub fn without_links(text: &str) -> String {
        let mut plain = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, (words, after))) = link(rest) {
            plain.push_str(before);
            plain.push_str(words);
            rest = after;
        }
        plain + rest
    }
}

/// What is before the first link of `text`, its words, and what is after it.
fn link(text: &str) -> Option<(&str, (&str, &str))> {
    let (head, tail) = text.split_once("](")?;
    let (before, words) = head.rsplit_once('[')?;
    Some((before, (words, tail.split_once(')')?.1)))
}

impl Code {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.to_string() == name)
    }

    /// All problems.
    pub const ALL: [Self; 19] = [
        Self::InvalidHost,
        Self::InvalidPath,
        Self::InvalidAnnotation,
        Self::UnknownAnnotation,
        Self::UnknownEntryPoint,
        Self::UnsupportedPolicy,
        Self::UnsupportedBackend,
        Self::ServiceNotFound,
        Self::PortNotFound,
        Self::ExternalNameNotAllowed,
        Self::SecretNotFound,
        Self::InvalidCertificate,
        Self::Conflict,
        Self::ClassNotFound,
        Self::Undecodable,
        Self::Unserved,
        Self::CertificateMismatch,
        Self::TooLarge,
        Self::HostTaken,
    ];

    /// What it means and how it is mended.
    pub fn explain(self) -> Explanation {
        match self {
            Self::InvalidHost => explained(
                "The host is not a DNS name, or has `*` elsewhere than as its whole first label. This rule is not \
                 served; the others are.",
                "Write a DNS name without scheme, port and path, or `*.` and a DNS name.",
                "",
            ),
            Self::InvalidPath => explained(
                "The path does not begin with `/`, has characters that must be percent-encoded, or is no regular \
                 expression where one is asked for. This path is not served; the others are.",
                "Correct the path, or its `pathType`.",
                "",
            ),
            Self::InvalidAnnotation => explained(
                "The annotation's value is not one. The problem says what is done until it is mended: a default, or for \
                 what guards something, nothing in the clear.",
                "Write one of the values that the problem names.",
                "",
            ),
            Self::UnknownAnnotation => explained(
                "The annotation has a prefix of Traefik's or adit's and means nothing here: usually a misspelling, or an \
                 annotation of a Service on an Ingress. It has no effect.",
                "Correct it to the name that the problem proposes or to another one of the [handbook's page of \
                 annotations](annotations.md), or remove it.",
                "",
            ),
            Self::UnknownEntryPoint => explained(
                "`router.entrypoints` names an entry point that is not configured. The Ingress is served on those of \
                 its entry points that exist, and nowhere if none does.",
                "Name one that exists, or start adit with `--entryPoints.NAME.address`.",
                "curl -s localhost:8080/api/entrypoints",
            ),
            Self::UnsupportedPolicy => explained(
                "The Ingress or Service names something that this version does not have. As an error it is a guard, \
                 such as a middleware or TLS options, and what it guards answers 503. As a warning it has no effect.",
                "Remove the annotation if the routes may be served without it; else keep them with the controller that \
                 has it.",
                "",
            ),
            Self::UnsupportedBackend => explained(
                "The backend is not a Service. The path answers 503.",
                "Name a Service with `backend.service`.",
                "",
            ),
            Self::ServiceNotFound => explained(
                "The Service does not exist in the Ingress's namespace. The path answers 503.",
                "Create the Service, or correct its name. A Service of another namespace cannot be named.",
                "kubectl get services -n NAMESPACE",
            ),
            Self::PortNotFound => explained(
                "The Service has no port of this number or name. The path answers 503. The number is the Service's \
                 `port`, not the pod's.",
                "Name a port that the Service has.",
                "kubectl get service NAME -n NAMESPACE -o jsonpath='{.spec.ports}'",
            ),
            Self::ExternalNameNotAllowed => explained(
                "The Service is an ExternalName. Such a name may lead anywhere, so these are refused, and the path \
                 answers 503.",
                "Start adit with `--providers.kubernetesingress.allowexternalnameservices` if those who write Services \
                 may choose where it connects to.",
                "",
            ),
            Self::SecretNotFound => explained(
                "The Secret does not exist in the Ingress's namespace, or adit may not read Secrets. The last good \
                 certificate is served, or the default one.",
                "Create the Secret, or look why its issuer has not: with cert-manager, at the Certificate.",
                "kubectl get secret,certificate -n NAMESPACE",
            ),
            Self::InvalidCertificate => explained(
                "The Secret's `tls.crt` or `tls.key` is missing, is no PEM, or the two do not belong together. The last \
                 good certificate is served until it is mended, or the default one.",
                "Put the chain into `tls.crt`, the server's certificate first, and its key into `tls.key`.",
                "kubectl get secret NAME -n NAMESPACE -o jsonpath='{.data.tls\\.crt}' | base64 -d | openssl x509 -noout -subject -dates",
            ),
            Self::Conflict => explained(
                "An older Ingress has this host and path already, or names another Secret for this host. The older one \
                 is served.",
                "Remove or change one of the two; the problem names the other.",
                "kubectl get ingresses -A --sort-by=.metadata.creationTimestamp",
            ),
            Self::ClassNotFound => explained(
                "The Ingress names a class that looks like adit's and does not exist, so nobody serves it.",
                "Create the IngressClass with `controller: adit.dev/ingress-controller`, or correct the name.",
                "kubectl get ingressclass",
            ),
            Self::Undecodable => explained(
                "The object could not be read at all. What it said before stays. In a directory this is a mistake of \
                 YAML or of a field's type, and the problem names the file and the document.",
                "Correct what the problem names.",
                "kubectl apply --dry-run=server -f FILE",
            ),
            Self::Unserved => explained(
                "There are IngressRoutes, which adit does not serve.",
                "Write Ingresses for them, or keep Traefik beside adit.",
                "kubectl get ingressroutes -A",
            ),
            Self::CertificateMismatch => explained(
                "The certificate does not name its host. It is served, and clients refuse it.",
                "Issue one that names the host. `*.example.org` is for one label, not for `example.org` itself.",
                "kubectl get secret NAME -n NAMESPACE -o jsonpath='{.data.tls\\.crt}' | base64 -d | openssl x509 -noout -ext subjectAltName",
            ),
            Self::TooLarge => explained(
                "The object holds more than adit reads: see the [handbook's limits](security.md#limits-on-objects). The problem \
                 says what of it is not served.",
                "Split it.",
                "",
            ),
            Self::HostTaken => explained(
                "`hostOwnership=strict` is set, and the host belongs to an older Ingress of another namespace. This one \
                 is not served for it.",
                "Use another host, or ask the owner, whom the problem names.",
                "",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_link_is_its_words_where_there_is_no_handbook() {
        let text = "See the [limits](security.md#limits), or [these](a.md) `[0]` (all).";
        assert_eq!(Explanation::without_links(text), "See the limits, or these `[0]` (all).");
        for code in Code::ALL {
            let Explanation { what, mend, .. } = code.explain();
            for text in [what, mend].map(Explanation::without_links) {
                assert!(!text.contains("]("), "{text}");
            }
            assert_eq!(Code::named(&code.to_string()), Some(code));
        }
    }

    #[test]
    fn every_explanation_is_its_own_and_says_what_to_do() {
        let mut seen = BTreeSet::new();
        for code in Code::ALL {
            let explanation = code.explain();
            assert!(seen.insert(code), "{code} is there twice");
            assert!(explanation.what.ends_with('.') && explanation.mend.ends_with('.'), "{code}");
            assert!(!explanation.what.contains("  ") && !explanation.mend.contains("  "), "{code}");
        }
    }
}
