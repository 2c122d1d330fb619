//! Facts, snapshots and reasons of Pods as API servers show them.

use super::*;
use serde_json::json;

/// A Pod with one container `c` whose status entry is given.
fn pod(container: Value) -> Value {
    let mut status = json!({"name": "c", "restartCount": 0});
    status.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({"metadata": {"name": "p", "uid": "u1"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]},
        "status": {"phase": "Running", "startTime": "2026-11-22T03:00:00Z", "containerStatuses": [status]}})
}

fn running() -> Value {
    let mut pod = pod(json!({"containerID": "id1", "ready": true, "started": true, "state": {"running": {}}}));
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    pod
}

fn with(mut object: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    object
}

#[test]
fn facts_of_a_pod() {
    let mut one = with(
        running(),
        &[
            ("/metadata/annotations", json!({"kubectl-vnf/revision": "4"})),
            ("/metadata/ownerReferences", json!([{"uid": "rs", "controller": true}])),
            ("/spec/nodeName", json!("node-1")),
            ("/spec/initContainers", json!([{"name": "i"}, {"name": "s", "restartPolicy": "Always"}])),
        ],
    );
    one["status"]["initContainerStatuses"] = json!([
        {"name": "i", "restartCount": 7, "state": {"terminated": {"exitCode": 0}}},
        {"name": "s", "restartCount": 2, "ready": true, "started": false, "state": {"running": {}}}]);
    let facts = PodFacts::of(&one);
    assert_eq!((facts.name, facts.uid, facts.controller, facts.node), ("p", "u1", Some("rs"), Some("node-1")));
    assert_eq!((facts.ready_containers, facts.total_containers, facts.ready), (1, 2, true));
    assert_eq!((facts.restarts, facts.marker, facts.terminating), (2, Some(4), false));
    let empty = PodFacts::of(&Value::Null);
    assert_eq!((empty.total_containers, empty.ready, empty.phase), (0, false, ""));
}

#[test]
fn untouched_or_not() {
    let before = Snapshot::of(&running());
    let status = "/status/containerStatuses/0";
    for (what, now, expected) in [
        ("same", running(), None),
        ("labels changed", with(running(), &[("/metadata/labels", json!({"a": "b"}))]), None),
        ("replaced", with(running(), &[("/metadata/uid", json!("u2"))]), Some("replaced by another Pod")),
        (
            "restarted",
            with(running(), &[(&format!("{status}/restartCount"), json!(1))]),
            Some("container c: restarts 0 -> 1"),
        ),
        (
            "other id",
            with(running(), &[(&format!("{status}/containerID"), json!("id2"))]),
            Some("container c is another one"),
        ),
        (
            "other image spelling in the status",
            with(running(), &[(&format!("{status}/image"), json!("docker.io/library/nginx:latest"))]),
            None,
        ),
        (
            "started anew",
            with(running(), &[("/status/startTime", json!("2026-11-22T04:00:00Z"))]),
            Some("start time 2026-11-22T03:00:00Z -> 2026-11-22T04:00:00Z"),
        ),
    ] {
        assert_eq!(before.same_as(&now).err().map(|d| d.to_string()).as_deref(), expected, "{what}");
    }
    let unborn = Snapshot::of(&json!({"metadata": {"uid": "u1"}, "spec": {"containers": [{"name": "c"}]}}));
    assert_eq!(unborn.same_as(&running()), Ok(()), "a first start is no touch");
}

