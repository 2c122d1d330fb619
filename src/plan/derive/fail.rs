//! Giving an operation up: the revision that says, object by object, what the cluster has now.

use crate::object::config::{changed_keys, is_config};
use crate::object::health::below_partition;
use crate::object::pod::active;
use crate::object::workload::{WorkloadKind, marker_of_pod};
use crate::plan::content::Contents;
use crate::plan::live::Live;
use crate::plan::{live_images, live_marker};
use crate::record::{ObjectState, Reason, Revision, Scope};
use std::collections::BTreeMap;

/// Which of the two revisions each live object matches, as one revision; `None`: nothing is there.
///
/// A corrected package then plans exactly what is left: what has reached the target is recorded as such. A workload
/// has reached it with all of its Pods, and a ConfigMap or Secret with all workloads that restart for it: otherwise
/// nobody would ever restart the rest.
pub fn reached(
    source: Option<&Revision>,
    target: Option<&Revision>,
    scope: &Scope,
    contents: &Contents,
    live: &Live,
) -> Option<Revision> {
    let exists = |revision: &Revision| revision.objects.iter().any(|state| live.get(&state.reference).is_some());
    let (source, target) = match (source, target) {
        (Some(source), Some(target)) => (source, target),
        (one, other) => return one.or(other).filter(|revision| exists(revision)).cloned(),
    };
    let there: BTreeMap<_, bool> =
        target.objects.iter().map(|state| (&state.reference, matches(state, contents, live))).collect();
    let users_there = |state: &ObjectState| {
        scope.affected.iter().all(|affected| {
            let uses = |reason: &Reason| matches!(reason, Reason::Key { config, .. } if *config == state.reference);
            !affected.reasons.iter().any(uses) || there.get(&affected.object).copied().unwrap_or(true)
        })
    };
    let mut any = false;
    let mut objects = Vec::new();
    for state in &target.objects {
        let reached = there.get(&state.reference).copied().unwrap_or(false) && users_there(state);
        any |= reached && source.object(&state.reference) != Some(state);
        let former = source.object(&state.reference).filter(|_| !reached);
        objects.push(former.unwrap_or(state).clone());
    }
    // With anything of the new package in force, the rest of it is what is deferred; not the other way round.
    let basis = if any { target } else { source };
    Some(Revision {
        number: target.number,
        objects,
        operation_id: target.operation_id.clone(),
        verb: target.verb,
        time: target.time,
        ..basis.clone()
    })
}

/// Whether the live object is the target's. Without its content at hand it counts as the former one.
fn matches(state: &ObjectState, contents: &Contents, live: &Live) -> bool {
    let (Some(object), Ok(wanted)) = (live.get(&state.reference), contents.content(state)) else { return false };
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
