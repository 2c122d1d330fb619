//! The items of an operation: what each object in its scope needs, and how far that is. The same for a plan before the
//! first write, a step in the middle, and a retry.

use super::content::{ContentError, Contents, Owner, owner};
use super::order::phase;
use super::{Item, ItemState, Live, Step, Vdus, drift, live_images, live_marker, patch};
use crate::object::config::{self, changed_keys, must_replace};
use crate::object::health::{self, Readiness, WorkloadTarget};
use crate::object::pod::{phase as phase_of, terminating};
use crate::object::workload::{MARKER, WorkloadKind, marker_of_pod, replicas};
use crate::object::{ObjectRef, apply, text, uid};
use crate::record::{Affected, Applied, How, Journal, ObjectState, Reason, Revision, Scaling};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What items are made from.
pub struct Inputs<'a> {
    /// Revisions, scope, and the Pods as they were.
    pub journal: &'a Journal,
    /// The packages of both revisions.
    pub contents: &'a Contents,
    /// The live objects.
    pub live: &'a Live,
    /// The instance: what bears another's label, or none, is not its own.
    pub instance_id: &'a str,
}

/// Every object in scope with its step and how far it is, in the order of execution.
///
/// # Errors
/// A revision points into a package that is not at hand.
pub fn items(inputs: &Inputs<'_>) -> Result<Vec<Item>, ContentError> {
    let Journal { source, target, scope, .. } = inputs.journal;
    let vdus =
        target.as_ref().or(source.as_ref()).map(|revision| Vdus::of(revision, inputs.contents)).unwrap_or_default();
    let mut items = Vec::new();
    let mut push = |object: &ObjectRef, step: Step, state: ItemState, reasons: &[Reason], pods: Vec<String>| {
        items.push(Item {
            object: object.clone(),
            vdu: vdus.id(object).map(ToOwned::to_owned),
            step,
            state,
            reasons: reasons.to_vec(),
            pods,
            phase: phase(object),
        });
    };
    for object in &scope.create {
        push(object, Step::Create, created(inputs, object), &[], Vec::new());
    }
    for change in &scope.config {
        let (step, state) = config_item(inputs, &change.object, &change.keys)?;
        push(&change.object, step, state, &[], Vec::new());
    }
    for entry in &scope.apply {
        let step = Step::Apply { uid: entry.uid.clone(), because: entry.because.clone() };
        push(&entry.object, step, applied_state(inputs, entry), &entry.reasons, Vec::new());
    }
    for affected in &scope.affected {
        let Some(state) = target.as_ref().and_then(|target| target.object(&affected.object)) else { continue };
        let pods: Vec<&Value> = inputs
            .live
            .pods_of(&affected.object)
            .into_iter()
            .filter(|pod| {
                let uid = uid(pod);
                affected.pods.iter().any(|old| old == uid)
            })
            .collect();
        let names = pods.iter().filter_map(|pod| text(pod, "/metadata/name")).map(ToOwned::to_owned);
        let names: Vec<String> = names.collect();
        let (step, progress) = affected_item(inputs, affected, state)?;
        push(&affected.object, step, progress, &affected.reasons, names);
    }
    for scaling in &scope.scale {
        let (step, state) = scaling_item(inputs, scaling);
        push(&scaling.object, step, state, &[], Vec::new());
    }
    for object in &scope.delete {
        let state = if inputs.live.get(object).is_some() { ItemState::ToDo } else { ItemState::Done };
        push(object, Step::Delete, state, &[], Vec::new());
    }
    items.sort_by_key(|item| (item.phase, vdus.position(&item.object)));
    Ok(items)
}

fn created(inputs: &Inputs<'_>, object: &ObjectRef) -> ItemState {
    let ours = |live: &&Value| !terminating(live) && owner(live, inputs.instance_id) == Owner::This;
    let Some(live) = inputs.live.get(object).filter(ours) else { return ItemState::ToDo };
    waiting_or_done(&ready(inputs.live, object, live, None))
}

fn applied_state(inputs: &Inputs<'_>, entry: &Applied) -> ItemState {
    let Some(live) = inputs.live.get(&entry.object).filter(|live| !terminating(live)) else { return ItemState::ToDo };
    let state = inputs.journal.target.as_ref().and_then(|target| target.object(&entry.object));
    let old = entry.because.is_some() && uid(live) == entry.uid;
    if old || state.is_some_and(|state| to_be_applied(inputs.journal.source.as_ref(), state, live)) {
        return ItemState::ToDo;
    }
    waiting_or_done(&ready(inputs.live, &entry.object, live, None))
}