#[test]
fn init_containers_are_not_compared() {
    let with_init = |id: &str, restarts: u64, sidecar: &str| {
        let mut pod = with(
            running(),
            &[("/spec/initContainers", json!([{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]))],
        );
        pod["status"]["initContainerStatuses"] = json!([
            {"name": "i", "containerID": id, "restartCount": restarts},
            {"name": "s", "containerID": sidecar, "restartCount": 0}]);
        pod
    };
    let before = Snapshot::of(&with_init("i1", 0, "s1"));
    assert_eq!(before.same_as(&with_init("", 1, "s1")), Ok(()));
    assert_eq!(before.same_as(&with_init("i1", 0, "s2")), Err(Difference::OtherContainer { container: "s".into() }));
}

#[test]
fn snapshots_are_stored_as_camel_case() {
    let stored = serde_json::to_value(Snapshot::of(&running())).unwrap();
    assert_eq!(
        stored,
        json!({"uid": "u1", "startTime": "2026-11-22T03:00:00Z",
            "containers": {"c": {"id": "id1", "restarts": 0, "image": "nginx", "running": true}}})
    );
    let older: Snapshot =
        serde_json::from_value(json!({"uid": "u", "containers": {"c": {"id": "x", "restarts": 1}}})).unwrap();
    assert_eq!(older.containers["c"].restarts, 1);
}

/// A chain of errors as containerd and runc give it.
const START: &str = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc \
                     create failed: unable to start container process: error during container init: exec: \"nosuch\": \
                     executable file not found in $PATH: unknown";

#[test]
fn reasons() {
    let unschedulable = |message: &str| {
        json!({"spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}})
    };
    let waiting = |reason: &str| pod(json!({"state": {"waiting": {"reason": reason}}}));
    let ended = |end: Value| pod(json!({"state": {"terminated": end}}));
    let crashed = |end: Value| {
        pod(json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": end}}))
    };
    let conditioned = |conditions: &[(&str, &str, &str)], deleted: bool| {
        let conditions =
            conditions.iter().map(|(kind, status, why)| json!({"type": kind, "status": status, "reason": why}));
        let mut one = running();
        one["status"]["conditions"] = conditions.collect();
        if deleted { with(one, &[("/metadata/deletionTimestamp", json!("t"))]) } else { one }
    };
    let probe = |kind: &str, started: bool| {
        with(
            pod(json!({"ready": false, "started": started, "state": {"running": {}}})),
            &[(&format!("/spec/containers/0/{kind}"), json!({"httpGet": {}}))],
        )
    };
    for (what, pod, expected) in [
        ("running", running(), "Running"),
        ("terminating", with(running(), &[("/metadata/deletionTimestamp", json!("t"))]), "Terminating"),
        ("not yet seen", json!({"spec": {"containers": [{"name": "c"}]}}), "ContainerCreating"),
        ("creating", waiting("ContainerCreating"), "ContainerCreating"),
        ("pull", waiting("ImagePullBackOff"), "ImagePullBackOff"),
        ("crash", waiting("CrashLoopBackOff"), "CrashLoopBackOff"),
        ("crash, how", crashed(json!({"exitCode": 1, "reason": "Error"})), "CrashLoopBackOff: exit code 1"),
        ("crash, memory", crashed(json!({"exitCode": 137, "reason": "OOMKilled"})), "CrashLoopBackOff: OOMKilled"),
        ("held back after its predecessor", crashed(json!({"exitCode": 137, "reason": "Error"})), "CrashLoopBackOff"),
        (
            "never started",
            crashed(json!({"exitCode": 128, "reason": "StartError", "message": START})),
            "CrashLoopBackOff: exec: \"nosuch\": executable file not found in $PATH",
        ),
        (
            "cannot start",
            pod(json!({"state": {"waiting": {"reason": "RunContainerError", "message": START}}})),
            "RunContainerError: exec: \"nosuch\": executable file not found in $PATH",
        ),
        (
            "no key",
            pod(json!({"state": {"waiting": {"reason": "CreateContainerConfigError",
                "message": "couldn't find key password in Secret default/secret-data"}}})),
            "CreateContainerConfigError: no key password in Secret secret-data",
        ),
        (
            "no Secret",
            pod(json!({"state": {"waiting": {"reason": "CreateContainerConfigError",
                "message": "secret \"secret-data\" not found"}}})),
            "CreateContainerConfigError: secret \"secret-data\" not found",
        ),
        (
            "evicted by a drain",
            conditioned(&[("DisruptionTarget", "True", "EvictionByEvictionAPI")], true),
            "Terminating: evicted",
        ),
        (
            "held",
            with(
                ended(json!({"exitCode": 0})),
                &[("/metadata/deletionTimestamp", json!("t")), ("/metadata/finalizers", json!(["example.com/wait"]))],
            ),
            "Terminating: held by finalizer example.com/wait",
        ),
        (
            "a lost node",
            conditioned(&[("Ready", "False", ""), ("ContainersReady", "True", "")], false),
            "not ready: its node does not answer",
        ),
        (
            "a gate",
            with(
                conditioned(&[("Ready", "False", ""), ("ContainersReady", "True", "")], false),
                &[("/spec/readinessGates", json!([{"conditionType": "example.com/balanced"}]))],
            ),
            "not ready: readiness gate example.com/balanced",
        ),
        ("completed", ended(json!({"exitCode": 0, "reason": "Completed"})), "Completed"),
        ("error", ended(json!({"exitCode": 1, "reason": "Error"})), "Error: exit code 1"),
        ("told to go", ended(json!({"exitCode": 143, "reason": "Error"})), "Error"),
        ("memory", ended(json!({"exitCode": 137, "reason": "OOMKilled"})), "OOMKilled"),
        ("signal", ended(json!({"exitCode": 137, "signal": 9})), "signal 9"),
        ("code", ended(json!({"exitCode": 3})), "exit code 3"),
        ("readiness", probe("readinessProbe", true), "not ready: readiness probe"),
        ("startup", probe("startupProbe", false), "not ready: startup probe"),
        ("not ready", pod(json!({"ready": false, "state": {"running": {}}})), "not ready"),
        ("evicted", json!({"status": {"phase": "Failed", "reason": "Evicted"}}), "Evicted"),
        (
            "one reason",
            unschedulable(
                "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are \
                 available: 1 No preemption victims found for incoming pod.",
            ),
            "Unschedulable: Insufficient cpu",
        ),
        (
            "several reasons",
            unschedulable(
                "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {node.kubernetes.io/\
                 unreachable: }. preemption: not eligible.",
            ),
            "Unschedulable: Insufficient memory, had untolerated taint {node.kubernetes.io/unreachable: }",
        ),
        (
            "no volume",
            unschedulable("persistentvolumeclaim \"data\" not found"),
            "Unschedulable: persistentvolumeclaim \"data\" not found",
        ),
    ] {
        assert_eq!(reason(&pod), expected, "{what}");
    }
}

#[test]
fn reasons_of_init_containers() {
    let with_init = |first: Value, second: Value| {
        json!({"spec": {"initContainers": [{"name": "a"}, {"name": "b", "restartPolicy": "Always"}],
                "containers": [{"name": "c"}]},
            "status": {"phase": "Pending",
                "initContainerStatuses": [{"name": "a", "state": first}, {"name": "b", "started": false, "state": second}],
                "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "PodInitializing"}}}]}})
    };
    let done = json!({"terminated": {"exitCode": 0}});
    let later = json!({"waiting": {"reason": "PodInitializing"}});
    for (what, pod, expected) in [
        ("first", with_init(json!({"running": {}}), later.clone()), "waiting for init container 1 of 2"),
        ("sidecar", with_init(done.clone(), json!({"running": {}})), "waiting for init container 2 of 2"),
        (
            "crash",
            with_init(json!({"waiting": {"reason": "CrashLoopBackOff"}}), later.clone()),
            "CrashLoopBackOff (init a)",
        ),
        (
            "failed",
            with_init(json!({"terminated": {"exitCode": 1, "reason": "Error"}}), later),
            "Error: exit code 1 (init a)",
        ),
        ("pull", with_init(done, json!({"waiting": {"reason": "ErrImagePull"}})), "ErrImagePull (init b)"),
    ] {
        assert_eq!(reason(&pod), expected, "{what}");
    }
}

#[test]
fn events_know_more() {
    let creating = pod(json!({"state": {"waiting": {"reason": "ContainerCreating"}}}));
    let probed = with(
        pod(json!({"ready": false, "started": true, "state": {"running": {}}})),
        &[("/spec/containers/0/readinessProbe", json!({"exec": {}}))],
    );
    let event = |reason: &str, message: &str| json!({"reason": reason, "message": message, "count": 3});
    let pulling = event("Pulling", "Pulling image \"celebdor/kuryr-demo\"");
    for (what, pod, events, expected) in [
        ("nothing", &creating, vec![], "ContainerCreating"),
        ("pulling", &creating, vec![pulling.clone()], "Pulling celebdor/kuryr-demo"),
        ("pulled", &creating, vec![pulling.clone(), event("Pulled", "Successfully")], "ContainerCreating"),
        (
            "of an init container",
            &json!({"spec": {"initContainers": [{"name": "a"}, {"name": "b"}], "containers": [{"name": "c"}]},
                "status": {"phase": "Pending"}}),
            vec![event("Scheduled", "Successfully assigned"), pulling],
            "Pulling celebdor/kuryr-demo (init container 1 of 2)",
        ),
        (
            "no network",
            &creating,
            vec![event("Scheduled", "x"), event("FailedCreatePodSandBox", "Failed to create pod sandbox: no CNI")],
            "FailedCreatePodSandBox: Failed to create pod sandbox: no CNI",
        ),
        (
            "no volume at first",
            &creating,
            vec![event("FailedAttachVolume", "Multi-Attach error"), event("SuccessfulAttachVolume", "succeeded")],
            "ContainerCreating",
        ),
        (
            "no volume",
            &creating,
            vec![event("FailedMount", "MountVolume.SetUp failed for volume \"v\" : configmap \"c\" not found\nmore")],
            "FailedMount: MountVolume.SetUp failed for volume \"v\" : configmap \"c\" not found",
        ),
        (
            "probe",
            &probed,
            vec![event("Unhealthy", "Readiness probe failed: no such file")],
            "not ready: readiness probe failed 3 times: no such file",
        ),
        ("probe, nothing known", &probed, vec![], "not ready: readiness probe"),
        ("running", &running(), vec![event("Unhealthy", "Readiness probe failed")], "Running"),
    ] {
        assert_eq!(reason_with_events(pod, &events), expected, "{what}");
    }
}

#[test]
fn fresh_containers_without_a_probe() {
    let mut one =
        with(running(), &[("/status/containerStatuses/0/state/running/startedAt", json!("2026-11-22T03:00:05Z"))]);
    let at = |second: u32| format!("2026-11-22T03:00:{second:02}Z").parse::<Timestamp>().unwrap();
    let fresh = |pod: &Value, before: Option<&Snapshot>, now| fresh_without_probe(pod, before, now).len();
    assert_eq!((fresh(&one, None, at(6)), fresh(&one, None, at(9))), (1, 0));
    assert_eq!(fresh(&one, Some(&Snapshot::of(&one)), at(6)), 0, "it ran before");
    one["spec"]["containers"][0]["startupProbe"] = json!({});
    assert_eq!(fresh(&one, None, at(6)), 0);
}
