//! Giving an operation up: the revision that says, object by object, what the cluster has now.

use super::rollback::has;
use crate::object::apply::applied;
use crate::object::config::{changed_keys, is_config};
use crate::object::health::below_partition;
use crate::object::pod::active;
use crate::object::workload::{WorkloadKind, marker_of_pod};
use crate::plan::content::Contents;
use crate::plan::live::Live;
use crate::plan::{live_images, live_marker};
use crate::record::{Journal, ObjectState, Reason, Revision, Scaling};

/// Which of the two revisions each live object matches, as one revision; `None`: nothing is there.
///
/// A corrected package then plans exactly what is left: what has reached the target is recorded as such, a workload
/// with all of its Pods. One that has not keeps in mind the keys that it was to restart for: the ConfigMap or Secret
/// may be written already, and nothing else would ever restart it. Once a rollback has begun, that is true of all:
/// configuration may be back under Pods that run with the new one.
pub fn reached(journal: &Journal, rolling_back: bool, contents: &Contents, live: &Live) -> Option<Revision> {
    let Journal { source, target, scope, .. } = journal;
    let exists = |revision: &Revision| revision.objects.iter().any(|state| live.get(&state.reference).is_some());
    let (source, target) = match (source, target) {
        (Some(source), Some(target)) => (source, target),
        (one, other) => return one.as_ref().or(other.as_ref()).filter(|revision| exists(revision)).cloned(),
    };
    let mut any = false;
    let mut objects = Vec::new();
    for state in &target.objects {
        if source.object(&state.reference).is_none() && live.get(&state.reference).is_none() {
            // It was to be created, and was not.
            continue;
        }
        let scaled = |scaling: &Scaling| has(live, &scaling.object, scaling.after);
        let reached = is_at(state, contents, live) && scope.scaling(&state.reference).is_none_or(scaled);
        any |= reached && source.object(&state.reference) != Some(state);
        let mut state = source.object(&state.reference).filter(|_| !reached).unwrap_or(state).clone();
        if !reached || rolling_back {
            let due = scope.affected(&state.reference).map(|affected| affected.reasons.as_slice());
            let keys = due.unwrap_or_default().iter().filter(|reason| matches!(reason, Reason::Key { .. }));
            state.pending.extend(keys.cloned());
            state.pending.sort();
            state.pending.dedup();
        }
        objects.push(state);
    }
    // What was to be deleted and is there still belongs to the VNF: terminate finds it.
    let left = source.objects.iter().filter(|state| target.object(&state.reference).is_none());
    objects.extend(left.filter(|state| live.get(&state.reference).is_some()).cloned());
    // With anything of the new package in force, the rest of it is what is deferred; not the other way round.
    let basis = if any { target } else { source };
    // A level is reached with the last of its workloads.
    let all = scope.scale.iter().all(|scaling| has(live, &scaling.object, scaling.after));
    Some(Revision {
        number: target.number,
        scale: if all { &basis.scale } else { &source.scale }.clone(),
        objects,
        operation_id: target.operation_id.clone(),
        verb: target.verb,
        time: target.time,
        ..basis.clone()
    })
}

/// Whether the live object is what a revision says of it, its Pods included. Without its content at hand it is not.
pub(super) fn is_at(state: &ObjectState, contents: &Contents, live: &Live) -> bool {
    let (Some(object), Ok(wanted)) = (live.get(&state.reference), contents.content(state)) else { return false };
    if applied(object) != state.applied {
        return false;
    }
    if is_config(&state.reference) {
        return changed_keys(object, &wanted).is_empty();
    }
    if WorkloadKind::of(&state.reference).is_none() {
        return true;
    }
    let running = live_images(object);
    let images = live_images(&wanted).into_iter().all(|(container, image)| {
        let found = running.get(&container);
        found == Some(&image) || (found.is_some() && found == state.became.get(&container))
    });
    let pods = live.pods_of(&state.reference);
    let mut due = pods.iter().filter(|pod| active(pod) && !below_partition(object, pod));
    images && live_marker(&state.reference, object) == state.marker && due.all(|pod| marker_of_pod(pod) == state.marker)
}