/// Whether an object is to be written as a whole on the way from another revision to the one of its state, and has not
/// been.
pub fn to_be_applied(from: Option<&Revision>, state: &ObjectState, live: &Value) -> bool {
    let other = from.and_then(|from| from.object(&state.reference));
    other.is_some_and(|other| other.applied != state.applied) && apply::applied(live) != state.applied
}

/// Whether a live object is ready: a workload with its Pods, anything else by the rules of its kind.
pub fn ready(live: &Live, reference: &ObjectRef, object: &Value, wanted_marker: Option<u64>) -> Readiness {
    match WorkloadKind::of(reference) {
        Some(WorkloadKind::Pod) | None => health::object_ready(object),
        Some(_) => {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
            let target = WorkloadTarget { marker: wanted_marker, generation };
            health::workload_ready(object, &live.pods_of(reference), &target)
        }
    }
}

fn waiting_or_done(readiness: &Readiness) -> ItemState {
    if *readiness == Readiness::Ready { ItemState::Done } else { ItemState::Waiting }
}

fn config_item(
    inputs: &Inputs<'_>,
    object: &ObjectRef,
    keys: &[config::KeyChange],
) -> Result<(Step, ItemState), ContentError> {
    let state = inputs.journal.target.as_ref().and_then(|target| target.object(object));
    let wanted = match state {
        Some(state) => inputs.contents.content(state)?,
        None => Value::Null,
    };
    let config = |replace: Option<&str>, whole, patch| Step::Config {
        keys: keys.to_vec(),
        replace: replace.map(ToOwned::to_owned),
        whole,
        patch,
    };
    let Some(live) = inputs.live.get(object).filter(|live| !terminating(live)) else {
        return Ok((Step::Create, ItemState::ToDo));
    };
    let replace = must_replace(live, &wanted);
    let whole =
        replace.is_none() && state.is_some_and(|state| to_be_applied(inputs.journal.source.as_ref(), state, live));
    if changed_keys(live, &wanted).is_empty() && replace.is_none() && !whole {
        return Ok((config(None, false, Vec::new()), ItemState::Done));
    }
    let patch = if replace.is_none() && !whole { patch::data(live, &wanted) } else { Vec::new() };
    let patch = patch::of_this_object(live, &patch);
    Ok((config(replace, whole, patch), ItemState::ToDo))
}

fn affected_item(
    inputs: &Inputs<'_>,
    affected: &Affected,
    state: &ObjectState,
) -> Result<(Step, ItemState), ContentError> {
    let recreate = |because: &str| Step::Recreate { uid: affected.uid.clone(), because: because.to_owned() };
    let kind = WorkloadKind::of(&affected.object);
    let (Some(kind), Some(live)) = (kind, inputs.live.get(&affected.object)) else {
        return Ok((recreate("it is gone"), ItemState::ToDo));
    };
    let anew = |because: &str| Step::Recreate { uid: uid(live).to_owned(), because: because.to_owned() };
    match &affected.how {
        _ if terminating(live) => Ok((anew("it is being deleted"), ItemState::ToDo)),
        How::Recreate { because } => {
            // Made again by somebody else, it may not be what it should be.
            let wanted = live_images(&inputs.contents.content(state)?);
            let as_wanted = live_marker(&affected.object, live) == state.marker
                && !to_be_applied(inputs.journal.source.as_ref(), state, live)
                && {
                    let running = live_images(live);
                    wanted.iter().all(|(name, image)| {
                        let is = running.get(name);
                        is == Some(image) || drift::image_writer(kind, live, name) == drift::Writer::Ours
                    })
                };
            let progress = if uid(live) == affected.uid || !as_wanted {
                ItemState::ToDo
            } else {
                waiting_or_done(&ready(inputs.live, &affected.object, live, None))
            };
            Ok((anew(because), progress))
        }
        How::InPlace { .. } if matches!(phase_of(live), "Succeeded" | "Failed") => {
            Ok((anew("it has ended"), ItemState::ToDo))
        }
        How::Mark => {
            let patch = patch::of_this_object(live, &patch::workload(kind, live, &BTreeMap::new(), state.marker));
            let progress = if patch.is_empty() { ItemState::Done } else { ItemState::ToDo };
            Ok((Step::Mark { patch }, progress))
        }
        How::Respawn => {
            let left = still_there(inputs, &affected.object, &affected.pods);
            let progress = if left.is_empty() {
                waiting_or_done(&ready(inputs.live, &affected.object, live, None))
            } else {
                ItemState::ToDo
            };
            Ok((Step::Respawn { pods: left }, progress))
        }
        How::InPlace { refresh_mounts } => {
            let wanted = changed_images(affected);
            let images = patch::of_this_object(live, &patch::images(kind, live, &wanted));
            let mark = match state.marker {
                Some(marker) => patch::annotation(live, "", MARKER, &marker.to_string()),
                None => Vec::new(),
            };
            let progress = if images.is_empty() && mark.is_empty() {
                waiting_or_done(&restarted(inputs, &affected.object, live, &wanted))
            } else {
                ItemState::ToDo
            };
            Ok((Step::InPlace { mark, patch: images, refresh_mounts: *refresh_mounts }, progress))
        }
        How::RollOut | How::ReplacePods => {
            let wanted = changed_images(affected);
            let whole = to_be_applied(inputs.journal.source.as_ref(), state, live);
            let patch = if whole {
                Vec::new()
            } else {
                patch::of_this_object(live, &patch::workload(kind, live, &wanted, state.marker))
            };
            let progress = if patch.is_empty() && !whole {
                waiting_or_done(&ready(inputs.live, &affected.object, live, state.marker))
            } else {
                ItemState::ToDo
            };
            let old_pods = || {
                let pods = inputs.live.pods_of(&affected.object);
                pods.iter().any(|pod| marker_of_pod(pod) != state.marker)
            };
            let strays = still_there(inputs, &affected.object, &affected.strays);
            let by_us = affected.how == How::ReplacePods;
            let left = !strays.is_empty() || (by_us && old_pods());
            let progress = if left { ItemState::ToDo } else { progress };
            let step =
                if by_us { Step::ReplacePods { patch, whole, strays } } else { Step::RollOut { patch, whole, strays } };
            Ok((step, progress))
        }
    }
}

