//! An update that cannot succeed: it ends soon, with the reason, and what may be done next is said and kept to.

use crate::support::sample::{BEFORE, after_with, instantiated, shipped, update_request};
use crate::support::{Run, cluster};
use std::time::Duration;

const STATE: &str = "/metadata/annotations/kubectl-vnf~1operation";

/// Asserts that the run ended in FAILED_TEMP in time, with the image and why it cannot be pulled.
fn assert_failed_by_image(run: Run, image: &str) {
    let run = run.exits(3).says([image, "FAILED_TEMP", "op retry", "op fail"]);
    assert!(["ImagePullBackOff", "ErrImagePull"].iter().any(|reason| run.said().contains(reason)), "no reason\n{run}");
    assert!(run.took < Duration::from_secs(45), "it took {:?}\n{run}", run.took);
}

#[test]
fn a_bad_image_ends_soon_in_failed_temp_and_nothing_else_is_allowed() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "bad-image");
    let (bad, good) = (after_with("deployment.yaml", "image: cirros", "image: cirros:nosuch"), shipped("after"));
    let (package, request) = (bad.path(), update_request());
    assert_failed_by_image(ns.vnf(&["update", BEFORE, "--package", &package, "-f", &request]), "cirros:nosuch");

    let failed = ns.at_rest();
    assert_eq!(failed.instance().text(STATE), "update FAILED_TEMP");
    let old = failed.pods_of("Deployment/vdu1-update").into_iter().filter(|pod| pod.is_ready()).count();
    assert_eq!(old, 1, "the old Pod serves still");
    for workload in ["Pod/env-test", "DaemonSet/daemonset-vdu5"] {
        assert!(failed.pod_of(workload).is_ready(), "{workload}");
    }
    // Nothing but the ways out, and looking.
    for refused in [
        &["update", BEFORE, "--package", &good, "-f", &request][..],
        &["update", BEFORE, "--name", "other"],
        &["heal", BEFORE, "--all", "--yes"],
        &["terminate", BEFORE, "--yes"],
        &["delete", BEFORE],
    ] {
        let run = ns.vnf(refused).exits(1);
        if refused[0] != "delete" {
            run.says(["FAILED_TEMP", "op retry"]);
        }
    }
    ns.vnf(&["show", BEFORE]).succeeds().says(["FAILED_TEMP"]);
    ns.vnf(&["list"]).succeeds().says(["update FAILED_TEMP"]);
    ns.vnf(&["op", "show", BEFORE]).succeeds().says(["FAILED_TEMP", "cirros:nosuch", "vdu1-update"]);
    assert_eq!(ns.objects().versions(), failed.versions(), "refused commands wrote");
    // The image is not there yet.
    assert_failed_by_image(ns.vnf(&["op", "retry", BEFORE]), "cirros:nosuch");

    ns.vnf(&["op", "fail", BEFORE]).succeeds();
    assert_eq!(ns.objects().instance().text(STATE), "update FAILED");
    ns.vnf(&["op", "retry", BEFORE]).exits(1);
}

#[test]
fn after_fail_a_corrected_package_plans_only_the_rest() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "corrected");
    let (bad, good) = (after_with("deployment.yaml", "image: cirros", "image: cirros:nosuch"), shipped("after"));
    let request = update_request();
    ns.vnf(&["update", BEFORE, "--package", &bad.path(), "-f", &request]).exits(3);
    ns.vnf(&["op", "fail", BEFORE]).succeeds();
    assert_eq!(ns.objects().instance().text(STATE), "update FAILED");
    let update = ["update", BEFORE, "--package", &good, "-f", &request];
    let plan = ns.vnf(&[&update[..], &["--dry-run=server", "-o", "json"]].concat()).succeeds().json();
    let items = plan["items"].as_array().into_iter().flatten().filter(|item| item["state"] != "done");
    let items: Vec<_> = items.map(|item| &item["object"]["name"]).collect();
    assert_eq!(items, ["vdu1-update"], "only the rest is planned: {plan:#}");
    let before = ns.at_rest();
    ns.vnf(&update).succeeds();
    let new = ns.at_rest();
    assert_eq!(new.image("Deployment/vdu1-update"), "cirros");
    assert!(new.pod_of("Deployment/vdu1-update").is_ready());
    for workload in ["Pod/env-test", "Pod/volume-test", "ReplicaSet/vdu2-update", "DaemonSet/daemonset-vdu5"] {
        assert_eq!(new.pod_of(workload).life(), before.pod_of(workload).life(), "{workload} was done before");
    }
}

#[test]
fn a_bad_image_of_a_bare_pod_is_named_with_its_pull_error() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "bad-pod");
    let bad = after_with("pod_env.yaml", "image: tomcat", "image: tomcat:nosuch");
    let (package, request) = (bad.path(), update_request());
    let update = ns.vnf(&["update", BEFORE, "--package", &package, "-f", &request]);
    assert_failed_by_image(update, "tomcat:nosuch");
    assert_eq!(ns.objects().instance().text(STATE), "update FAILED_TEMP");
}
