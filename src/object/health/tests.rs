//! Readiness, above all where a status looks better than the truth.

use super::*;
use crate::object::pod::Snapshot;
use serde_json::json;

/// A ready Pod of revision `marker`, named so that a StatefulSet's ordinal can be read off.
fn pod(name: &str, marker: u64) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "uid": name, "annotations": {"kubectl-vnf/revision": marker.to_string()}},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn broken(mut pod: Value) -> Value {
    pod["status"]["conditions"][0]["status"] = json!("False");
    pod
}

fn leaving(mut pod: Value) -> Value {
    pod["metadata"]["deletionTimestamp"] = json!("t");
    pod
}

fn evicted(mut pod: Value) -> Value {
    pod["status"] = json!({"phase": "Failed", "reason": "Evicted"});
    pod
}

fn revision(mut pod: Value, hash: &str) -> Value {
    pod["metadata"]["labels"] = json!({"controller-revision-hash": hash});
    pod
}

fn workload(kind: &str, spec: Value, status: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "w", "uid": "w", "generation": 4},
        "spec": spec, "status": status})
}

/// Readiness at marker 2, generation 4, in one word.
fn told(object: &Value, pods: &[Value]) -> String {
    let pods: Vec<&Value> = pods.iter().collect();
    word(workload_ready(object, &pods, &WorkloadTarget { marker: Some(2), generation: 4 }))
}

fn word(readiness: Readiness) -> String {
    match readiness {
        Readiness::Ready => "ready".into(),
        Readiness::Waiting(why) => why,
        Readiness::Failed(why) => format!("failed: {why}"),
    }
}

fn set(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[key] = value;
    object
}

#[test]
fn deployments() {
    let done = json!({"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
    let object = workload("Deployment", json!({"replicas": 2}), done);
    let two = [pod("a", 2), pod("b", 2)];
    let status = |field: &str, value: u64| set(object.clone(), &format!("/status/{field}"), json!(value));
    let late = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    for (what, object, pods, expected) in [
        ("done", object.clone(), two.to_vec(), "ready"),
        ("not seen yet", status("observedGeneration", 3), two.to_vec(), "observed generation 3 of 4"),
        ("no status yet", workload("Deployment", json!({}), json!({})), vec![], "observed generation 0 of 4"),
        ("old Pod", object.clone(), vec![pod("a", 2), pod("b", 1)], "1 of 2 new"),
        ("old Pod besides", object.clone(), vec![pod("a", 2), pod("b", 2), pod("c", 1)], "2 of 2 new, 1 old to go"),
        ("no Pod yet", object.clone(), vec![], "0 of 2 new"),
        ("not ready", object.clone(), vec![pod("a", 2), broken(pod("b", 2))], "1 of 2 ready"),
        ("old one leaves", object.clone(), vec![pod("a", 2), pod("b", 2), leaving(pod("c", 1))], "ready"),
        ("evicted one lies about", object.clone(), vec![pod("a", 2), pod("b", 2), evicted(pod("c", 2))], "ready"),
        ("status behind", status("updatedReplicas", 1), two.to_vec(), "1 of 2 new"),
        ("old in the status", status("replicas", 3), two.to_vec(), "1 old to go"),
        ("minReadySeconds", status("availableReplicas", 1), two.to_vec(), "1 of 2 available"),
        ("stale deadline", set(object.clone(), "/status/conditions", late), two.to_vec(), "ready"),
        (
            "paused",
            set(status("updatedReplicas", 0), "/spec/paused", json!(true)),
            two.to_vec(),
            "0 of 2 new, the Deployment is paused",
        ),
        (
            "scaled to zero",
            workload("Deployment", json!({"replicas": 0}), json!({"observedGeneration": 4})),
            vec![],
            "ready",
        ),
        ("deleted", set(object.clone(), "/metadata/deletionTimestamp", json!("t")), two.to_vec(), "being deleted"),
        (
            "changed again",
            set(object.clone(), "/metadata/generation", json!(5)),
            two.to_vec(),
            "observed generation 4 of 5",
        ),
    ] {
        assert_eq!(told(&object, &pods), expected, "{what}");
    }
}

#[test]
fn stateful_sets() {
    // After the template was put back: the status has converged, the broken Pod of the other template still stands.
    let converged = json!({"observedGeneration": 4, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3,
        "updatedReplicas": 3, "currentRevision": "old", "updateRevision": "old"});
    let object = workload("StatefulSet", json!({"replicas": 3}), converged);
    let three = |last: Value| vec![revision(pod("w-0", 2), "old"), revision(pod("w-1", 2), "old"), last];
    let partition = set(
        object.clone(),
        "/spec/updateStrategy",
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}),
    );
    let on_delete = set(object.clone(), "/spec/updateStrategy", json!({"type": "OnDelete"}));
    let held = vec![pod("w-0", 1), pod("w-1", 1), pod("w-2", 2)];
    for (what, object, pods, expected) in [
        ("done", object.clone(), three(revision(pod("w-2", 2), "old")), "ready"),
        ("broken Pod of the other marker", object.clone(), three(broken(pod("w-2", 3))), "2 of 3 new"),
        (
            "broken Pod of the other template",
            object.clone(),
            three(revision(broken(pod("w-2", 2)), "new")),
            "2 of 3 new",
        ),
        ("partition", set(partition.clone(), "/status/updatedReplicas", json!(1)), held.clone(), "ready"),
        ("partition, above is old", partition.clone(), vec![pod("w-0", 1), pod("w-1", 1), pod("w-2", 1)], "2 of 3 new"),
        (
            "partition, status behind",
            set(partition.clone(), "/status/updatedReplicas", json!(0)),
            held.clone(),
            "0 of 1 new",
        ),
        (
            "partition counts from the start ordinal",
            set(set(partition, "/spec/ordinals", json!({"start": 5})), "/status/updatedReplicas", json!(1)),
            vec![pod("w-5", 1), pod("w-6", 1), pod("w-7", 2)],
            "ready",
        ),
        ("OnDelete, nothing replaced", on_delete.clone(), held, "1 of 3 new"),
        (
            "OnDelete, replaced, status never moves",
            set(on_delete, "/status/updatedReplicas", json!(0)),
            three(pod("w-2", 2)),
            "ready",
        ),
        ("not ready", set(object, "/status/readyReplicas", json!(2)), three(broken(pod("w-2", 2))), "2 of 3 ready"),
    ] {
        assert_eq!(told(&object, &pods), expected, "{what}");
    }
}

