//! Undo: an update to an earlier revision, whose content is still in the cluster.
//!
//! It can do what an update can: images, ConfigMaps and Secrets. Replicas go back where a scaling has changed them, and
//! the scale levels with them; what an autoscaler or a person has set stays. Other fields of workloads that have come
//! into force since stay as they are, and are listed as deferred.

use super::scale::recorded;
use super::update::{Derived, Next, Refusal, RefusedChange, next};
use crate::object::ObjectRef;
use crate::plan::content::Contents;
use crate::record::{Instance, ObjectState, Revision, Verb};
use jiff::Timestamp;

/// The earlier revision to go back to: that of the number, or the one before the current.
///
/// # Errors
/// The revisions that there are instead.
pub fn earlier(instance: &Instance, number: Option<u64>) -> Result<&Revision, Vec<u64>> {
    let former = instance.revisions.split_last().map(|(_, former)| former).unwrap_or_default();
    let found = match number {
        Some(number) => former.iter().find(|revision| revision.number == number),
        None => former.last(),
    };
    found.ok_or_else(|| former.iter().map(|revision| revision.number).collect())
}

/// Works out the target of an undo. Of the workloads in `scaled` the replicas come back too.
///
/// # Errors
/// See [`Refusal`]; all changes that cannot be made at once.
pub fn undo(
    current: &Revision,
    to: &Revision,
    scaled: &[ObjectRef],
    contents: &Contents,
    number: u64,
    operation_id: &str,
    time: Timestamp,
) -> Result<Derived, Refusal> {
    let mut refused = Vec::new();
    let mut config = Vec::new();
    let mut objects = Vec::new();
    let missing = |state: &ObjectState, change, detail: &str| RefusedChange {
        object: state.reference.clone(),
        change,
        detail: detail.to_owned(),
    };
    for state in &current.objects {
        let Some(former) = to.object(&state.reference) else {
            refused.push(missing(state, "removed", "the earlier revision does not have it"));
            continue;
        };
        let new_state = ObjectState {
            replicas: state.replicas,
            marker: state.marker,
            pending: state.pending.clone(),
            ..former.clone()
        };
        match next(contents, state, new_state, true)? {
            Next::State(mut state) => {
                if scaled.contains(&state.reference) {
                    state.replicas = Some(recorded(former, contents)?);
                }
                objects.push(*state);
            }
            Next::Config(state, change) => {
                objects.push(*state);
                config.push(change);
            }
            Next::Refused(change) => refused.push(change),
        }
    }
    let gone = to.objects.iter().filter(|state| current.object(&state.reference).is_none());
    refused.extend(gone.map(|state| missing(state, "added", "only the earlier revision has it")));
    if !refused.is_empty() {
        return Err(Refusal::Changes(refused));
    }
    let target = Revision {
        number,
        objects,
        operation_id: operation_id.to_owned(),
        verb: Verb::Undo,
        time,
        instantiation_level_id: current.instantiation_level_id.clone(),
        ..to.clone()
    };
    Ok(Derived { target, config })
}
