//! Moving the sample to all of its next package, and back: what an update would defer takes effect, what is dropped
//! goes, and data stays.

use super::*;
use crate::object::apply::{APPLIED, applied};
use crate::plan::derive::change_package::{is_needed, kept, scope};
use crate::plan::derive::rollback::rollback;
use crate::plan::patch;
use crate::record::Verb;

impl World {
    fn all_of(&self, which: &str) -> Revision {
        let package = package(which);
        let files = package.kubernetes_files();
        let manifests = package.manifests(&files).expect("manifests");
        Revision { number: 2, verb: Verb::ChangePackage, ..first_revision(&package, &files, &manifests) }
    }

    fn change(&self, target: Revision) -> (Revision, Scope) {
        scope(&self.current, target, &self.contents, &self.live).expect("a scope")
    }

    /// The live object as an apply would leave it.
    fn put_applied(&mut self, target: &Revision, name: &str) {
        let state = target.object(&self.reference(name)).expect("in the target");
        let object = self.contents.desired(state, INSTANCE).expect("content");
        self.put_live(object);
    }
}

#[test]
fn all_that_differs_takes_effect() {
    let mut world = World::new();
    let (target, scope) = world.change(world.all_of("after"));
    let field = |affected: &crate::record::Affected| {
        affected.reasons.iter().any(|reason| {
            matches!(reason, Reason::Field { field, change }
            if field == "containers[nginx].ports[0].containerPort" && change == "80 -> 180")
        })
    };
    let with_field: Vec<&str> = scope
        .affected
        .iter()
        .filter(|affected| field(affected))
        .map(|affected| affected.object.name.as_str())
        .collect();
    assert_eq!(with_field, ["vdu2-update"]);
    assert_eq!(scope.affected.len(), 5);
    assert!(scope.create.is_empty() && scope.delete.is_empty() && scope.apply.is_empty());
    // Only what changes more than images and data is written as a whole.
    let whole = |name: &str| target.object(&world.reference(name)).expect("in the target").applied;
    assert_eq!((whole("vdu2-update"), whole("vdu1-update"), whole("cm-data")), (Some(2), None, None));
    let item = |world: &World| {
        let object = world.reference("vdu2-update");
        world.items(&target, &scope).into_iter().find(|item| item.object == object).expect("an item")
    };
    assert!(matches!(&item(&world).step, Step::ReplacePods { whole: true, patch, .. } if patch.is_empty()));
    assert_eq!(item(&world).state, ItemState::ToDo);
    world.put_applied(&target, "vdu2-update");
    assert!(matches!(&item(&world).step, Step::ReplacePods { whole: false, .. }));
    assert_eq!(item(&world).state, ItemState::Done);
}

#[test]
fn what_is_dropped_goes_and_what_is_new_comes() {
    let world = World::new();
    let mut target = world.all_of("before");
    let gone = world.reference("env-test2");
    target.objects.retain(|state| state.reference != gone);
    let mut more = target.objects.iter().find(|state| state.reference.name == "volume-test2").expect("one").clone();
    more.reference.name = "volume-test3".into();
    target.objects.push(more.clone());
    let (target, scope) = world.change(target);
    assert_eq!((&scope.create, &scope.delete), (&vec![more.reference.clone()], &vec![gone]));
    assert!(scope.affected.is_empty() && scope.config.is_empty());
    let created = target.object(&more.reference).expect("in the target");
    assert_eq!((created.marker, created.applied), (Some(2), Some(2)));
    assert!(is_needed(&world.current, &target) && !is_needed(&world.current, &world.current));
}

#[test]
fn a_claim_that_the_package_drops_stays_in_the_revision() {
    let mut world = World::new();
    let mut claim = world.current.objects[0].clone();
    claim.reference = ObjectRef::new("v1", "PersistentVolumeClaim", Some("default"), "data");
    world.current.objects.push(claim.clone());
    let (target, scope) = world.change(world.all_of("after"));
    assert_eq!(scope.delete, []);
    assert_eq!(kept(&target).collect::<Vec<_>>(), [&claim.reference]);
}

#[test]
fn replicas_stay_as_they_are_and_belong_to_whoever_else_sets_them() {
    let mut world = World::new();
    world.edit("vdu1-update", |object| {
        object["spec"]["replicas"] = json!(3);
        object["metadata"]["managedFields"] = json!([{"manager": "autoscaler", "time": "2026-01-01T00:00:00Z",
            "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    });
    let (target, _) = world.change(world.all_of("after"));
    let state = target.object(&world.reference("vdu1-update")).expect("in the target");
    assert_eq!(state.replicas, Some(3));
    let desired = world.contents.desired(state, INSTANCE).expect("content");
    let live = world.live.get(&state.reference).expect("live");
    assert_eq!(patch::applicable(desired.clone(), live)["spec"].get("replicas"), None);
    assert_eq!(patch::applicable(desired, &json!({}))["spec"]["replicas"], 3);
}

#[test]
fn a_rollback_writes_back_what_was_written_as_a_whole() {
    let mut world = World::new();
    let (target, scope) = world.change(world.all_of("after"));
    let forward = world.journal(target.clone(), scope);
    let back = rollback(&forward, &world.contents, &world.live).expect("a rollback");
    assert!(back.scope.is_empty(), "nothing was written: {:?}", back.scope);
    world.put_applied(&target, "vdu2-update");
    let back = rollback(&forward, &world.contents, &world.live).expect("a rollback");
    let [affected] = &back.scope.affected[..] else { panic!("one workload goes back: {:?}", back.scope) };
    assert_eq!(affected.how, How::ReplacePods);
    let field = Reason::Field { field: "containers[nginx].ports[0].containerPort".into(), change: "180 -> 80".into() };
    assert!(affected.reasons.contains(&field), "{:?}", affected.reasons);
    let items = items(&Inputs { journal: &back, contents: &world.contents, live: &world.live, instance_id: INSTANCE });
    let items = items.expect("items");
    assert!(matches!(&items[0].step, Step::ReplacePods { whole: true, .. }), "{:?}", items[0].step);
    // Without the annotation it is as it was.
    let source = forward.source.as_ref().expect("a source");
    let desired = world.contents.desired(source.object(&affected.object).expect("a state"), INSTANCE).expect("content");
    assert_eq!((applied(&desired), desired["metadata"]["annotations"].get(APPLIED)), (None, None));
}