fn scaling_item(inputs: &Inputs<'_>, scaling: &Scaling) -> (Step, ItemState) {
    let Scaling { object, before, after } = scaling;
    let anew = |uid: &str, because: &str| Step::Recreate { uid: uid.to_owned(), because: because.to_owned() };
    let Some(live) = inputs.live.get(object) else { return (anew("", "it is gone"), ItemState::ToDo) };
    if terminating(live) {
        return (anew(uid(live), "it is being deleted"), ItemState::ToDo);
    }
    let patch = patch::of_this_object(live, &patch::replicas(live, *after));
    let state = match patch.is_empty() {
        true => waiting_or_done(&scaled(inputs.live, object, live, *before, *after)),
        false => ItemState::ToDo,
    };
    (Step::Scale { before: *before, after: *after, patch }, state)
}

/// Whether a workload has come to its number of Pods: all of them ready, and none of the surplus left.
pub fn scaled(live: &Live, reference: &ObjectRef, object: &Value, before: u64, after: u64) -> Readiness {
    let now = replicas(object);
    if now != after {
        let by = match drift::replicas_writer(object) {
            drift::Writer::Foreign(manager, _) => format!(" ({manager})"),
            drift::Writer::Ours | drift::Writer::Unknown => String::new(),
        };
        return Readiness::Failed(format!("replicas are {now}{by}, not {after}"));
    }
    match ready(live, reference, object, None) {
        Readiness::Ready if after < before => {
            let leaving = live.pods_of(reference).into_iter().filter(|pod| terminating(pod)).count();
            if leaving == 0 { Readiness::Ready } else { Readiness::Waiting(format!("{leaving} leaving")) }
        }
        readiness => readiness,
    }
}

/// Those of the named Pods, by UID, that the workload still has.
fn still_there(inputs: &Inputs<'_>, workload: &ObjectRef, pods: &[String]) -> Vec<String> {
    let live = inputs.live.pods_of(workload);
    live.iter().map(|pod| uid(pod)).filter(|uid| pods.iter().any(|old| old == uid)).map(ToOwned::to_owned).collect()
}

/// Images that a workload's restart brings, by container.
pub fn changed_images(affected: &Affected) -> BTreeMap<String, String> {
    affected
        .reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::Image { container, after, .. } => Some((container.clone(), after.clone())),
            _ => None,
        })
        .collect()
}

/// Whether a bare Pod's containers have restarted, against the snapshot taken before; without one (the Pod was made
/// during the operation) being ready is all that can be asked.
fn restarted(inputs: &Inputs<'_>, object: &ObjectRef, live: &Value, wanted: &BTreeMap<String, String>) -> Readiness {
    let generation = live["metadata"]["generation"].as_i64().unwrap_or(0);
    match inputs.journal.snapshot.get(&object.name).filter(|before| before.snapshot.uid == uid(live)) {
        Some(before) => {
            let containers: BTreeSet<String> = wanted.keys().cloned().collect();
            health::pod_restarted(live, &before.snapshot, &containers, generation)
        }
        None => health::object_ready(live),
    }
}
