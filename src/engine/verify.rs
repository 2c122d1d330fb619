//! Reading everything again after an operation: what restarted, what is untouched, what is not as it should be.

use super::failure::{Cause, Failure};
use super::observe::Observer;
use super::session::EngineError;
use crate::cluster::Cluster;
use crate::object::config::{changed_keys, is_config};
use crate::object::health::{self, Readiness};
use crate::object::pod::{Snapshot, active, is_ready};
use crate::object::workload::{WorkloadKind, marker_of_pod};
use crate::object::{ObjectRef, text, uid};
use crate::plan::drift::{self, Writer};
use crate::plan::{ContentError, Contents, Live, Vdus, live_images, live_marker, ready, scaled};
use crate::record::operation::PodBefore;
use crate::record::{How, Journal, ObjectState, Revision, Scope};
use crate::report::outcome::{Disturbed, PodOf, Restarted};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What reading again has shown.
#[derive(Debug, Default)]
pub struct Proof {
    /// Pods that restarted or were replaced.
    pub restarted: Vec<Restarted>,
    /// Pods that a scaling added.
    pub added: Vec<PodOf>,
    /// Pods that a scaling took away.
    pub removed: Vec<PodOf>,
    /// Pods out of scope that are as they were.
    pub untouched: Vec<PodOf>,
    /// Pods out of scope that are not.
    pub disturbed: Vec<Disturbed>,
    /// Ready VNFCs, of how many.
    pub ready: (usize, usize),
    /// What is not at its target.
    pub off: Vec<Failure>,
    /// Pods that stay as they were although their workload changed.
    pub held: Vec<String>,
    /// Workloads that are as they should be, but were not ready in this moment.
    pub unready: Vec<ObjectRef>,
    /// Images that the API server made of those written, by object and container.
    pub became: BTreeMap<ObjectRef, BTreeMap<String, String>>,
}

/// Reads the VNF again and compares it with target and snapshot.
///
/// # Errors
/// It could not be read.
pub async fn verify(
    cluster: &Cluster,
    instance_id: &str,
    journal: &Journal,
    contents: &Contents,
    former: &Observer,
) -> Result<Proof, EngineError> {
    let revisions: Vec<&Revision> = journal.target.iter().chain(&journal.source).collect();
    // Not what the operation has observed: what proves is what the API server says now, be it that an object is still in
    // the state that was observed.
    let observer = Observer::read_once(cluster, instance_id, &revisions, Some(former)).await?;
    let live = observer.live();
    Ok(prove(journal, contents, &live)?)
}

