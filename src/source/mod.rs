//! Brings objects: from a cluster by watches, or from a directory of manifests. I/O, no meaning.
