//! adit in a real cluster: any cluster that `KUBECONFIG` names, whose pods and Services this program reaches, and which
//! has two images, `ADIT_IMAGE` and `ADIT_WEATHER_IMAGE` (see backend.rs).
//!
//! `cargo test --test cluster -- --ignored`

mod certificates;
mod chart;
mod classic;
mod events;
mod faults;
mod faults_api;
mod faults_etcd;
mod faults_memory;
mod faults_objects;
mod faults_process;
mod helm;
mod kustomize;
mod latency;
mod outage;
mod roles;
mod rollouts;
mod status;
mod support;
