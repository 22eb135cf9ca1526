//! Findings as people and programs read them.

use std::io::{self, Write};

use super::Findings;

/// For people: each request with its differences, and how many there are.
pub(super) fn text(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    for different in &findings.different {
        let request = &different.request;
        writeln!(out, "{} {}{}", request.method, request.host, request.path)?;
        for difference in &different.differences {
            writeln!(out, "  {}: {} with Traefik, {} with adit", difference.what, difference.traefik, difference.adit)?;
        }
    }
    let Findings { asked, skipped, unanswered, reason, different } = findings;
    writeln!(out, "{asked} requests: {} answered differently, {unanswered} by neither", different.len())?;
    if let Some(reason) = reason {
        writeln!(
            out,
            "the first that neither answered: {reason}; are both addresses right, and certificates trusted (--insecure true)?"
        )?;
    }
    if *skipped > 0 {
        writeln!(out, "{skipped} lines left out: other methods (--methods), no host (--host), or no request")?;
    }
    Ok(())
}

/// For programs.
pub(super) fn json(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, findings)?;
    writeln!(out)
}
