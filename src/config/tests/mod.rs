//! The whole way from what is typed to what it means, one sentence per rule.

mod entry_points;
mod pages;
mod sources;
mod table_walk;
mod tracing;

use std::io;
use std::path::Path;

use super::*;

/// No file is there.
fn no_files(_: &Path) -> io::Result<String> {
    Err(io::ErrorKind::NotFound.into())
}

/// Outside a cluster, with no environment and no file.
fn read(arguments: &[&str]) -> Result<(Config, Vec<Warning>), Error> {
    Config::read(Flags::parse(arguments)?, &[], &no_files)
}

/// A configuration without errors.
fn config(arguments: &[&str]) -> Config {
    match read(arguments) {
        Ok((config, _)) => config,
        Err(error) => panic!("{arguments:?}: {error}"),
    }
}

/// The warnings of a configuration that asks for a provider.
fn warnings(arguments: &[&str]) -> Vec<String> {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--providers.kubernetesIngress"]).collect();
    match read(&arguments) {
        Ok((_, warnings)) => warnings.into_iter().map(|warning| warning.0).collect(),
        Err(error) => panic!("{arguments:?}: {error}"),
    }
}

/// Why this is no configuration.
fn error(arguments: &[&str]) -> String {
    match read(arguments) {
        Ok(_) => panic!("{arguments:?} is a configuration"),
        Err(error) => error.to_string(),
    }
}

fn names(config: &Config) -> Vec<&str> {
    config.listeners.iter().map(|listener| &*listener.name).collect()
}

/// The arguments of a manifest.
fn lines(manifest: &str) -> Vec<&str> {
    manifest.lines().map(|line| line.trim().trim_start_matches("- ")).filter(|line| !line.is_empty()).collect()
}
