//! The ways back: rollback from wherever an update stopped, and undo.

use super::*;
use crate::plan::derive::rollback::{not_back, rollback, unsettled};
use crate::plan::derive::undo::undo;

/// An update to `after`, with what it fixed before its first write.
fn begun() -> (World, Journal) {
    let world = World::new();
    let (target, scope) = world.update("after", None).expect("a target");
    let journal = world.journal(target, scope);
    (world, journal)
}

impl World {
    /// Makes an object what a revision says, under its own UID, with a new Pod where it is a controller.
    fn reach(&mut self, revision: &Revision, name: &str) {
        let state = revision.object(&self.reference(name)).expect("in the revision").clone();
        let object = self.contents.desired(&state, INSTANCE).expect("content");
        self.put_live(object);
        let controller = WorkloadKind::of(&state.reference).is_some_and(|kind| kind != WorkloadKind::Pod);
        if controller {
            self.edit_pod(name, |pod| pod["metadata"]["uid"] = json!(format!("new-uid-{name}")));
        } else {
            self.edit_pod(name, |pod| pod["status"]["containerStatuses"][0]["containerID"] = json!("c://2"));
        }
    }

    fn edit_pod(&mut self, workload: &str, edit: impl FnOnce(&mut Value)) {
        let reference = self.reference(workload);
        let pod = self.live.pods_of(&reference).first().map(|pod| (*pod).clone());
        if let Some(mut pod) = pod {
            edit(&mut pod);
            self.live.put(pod);
        }
    }

    fn back(&self, journal: &Journal) -> Journal {
        rollback(journal, &self.contents, &self.live).expect("a way back")
    }
}

#[test]
fn an_update_that_wrote_nothing_needs_no_way_back() {
    let (world, journal) = begun();
    let back = world.back(&journal);
    assert!(back.scope.is_empty(), "{:#?}", back.scope);
    assert!(not_back(&journal, &world.contents, &world.live).is_empty());
}

