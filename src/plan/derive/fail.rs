//! Giving an operation up: the revision that says, object by object, what the cluster has now.

use crate::object::config::{changed_keys, is_config};
use crate::object::workload::WorkloadKind;
use crate::plan::content::{ContentError, Contents};
use crate::plan::live::Live;
use crate::plan::{live_images, live_marker};
use crate::record::{ObjectState, Revision};
use serde_json::Value;

/// Which of the two revisions each live object matches, as one revision; `None`: nothing is there.
///
/// A corrected package then plans exactly what is left: objects that reached the target are recorded as such.
///
/// # Errors
/// A revision points into a package that is not at hand.
pub fn reached(
    source: Option<&Revision>,
    target: Option<&Revision>,
    contents: &Contents,
    live: &Live,
) -> Result<Option<Revision>, ContentError> {
    let exists = |revision: &Revision| revision.objects.iter().any(|state| live.get(&state.reference).is_some());
    let (source, target) = match (source, target) {
        (Some(source), Some(target)) => (source, target),
        (one, other) => return Ok(one.or(other).filter(|revision| exists(revision)).cloned()),
    };
    let mut all = true;
    let mut objects = Vec::new();
    for state in &target.objects {
        let matches = match live.get(&state.reference) {
            Some(object) => matches(state, object, contents)?,
            None => false,
        };
        all &= matches;
        let former = source.object(&state.reference).filter(|_| !matches);
        objects.push(former.unwrap_or(state).clone());
    }
    let basis = if all { target } else { source };
    Ok(Some(Revision {
        number: target.number,
        objects,
        operation_id: target.operation_id.clone(),
        verb: target.verb,
        time: target.time,
        ..basis.clone()
    }))
}

fn matches(state: &ObjectState, live: &Value, contents: &Contents) -> Result<bool, ContentError> {
    let wanted = contents.content(state)?;
    if is_config(&state.reference) {
        return Ok(changed_keys(live, &wanted).is_empty());
    }
    if WorkloadKind::of(&state.reference).is_none() {
        return Ok(true);
    }
    let running = live_images(live);
    let images = live_images(&wanted).into_iter().all(|(container, image)| {
        let found = running.get(&container);
        found == Some(&image) || (found.is_some() && found == state.became.get(&container))
    });
    Ok(images && live_marker(&state.reference, live) == state.marker)
}
