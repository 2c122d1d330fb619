//! The way back from an operation that stopped half way: exact, and only to what it touched.

use crate::support::manifests::{config_map, container, env_of, pod, spec, workload, yaml};
use crate::support::sample::{self, BEFORE, WORKLOADS, after_with, instantiated, shipped, update_request};
use crate::support::{Draft, Namespace, Objects, cluster, eventually, written};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::time::Duration;

const OPERATION: &str = "/metadata/annotations/kubectl-vnf~1operation";
const MARKER: &str = "metadata/annotations/kubectl-vnf~1revision";

/// Fails the sample's update by an image that is not there, with everything else of it done.
fn fail_the_update(ns: &Namespace, flags: &[&str], code: i32) -> crate::support::Run {
    let bad = after_with("deployment.yaml", "image: cirros", "image: cirros:nosuch");
    let (package, request) = (bad.path(), update_request());
    let update = ["update", BEFORE, "--package", &package, "-f", &request];
    ns.vnf(&[&update[..], flags].concat()).exits(code)
}

/// Asserts that the sample is as it was in `old`: config, templates and their hashes, images, markers, record; that
/// untouched Pods lived through it; and that every Pod runs with the former configuration.
fn assert_back(ns: &Namespace, old: &Objects, new: &Objects) {
    for name in ["ConfigMap/cm-data", "ConfigMap/cm-data3", "Secret/secret-data", "Secret/secret-data3"] {
        assert_eq!(new.get(name).0["data"], old.get(name).0["data"], "{name}");
    }
    for (_, workload) in WORKLOADS {
        let bare = workload.starts_with("Pod/");
        assert_eq!(new.image(workload), old.image(workload), "{workload}");
        let marker = if bare { format!("/{MARKER}") } else { format!("/spec/template/{MARKER}") };
        assert_eq!(new.get(workload).text(&marker), old.get(workload).text(&marker), "marker of {workload}");
        assert!(new.pod_of(workload).is_ready(), "{workload} is ready");
        let hash = |objects: &Objects| {
            let pod = objects.pod_of(workload);
            (pod.text("/metadata/labels/pod-template-hash").to_owned(), pod.owner())
        };
        assert_eq!(hash(new), hash(old), "template hash and owner of the Pod of {workload}");
        if bare {
            assert_eq!(new.get(workload).uid(), old.get(workload).uid(), "{workload} stayed");
        }
    }
    for workload in sample::UNTOUCHED {
        assert_eq!(new.pod_of(workload).life(), old.pod_of(workload).life(), "{workload} is untouched");
    }
    sample::assert_saw_old(ns, new, &WORKLOADS.map(|(_, workload)| workload)[..5]);
    let instance = new.instance();
    assert_eq!(instance.record()["vnfInstanceName"], BEFORE);
    assert_eq!(instance.text("/metadata/annotations/kubectl-vnf~1revision-in-force"), "1");
    let claims = new.of_kind("ConfigMap").filter(|map| map.is_record("name")).count();
    let packages = new.of_kind("Secret").filter(|secret| secret.is_record("package")).count();
    let locks = new.of_kind("Lease").count();
    assert_eq!((claims, packages, locks), (1, 1, 0), "names claimed, packages kept, locks held");
}

#[test]
fn a_failed_update_is_rolled_back_exactly() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "rollback");
    let old = ns.at_rest();
    let failed = fail_the_update(&ns, &[], 3);
    failed.says(["op rollback", "revision 1: 2 config objects, 4 workloads restart"]);
    let plan =
        ns.vnf(&["op", "rollback", BEFORE, "--dry-run"]).succeeds().says(["to revision 1", "cirros:nosuch -> nginx"]);
    assert!(!plan.said().contains(sample::OLD_PASSWORD));
    assert_eq!(ns.objects().instance().text(OPERATION), "update FAILED_TEMP", "a dry run does nothing");

    ns.vnf(&["op", "rollback", BEFORE]).succeeds().says(["rolled back", "ROLLED_BACK", "revision 1 everywhere"]);
    let new = ns.at_rest();
    assert_eq!(new.instance().text(OPERATION), "update ROLLED_BACK");
    assert_back(&ns, &old, &new);
    let vdu1 = "Deployment/vdu1-update";
    assert_eq!(new.pod_of(vdu1).life(), old.pod_of(vdu1).life(), "{vdu1} served all the time");

    ns.vnf(&["op", "rollback", BEFORE]).exits(1).says(["no operation of", "is waiting for rollback"]);
    ns.vnf(&["op", "retry", BEFORE]).exits(1).says(["is waiting for retry"]);
    ns.vnf(&["op", "fail", BEFORE]).exits(1).says(["is waiting for fail"]);
    ns.vnf(&["op", "show", BEFORE]).succeeds().says(["ROLLED_BACK", "the image cannot be pulled"]);
    assert_eq!(written(&new, &ns.objects()), [""; 0]);
    // A number is never used twice, and the name is free to be taken.
    ns.vnf(&["update", BEFORE, "--package", &shipped("after"), "-f", &update_request()])
        .succeeds()
        .says(["revision 3"]);
    sample::assert_updated(&ns, &new, &ns.at_rest());
}

