//! Stories as a watch tells them: (second, state) until the trouble is a failure.

use super::*;
use crate::object::pod::Snapshot;
use serde_json::json;

fn pod(container: Value) -> Value {
    let mut status = json!({"name": "c", "restartCount": 0});
    status.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({"metadata": {"name": "p", "uid": "u1"}, "spec": {"containers": [{"name": "c", "image": "new"}]},
        "status": {"phase": "Running", "containerStatuses": [status]}})
}

fn waiting(reason: &str) -> Value {
    pod(json!({"state": {"waiting": {"reason": reason, "message": "m"}}}))
}

fn running(restarts: u64) -> Value {
    pod(json!({"containerID": "n", "restartCount": restarts, "state": {"running": {}}}))
}

/// Waiting after the container with the id ended.
fn after(id: &str, restarts: u64, reason: &str, ended: &str) -> Value {
    pod(json!({"containerID": id, "restartCount": restarts, "state": {"waiting": {"reason": reason}},
        "lastState": {"terminated": {"exitCode": 1, "reason": ended}}}))
}

fn in_place() -> Snapshot {
    let mut pod = pod(json!({"containerID": "old", "restartCount": 0, "state": {"running": {}}}));
    pod["spec"]["containers"][0]["image"] = json!("former");
    Snapshot::of(&pod)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The second of the first failure, its reason and count; deadlines between two states are kept, as a caller would.
fn fails(story: &[(u64, Value)], before: Option<&Snapshot>, crashes_fail: bool) -> Option<(u64, String, u64)> {
    let mut patient = Patient::new(crashes_fail);
    let told = |trouble: Trouble, at: Duration| Some((at.as_secs(), trouble.reason, trouble.times));
    for (index, (at, pod)) in story.iter().enumerate() {
        if let Some(trouble) = patient.observe(pod, before, seconds(*at)) {
            return told(trouble, seconds(*at));
        }
        let until = story.get(index + 1).map_or(seconds(600), |(next, _)| seconds(*next));
        if let Some(deadline) = patient.next_deadline().filter(|deadline| *deadline < until) {
            let trouble = patient.observe(pod, before, deadline).expect("a deadline means failure");
            return told(trouble, deadline);
        }
    }
    None
}

#[test]
fn stories() {
    let other_message = pod(json!({"state": {"waiting": {"reason": "ErrImagePull", "message": "other"}}}));
    let old = in_place();
    let changed = Some(&old);
    let crash = |restarts| after("n", restarts, "CrashLoopBackOff", "Error");
    for (what, story, before, expected) in [
        ("bad name", vec![(2, waiting("InvalidImageName"))], None, Some((2, "InvalidImageName", 1))),
        (
            "pull fails twice",
            vec![(1, waiting("ErrImagePull")), (2, waiting("ImagePullBackOff")), (14, waiting("ErrImagePull"))],
            None,
            Some((14, "ErrImagePull", 2)),
        ),
        ("pull fails unseen", vec![(1, waiting("ErrImagePull"))], None, Some((31, "ErrImagePull", 1))),
        (
            "pull fails twice, the second time behind the first one's state",
            vec![(1, waiting("ErrImagePull")), (14, waiting("ImagePullBackOff"))],
            None,
            Some((14, "ImagePullBackOff", 2)),
        ),
        (
            "pull fails otherwise",
            vec![(1, waiting("ErrImagePull")), (13, other_message)],
            None,
            Some((13, "ErrImagePull", 2)),
        ),
        (
            "a hiccup of the registry",
            vec![(1, waiting("ErrImagePull")), (2, waiting("ImagePullBackOff")), (15, running(0))],
            None,
            None,
        ),
        (
            "left and came back",
            vec![(1, waiting("ImagePullBackOff")), (5, waiting("ContainerCreating")), (9, waiting("ImagePullBackOff"))],
            None,
            Some((9, "ImagePullBackOff", 2)),
        ),
        (
            "in place: the disguise of a pull error",
            vec![
                (1, after("old", 0, "ErrImagePull", "Completed")),
                (12, after("old", 0, "CrashLoopBackOff", "Completed")),
                (24, after("old", 0, "ErrImagePull", "Completed")),
            ],
            changed,
            Some((24, "ErrImagePull", 2)),
        ),
        (
            "in place: the disguise stays",
            vec![
                (1, after("old", 0, "ErrImagePull", "Completed")),
                (12, after("old", 0, "CrashLoopBackOff", "Completed")),
            ],
            changed,
            Some((31, "ErrImagePull", 1)),
        ),
        (
            "in place: only held back",
            vec![(1, after("old", 0, "CrashLoopBackOff", "Completed")), (58, running(1))],
            changed,
            None,
        ),
        (
            "in place: the mount race heals",
            vec![
                (1, after("n1", 1, "RunContainerError", "StartError")),
                (2, after("n1", 1, "CrashLoopBackOff", "StartError")),
                (13, running(2)),
            ],
            changed,
            None,
        ),
        (
            "cannot be started",
            vec![
                (1, after("n", 0, "RunContainerError", "StartError")),
                (2, after("n", 0, "CrashLoopBackOff", "StartError")),
                (13, after("m", 1, "RunContainerError", "StartError")),
            ],
            None,
            Some((13, "RunContainerError", 2)),
        ),
        (
            "a key is missing",
            vec![(1, waiting("CreateContainerConfigError"))],
            None,
            Some((16, "CreateContainerConfigError", 1)),
        ),
        ("a key comes late", vec![(1, waiting("CreateContainerConfigError")), (9, running(0))], None, None),
        (
            "crashes",
            vec![(1, crash(0)), (2, running(1)), (3, crash(1)), (14, running(2)), (15, crash(2))],
            None,
            Some((15, "CrashLoopBackOff", 3)),
        ),
        ("crashes twice", vec![(1, crash(0)), (2, running(1)), (3, crash(1)), (14, running(2))], None, None),
    ] {
        let expected = expected.map(|(at, reason, times): (u64, &str, u64)| (at, reason.to_owned(), times));
        assert_eq!(fails(&story, before, true), expected, "{what}");
    }
    assert_eq!(fails(&[(1, crash(7))], None, false), None, "at instantiation crashes are borne");
}

#[test]
fn unschedulable_may_be_postponed() {
    let pod = json!({"metadata": {"uid": "u1"}, "status": {"conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}});
    let mut patient = Patient::new(true);
    assert_eq!(patient.observe(&pod, None, seconds(0)), None);
    assert_eq!(patient.next_deadline(), Some(seconds(60)));
    patient.postpone("u1", seconds(50));
    assert_eq!(patient.observe(&pod, None, seconds(60)), None);
    assert_eq!(patient.observe(&pod, None, seconds(110)).unwrap().reason, "Unschedulable");
}

#[test]
fn a_pod_that_leaves_is_forgotten() {
    let mut patient = Patient::new(true);
    let mut leaving = waiting("ErrImagePull");
    assert_eq!(patient.observe(&leaving, None, seconds(0)), None);
    leaving["metadata"]["deletionTimestamp"] = json!("t");
    assert_eq!(patient.observe(&leaving, None, seconds(40)), None);
    assert_eq!(patient.next_deadline(), None);
}

#[test]
fn a_controller_that_makes_progress_is_borne() {
    let object = |updated: u64| {
        json!({"metadata": {"uid": "d"}, "status": {"updatedReplicas": updated,
            "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]}})
    };
    let mut patient = Patient::new(true);
    assert_eq!(patient.observe_controller(&object(0), 1, seconds(0)), None);
    assert_eq!(patient.observe_controller(&object(1), 1, seconds(14)), None);
    assert_eq!(patient.observe_controller(&object(1), 1, seconds(20)), None);
    assert_eq!(patient.next_deadline(), Some(seconds(29)));
    assert_eq!(patient.observe_controller(&object(1), 1, seconds(29)).unwrap().reason, "FailedCreate");
    assert_eq!(patient.observe_controller(&json!({"metadata": {"uid": "d"}}), 1, seconds(30)), None);
    assert_eq!(patient.next_deadline(), None);
}

#[test]
fn what_can_be_confirmed_is_asked_for_once() {
    let mut patient = Patient::new(true);
    assert_eq!(patient.to_confirm(), None);
    assert_eq!(patient.observe(&waiting("CreateContainerConfigError"), None, seconds(0)), None);
    let (uid, trouble) = patient.to_confirm().unwrap();
    assert_eq!((uid.as_str(), trouble.reason.as_str()), ("u1", "CreateContainerConfigError"));
    assert_eq!(patient.observe(&waiting("CreateContainerConfigError"), None, seconds(3)), None);
    assert_eq!(patient.to_confirm(), None);
    assert_eq!(patient.standing("u1").map(|trouble| trouble.reason.as_str()), Some("CreateContainerConfigError"));
    assert!(patient.observe(&waiting("CreateContainerConfigError"), None, seconds(15)).is_some());
}

#[test]
fn a_container_whose_predecessor_ended_must_stay_for_a_while() {
    let again = |last: &str, reason: &str| {
        let mut pod = running(1);
        pod["status"]["containerStatuses"][0]["lastState"] =
            json!({"terminated": {"containerID": last, "exitCode": 1, "reason": reason}});
        pod
    };
    let old = in_place();
    let probed = {
        let mut pod = again("first", "Error");
        pod["spec"]["containers"][0]["readinessProbe"] = json!({});
        pod
    };
    for (what, pod, before, expected) in [
        ("never ended", running(0), None, None),
        ("ended once", again("first", "Error"), None, Some(seconds(15))),
        ("only the old one ended, for the update", again("old", "Completed"), Some(&old), None),
        ("the new one ended", again("first", "Error"), Some(&old), Some(seconds(15))),
        ("could not be started at first", again("first", "StartError"), None, None),
        ("a probe knows better", probed, None, None),
    ] {
        let mut patient = Patient::new(true);
        assert_eq!(patient.on_trial(&pod, before, seconds(5)), expected, "{what}");
        assert_eq!(patient.on_trial(&pod, before, seconds(14)), expected, "{what}, later");
        assert_eq!(patient.on_trial(&pod, before, seconds(15)), None, "{what}, in the end");
    }
}
