//! A small VNF whose update stands still half way for as long as a test wants.

use super::cluster::Cluster;
use super::manifests::{config_map, container, env_of, spec, workload, yaml};
use super::namespace::Namespace;
use super::objects::Objects;
use super::package::{Draft, Package};
use super::running::Running;
use serde_json::json;
use std::sync::LazyLock;

/// The instance's name.
pub const NAME: &str = "gated";
/// What the progress says once an update stands at the gate.
pub const AT_GATE: &str = "a disruption budget holds Pod gate-";

/// The package in its first version. Made once, since each package that is made has an id of its own.
static FIRST: LazyLock<Draft> = LazyLock::new(|| {
    let user = spec(&container("nginx", &json!({"env": [env_of("CM", "config", "key")]})), &json!({}));
    let manifest = yaml(&[
        config_map("config", &[("key", "old value")]),
        workload("ReplicaSet", "gate", "gate", Some(1), &user),
        workload("Deployment", "web", "web", Some(1), &user),
    ]);
    Draft::of("Gated", &[("all.yaml", &manifest)], &["gate", "web"])
});

/// The package with this value in its ConfigMap, which all of its workloads read: `gate`, a ReplicaSet, and `web`, a
/// Deployment.
pub fn draft(value: &str) -> Draft {
    FIRST.clone().edit("all.yaml", "old value", value)
}

/// A namespace in which the VNF runs, with the gate shut.
pub fn instantiated(cluster: &'static Cluster, purpose: &str) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    ns.vnf(&["instantiate", NAME, "--package", &draft("old value").write().path()]).succeeds();
    shut(&ns);
    ns
}

/// Shuts the gate: no Pod of `gate` may be evicted.
pub fn shut(ns: &Namespace) {
    let budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "gate"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "gate"}}},
    });
    ns.create(&budget.to_string());
}

/// Opens the gate.
pub fn open(ns: &Namespace) {
    ns.kubectl(&["delete", "poddisruptionbudget", "gate"]).succeeds();
}

/// An update that stands at the gate: the ConfigMap is written, `web` is not begun.
pub fn standing(ns: &Namespace, package: &Package) -> Running {
    let mut update = Running::vnf(ns, &["update", NAME, "--package", &package.path(), "--one-by-one", "--yes"]);
    update.says(AT_GATE);
    update
}

/// Verb and state of the last operation, as the record says.
pub fn operation(objects: &Objects) -> String {
    objects.instance().text("/metadata/annotations/kubectl-vnf~1operation").to_owned()
}

/// Asserts that the VNF is what the package with `value` wants, Pods included.
#[track_caller]
pub fn assert_runs(ns: &Namespace, value: &str) {
    let objects = ns.at_rest();
    assert_eq!(objects.get("ConfigMap/config").text("/data/key"), value);
    for owner in ["ReplicaSet/gate", "Deployment/web"] {
        let pod = objects.pod_of(owner);
        assert!(pod.is_ready(), "{owner} is ready");
        let log = ns.log(pod.name());
        assert!(log.contains(&format!("CM={value}\n")), "{owner} saw another value:\n{log}");
    }
}
