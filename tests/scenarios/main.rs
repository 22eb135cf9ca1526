//! What people run behind an ingress controller, behind adit: real programs in a real cluster, each with its page in
//! `docs/scenarios`, which shows the manifests that are applied here.
//!
//! Any cluster that `KUBECONFIG` names, whose pods and Services this program reaches, with adit's image (`ADIT_IMAGE`)
//! and those that `images` builds in it; Helm (`HELM`) and Chromium (`CHROMIUM`) beside it.
//!
//! `cargo test --test scenarios -- --ignored --test-threads=1`
#![allow(clippy::duplicate_mod, reason = "both that are shared here share a client of TLS")]

mod browser;
mod counter;
mod dash;
mod helm;
mod install;
mod memory;
mod mlflow;
#[path = "../support/mod.rs"]
mod plain;
#[allow(dead_code, reason = "each target of tests uses its part")]
#[path = "../cluster/support/mod.rs"]
mod support;
mod transfer;
mod visitors;
