//! Termination leaves nothing of an instance, and everything else.

use crate::support::driven::{IGNORE_TERM, driven, package};
use crate::support::manifests::{config_map, container, env_of, pod, spec, workload, yaml};
use crate::support::sample::{AFTER, BEFORE, instantiate, shipped, update_request};
use crate::support::{Cluster, Draft, Namespace, Running, cluster, eventually, written};
use serde_json::{Value, json};
use std::time::Duration;

/// Objects that look like the sample's, and are somebody else's.
fn foreign() -> String {
    let labelled = |mut object: Value, labels: Value| {
        object["metadata"]["labels"] = labels;
        object
    };
    let ours = json!({"app.kubernetes.io/managed-by": "kubectl-vnf"});
    yaml(&[
        config_map("cm-data2", &[("cmKey1.txt", "theirs")]),
        labelled(config_map("cm-data-managed", &[("cmKey1.txt", "theirs")]), ours),
        labelled(config_map("vnf-notes", &[("text", "theirs")]), json!({"app": "webserver"})),
        pod("env-test3", &spec(&container("nginx", &json!({})), &json!({}))),
    ])
}

#[test]
fn terminate_with_delete_leaves_nothing_and_touches_nothing_else() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "terminate");
    ns.create(&foreign());
    ns.kubectl(&["wait", "--for=condition=Ready", "pod/env-test3", "--timeout=60s"]).succeeds();
    let before = ns.at_rest();
    instantiate(&ns);
    ns.vnf(&["update", BEFORE, "--package", &shipped("after"), "-f", &update_request()]).succeeds();
    // Another's object with our instance's label: the record does not list it.
    let id = ns.objects().instance().record()["id"].as_str().expect("an id").to_owned();
    ns.kubectl(&["label", "configmap", "cm-data2", &format!("kubectl-vnf/instance={id}")]).succeeds();

    ns.vnf(&["terminate", AFTER, "--delete", "--yes"]).succeeds();

    let left = ns.objects();
    for name in left.names() {
        assert!(before.has(name), "{name} is left");
    }
    assert_eq!(written(&before, &left), ["ConfigMap/cm-data2"], "of what was there, only the labelled one has changed");
    assert_eq!(left.get("ConfigMap/cm-data2").uid(), before.get("ConfigMap/cm-data2").uid());
    ns.vnf(&["list", "--no-headers"]).succeeds().never_says([AFTER, BEFORE]);
}

#[test]
fn a_terminated_instance_can_be_instantiated_again_and_deleted() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "again");
    let before = ns.at_rest();
    instantiate(&ns);
    ns.vnf(&["delete", BEFORE]).exits(1).says(["terminate"]);
    ns.vnf(&["terminate", BEFORE, "--yes"]).succeeds();
    assert_eq!(ns.objects().of_kind("Pod").count(), 0);
    assert_eq!(ns.objects().instance().record()["instantiationState"], "NOT_INSTANTIATED");
    // The package is gone with it, what went is told all the same.
    let shown = ns.vnf(&["op", "show", BEFORE]).succeeds();
    shown
        .says(["Deployment vdu1-update gone deleted", "ConfigMap cm-data gone deleted"])
        .never_says(["cannot be read"]);
    instantiate(&ns);
    assert_eq!(ns.objects().of_kind("Pod").filter(|pod| pod.is_ready()).count(), 8);
    ns.vnf(&["terminate", BEFORE, "--yes", "--force"]).succeeds();
    ns.vnf(&["delete", BEFORE]).succeeds();
    // Operations are collected by their owner reference.
    eventually("nothing is left", Duration::from_secs(20), || written(&before, &ns.objects()).is_empty().then_some(()));
}

#[test]
fn two_instances_in_one_namespace_do_not_meet() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "two");
    let draft = |name: &str| {
        let user =
            spec(&container("nginx", &json!({"env": [env_of("CM", &format!("{name}-config"), "key")]})), &json!({}));
        let config = config_map(&format!("{name}-config"), &[("key", "value one")]);
        Draft::of(&format!("Product {name}"), &[("all.yaml", &yaml(&[config, pod(name, &user)]))], &[name])
    };
    let (first, second) = (draft("first"), draft("second"));
    for (name, draft) in [("first", &first), ("second", &second)] {
        ns.vnf(&["instantiate", name, "--package", &draft.write().path()]).succeeds();
    }
    ns.vnf(&["list"])
        .succeeds()
        .says(["first INSTANTIATED Product first 1.0", "second INSTANTIATED Product second 1.0"]);
    let of_second = |names: Vec<String>| names.into_iter().filter(|name| name.contains("second")).collect::<Vec<_>>();

    let old = ns.at_rest();
    ns.vnf(&["update", "first", "--package", &first.edit("all.yaml", "value one", "value two").write().path()])
        .succeeds();
    let new = ns.at_rest();
    assert_ne!(new.get("Pod/first").uid(), old.get("Pod/first").uid());
    assert_eq!(of_second(written(&old, &new)), [""; 0]);
    // A package of another product is refused with both named.
    ns.vnf(&["update", "first", "--package", &second.write().path()])
        .exits(1)
        .says(["Product first", "Product second"]);
    ns.vnf(&["terminate", "first", "--delete", "--yes"]).succeeds();
    let left = ns.at_rest();
    assert_eq!(of_second(written(&old, &left)), [""; 0]);
    assert!(left.names().iter().all(|name| !name.contains("/first")));
    assert_eq!(left.instance().record()["vnfInstanceName"], "second");
}

