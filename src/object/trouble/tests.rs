//! States of Pods as the kubelet shows them.

use super::*;
use serde_json::json;

/// A bare Pod with container `c`, image `new`, and the given status entry.
fn pod(container: Value) -> Value {
    let mut status = json!({"name": "c", "restartCount": 0});
    status.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({"metadata": {"name": "p", "uid": "u1", "generation": 2},
        "spec": {"containers": [{"name": "c", "image": "new"}]},
        "status": {"phase": "Running", "observedGeneration": 2, "containerStatuses": [status]}})
}

fn waiting(reason: &str) -> Value {
    pod(json!({"state": {"waiting": {"reason": reason, "message": "why"}}}))
}

/// The snapshot of the Pod when its container `old` ran.
fn before(image: &str) -> Snapshot {
    let mut pod = pod(json!({"containerID": "old", "restartCount": 3, "state": {"running": {}}}));
    pod["spec"]["containers"][0]["image"] = json!(image);
    Snapshot::of(&pod)
}

fn owned(mut pod: Value) -> Value {
    pod["metadata"]["ownerReferences"] = json!([{"uid": "j", "controller": true}]);
    pod
}

fn policy(mut pod: Value, policy: &str) -> Value {
    pod["spec"]["restartPolicy"] = json!(policy);
    pod
}

fn one(pod: &Value, before: Option<&Snapshot>) -> Option<(String, Patience, u64)> {
    let found = troubles(pod, before);
    assert!(found.len() <= 1, "{found:?}");
    found.into_iter().next().map(|trouble| (trouble.summary, trouble.patience, trouble.times))
}

#[test]
fn waiting_states() {
    for (reason, expected) in [
        ("ContainerCreating", None),
        ("PodInitializing", None),
        ("SomethingNew", None),
        ("InvalidImageName", Some(("the image name is not valid", Patience::Now))),
        ("ErrImageNeverPull", Some(("the image is not on the node, and the Pod forbids to pull it", Patience::Now))),
        ("ErrImagePull", Some(("the image cannot be pulled", Patience::SecondTime))),
        ("ImagePullBackOff", Some(("the image cannot be pulled", Patience::SecondTime))),
        ("CreateContainerError", Some(("the container cannot be started", Patience::SecondTime))),
        ("RunContainerError", Some(("the container cannot be started", Patience::SecondTime))),
        (
            "CreateContainerConfigError",
            Some(("the container's configuration is refused", Patience::Confirmed(Duration::from_secs(15)))),
        ),
    ] {
        let found = one(&waiting(reason), None);
        assert_eq!(found.as_ref().map(|(summary, patience, _)| (summary.as_str(), *patience)), expected, "{reason}");
    }
    let trouble = troubles(&waiting("ErrImagePull"), None).remove(0);
    assert_eq!((trouble.reason.as_str(), trouble.message.as_str()), ("ErrImagePull", "why"));
    assert_eq!((trouble.container.as_deref(), trouble.image.as_deref()), (Some("c"), Some("new")));
}

#[test]
fn config_errors_in_words() {
    for (message, expected) in [
        ("couldn't find key password in Secret default/secret-data", "a required key is missing"),
        ("configmap \"cm\" not found", "a ConfigMap is missing"),
        ("secret \"s\" not found", "a Secret is missing"),
        ("container has runAsNonRoot and image will run as root", "the container's configuration is refused"),
    ] {
        assert_eq!(config_summary(message), expected, "{message}");
    }
}