#[test]
fn only_what_was_reached_goes_back_and_the_former_markers_return() {
    let (mut world, journal) = begun();
    let target = journal.target.clone().expect("a target");
    for name in ["cm-data", "vdu1-update", "env-test"] {
        world.reach(&target, name);
    }
    let back = world.back(&journal);
    assert_eq!(back.scope.config.iter().map(|change| change.object.name.as_str()).collect::<Vec<_>>(), ["cm-data"]);
    assert_eq!(ways(&back.scope), [("env-test".to_owned(), "in place"), ("vdu1-update".to_owned(), "roll out")]);
    let items = items(&Inputs { journal: &back, contents: &world.contents, live: &world.live, instance_id: INSTANCE });
    let patches: String = items
        .expect("items")
        .iter()
        .map(|item| match &item.step {
            Step::RollOut { patch, .. } => json!(patch).to_string(),
            Step::InPlace { patch, mark, .. } => json!([patch, mark]).to_string(),
            _ => String::new(),
        })
        .collect();
    assert!(patches.contains("kubectl-vnf~1revision\",\"value\":\"1\""), "{patches}");
    let left: Vec<&str> = not_back(&journal, &world.contents, &world.live)
        .into_iter()
        .map(|state| state.reference.name.as_str())
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn a_pod_of_the_former_template_that_started_meanwhile_goes() {
    let (mut world, journal) = begun();
    // Its container crashed once and read the new configuration; the template was never reached.
    world.edit_pod("vdu1-update", |pod| {
        pod["status"]["containerStatuses"][0]["containerID"] = json!("c://2");
        pod["status"]["containerStatuses"][0]["restartCount"] = json!(1);
    });
    world.edit_pod("env-test2", |pod| pod["status"]["containerStatuses"][0]["containerID"] = json!("c://2"));
    world.edit_pod("volume-test", |pod| pod["status"]["containerStatuses"][0]["containerID"] = json!("c://2"));
    let back = world.back(&journal);
    // env-test2 reads nothing of what changed: it may restart as it likes.
    assert_eq!(ways(&back.scope), [("vdu1-update".to_owned(), "respawn"), ("volume-test".to_owned(), "recreate")]);
}

#[test]
fn a_pod_of_the_former_template_beside_new_ones_is_a_stray() {
    let (mut world, journal) = begun();
    let stray = {
        let pod = world.live.pods_of(&world.reference("vdu1-update"))[0].clone();
        let mut stray = pod;
        stray["metadata"]["name"] = json!("vdu1-update-scaled-up");
        stray["metadata"]["uid"] = json!("uid-stray");
        stray
    };
    world.live.put(stray);
    world.edit("vdu1-update", |object| {
        object["spec"]["template"]["metadata"]["annotations"] = json!({"kubectl-vnf/revision": "2"});
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("cirros");
    });
    let back = world.back(&journal);
    let affected = back.scope.affected(&world.reference("vdu1-update")).expect("goes back");
    assert_eq!((&affected.how, affected.strays.as_slice()), (&How::RollOut, ["uid-stray".to_owned()].as_slice()));
    assert_eq!(affected.pods, ["uid-stray"], "the Pod that stood there before stays");
}

#[test]
fn a_bare_pod_that_has_ended_or_gone_is_made_again() {
    let (mut world, journal) = begun();
    world.edit("env-test", |pod| {
        pod["spec"]["containers"][0]["image"] = json!("tomcat:nosuch");
        pod["status"]["phase"] = json!("Succeeded");
        pod["status"]["containerStatuses"][0]["state"] = json!({"terminated": {"exitCode": 0}});
    });
    let volume = world.reference("volume-test");
    world.live.forget(&volume);
    let back = world.back(&journal);
    assert_eq!(ways(&back.scope), [("env-test".to_owned(), "recreate"), ("volume-test".to_owned(), "recreate")]);
}

#[test]
fn a_marker_alone_is_put_back_without_a_restart() {
    let (mut world, journal) = begun();
    world.edit("volume-test", |pod| pod["metadata"]["annotations"] = json!({"kubectl-vnf/revision": "2"}));
    assert_eq!(ways(&world.back(&journal).scope), [("volume-test".to_owned(), "mark")]);
}

#[test]
fn a_kubelet_that_has_not_looked_yet_is_waited_for() {
    let (mut world, journal) = begun();
    assert_eq!(unsettled(&journal, &world.live), None);
    world.edit("env-test", |pod| {
        pod["spec"]["containers"][0]["image"] = json!("tomcat");
        pod["spec"]["terminationGracePeriodSeconds"] = json!(5);
    });
    assert_eq!(unsettled(&journal, &world.live), Some(std::time::Duration::from_secs(5)));
    world.edit("env-test", |pod| pod["status"]["containerStatuses"][0]["containerID"] = json!("c://2"));
    assert_eq!(unsettled(&journal, &world.live), None);
}

#[test]
fn giving_up_a_rollback_keeps_all_in_mind_who_may_run_with_either_config() {
    let (mut world, journal) = begun();
    let target = journal.target.clone().expect("a target");
    world.reach(&target, "daemonset-vdu5");
    let found = fail::reached(&journal, true, &world.contents, &world.live).expect("there");
    for name in ["daemonset-vdu5", "vdu1-update", "env-test"] {
        let state = found.object(&world.reference(name)).expect("recorded");
        assert!(!state.pending.is_empty(), "{name}");
    }
}

#[test]
fn an_instantiation_is_taken_back_by_removing_what_it_created() {
    let world = World::new();
    let scope =
        Scope { create: world.current.objects.iter().map(|o| o.reference.clone()).collect(), ..Scope::default() };
    let journal = Journal { source: None, ..world.journal(world.current.clone(), scope) };
    let back = world.back(&journal);
    assert_eq!((back.target, back.scope.delete.len()), (None, 12));
}

#[test]
fn undo_is_the_update_the_other_way_round() {
    let (mut world, journal) = begun();
    let first = world.current.clone();
    let target = journal.target.clone().expect("a target");
    for state in &target.objects {
        world.reach(&target, &state.reference.name);
    }
    world.current = target;
    let derived =
        undo(&world.current, &first, &[], &world.contents, 3, "op-3", Timestamp::UNIX_EPOCH).expect("derived");
    let (target, scope) = update::scope(&world.current, derived, &world.contents, &world.live, false).expect("a scope");
    assert_eq!((target.number, &target.package), (3, &first.package));
    let names = |scope: &Scope| {
        let mut names: Vec<String> = scope.affected.iter().map(|entry| entry.object.name.clone()).collect();
        names.extend(scope.config.iter().map(|change| change.object.name.clone()));
        names.sort();
        names
    };
    assert_eq!(names(&scope), names(&journal.scope));
    for state in &target.objects {
        let images = |state| crate::plan::live_images(&world.contents.content(state).expect("content"));
        assert_eq!(images(state), images(first.object(&state.reference).expect("in the first")));
        let restarts = scope.affected(&state.reference).is_some();
        assert_eq!(state.marker == Some(3), restarts, "{}", state.reference);
    }
}
