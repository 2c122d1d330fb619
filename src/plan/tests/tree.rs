//! The tree that an operation, and a VNF at rest, is shown as.

use super::*;
use crate::report::event::{Event, EventKind};
use crate::report::tree::make::{self, PodEvents};
use crate::report::tree::{Role, Row, State, Told, Tree};
use std::time::Duration;

impl World {
    fn tree(&self, journal: &Journal, told: &Told) -> Tree {
        let inputs = Inputs { journal, contents: &self.contents, live: &self.live, instance_id: INSTANCE };
        make::of_operation(&inputs, told, &PodEvents::new()).expect("a tree")
    }

    fn standing(&self) -> Tree {
        make::of_revision(&self.current, &self.contents, &self.live, &PodEvents::new())
    }

    /// A ReplicaSet of a Deployment with one Pod.
    fn replica_set(&mut self, deployment: &str, hash: &str, marker: u64, pod: Value) {
        let owner = self.live.get(&self.reference(deployment)).expect("live").clone();
        let name = format!("{deployment}-{hash}");
        let annotations = json!({"kubectl-vnf/revision": marker.to_string()});
        let controlled = |uid: &str| json!([{"uid": uid, "controller": true}]);
        self.live.put(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": name, "namespace": "default", "uid": name, "ownerReferences": controlled(uid(&owner))},
            "spec": {"replicas": 1, "template": {"metadata": {"annotations": annotations}}}}));
        let mut one = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{name}-x"), "namespace": "default", "uid": format!("{name}-x"),
                "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": annotations, "ownerReferences": controlled(&name)},
            "spec": owner["spec"]["template"]["spec"]});
        one.as_object_mut().expect("an object").extend(pod.as_object().expect("an object").clone());
        self.live.put(one);
    }

    /// Takes away the Pod that stands for a controller's.
    fn without_pod(&mut self, name: &str) {
        self.live.forget(&ObjectRef::new("v1", "Pod", Some("default"), &format!("{name}-pod")));
    }
}

fn row<'t>(tree: &'t Tree, name: &str) -> &'t Row {
    tree.rows.iter().find(|row| row.object.name == name).expect("a row of that name")
}

fn said(tree: &Tree, name: &str) -> (State, String) {
    let row = row(tree, name);
    (row.state, row.words.clone())
}

fn waiting(reason: &str) -> Value {
    json!({"status": {"phase": "Pending", "containerStatuses": [
        {"name": "nginx", "restartCount": 0, "ready": false, "state": {"waiting": {"reason": reason}}}]}})
}

#[test]
fn an_update_begins_with_everything_to_do() {
    let world = World::new();
    let (target, scope) = world.update("after", None).expect("derives");
    let journal = world.journal(target, scope);
    let tree = world.tree(&journal, &Told::default());
    let config = tree.config.as_ref().expect("a config row");
    assert_eq!((config.state, config.done, config.what), (State::ToDo, 0, "written"));
    let vdus: Vec<&str> = tree.rows.iter().filter_map(|row| row.vdu.as_deref()).collect();
    assert_eq!(vdus, ["VDU1", "VDU2", "VDU3", "VDU4", "VDU5"]);
    assert!(tree.rows.iter().all(|row| row.state == State::ToDo && row.words == "to do" && row.ready == Some((1, 1))));
    let untouched = tree.untouched.expect("untouched VDUs");
    assert_eq!((untouched.vdus, untouched.others, untouched.ready), (3, 0, (3, 3)));
    assert_eq!(tree.done(), (0, 5));
}

#[test]
fn a_rollout_shows_new_and_old() {
    let mut world = World::new();
    world.without_pod("vdu1-update");
    world.replica_set("vdu1-update", "old", 1, json!({"status": running()}));
    let (target, scope) = world.update("after", None).expect("derives");
    let journal = world.journal(target.clone(), scope);
    let state = target.object(&world.reference("vdu1-update")).expect("a state");
    let patched = world.contents.desired(state, INSTANCE).expect("content");
    world.edit("vdu1-update", |live| {
        live["spec"] = patched["spec"].clone();
        live["metadata"]["generation"] = json!(2);
    });
    world.replica_set("vdu1-update", "new", 2, waiting("ContainerCreating"));
    let mut told = Told::default();
    let tree = world.tree(&journal, &told);
    assert_eq!(said(&tree, "vdu1-update"), (State::Waiting, "1 new starting, 1 old".into()));
    let sets: Vec<_> = row(&tree, "vdu1-update").sets.iter().map(|set| (set.role, set.ready)).collect();
    assert_eq!(sets, [(Role::New, (0, 1)), (Role::Old, (1, 1))]);
    assert!(row(&tree, "vdu1-update").open && row(&tree, "vdu1-update").pods.is_empty());
    world.replica_set("vdu1-update", "new", 2, waiting("ImagePullBackOff"));
    let object = world.reference("vdu1-update");
    let kind = EventKind::Failed("the image cannot be pulled".into());
    told.hear(&Event { after: Duration::from_secs(13), object, vdu: None, kind });
    let tree = world.tree(&journal, &told);
    assert_eq!(said(&tree, "vdu1-update"), (State::Failed, "ImagePullBackOff".into()));
    assert_eq!(row(&tree, "vdu1-update").sets[1].words, "still serving");
    assert_eq!(row(&tree, "vdu1-update").sets[0].pods[0].state, State::Failed);
}