fn prove(journal: &Journal, contents: &Contents, live: &Live) -> Result<Proof, ContentError> {
    let revision = journal.target.as_ref().or(journal.source.as_ref());
    let vdus = revision.map(|revision| Vdus::of(revision, contents)).unwrap_or_default();
    let mut proof = Proof::default();
    let vdu = |workload: &ObjectRef| vdus.id(workload).map(ToOwned::to_owned);
    let mut snapshot: Vec<(&String, &PodBefore)> = journal.snapshot.iter().collect();
    snapshot.sort_by_cached_key(|(name, before)| (vdus.position(&before.workload), *name));
    let known: HashSet<&str> = snapshot.iter().map(|(_, before)| before.snapshot.uid.as_str()).collect();
    for (name, before) in &snapshot {
        let in_scope = journal.scope.affected(&before.workload).is_some_and(|affected| {
            affected.pods.contains(&before.snapshot.uid) || affected.uid == before.snapshot.uid
        }) || journal.scope.delete.contains(&before.workload);
        if in_scope {
            continue;
        }
        let pod = PodOf { vdu: vdu(&before.workload), workload: before.workload.clone(), pod: (*name).clone() };
        let found = live.get(&ObjectRef::new("v1", "Pod", before.workload.namespace.as_deref(), name));
        match found.map(|found| before.snapshot.same_as(found)) {
            Some(Ok(())) => proof.untouched.push(pod),
            Some(Err(difference)) => proof.disturbed.push(Disturbed { pod, how: difference.to_string() }),
            None if fewer(&journal.scope, &before.workload) => proof.removed.push(pod),
            None => proof.disturbed.push(Disturbed { pod, how: "gone".into() }),
        }
    }
    let mut scale: Vec<_> = journal.scope.scale.iter().map(|scaling| &scaling.object).collect();
    scale.sort_by_key(|object| vdus.position(object));
    // Who restarts as well has its new Pods told there.
    for object in scale.into_iter().filter(|object| journal.scope.affected(object).is_none()) {
        let new = live.pods_of(object).into_iter().filter(|pod| active(pod) && !known.contains(uid(pod)));
        proof.added.extend(new.filter_map(|pod| {
            let name = text(pod, "/metadata/name")?.to_owned();
            Some(PodOf { vdu: vdu(object), workload: object.clone(), pod: name })
        }));
    }
    let mut affected: Vec<_> = journal.scope.affected.iter().collect();
    affected.sort_by_key(|affected| vdus.position(&affected.object));
    for affected in affected {
        let replaced: HashSet<&str> = affected.pods.iter().map(String::as_str).collect();
        let before = snapshot.iter().copied().filter(|(_, before)| {
            before.workload == affected.object && replaced.contains(before.snapshot.uid.as_str())
        });
        proof.restarted.extend(restarted(&affected.object, vdu(&affected.object), before, &known, live));
    }
    proof.held = journal.scope.affected.iter().filter_map(|affected| held(&affected.object, live)).collect();
    if let Some(target) = &journal.target {
        for state in &target.objects {
            if WorkloadKind::of(&state.reference).is_some() {
                let pods: Vec<&Value> = live.pods_of(&state.reference).into_iter().filter(|pod| active(pod)).collect();
                proof.ready.0 += pods.iter().filter(|pod| is_ready(pod)).count();
                proof.ready.1 += pods.len();
            }
            if let Some(became) = became(state, journal, contents, live)? {
                proof.became.insert(state.reference.clone(), became);
            }
            if let Some(off) = off_target(state, journal, contents, live)? {
                let object = state.reference.clone();
                let why = match off {
                    Off::Target(why) => why,
                    Off::Unready(why) => {
                        proof.unready.push(object.clone());
                        format!("not ready: {why}")
                    }
                };
                proof.off.push(Failure { vdu: vdu(&object), object, cause: Cause::Unproven(why) });
            }
        }
    }
    Ok(proof)
}

/// Whether an operation takes Pods of a workload away.
fn fewer(scope: &Scope, object: &ObjectRef) -> bool {
    scope.scaling(object).is_some_and(|scaling| scaling.after < scaling.before)
}

/// The Pods that a StatefulSet's partition keeps at its former template.
fn held(object: &ObjectRef, live: &Live) -> Option<String> {
    let set = live.get(object).filter(|_| WorkloadKind::of(object) == Some(WorkloadKind::StatefulSet))?;
    let marker = live_marker(object, set);
    let below = |pod: &&Value| health::below_partition(set, pod) && marker_of_pod(pod) != marker;
    let pods = live.pods_of(object).into_iter().filter(below).filter_map(|pod| text(pod, "/metadata/name"));
    let pods: Vec<&str> = pods.collect();
    (!pods.is_empty()).then(|| format!("{object}: its partition keeps {} at the former template", pods.join(", ")))
}

/// Pairs the Pods that were to go with those that came. `known`: UIDs of the Pods that were there before.
fn restarted<'b>(
    workload: &ObjectRef,
    vdu: Option<String>,
    before: impl Iterator<Item = (&'b String, &'b PodBefore)>,
    known: &HashSet<&str>,
    live: &Live,
) -> Vec<Restarted> {
    let now: Vec<&Value> = live.pods_of(workload).into_iter().filter(|pod| active(pod)).collect();
    let by_uid: HashMap<&str, &Value> = now.iter().map(|pod| (uid(pod), *pod)).collect();
    let restarts = |snapshot: &Snapshot| snapshot.containers.values().map(|container| container.restarts).sum();
    let mut new = now.iter().filter(|pod| !known.contains(uid(pod))).copied();
    let entry = |before: Option<&str>, after: Option<&Value>, restarts: Option<(u64, u64)>| Restarted {
        vdu: vdu.clone(),
        workload: workload.clone(),
        before: before.map(ToOwned::to_owned),
        after: after.and_then(|pod| text(pod, "/metadata/name")).map(ToOwned::to_owned),
        restarts,
        images: after.map(live_images).unwrap_or_default().into_values().collect(),
    };
    let mut entries: Vec<Restarted> = before
        .map(|(name, before)| match by_uid.get(before.snapshot.uid.as_str()) {
            Some(pod) => {
                let counts = (restarts(&before.snapshot), restarts(&Snapshot::of(pod)));
                entry(Some(name), Some(pod), Some(counts))
            }
            None => entry(Some(name), new.next(), None),
        })
        .collect();
    entries.extend(new.map(|pod| entry(None, Some(pod), None)));
    // Left alone by its controller (a partition): it did not restart.
    entries.retain(|entry| entry.restarts.is_none_or(|(before, after)| before != after));
    entries
}

