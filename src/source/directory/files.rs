//! The files of the directory and what each says. A file that cannot be read any more keeps its last good objects.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalogue::Id;
use crate::objects::Change;
use crate::source::manifest::{self, ManifestProblem, Manifests};

/// Directories below this are not entered: a link that points upwards must not be followed for ever.
const DEPTH: usize = 16;

/// The files. A copy costs little: it shares what they say.
#[derive(Clone, Debug)]
pub(super) struct Files {
    root: PathBuf,
    files: BTreeMap<PathBuf, Arc<File>>,
}

#[derive(Debug)]
struct File {
    /// The text that was read, if it could be: to know it again, not to keep it.
    text: Option<Digest>,
    objects: Vec<Change>,
    /// Where, and what is wrong there.
    problems: Vec<(String, String)>,
}

/// What tells two texts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest {
    length: usize,
    hash: u64,
}

impl Digest {
    fn of(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { length: text.len(), hash: hasher.finish() }
    }
}

impl Files {
    /// Nothing was read yet.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, files: BTreeMap::new() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// All objects, in the order of the files' paths and of the documents in them.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&Path, &Change)> {
        self.files.iter().flat_map(|(path, file)| file.objects.iter().map(move |object| (path.as_path(), object)))
    }

    /// What cannot be read: where, and why.
    pub(super) fn problems(&self) -> BTreeMap<String, String> {
        self.files.values().flat_map(|file| file.problems.iter().cloned()).collect()
    }

    /// Reads what there is now.
    pub(super) fn read(&mut self) -> io::Result<()> {
        let mut files = BTreeMap::new();
        for path in paths_at(&self.root)? {
            let before = self.files.get(&path);
            let file = match fs::read_to_string(&path) {
                // Gone since the directory was read: so it is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Arc::new(File::unreadable(&path, before, &error)),
                Ok(text) => match before {
                    Some(before) if before.text == Some(Digest::of(&text)) => before.clone(),
                    before => Arc::new(File::parse(&path, &text, before.map(|before| &**before))),
                },
            };
            files.insert(path, file);
        }
        self.files = files;
        Ok(())
    }
}

impl File {
    fn parse(path: &Path, text: &str, before: Option<&Self>) -> Self {
        let manifests = manifest::parse(text);
        let problems =
            manifests.problems.iter().map(|problem| (place(path, problem), problem.reason.clone())).collect();
        Self { text: Some(Digest::of(text)), objects: keep(before, manifests), problems }
    }

    fn unreadable(path: &Path, before: Option<&Arc<Self>>, error: &io::Error) -> Self {
        let objects = before.map(|before| before.objects.clone()).unwrap_or_default();
        Self { text: None, objects, problems: vec![(path.display().to_string(), error.to_string())] }
    }
}

/// Where a document is that something is wrong with.
pub(crate) fn place(path: &Path, problem: &ManifestProblem) -> String {
    let ManifestProblem { document, kind, name, .. } = problem;
    let object = match (kind.is_empty(), name.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!(" ({kind})"),
        (false, false) => format!(" ({kind} {name})"),
    };
    format!("{}, document {document}{object}", path.display())
}

/// What can be read of a file counts. What it said before and cannot be found now stays while it may be the very part
/// that cannot be read.
fn keep(before: Option<&File>, now: Manifests) -> Vec<Change> {
    let mut objects = now.changes;
    let known: BTreeSet<_> = objects.iter().filter_map(Id::of).collect();
    for object in before.map(|before| before.objects.as_slice()).unwrap_or_default() {
        let Some(id) = Id::of(object).filter(|id| !known.contains(id)) else { continue };
        if now.problems.iter().any(|problem| id.may_be(&problem.kind, &problem.name)) {
            objects.push(object.clone());
        }
    }
    objects.shrink_to_fit();
    objects
}

/// All manifests below `directory`. Names that begin with a dot are not entered: there a mounted ConfigMap keeps the
/// directories that its visible links point to, and editors their drafts.
fn find(directory: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        // Follows links. What vanishes meanwhile is not there.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() && depth > 0 {
            match find(&path, depth - 1, paths) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        } else if metadata.is_file() && is_manifest(&path) {
            paths.push(path);
        }
    }
    Ok(())
}

/// Whether a file's name says that it is a manifest.
fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The manifests at `path`: the file itself, or all in the directory, sorted.
fn paths_at(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut paths = Vec::new();
    find(path, DEPTH, &mut paths)?;
    paths.sort_unstable();
    Ok(paths)
}

/// The manifests at `path`, and their text.
pub(crate) fn read_all(path: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let read = |path: PathBuf| match fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    };
    paths_at(path)?.into_iter().map(read).collect()
}
