//! The shipped sample, instantiated and updated as its story tells.

use super::cluster::Cluster;
use super::namespace::Namespace;
use super::package::{Draft, Package, sample_request};
use super::run::Run;

/// The name that the story instantiates, and what the update makes of it.
pub const BEFORE: &str = "sample-vnf";
pub const AFTER: &str = "modify_vnf_after";

/// The workloads of the sample by VDU.
pub const WORKLOADS: [(&str, &str); 8] = [
    ("VDU1", "Deployment/vdu1-update"),
    ("VDU2", "ReplicaSet/vdu2-update"),
    ("VDU3", "Pod/env-test"),
    ("VDU4", "Pod/volume-test"),
    ("VDU5", "DaemonSet/daemonset-vdu5"),
    ("VDU6", "Deployment/deployment2-vdu6"),
    ("VDU7", "Pod/env-test2"),
    ("VDU8", "Pod/volume-test2"),
];

/// Those that use nothing of what the sample's update changes.
pub const UNTOUCHED: [&str; 3] = ["Deployment/deployment2-vdu6", "Pod/env-test2", "Pod/volume-test2"];

/// The shipped package `before` or `after`, as it is.
pub fn shipped(version: &str) -> String {
    sample_request(version)
}

/// A namespace in which the sample runs as the story's first step leaves it.
pub fn instantiated(cluster: &'static Cluster, purpose: &str) -> Namespace {
    let namespace = Namespace::new(cluster, purpose);
    instantiate(&namespace);
    namespace
}

/// The story's first step.
pub fn instantiate(namespace: &Namespace) -> Run {
    let (package, request) = (shipped("before"), sample_request("instance_kubernetes.json"));
    namespace.vnf(&["instantiate", BEFORE, "--package", &package, "-f", &request]).succeeds()
}

/// The package `after`, in which `from` is replaced by `to` in a manifest.
pub fn after_with(manifest: &str, from: &str, to: &str) -> Package {
    Draft::sample("after").edit(manifest, from, to).write()
}

/// The update's request file.
pub fn update_request() -> String {
    sample_request("sample_param_file.json")
}