#[test]
fn an_update_that_is_done_says_what_it_did() {
    let mut world = World::new();
    let (target, scope) = world.update("after", None).expect("derives");
    let journal = world.journal(target.clone(), scope);
    for state in &target.objects {
        let object = world.contents.desired(state, INSTANCE).expect("content");
        world.put_live(object);
    }
    for name in ["env-test", "volume-test"] {
        world.edit(name, |pod| {
            pod["status"]["containerStatuses"][0]["containerID"] = json!("c://2");
            pod["status"]["containerStatuses"][0]["restartCount"] = json!(1);
            pod["status"]["containerStatuses"][0]["started"] = json!(true);
        });
    }
    let tree = world.tree(&journal, &Told::default());
    assert_eq!(said(&tree, "env-test"), (State::Done, "restarts 0 -> 1".into()));
    assert_eq!(said(&tree, "vdu2-update"), (State::Done, "1 of 1 new".into()));
    assert_eq!(tree.done(), (5, 5));
    assert_eq!(tree.config.map(|config| config.state), Some(State::Done));
}

#[test]
fn a_pod_that_is_made_again_goes_and_comes() {
    let mut world = World::new();
    let vnfcs = heal::vnfcs(&world.current, &world.contents, &world.live);
    let scope = heal::chosen(&Targets::Vnfcs(vec!["env-test".into()]), &vnfcs).expect("chosen");
    let journal = world.journal(world.current.clone(), scope);
    let none = Told::default();
    assert_eq!(said(&world.tree(&journal, &none), "env-test"), (State::ToDo, "to do".into()));
    world.edit("env-test", |pod| pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    assert_eq!(said(&world.tree(&journal, &none), "env-test"), (State::Waiting, "Terminating".into()));
    let reference = world.reference("env-test");
    let mut told = Told::default();
    let kind = EventKind::Written("Pod env-test is being replaced".into());
    told.hear(&Event { after: Duration::ZERO, object: reference.clone(), vdu: None, kind });
    world.live.forget(&reference);
    assert_eq!(said(&world.tree(&journal, &told), "env-test"), (State::Waiting, "being made again".into()));
    assert_eq!(row(&world.tree(&journal, &told), "env-test").ready, Some((0, 1)));
}

#[test]
fn a_vnf_at_rest_is_told_by_what_is_not_well() {
    let mut world = World::new();
    let tree = world.standing();
    assert_eq!(tree.rows.len(), 8, "configuration and other kinds only where they are not well");
    assert!(tree.rows.iter().all(|row| row.state == State::Done && row.words.is_empty() && !row.open));
    world.live.forget(&world.reference("volume-test2"));
    world.without_pod("vdu1-update");
    world.edit("vdu1-update", |live| live["status"]["readyReplicas"] = json!(0));
    let mut pod = waiting("");
    pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu."}]);
    world.replica_set("vdu1-update", "x", 1, pod);
    world.edit("env-test2", |pod| pod["status"]["containerStatuses"][0]["restartCount"] = json!(2));
    world.live.forget(&world.reference("cm-data3"));
    let tree = world.standing();
    assert_eq!(said(&tree, "volume-test2"), (State::Failed, "gone".into()));
    assert_eq!(said(&tree, "vdu1-update"), (State::Failed, String::new()));
    let set = &row(&tree, "vdu1-update").sets[0];
    assert_eq!((set.role, set.pods[0].reason.as_str()), (Role::Current, "Unschedulable: Insufficient cpu"));
    assert_eq!(said(&tree, "env-test2"), (State::Done, "restarts 2".into()));
    assert_eq!(said(&tree, "cm-data3"), (State::Failed, "gone".into()));
}
