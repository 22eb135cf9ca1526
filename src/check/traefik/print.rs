//! Findings as people and programs read them.

use std::io::{self, Write};

use serde_json::json;

use super::{About, Findings, Item, State};

/// The headings, and what stands below each.
const SECTIONS: [(&str, &[About]); 4] = [
    ("Flags", &[About::Flag]),
    ("Defaults", &[About::Default]),
    ("Ingresses", &[About::Ingress, About::Annotation, About::Field, About::Request]),
    ("Other objects", &[About::Object]),
];

/// For people: a line for each, parts below their Ingress; at the end how many of each.
pub(super) fn text(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Traefik's command line: {}", findings.line)?;
    for note in &findings.notes {
        writeln!(out, "note: {note}")?;
    }
    for (title, abouts) in SECTIONS {
        let items: Vec<&Item> = findings.items.iter().filter(|item| abouts.contains(&item.about)).collect();
        if items.is_empty() {
            continue;
        }
        writeln!(out, "\n{title}")?;
        let mut object = "";
        for item in items {
            let is_whole = matches!(item.about, About::Flag | About::Default | About::Ingress | About::Object);
            // What belongs to no Ingress above it says to whom.
            if !is_whole && item.object != object {
                writeln!(out, "  {:9}  {}", "", item.object)?;
            }
            object = if is_whole { &item.name } else { &item.object };
            line(item, if is_whole { "" } else { "  " }, out)?;
        }
    }
    writeln!(out)?;
    for (title, abouts) in SECTIONS {
        let whole = |item: &&Item| abouts.first() == Some(&item.about);
        let counted = |state| findings.items.iter().filter(whole).filter(|item| item.state == state).count();
        let [same, different, not_yet] = [State::Same, State::Different, State::NotYet].map(counted);
        if same + different + not_yet > 0 {
            writeln!(out, "{title}: {same} same, {different} different, {not_yet} not yet")?;
        }
    }
    let blocking = findings.items.iter().filter(|item| item.blocks && item.about != About::Ingress).count();
    if blocking > 0 {
        writeln!(out, "{blocking} marked ! keep adit from starting, or from serving what Traefik serves")?;
    }
    Ok(())
}

fn line(item: &Item, indent: &str, out: &mut impl Write) -> io::Result<()> {
    let mark = if item.blocks { '!' } else { ' ' };
    write!(out, "{mark} {:9}  {indent}{}", item.state.as_str(), item.name)?;
    for (before, text) in [(": ", &item.how), ("; ", &item.action)] {
        if !text.is_empty() {
            write!(out, "{before}{text}")?;
        }
    }
    writeln!(out)
}

/// For programs: all items, and how many of each state.
pub(super) fn json(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    let counted = |state| findings.items.iter().filter(|item| item.state == state).count();
    let page = json!({
        "from": "traefik",
        "line": findings.line,
        "exitCode": findings.verdict().exit_code(),
        "summary": {
            "same": counted(State::Same),
            "different": counted(State::Different),
            "notYet": counted(State::NotYet),
            "blocking": findings.items.iter().filter(|item| item.blocks && item.about != About::Ingress).count(),
        },
        "notes": findings.notes,
        "items": findings.items,
    });
    serde_json::to_writer_pretty(&mut *out, &page)?;
    writeln!(out)
}