#[test]
fn daemon_sets() {
    let done = json!({"observedGeneration": 4, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
        "updatedNumberScheduled": 2, "numberReady": 2, "numberAvailable": 2});
    let object = workload("DaemonSet", json!({}), done);
    let on_delete = set(object.clone(), "/spec/updateStrategy", json!({"type": "OnDelete"}));
    let two = [pod("a", 2), pod("b", 2)];
    for (what, object, pods, expected) in [
        ("done", object.clone(), two.to_vec(), "ready"),
        ("old Pod", object.clone(), vec![pod("a", 2), pod("b", 1)], "1 of 2 new"),
        ("unavailable", set(object.clone(), "/status/numberAvailable", json!(1)), two.to_vec(), "1 of 2 available"),
        ("surge", object.clone(), vec![pod("a", 2), pod("b", 2), pod("c", 2)], "3 Pods, 2 wanted"),
        (
            "stays on a node that takes no new ones",
            set(object.clone(), "/status/numberMisscheduled", json!(1)),
            vec![pod("a", 2), pod("b", 2), pod("c", 2)],
            "ready",
        ),
        ("OnDelete, old", on_delete.clone(), vec![pod("a", 1), pod("b", 2)], "1 of 2 new"),
        ("no node fits", workload("DaemonSet", json!({}), json!({"observedGeneration": 4})), vec![], "ready"),
    ] {
        assert_eq!(told(&object, &pods), expected, "{what}");
    }
}

#[test]
fn replica_sets_tell_old_from_new_by_their_pods() {
    let done = json!({"observedGeneration": 4, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "fullyLabeledReplicas": 1});
    let object = workload("ReplicaSet", json!({"replicas": 2}), done);
    for (what, pods, expected) in [
        ("done", vec![pod("a", 2), pod("b", 2)], "ready"),
        ("template changed, Pods are old", vec![pod("a", 1), pod("b", 1)], "0 of 2 new"),
        ("no marker at all", vec![pod("a", 2), set(pod("b", 2), "/metadata/annotations", json!({}))], "1 of 2 new"),
    ] {
        assert_eq!(told(&object, &pods), expected, "{what}");
    }
    let pods = [pod("a", 1), pod("b", 9)];
    let any =
        workload_ready(&object, &pods.iter().collect::<Vec<_>>(), &WorkloadTarget { marker: None, generation: 4 });
    assert_eq!(any, Readiness::Ready, "without a marker any will do");
}

#[test]
fn bare_pods() {
    assert_eq!(told(&pod("a", 2), &[]), "ready");
    assert_eq!(told(&pod("a", 1), &[]), "not yet the new Pod");
    assert_eq!(told(&broken(pod("a", 2)), &[]), "not ready");
    assert_eq!(told(&evicted(pod("a", 2)), &[]), "failed: Evicted");
}