/// A VNF that has a ConfigMap, a Deployment and a bare Pod.
fn small(cluster: &'static Cluster, purpose: &str) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    let serve = spec(&container("nginx", &json!({})), &json!({}));
    let manifest = yaml(&[
        config_map("config", &[("key", "value")]),
        workload("Deployment", "web", "web", Some(1), &serve),
        pod("bare", &serve),
    ]);
    let package = Draft::of("Small", &[("all.yaml", &manifest)], &["web", "bare"]).write();
    ns.vnf(&["instantiate", "small", "--package", &package.path()]).succeeds();
    ns
}

/// Adds a finalizer that nobody heeds, or takes all of them away.
fn hold(ns: &Namespace, object: &str, held: bool) {
    let finalizers = if held { json!(["example.com/hold"]) } else { json!(null) };
    let patch = json!({"metadata": {"finalizers": finalizers}}).to_string();
    ns.kubectl(&["patch", object, "--type=merge", "-p", &patch]).succeeds();
}

#[test]
fn who_holds_what_is_deleted_is_named_while_it_lasts_and_when_time_is_up() {
    let Some(cluster) = cluster() else { return };
    let ns = small(cluster, "held");
    hold(&ns, "pod/bare", true);
    let mut terminate = Running::vnf(&ns, &["terminate", "small", "--yes", "--force"]);
    terminate.says("held by finalizer example.com/hold");
    hold(&ns, "configmap/config", true);
    hold(&ns, "pod/bare", false);
    terminate.says("ConfigMap config: being deleted, held by finalizer example.com/hold");
    // Nothing but to go on is left to do, and it is done once.
    terminate.signal("INT");
    terminate.exits(130);
    ns.vnf(&["op", "rollback", "small", "--yes"]).exits(1).says(["terminate"]);
    let failed = ns.vnf(&["op", "retry", "small", "--timeout=3s"]).exits(3);
    failed.says(["ConfigMap config", "held by finalizer example.com/hold", "op retry"]).never_says(["op rollback"]);
    hold(&ns, "configmap/config", false);
    ns.vnf(&["op", "retry", "small"]).succeeds();
    assert_eq!(ns.objects().instance().record()["instantiationState"], "NOT_INSTANTIATED");
    assert!(!ns.objects().has("ConfigMap/config") && ns.objects().of_kind("Pod").count() == 0);
    ns.vnf(&["instantiate", "small"]).succeeds();
    ns.vnf(&["terminate", "small", "--delete", "--yes"]).succeeds();
}

/// A VNF whose Pods take all the time that they get, which is ten minutes.
fn reluctant(cluster: &'static Cluster, purpose: &str) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    let slow = spec(&driven("nginx", "slow", &json!({})), &json!({"terminationGracePeriodSeconds": 600}));
    let labels = json!({"app": "control"});
    let control = json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "control"},
        "spec": {"replicas": 1, "selector": labels, "template": {"metadata": {"labels": labels}, "spec": slow}}});
    let all = [
        workload("Deployment", "web", "web", Some(2), &slow),
        workload("StatefulSet", "state", "state", Some(1), &slow),
        pod("bare", &slow),
        control,
    ];
    let draft = package("Reluctant", &[("slow", IGNORE_TERM)], &all);
    ns.vnf(&["instantiate", "slow", "--package", &draft.write().path()]).succeeds();
    ns
}

#[test]
fn a_forceful_termination_gives_no_pod_time_whoever_owns_it() {
    let Some(cluster) = cluster() else { return };
    let ns = reluctant(cluster, "force");
    let run = ns.vnf(&["terminate", "slow", "--force", "--yes"]).succeeds();
    assert!(run.took < Duration::from_secs(90), "it took {:?}\n{run}", run.took);
    assert_eq!(ns.objects().of_kind("Pod").count(), 0);
}

#[test]
fn every_pod_gets_the_grace_period_that_is_asked_for() {
    let Some(cluster) = cluster() else { return };
    let ns = reluctant(cluster, "grace");
    let mut terminate = Running::vnf(&ns, &["terminate", "slow", "--grace-period=4s", "--yes"]);
    let mut periods = std::collections::BTreeMap::new();
    eventually("all Pods are leaving", Duration::from_secs(60), || {
        let now = ns.objects();
        for pod in now.of_kind("Pod").filter(|pod| pod.is_leaving()) {
            periods.insert(pod.uid().to_owned(), pod.number("/metadata/deletionGracePeriodSeconds"));
        }
        (periods.len() == 5 || now.of_kind("Pod").count() == 0).then_some(())
    });
    terminate.says("terminated");
    terminate.exits(0);
    assert!(!periods.is_empty() && periods.values().all(|period| *period == 4), "{periods:?}");
}
