//! The paths of a host with many routes: all literal paths in one sorted list, each knowing the longest other that it
//! begins with.
//!
//! Every listed text that a request's path begins with is the last one that sorts before the path or one of its
//! ancestors. So one binary search and a walk up find Exact, Prefix and string prefix alike, at a cost that a client
//! cannot drive up: it grows with the routes' own nesting, not with the slashes in the request.

use super::entry::{Entry, PathKind};

/// Where the texts lead to. Positions are those of the host's routes by rank: the lowest wins.
pub(super) struct PathIndex {
    /// By text.
    nodes: Box<[Node]>,
    /// Regular expressions, by rank.
    regexes: Box<[usize]>,
}

struct Node {
    /// Some entry with this text.
    sample: (usize, usize),
    /// The node of the longest other text that this one begins with.
    parent: Option<usize>,
    /// The lowest position here and in all ancestors.
    lowest: usize,
    /// By rank.
    routes: Box<[(usize, PathKind)]>,
}

impl PathIndex {
    pub(super) fn new(entries: &[Entry], text: &[u8]) -> Self {
        let mut literal: Vec<usize> = Vec::with_capacity(entries.len());
        let mut regexes = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            match entry.path {
                PathKind::Regex => regexes.push(position),
                _ => literal.push(position),
            }
        }
        let text_of = |position: usize| entries.get(position).map(|entry| entry.path_text(text)).unwrap_or_default();
        // Stable: within one text the routes stay in the order of their ranks.
        literal.sort_by_key(|&position| text_of(position));
        let mut nodes: Vec<Node> = Vec::new();
        for same in literal.chunk_by(|&a, &b| text_of(a) == text_of(b)) {
            let Some(first) = same.first().and_then(|&position| entries.get(position)) else { continue };
            let own = first.path_text(text);
            // Whatever the text begins with, the one before it begins with too, or is.
            let mut parent = nodes.len().checked_sub(1);
            while let Some(node) = parent.and_then(|parent| nodes.get(parent)) {
                if own.starts_with(node.text(text)) {
                    break;
                }
                parent = node.parent;
            }
            let above = parent.and_then(|parent| nodes.get(parent)).map_or(usize::MAX, |node| node.lowest);
            nodes.push(Node {
                sample: first.range(),
                parent,
                lowest: same.first().copied().unwrap_or(usize::MAX).min(above),
                routes: same.iter().filter_map(|&position| Some((position, entries.get(position)?.path))).collect(),
            });
        }
        Self { nodes: nodes.into(), regexes: regexes.into() }
    }

    /// The longest walk up, in nodes.
    #[cfg(test)]
    pub(super) fn deepest(&self) -> usize {
        let depth = |node: &Node| std::iter::successors(Some(node), |node| self.nodes.get(node.parent?)).count();
        self.nodes.iter().map(depth).max().unwrap_or(0)
    }

    /// The lowest position whose path matches and that `accepts`; it is asked for regular expressions as well, whose
    /// paths are for it to match.
    pub(super) fn first(&self, path: &str, text: &[u8], accepts: impl Fn(usize) -> bool) -> Option<usize> {
        let path = path.as_bytes();
        let mut found = usize::MAX;
        let after = self.nodes.partition_point(|node| node.text(text) <= path);
        let mut next = after.checked_sub(1);
        while let Some(node) = next.and_then(|next| self.nodes.get(next)) {
            if node.lowest >= found {
                break;
            }
            if let Some(rest) = path.strip_prefix(node.text(text)) {
                let matches = |kind| match kind {
                    PathKind::Exact => rest.is_empty(),
                    PathKind::Prefix => matches!(rest.first(), None | Some(b'/')),
                    PathKind::StringPrefix => true,
                    PathKind::Regex => false,
                };
                let best = node.routes.iter().find(|&&(position, kind)| matches(kind) && accepts(position));
                found = best.map_or(found, |&(position, _)| found.min(position));
            }
            next = node.parent;
        }
        let regex =
            self.regexes.iter().copied().take_while(|&position| position < found).find(|&position| accepts(position));
        regex.or((found < usize::MAX).then_some(found))
    }
}

impl Node {
    fn text<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.sample.0..self.sample.1).unwrap_or_default()
    }
}