/// A bare Pod whose container `c` (and `d`) have these ids.
fn two_containers(c: &str, d: &str) -> Value {
    let running = |name: &str, id: &str| {
        json!({"name": name, "containerID": id, "ready": true, "restartCount": 0,
        "image": "docker.io/library/nginx:latest", "state": {"running": {}}})
    };
    json!({"metadata": {"name": "p", "uid": "u1", "generation": 2},
        "spec": {"containers": [{"name": "c", "image": "nginx"}, {"name": "d", "image": "nginx"}]},
        "status": {"phase": "Running", "observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [running("c", c), running("d", d)]}})
}

#[test]
fn restarts_in_place() {
    let before = Snapshot::of(&two_containers("c1", "d1"));
    let status = "/status/containerStatuses/0";
    let new = two_containers("c2", "d1");
    let not_ready = set(
        set(new.clone(), &format!("{status}/ready"), json!(false)),
        "/status/conditions",
        json!([{"type": "Ready", "status": "False"}]),
    );
    let pulling =
        set(two_containers("c1", "d1"), &format!("{status}/state"), json!({"waiting": {"reason": "ErrImagePull"}}));
    for (what, pod, expected) in [
        (
            "the kubelet has not seen it",
            set(new.clone(), "/status/observedGeneration", json!(1)),
            "observed generation 1 of 2",
        ),
        ("seen, but the old container is still Ready", two_containers("c1", "d1"), "container c not restarted yet"),
        ("restarted", new.clone(), "ready"),
        ("kubelets that report no generation", set(new.clone(), "/status/observedGeneration", Value::Null), "ready"),
        ("restarted, not ready", not_ready, "not ready"),
        ("cannot pull", pulling, "ErrImagePull"),
        ("runs, but the Pod is not Ready", set(new.clone(), "/status/conditions", json!([])), "not ready"),
        ("replaced", set(new.clone(), "/metadata/uid", json!("u2")), "failed: another Pod has taken its place"),
        ("deleted", leaving(new.clone()), "failed: the Pod is being deleted"),
        (
            "ended for good",
            set(new, "/status/phase", json!("Succeeded")),
            "failed: the Pod has ended, nothing restarts it",
        ),
    ] {
        assert_eq!(word(pod_restarted(&pod, &before, &BTreeSet::from(["c".to_owned()]), 2)), expected, "{what}");
    }
    let both = BTreeSet::from(["c".to_owned(), "d".to_owned()]);
    assert_eq!(word(pod_restarted(&two_containers("c2", "d1"), &before, &both, 2)), "container d not restarted yet");
    let gone = BTreeSet::from(["x".to_owned()]);
    assert_eq!(
        word(pod_restarted(&two_containers("c2", "d1"), &before, &gone, 2)),
        "failed: the Pod has no container x"
    );
}

#[test]
fn a_sidecar_restarts_in_place() {
    let pod = |id: &str, started: bool| {
        json!({"metadata": {"uid": "u1"},
            "spec": {"initContainers": [{"name": "s", "image": "x", "restartPolicy": "Always"}], "containers": []},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                "initContainerStatuses": [{"name": "s", "containerID": id, "ready": true, "started": started, "state": {"running": {}}}]}})
    };
    let before = Snapshot::of(&pod("s1", true));
    let changed = BTreeSet::from(["s".to_owned()]);
    assert_eq!(pod_restarted(&pod("s2", true), &before, &changed, 1), Readiness::Ready);
    assert!(!pod_restarted(&pod("s2", false), &before, &changed, 1).is_ready());
    assert!(!pod_restarted(&pod("s1", true), &before, &changed, 1).is_ready());
}

#[test]
fn every_other_kind() {
    let object = |version: &str, kind: &str, status: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x", "generation": 2}, "spec": {}, "status": status});
    let conditions = |kind: &str, status: &str, reason: &str| json!({"conditions": [{"type": kind, "status": status, "reason": reason}]});
    let crd = |status: Value| object("apiextensions.k8s.io/v1", "CustomResourceDefinition", status);
    let job = |status: Value| object("batch/v1", "Job", status);
    let custom = |status: Value| object("example.com/v1", "Widget", status);
    for (what, object, expected) in [
        ("ConfigMap", json!({"apiVersion": "v1", "kind": "ConfigMap"}), "ready"),
        ("custom, no status", custom(Value::Null), "ready"),
        ("custom, Ready", custom(conditions("Ready", "True", "Ok")), "ready"),
        ("custom, not Ready", custom(conditions("Ready", "False", "Starting")), "Starting"),
        ("custom, lags", custom(json!({"observedGeneration": 1})), "observed generation 1 of 2"),
        ("custom, generation as text", custom(json!({"observedGeneration": "1"})), "ready"),
        ("custom, reconciling", custom(conditions("Reconciling", "True", "")), "reconciling"),
        ("custom, stalled", custom(conditions("Stalled", "True", "Bad")), "failed: Bad"),
        ("Job runs", job(json!({"active": 1})), "0 of 1 completed"),
        ("Job complete", job(conditions("Complete", "True", "")), "ready"),
        ("Job failed", job(conditions("Failed", "True", "BackoffLimitExceeded")), "failed: BackoffLimitExceeded"),
        ("Job suspended", set(job(json!({})), "/spec/suspend", json!(true)), "ready"),
        ("claim bound", object("v1", "PersistentVolumeClaim", json!({"phase": "Bound"})), "ready"),
        ("claim waits for its first Pod", object("v1", "PersistentVolumeClaim", json!({"phase": "Pending"})), "ready"),
        ("claim lost", object("v1", "PersistentVolumeClaim", json!({"phase": "Lost"})), "failed: its volume is lost"),
        ("CRD established", crd(conditions("Established", "True", "InitialNamesAccepted")), "ready"),
        ("CRD installing", crd(conditions("Established", "False", "Installing")), "not established yet"),
        ("CRD new", crd(Value::Null), "not established yet"),
        ("CRD names", crd(conditions("NamesAccepted", "False", "ListKindConflict")), "failed: ListKindConflict"),
        ("Namespace", object("v1", "Namespace", json!({"phase": "Active"})), "ready"),
        ("Namespace goes", object("v1", "Namespace", json!({"phase": "Terminating"})), "phase Terminating"),
        ("Service", object("v1", "Service", json!({"loadBalancer": {}})), "ready"),
        (
            "balanced",
            set(object("v1", "Service", json!({})), "/spec/type", json!("LoadBalancer")),
            "no cluster address yet",
        ),
        ("Service elsewhere", set(object("v1", "Service", json!({})), "/spec/type", json!("ExternalName")), "ready"),
        ("custom, Ready unknown", custom(conditions("Ready", "Unknown", "Asking")), "Asking"),
        ("volume failed", object("v1", "PersistentVolume", json!({"phase": "Failed"})), "failed: phase Failed"),
        ("volume", object("v1", "PersistentVolume", json!({"phase": "Available"})), "ready"),
        ("CronJob", object("batch/v1", "CronJob", json!({})), "ready"),
        (
            "autoscaler",
            object("autoscaling/v2", "HorizontalPodAutoscaler", conditions("ScalingActive", "False", "No")),
            "ready",
        ),
        (
            "budget, lags",
            object("policy/v1", "PodDisruptionBudget", json!({"observedGeneration": 1})),
            "observed generation 1 of 2",
        ),
        (
            "budget",
            object("policy/v1", "PodDisruptionBudget", json!({"observedGeneration": 2, "disruptionsAllowed": 0})),
            "ready",
        ),
        ("DaemonSet, unseen", object("apps/v1", "DaemonSet", json!({})), "observed generation 0 of 2"),
        (
            "controller",
            set(
                object(
                    "v1",
                    "ReplicationController",
                    json!({"observedGeneration": 2, "replicas": 1,
            "readyReplicas": 1, "availableReplicas": 1}),
                ),
                "/spec/replicas",
                json!(1),
            ),
            "ready",
        ),
        (
            "controller, not ready",
            set(
                object(
                    "v1",
                    "ReplicationController",
                    json!({"observedGeneration": 2,
            "replicas": 1}),
                ),
                "/spec/replicas",
                json!(1),
            ),
            "0 of 1 ready",
        ),
        (
            "controller, lags",
            object("v1", "ReplicationController", json!({"observedGeneration": 1})),
            "observed generation 1 of 2",
        ),
        ("API service", object("apiregistration.k8s.io/v1", "APIService", json!({})), "not available yet"),
        (
            "status only",
            workload("ReplicaSet", json!({}), json!({"observedGeneration": 4, "replicas": 1})),
            "0 of 1 ready",
        ),
        ("foreign kind of a known name", object("example.com/v1", "Job", json!({})), "ready"),
    ] {
        assert_eq!(word(object_ready(&object)), expected, "{what}");
    }
    assert_eq!(word(object_ready(&leaving(json!({"metadata": {}})))), "being deleted");
}