#[test]
fn only_what_is_newer_counts() {
    let state = |id: &str, restarts: u64, state: Value| {
        pod(
            json!({"containerID": id, "restartCount": restarts, "state": state, "lastState": {"terminated": {"exitCode": 1}}}),
        )
    };
    let pull = json!({"waiting": {"reason": "ErrImagePull"}});
    let config = json!({"waiting": {"reason": "CreateContainerConfigError"}});
    let crash = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let end = json!({"terminated": {"exitCode": 143}});
    let (same, changed) = (before("new"), before("former"));
    let mut broken = before("new");
    broken.containers.get_mut("c").unwrap().running = false;
    let other = Snapshot { uid: "u0".into(), ..same.clone() };
    for (what, pod, before, expected) in [
        ("fresh Pod", state("n", 0, pull.clone()), None, Some(Family::Pull)),
        ("in place, cannot pull", state("old", 3, pull.clone()), Some(&changed), Some(Family::Pull)),
        ("same image cannot be pulled again", state("old", 3, pull.clone()), Some(&same), None),
        ("ran, lacks a key now", state("old", 3, config.clone()), Some(&same), Some(Family::Config)),
        ("lacked a key before", state("old", 3, config), Some(&broken), None),
        ("broken before", state("old", 3, pull.clone()), Some(&broken), None),
        ("of another Pod", state("old", 3, pull), Some(&other), Some(Family::Pull)),
        ("old container killed for the update", state("old", 3, end.clone()), Some(&changed), None),
        ("new container ended", state("n", 4, end), Some(&changed), Some(Family::Crash)),
        ("held back with the old one", state("old", 3, crash.clone()), Some(&changed), Some(Family::Held)),
        ("untouched, one exit of the old one", state("old", 3, crash.clone()), Some(&same), None),
        ("untouched, its next one ended", state("n", 4, crash.clone()), Some(&same), Some(Family::Crash)),
        ("crashed before", state("old", 3, crash), Some(&broken), None),
    ] {
        assert_eq!(troubles(&pod, before).first().map(|trouble| trouble.family), expected, "{what}");
    }
}

#[test]
fn the_state_of_the_former_image_is_passed_over() {
    let mut pod = waiting("ErrImagePull");
    pod["status"]["observedGeneration"] = json!(1);
    assert_eq!(one(&pod, Some(&before("former"))), None);
    pod["status"]["observedGeneration"] = json!(2);
    assert!(one(&pod, Some(&before("former"))).is_some());
}

