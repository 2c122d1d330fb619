//! Scaling the sample: one aspect, its bounds, the ways back, and what an undo makes of it.

use super::*;
use crate::plan::derive::rollback::{not_back, rollback};
use crate::plan::derive::scale::{self, Direction, moves, notes, scaled_since};
use crate::plan::derive::undo::undo;
use crate::record::{Scaling, Verb};

impl World {
    fn scale(&self, aspect: &str, direction: Direction, steps: u32) -> Result<(Revision, Scope), scale::Refusal> {
        scale::scale(&scale::Request {
            current: &self.current,
            contents: &self.contents,
            live: &self.live,
            aspect,
            direction,
            steps,
            number: self.current.number + 1,
            operation_id: "op-scale",
            time: Timestamp::UNIX_EPOCH,
        })
    }

    fn set_replicas(&mut self, name: &str, replicas: u64) {
        self.edit(name, |object| object["spec"]["replicas"] = json!(replicas));
    }
}

fn level(revision: &Revision, aspect: &str) -> u32 {
    let found = revision.scale.iter().find(|level| level.aspect_id == aspect);
    found.expect("the aspect").scale_level
}

fn why(refused: Result<(Revision, Scope), scale::Refusal>) -> String {
    refused.expect_err("it is refused").to_string()
}

#[test]
fn a_step_moves_one_aspect_and_nothing_else() {
    let mut world = World::new();
    let (target, scope) = world.scale("vdu1_aspect", Direction::Out, 2).expect("a target");
    let vdu1 = world.reference("vdu1-update");
    assert_eq!(scope.scale, [Scaling { object: vdu1.clone(), before: 1, after: 3 }]);
    assert_eq!(scope, Scope { scale: scope.scale.clone(), ..Scope::default() });
    assert_eq!((level(&target, "vdu1_aspect"), level(&target, "vdu2_aspect")), (2, 0));
    let [moved] = &moves(&world.current, &target)[..] else { panic!("one aspect moves") };
    assert_eq!((moved.before, moved.after, moved.max), (0, 2, 2));
    for state in &target.objects {
        let former = world.current.object(&state.reference).expect("in the first");
        assert_eq!((state == former), state.reference != vdu1, "{}", state.reference);
    }
    // To do, until the replicas are set and the Pods are there; set once, it is never set again.
    let state = |world: &World| {
        let items = world.items(&target, &scope);
        let [item] = &items[..] else { panic!("one item") };
        let Step::Scale { before: 1, after: 3, patch } = &item.step else { panic!("{:?}", item.step) };
        (item.state, patch.len())
    };
    assert_eq!(state(&world), (ItemState::ToDo, 3));
    world.set_replicas("vdu1-update", 3);
    assert_eq!(state(&world), (ItemState::Waiting, 0));
}

#[test]
fn counting_begins_at_what_is_live_and_says_so() {
    let mut world = World::new();
    world.set_replicas("vdu1-update", 2);
    let (_, scope) = world.scale("vdu1_aspect", Direction::Out, 1).expect("a target");
    assert_eq!((scope.scale[0].before, scope.scale[0].after), (2, 3));
    let notes = notes(&world.current, &scope, &world.contents, &world.live).expect("notes");
    assert_eq!(notes, ["VDU1 Deployment vdu1-update is counted from the 2 replicas that are live; revision 1 has 1"]);
    assert_eq!(
        why(world.scale("vdu1_aspect", Direction::Out, 2)),
        "VDU1 Deployment vdu1-update: 2 replicas now + 1 + 1 = 4, above max_number_of_instances 3 \
         (Definitions/sample_df_simple.yaml:50)"
    );
}

#[test]
fn levels_bounds_and_unknown_aspects_are_told() {
    let mut world = World::new();
    assert_eq!(
        why(world.scale("vdu1_aspect", Direction::Out, 3)),
        "aspect vdu1_aspect: level 0 now + 3 = 3, above max_scale_level 2 (Definitions/sample_df_simple.yaml)"
    );
    assert_eq!(
        why(world.scale("vdu1_aspect", Direction::In, 1)),
        "aspect vdu1_aspect: level 0 now - 1 = -1, below the lowest level, 0"
    );
    assert!(why(world.scale("vdu1_aspect", Direction::Out, u32::MAX)).contains("= 4294967295, above"));
    let unknown = world.scale("vdu9_aspect", Direction::Out, 1).expect_err("no such aspect");
    assert!(matches!(&unknown, scale::Refusal::NoSuchAspect { known, .. } if known.len() == 2), "{unknown}");

    // Somebody has scaled it in since: the level says that a step is left, the profile that it is not.
    (world.current, _) = world.scale("vdu1_aspect", Direction::Out, 1).expect("a target");
    assert_eq!(
        why(world.scale("vdu1_aspect", Direction::In, 1)),
        "VDU1 Deployment vdu1-update: 1 replica now - 1 = 0, below min_number_of_instances 1 \
         (Definitions/sample_df_simple.yaml:50)"
    );
    world.live.forget(&world.reference("vdu1-update"));
    assert!(why(world.scale("vdu1_aspect", Direction::Out, 1)).contains("is not there"));
}

