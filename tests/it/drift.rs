//! What somebody else changed in the meantime: it is named and not overwritten unasked, and put back when asked.

use crate::support::sample::{BEFORE, instantiated, shipped, update_request};
use crate::support::{cluster, written};

#[test]
fn an_update_does_not_overwrite_drift_unasked() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "drift");
    ns.kubectl(&["set", "image", "deployment/vdu1-update", "nginx=busybox"]).succeeds();
    ns.kubectl(&["rollout", "status", "deployment/vdu1-update", "--timeout=60s"]).succeeds();
    let before = ns.at_rest();

    let (after, request) = (shipped("after"), update_request());
    let update = ["update", BEFORE, "--package", &after, "-f", &request, "--yes"];
    ns.vnf(&update).exits(1).says(["vdu1-update", "busybox", "kubectl-set", "--overwrite-drift"]);
    assert_eq!(written(&before, &ns.at_rest()), [""; 0], "a refused update wrote");

    ns.vnf(&[&update[..], &["--overwrite-drift"]].concat()).succeeds();
    assert_eq!(ns.objects().image("Deployment/vdu1-update"), "cirros");
}

#[test]
fn an_update_without_a_package_puts_drift_back() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "put-back");
    let before = ns.at_rest();
    ns.kubectl(&["set", "image", "deployment/deployment2-vdu6", "nginx=busybox"]).succeeds();
    ns.kubectl(&["rollout", "status", "deployment/deployment2-vdu6", "--timeout=60s"]).succeeds();
    ns.kubectl(&["patch", "configmap", "cm-data3", "-p", r#"{"data":{"cmKey1.txt":"edited"}}"#]).succeeds();
    ns.kubectl(&["scale", "deployment/vdu1-update", "--replicas=2"]).succeeds();
    ns.kubectl(&["delete", "pod", "volume-test"]).succeeds();

    ns.vnf(&["update", BEFORE, "--overwrite-drift"]).succeeds().says(["deployment2-vdu6", "cm-data3"]);
    let after = ns.at_rest();
    assert_eq!(after.image("Deployment/deployment2-vdu6"), "nginx");
    assert_eq!(after.get("ConfigMap/cm-data3").text("/data/cmKey1.txt"), "configmap data\nfoo\nbar");
    assert!(after.get("Pod/volume-test").is_ready(), "the deleted Pod is there again");
    assert_eq!(after.get("Deployment/vdu1-update").number("/spec/replicas"), 2, "replicas are not the update's");
    for workload in ["Pod/env-test", "DaemonSet/daemonset-vdu5", "ReplicaSet/vdu2-update"] {
        assert_eq!(after.pod_of(workload).life(), before.pod_of(workload).life(), "{workload} is untouched");
    }
    ns.vnf(&["update", BEFORE]).succeeds().says(["unchanged"]);
}

#[test]
fn an_update_without_a_package_needs_no_flag() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "no-flag");
    ns.kubectl(&["patch", "configmap", "cm-data3", "-p", r#"{"data":{"cmKey1.txt":"edited"}}"#]).succeeds();
    ns.vnf(&["update", BEFORE]).succeeds();
    assert_eq!(ns.object("configmap/cm-data3").text("/data/cmKey1.txt"), "configmap data\nfoo\nbar");
}