#[test]
fn an_update_rolls_back_by_itself_when_asked_to() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "by-itself");
    let old = ns.at_rest();
    fail_the_update(&ns, &["--rollback-on-failure"], 1).says([
        "the image cannot be pulled",
        "Rolling back to revision 1",
        "was rolled back in",
        "ROLLED_BACK",
    ]);
    let new = ns.at_rest();
    assert_eq!(new.instance().text(OPERATION), "update ROLLED_BACK");
    assert_back(&ns, &old, &new);
}

#[test]
fn a_rollback_that_was_killed_is_finished_and_not_turned_round() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "killed-back");
    let old = ns.at_rest();
    fail_the_update(&ns, &[], 3);
    let mut child = ns.start_vnf(&["op", "rollback", BEFORE, "--progress=plain", "--yes"]);
    let lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines().map_while(Result::ok);
    let found = lines.into_iter().any(|line| line.contains("Pod env-test: image tomcat -> nginx"));
    child.kill().expect("the rollback runs still");
    child.wait().expect("the rollback has ended");
    assert!(found, "the rollback told of no restart");
    ns.vnf(&["op", "rollback", BEFORE]).succeeds().says(["waiting for its lock", "ROLLED_BACK"]);
    assert_back(&ns, &old, &ns.at_rest());
}

#[test]
fn a_rollback_that_has_begun_takes_no_retry() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "no-turn");
    let old = ns.at_rest();
    fail_the_update(&ns, &[], 3);
    // It has no time to wait for anything.
    let stuck = ns.vnf(&["op", "rollback", BEFORE, "--timeout=0s"]).exits(3);
    stuck.says(["rollback of the update of", "FAILED_TEMP", "op rollback", "op fail"]).never_says(["op retry"]);
    ns.vnf(&["op", "retry", BEFORE]).exits(1).says(["has begun", "op rollback"]);
    ns.vnf(&["op", "rollback", BEFORE]).succeeds();
    assert_back(&ns, &old, &ns.at_rest());
}

/// A Deployment of two Pods that read `key`, and a bare Pod that does; `image` is that of another Deployment.
fn readers(value: &str, image: &str) -> Draft {
    let reads = |image: &str| spec(&container(image, &json!({"env": [env_of("CM", "config", "key")]})), &json!({}));
    let manifest = yaml(&[
        config_map("config", &[("key", value)]),
        workload("Deployment", "many", "many", Some(2), &reads(image)),
        workload("Deployment", "breaks", "breaks", Some(1), &spec(&container(image, &json!({})), &json!({}))),
    ]);
    Draft::of("Readers", &[("all.yaml", &manifest)], &["many", "breaks"])
}

#[test]
fn pods_that_started_with_the_new_configuration_are_replaced_though_their_template_is_the_old_one() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "strays");
    ns.vnf(&["instantiate", "readers", "--package", &readers("old value", "nginx").write().path()]).succeeds();
    let old = ns.at_rest();
    let draft = readers("new value", "nginx:nosuch").write();
    ns.vnf(&["update", "readers", "--package", &draft.path()]).exits(3);

    // One of the Pods that still serve ends and starts again; another one is added by hand: both read the new value.
    let owner = "Deployment/many";
    let standing = ns.objects();
    let hash = |object: &crate::support::Object| object.text("/metadata/labels/pod-template-hash").to_owned();
    let former: BTreeSet<String> = old.pods_of(owner).into_iter().map(&hash).collect();
    let pods: Vec<String> = standing
        .pods_of(owner)
        .into_iter()
        .filter(|pod| pod.is_ready() && former.contains(&hash(pod)))
        .map(|pod| pod.name().to_owned())
        .collect();
    assert!(!pods.is_empty(), "Pods of the old template serve still");
    ns.kubectl(&["exec", &pods[0], "--", "kill", "1"]);
    eventually("the container runs again", Duration::from_secs(30), || {
        let pod = ns.object(&format!("pod/{}", pods[0]));
        (pod.is_ready() && pod.life().restarts == 1).then_some(())
    });
    assert!(ns.log(&pods[0]).contains("CM=new value\n"), "it runs with the new value");

    ns.vnf(&["op", "rollback", "readers"]).succeeds();
    let new = ns.at_rest();
    let pods = new.pods_of(owner);
    assert_eq!(pods.len(), 2, "{:?}", new.names());
    for pod in pods {
        assert!(pod.is_ready() && former.contains(&hash(pod)), "{} is of the former template", pod.name());
        assert!(ns.log(pod.name()).contains("CM=old value\n"), "{} runs with the former value", pod.name());
    }
}