#[test]
fn a_scaling_that_stopped_goes_back_to_the_replicas_that_it_found() {
    let mut world = World::new();
    world.set_replicas("vdu1-update", 2);
    let (target, scope) = world.scale("vdu1_aspect", Direction::Out, 1).expect("a target");
    let journal = world.journal(target, scope);
    let back = |world: &World| rollback(&journal, &world.contents, &world.live).expect("a way back").scope;
    assert!(back(&world).is_empty());
    world.set_replicas("vdu1-update", 3);
    let object = world.reference("vdu1-update");
    assert_eq!(back(&world), Scope { scale: vec![Scaling { object, before: 3, after: 2 }], ..Scope::default() });
    assert_eq!(not_back(&journal, &world.contents, &world.live).len(), 1);
    world.set_replicas("vdu1-update", 2);
    assert!(not_back(&journal, &world.contents, &world.live).is_empty());
    world.live.forget(&world.reference("vdu1-update"));
    assert_eq!(ways(&back(&world)), [("vdu1-update".to_owned(), "recreate")]);
}

#[test]
fn given_up_it_is_on_record_as_far_as_it_came() {
    let mut world = World::new();
    let (target, scope) = world.scale("vdu1_aspect", Direction::Out, 1).expect("a target");
    let journal = world.journal(target, scope);
    let reached = |world: &World| {
        let found = fail::reached(&journal, false, &world.contents, &world.live).expect("a revision");
        let state = found.object(&world.reference("vdu1-update")).expect("in it").clone();
        (state.replicas, level(&found, "vdu1_aspect"))
    };
    assert_eq!(reached(&world), (Some(1), 0));
    world.set_replicas("vdu1-update", 2);
    assert_eq!(reached(&world), (Some(2), 1));
}

#[test]
fn an_undo_takes_a_scaling_back_and_leaves_an_autoscalers_replicas() {
    let mut world = World::new();
    let first = world.current.clone();
    let (scaled, _) = world.scale("vdu1_aspect", Direction::Out, 1).expect("a target");
    world.current = scaled.clone();
    world.set_replicas("vdu1-update", 2);
    // An autoscaler has set those of the other aspect; heal puts them down as they are.
    world.set_replicas("vdu2-update", 3);
    let (healed, ..) =
        heal::all(&world.current, &world.contents, &world.live, 3, "op", Timestamp::UNIX_EPOCH).expect("a target");
    world.current = healed.clone();
    let revisions = [first.clone(), scaled.clone(), healed.clone()];
    let names =
        |since: u64| -> Vec<String> { scaled_since(&revisions, since).into_iter().map(|object| object.name).collect() };
    assert_eq!((names(1), names(2)), (vec!["vdu1-update".to_owned()], Vec::new()));

    // An undo that moves no level has put down what it found.
    let mut back = Revision { number: 4, verb: Verb::Undo, ..healed.clone() };
    back.objects.iter_mut().for_each(|state| state.replicas = state.replicas.map(|replicas| replicas + 1));
    assert!(scaled_since(&[healed.clone(), back], 3).is_empty());

    let undone = |to: &Revision| {
        let objects = scaled_since(&revisions, to.number);
        let derived = undo(&healed, to, &objects, &world.contents, 4, "op", Timestamp::UNIX_EPOCH).expect("derived");
        update::scope(&healed, derived, &world.contents, &world.live, false).expect("a scope")
    };
    let (target, scope) = undone(&first);
    let object = world.reference("vdu1-update");
    assert_eq!(scope, Scope { scale: vec![Scaling { object, before: 2, after: 1 }], ..Scope::default() });
    assert_eq!((target.verb, level(&target, "vdu1_aspect")), (Verb::Undo, 0));
    let (target, scope) = undone(&scaled);
    assert!(scope.is_empty(), "{scope:#?}");
    assert_eq!(level(&target, "vdu1_aspect"), 1);
}

#[test]
fn an_update_keeps_replicas_and_level() {
    let mut world = World::new();
    (world.current, _) = world.scale("vdu2_aspect", Direction::Out, 1).expect("a target");
    world.set_replicas("vdu2-update", 2);
    let (target, scope) = world.update("after", None).expect("a target");
    assert!(scope.scale.is_empty());
    let state = target.object(&world.reference("vdu2-update")).expect("in the target");
    assert_eq!((state.replicas, level(&target, "vdu2_aspect")), (Some(2), 1));
}