#[test]
fn exits_are_counted() {
    let crashed = |restarts: u64| {
        pod(json!({"containerID": "n", "restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "startedAt": "2026-11-22T03:00:00Z", "finishedAt": "2026-11-22T03:00:01Z"}}}))
    };
    let mut unborn = before("new");
    unborn.containers.insert(
        "c".into(),
        crate::object::pod::ContainerSnapshot { id: String::new(), restarts: 0, image: "new".into(), running: false },
    );
    for (what, restarts, before, exits) in [
        ("fresh, first", 0, None, 1),
        ("fresh, third", 2, None, 3),
        ("in place, first", 4, Some(&before("former")), 1),
        ("in place, third", 6, Some(&before("former")), 3),
        ("first start since the snapshot", 0, Some(&unborn), 1),
    ] {
        let (summary, patience, times) = one(&crashed(restarts), before).unwrap();
        assert_eq!(
            (summary.as_str(), patience, times),
            ("the container exits at once", Patience::ThirdExit, exits),
            "{what}"
        );
    }
}

#[test]
fn ended_containers() {
    let ended =
        |code: i64| pod(json!({"containerID": "n", "state": {"terminated": {"exitCode": code, "reason": "Error"}}}));
    let failed = |pod: Value| {
        let mut pod = pod;
        pod["status"]["phase"] = json!("Failed");
        pod
    };
    for (what, pod, expected) in [
        ("always", ended(1), Some(Patience::ThirdExit)),
        ("always, success", ended(0), Some(Patience::ThirdExit)),
        ("on failure", policy(ended(1), "OnFailure"), Some(Patience::ThirdExit)),
        ("on failure, success", policy(ended(0), "OnFailure"), None),
        ("never", policy(ended(1), "Never"), Some(Patience::Now)),
        ("never, phase Failed", failed(policy(ended(1), "Never")), Some(Patience::Now)),
        ("never, success", policy(ended(0), "Never"), None),
        ("never, of a Job", failed(owned(policy(ended(1), "Never"))), None),
        (
            "evicted, bare",
            json!({"metadata": {}, "status": {"phase": "Failed", "reason": "Evicted"}}),
            Some(Patience::Now),
        ),
        (
            "evicted, of a controller",
            owned(json!({"metadata": {}, "status": {"phase": "Failed", "reason": "Evicted"}})),
            None,
        ),
    ] {
        assert_eq!(one(&pod, None).map(|(_, patience, _)| patience), expected, "{what}");
    }
}

#[test]
fn init_containers_and_sidecars() {
    let with_init = |policy: Value, state: Value| {
        json!({"metadata": {"uid": "u1"}, "spec": {"initContainers": [{"name": "i", "image": "x", "restartPolicy": policy}],
                "containers": [{"name": "c", "image": "new"}]},
            "status": {"initContainerStatuses": [{"name": "i", "containerID": "i1", "restartCount": 0, "state": state}],
                "containerStatuses": [{"name": "c", "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}]}})
    };
    let ended = |code: i64| json!({"terminated": {"exitCode": code}});
    for (what, pod, expected) in [
        ("init done", with_init(Value::Null, ended(0)), None),
        ("init failed", with_init(Value::Null, ended(1)), Some(Patience::ThirdExit)),
        ("init failed for good", policy(with_init(Value::Null, ended(1)), "Never"), Some(Patience::Now)),
        ("sidecar ended", with_init(json!("Always"), ended(0)), Some(Patience::ThirdExit)),
        ("sidecar under Never", policy(with_init(json!("Always"), ended(1)), "Never"), Some(Patience::ThirdExit)),
        (
            "init pull",
            with_init(Value::Null, json!({"waiting": {"reason": "ErrImagePull"}})),
            Some(Patience::SecondTime),
        ),
    ] {
        assert_eq!(one(&pod, None).map(|(_, patience, _)| patience), expected, "{what}");
    }
}

#[test]
fn unschedulable_pods() {
    let mut pod = json!({"metadata": {"uid": "u1"}, "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 ..."}]}});
    let (summary, patience, _) = one(&pod, None).unwrap();
    assert_eq!((summary.as_str(), patience), ("no node takes the Pod", Patience::After(Duration::from_secs(60))));
    assert_eq!(one(&pod, Some(&Snapshot::of(&pod))), None, "it was so before");
    pod["metadata"]["deletionTimestamp"] = json!("t");
    assert_eq!(one(&pod, None), None);
}

#[test]
fn controllers_that_cannot_create() {
    let mut object = json!({"kind": "ReplicaSet", "metadata": {"uid": "rs", "generation": 2}, "status": {"observedGeneration": 2,
        "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1"}]}});
    let trouble = controller_trouble(&object, 1).unwrap();
    assert_eq!(trouble.summary, "the quota is used up, no Pod can be created");
    assert_eq!((trouble.reason.as_str(), trouble.patience), ("FailedCreate", Patience::After(CREATE)));
    object["metadata"]["generation"] = json!(3);
    assert_eq!(controller_trouble(&object, 1), None, "of the former spec");
    assert_eq!(controller_trouble(&json!({"status": {}}), 1), None);
}

#[test]
fn controllers_that_tell_by_events_only() {
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "generation": 1}, "spec": {"replicas": 2},
        "status": {"observedGeneration": 1}});
    assert_eq!(controller_trouble(&set, 2), None);
    let suspicion = controller_trouble(&set, 1).unwrap();
    assert_eq!((suspicion.family, suspicion.message.as_str()), (Family::Create, ""));
    let daemons = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d"}, "status": {"desiredNumberScheduled": 1}});
    assert_eq!((controller_trouble(&daemons, 1), controller_trouble(&daemons, 0).is_some()), (None, true));

    let refused = json!({"reason": "FailedCreate", "message": "create Pod s-1 failed: exceeded quota: q",
        "lastTimestamp": "2026-11-22T03:00:10Z"});
    let created = json!({"reason": "SuccessfulCreate", "lastTimestamp": "2026-11-22T03:00:20Z"});
    let at = |second: u32| format!("2026-11-22T03:00:{second:02}Z").parse::<Timestamp>().unwrap();
    let events = [refused, created];
    let trouble = refused_creation(&events, at(5)).unwrap();
    assert_eq!(trouble.summary, "the quota is used up, no Pod can be created");
    assert_eq!(refused_creation(&events, at(15)), None, "long ago");
    assert_eq!(refused_creation(&events[1..], at(5)), None, "only slow");
}

#[test]
fn autoscalers_have_the_last_word() {
    let events = |words: &[&str]| words.iter().map(|reason| json!({"reason": reason})).collect::<Vec<_>>();
    for (words, expected) in [
        (&["FailedScheduling"][..], false),
        (&["FailedScheduling", "TriggeredScaleUp", "FailedScheduling"], true),
        (&["FailedScheduling", "Nominated"], true),
        (&["TriggeredScaleUp", "NotTriggerScaleUp", "FailedScheduling"], false),
        (&["NotTriggerScaleUp", "TriggeredScaleUp"], true),
    ] {
        assert_eq!(scaling_up(&events(words)), expected, "{words:?}");
    }
}

#[test]
fn what_is_told_of_a_pod_when_time_is_up() {
    let mut slow = pod(json!({"containerID": "n", "ready": false, "started": true, "state": {"running": {}}}));
    slow["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {}});
    let trouble = not_ready(&slow);
    assert_eq!((trouble.reason.as_str(), trouble.container.as_deref()), ("not ready: readiness probe", Some("c")));
}