/// Why an object is not what the operation was to make of it.
enum Off {
    /// It is something else.
    Target(String),
    /// It is not ready, which may pass.
    Unready(String),
}

/// Why an object is not what the operation was to make of it; objects out of its scope are not judged.
fn off_target(
    state: &ObjectState,
    journal: &Journal,
    contents: &Contents,
    live: &Live,
) -> Result<Option<Off>, ContentError> {
    let off = |why: String| Ok(Some(Off::Target(why)));
    let reference = &state.reference;
    let scope = &journal.scope;
    let affected = scope.affected(reference);
    let config = scope.config.iter().any(|change| change.object == *reference);
    let scaling = scope.scaling(reference);
    let whole = scope.apply.iter().any(|entry| entry.object == *reference);
    if affected.is_none() && !config && !whole && scaling.is_none() && !scope.create.contains(reference) {
        return Ok(None);
    }
    let Some(found) = live.get(reference) else { return off("it is not there".into()) };
    if crate::plan::to_be_applied(journal.source.as_ref(), state, found) {
        return off("it was written as a whole by somebody else".into());
    }
    let wanted = contents.content(state)?;
    if is_config(reference) {
        let keys: Vec<String> = changed_keys(found, &wanted).into_iter().map(|key| key.key).collect();
        return Ok((!keys.is_empty()).then(|| Off::Target(format!("{} not as written", keys.join(", ")))));
    }
    let Some(kind) = WorkloadKind::of(reference) else { return Ok(None) };
    let running: BTreeMap<String, String> = live_images(found);
    for (container, image) in affected.map(crate::plan::changed_images).unwrap_or_default() {
        let is = running.get(&container);
        if is == Some(&image) {
            continue;
        }
        // What nobody else wrote, the API server made of what we wrote.
        if let Writer::Foreign(manager, _) = drift::image_writer(kind, found, &container) {
            let is = is.map_or("none", String::as_str);
            return off(format!("image of {container} is {is} ({manager}), not {image}"));
        }
    }
    let respawned = affected.is_none_or(|affected| matches!(affected.how, How::Respawn));
    if !respawned && state.marker.is_some() && live_marker(reference, found) != state.marker {
        return off("its restart marker was changed by somebody else".into());
    }
    // Ready a moment ago is not enough: while others were waited for, it may have fallen over.
    let rolled = affected.is_some_and(|affected| matches!(affected.how, How::RollOut | How::ReplacePods));
    let readiness = match scaling.map(|scaling| scaled(live, reference, found, scaling.before, scaling.after)) {
        Some(Readiness::Failed(why)) => return off(why),
        Some(Readiness::Waiting(why)) => Readiness::Waiting(why),
        Some(Readiness::Ready) | None => ready(live, reference, found, state.marker.filter(|_| rolled)),
    };
    match readiness {
        Readiness::Ready => Ok(None),
        Readiness::Waiting(why) | Readiness::Failed(why) => Ok(Some(Off::Unready(why))),
    }
}

/// What the API server made of the images of an object in scope, where it made something of them: an admission
/// webhook may rewrite them. `None`: out of scope, what was recorded holds.
fn became(
    state: &ObjectState,
    journal: &Journal,
    contents: &Contents,
    live: &Live,
) -> Result<Option<BTreeMap<String, String>>, ContentError> {
    let reference = &state.reference;
    let affected = journal.scope.affected(reference);
    let made = journal.scope.create.contains(reference)
        || affected.is_some_and(|affected| matches!(affected.how, How::Recreate { .. }));
    let (Some(kind), Some(found)) = (WorkloadKind::of(reference), live.get(reference)) else { return Ok(None) };
    if !made && affected.is_none() {
        return Ok(None);
    }
    let changed = affected.map(crate::plan::changed_images).unwrap_or_default();
    let running = live_images(found);
    let mut became = state.became.clone();
    for (container, wanted) in live_images(&contents.content(state)?) {
        let written = made || changed.contains_key(&container);
        let Some(is) = running.get(&container).filter(|_| written) else { continue };
        if *is == wanted {
            became.remove(&container);
        } else if drift::image_writer(kind, found, &container) == Writer::Ours {
            became.insert(container, is.clone());
        }
    }
    Ok(Some(became))
}