#[test]
fn a_statefulset_that_hangs_on_a_broken_pod_goes_back() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "stateful-back");
    let draft = |image: &str| {
        let pods = spec(&container(image, &json!({})), &json!({}));
        let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
        let mut by_hand = workload("StatefulSet", "by-hand", "by-hand", Some(2), &pods);
        by_hand["spec"]["updateStrategy"] = on_delete["updateStrategy"].clone();
        let manifest = yaml(&[workload("StatefulSet", "rolls", "rolls", Some(3), &pods), by_hand]);
        Draft::of("Stateful", &[("all.yaml", &manifest)], &["rolls", "by-hand"])
    };
    ns.vnf(&["instantiate", "stateful", "--package", &draft("nginx").write().path()]).succeeds();
    let old = ns.at_rest();
    let bad = draft("nginx:nosuch").write();
    ns.vnf(&["update", "stateful", "--package", &bad.path()]).exits(3);
    ns.vnf(&["op", "rollback", "stateful"]).succeeds();
    let new = ns.at_rest();
    for owner in ["StatefulSet/rolls", "StatefulSet/by-hand"] {
        let revision = "/metadata/labels/controller-revision-hash";
        let hashes = |objects: &Objects| -> Vec<(String, String)> {
            let pods = objects.pods_of(owner).into_iter();
            pods.map(|pod| (pod.name().to_owned(), pod.text(revision).to_owned())).collect()
        };
        assert_eq!(hashes(&new), hashes(&old), "{owner}");
        assert!(new.pods_of(owner).iter().all(|pod| pod.is_ready()), "{owner}");
    }
    assert_eq!(new.get("Pod/rolls-0").life(), old.get("Pod/rolls-0").life(), "what never broke is as it was");
}

#[test]
fn a_pod_that_ended_is_made_again() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "ended-back");
    let draft = |script: &str, image: &str| {
        let command =
            json!({"command": ["sh", "-c", "eval \"$SCRIPT\""], "env": [env_of("SCRIPT", "config", "script")]});
        let once =
            spec(&container("nginx", &command), &json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 1}));
        let manifest = yaml(&[
            config_map("config", &[("script", script)]),
            pod("once", &once),
            workload("Deployment", "breaks", "breaks", Some(1), &spec(&container(image, &json!({})), &json!({}))),
        ]);
        Draft::of("Once", &[("all.yaml", &manifest)], &["once", "breaks"])
    };
    ns.vnf(&["instantiate", "once", "--package", &draft("sleep 3600", "nginx").write().path()]).succeeds();
    let bad = draft("exit 0", "nginx:nosuch").write();
    ns.vnf(&["update", "once", "--package", &bad.path()]).exits(3);
    assert_eq!(ns.object("pod/once").text("/status/phase"), "Succeeded");
    ns.vnf(&["op", "rollback", "once"]).succeeds();
    let pod = ns.object("pod/once");
    assert_eq!(pod.text("/status/phase"), "Running");
    assert!(pod.is_ready());
}

#[test]
fn an_instantiation_that_failed_is_removed() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "not-made");
    let before = ns.at_rest();
    let draft = |image: &str| readers("value", image).write();
    let (bad, good) = (draft("nginx:nosuch"), draft("nginx"));
    ns.vnf(&["instantiate", "made", "--package", &bad.path()])
        .exits(3)
        .says(["op rollback", "removes what was created"]);
    ns.vnf(&["op", "rollback", "made"]).succeeds().says(["nothing of it is left"]);
    let kinds = |objects: &Objects| -> Vec<String> {
        let own =
            |object: &&crate::support::Object| object.0["metadata"]["labels"]["kubectl-vnf/record"] == Value::Null;
        let of = ["Deployment", "Pod", "ReplicaSet", "ConfigMap"].into_iter().flat_map(|kind| {
            objects.of_kind(kind).filter(own).map(|object| object.name().to_owned()).collect::<Vec<_>>()
        });
        of.collect()
    };
    let after = eventually("the last Pod has gone", Duration::from_secs(60), || {
        let now = ns.objects();
        (now.of_kind("Pod").count() == 0).then_some(now)
    });
    assert_eq!(kinds(&after), kinds(&before));
    assert_eq!(after.instance().record()["instantiationState"], "NOT_INSTANTIATED");
    ns.vnf(&["instantiate", "made", "--package", &bad.path(), "--rollback-on-failure"]).exits(1).says(["rolled back"]);
    // What was removed can be made, now with an image that is there.
    ns.vnf(&["instantiate", "made", "--package", &good.path()]).succeeds();
}

#[test]
fn what_takes_away_cannot_be_rolled_back() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "no-way-back");
    ns.vnf(&["heal", BEFORE, "--all", "--yes", "--timeout=0s"]).exits(3).says(["op retry"]).never_says(["op rollback"]);
    let before = ns.at_rest();
    ns.vnf(&["op", "rollback", BEFORE]).exits(1).says(["heal of", "cannot be rolled back", "op retry"]);
    assert_eq!(written(&before, &ns.objects()), [""; 0]);
    ns.vnf(&["op", "retry", BEFORE]).succeeds();
    ns.vnf(&["terminate", BEFORE, "--yes", "--timeout=0s"]).exits(3);
    ns.vnf(&["op", "rollback", BEFORE]).exits(1).says(["terminate of", "cannot be rolled back"]);
    ns.vnf(&["op", "retry", BEFORE]).succeeds();
}
