//! `adit demo`: the real program on sample manifests, with two small backends of its own.
