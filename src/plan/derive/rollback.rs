//! Rollback: from wherever an operation stopped, back to the revision that it began from.
//!
//! Putting config and templates back is not enough. A Pod that started while the new configuration was in force goes
//! on running with it, although its template is the former one again: a container that crashed once, a Pod that an
//! autoscaler added, one below a partition. Whether a Pod is one of those is told by the snapshot that the operation
//! took before its first write: who is not in it as it stands, started since.
//!
//! This is decided twice: before the configuration is back, to show what will happen, and once more after, when no
//! Pod can start with the new configuration any more. Only the second decision is kept.

use crate::object::config::{changed_keys, is_config, must_replace};
use crate::object::pod::{Snapshot, active, phase, terminating};
use crate::object::workload::{
    ContainerClass, WorkloadKind, containers, images, marker, marker_of_pod, pod_spec, replicas,
};
use crate::object::{ObjectRef, text, uid};
use crate::plan::content::{ContentError, Contents};
use crate::plan::derive::fail;
use crate::plan::live::Live;
use crate::plan::order::holds_data;
use crate::plan::restart::{bare_pod, changed_uses, controlled, key_reasons, wanted_images, with_pending};
use crate::plan::{snapshot, to_be_applied};
use crate::record::operation::RecordChange;
use crate::record::{Affected, Applied, ConfigChange, How, Journal, ObjectState, Reason, Revision, Scaling, Scope};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// What must be done to take an operation back, against the live objects: a journal of its own, from where the
/// operation aimed to where it began. Whatever is as it was, is not in it.
///
/// # Errors
/// The former revision points into a package that is not at hand.
pub fn rollback(forward: &Journal, contents: &Contents, live: &Live) -> Result<Journal, ContentError> {
    let scope = match &forward.source {
        Some(source) => back_to(source, forward, contents, live)?,
        None => Scope { delete: created(forward, live), ..Scope::default() },
    };
    Ok(Journal {
        source: forward.target.clone(),
        target: forward.source.clone(),
        scope,
        snapshot: forward
            .source
            .as_ref()
            .or(forward.target.as_ref())
            .map(|one| snapshot(one, live))
            .unwrap_or_default(),
        record: RecordChange::default(),
    })
}

/// What an operation touched and is not as the former revision wants it.
pub fn not_back<'a>(forward: &'a Journal, contents: &Contents, live: &Live) -> Vec<&'a ObjectState> {
    let scope = &forward.scope;
    let touched = |state: &&ObjectState| {
        let object = &state.reference;
        scope.affected(object).is_some()
            || scope.config.iter().any(|change| change.object == *object)
            || scope.apply.iter().any(|entry| entry.object == *object)
            || scope.delete.contains(object)
    };
    let states = forward.source.iter().flat_map(|source| &source.objects);
    let rescaled = |state: &ObjectState| {
        scope.scaling(&state.reference).is_some_and(|scaling| !has(live, &scaling.object, scaling.before))
    };
    let off = |state: &ObjectState| (touched(&state) && !fail::is_at(state, contents, live)) || rescaled(state);
    states.filter(|state| off(state)).collect()
}

/// The longest grace period among bare Pods that were told to restart containers and have not begun to; `None`: there
/// are none.
pub fn unsettled(forward: &Journal, live: &Live) -> Option<Duration> {
    let told = forward.scope.affected.iter().filter(|affected| matches!(affected.how, How::InPlace { .. }));
    told.filter_map(|affected| {
        let pod = live.get(&affected.object).filter(|pod| !terminating(pod) && active(pod))?;
        let before = &forward.snapshot.get(&affected.object.name)?.snapshot;
        let running = pod_spec(pod).map(images).unwrap_or_default();
        let now = Snapshot::of(pod);
        let waits = crate::plan::changed_images(affected).keys().any(|container| {
            let (Some(then), Some(now)) = (before.containers.get(container), now.containers.get(container)) else {
                return false;
            };
            running.get(container) != Some(&then.image) && now.running && now.id == then.id
        });
        let grace = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(30);
        (waits && before.uid == uid(pod)).then(|| Duration::from_secs(grace))
    })
    .max()
}

/// What an operation has created and may be deleted.
fn created(forward: &Journal, live: &Live) -> Vec<ObjectRef> {
    let created = forward.scope.create.iter();
    created.filter(|object| live.get(object).is_some() && !holds_data(object)).cloned().collect()
}

fn back_to(source: &Revision, forward: &Journal, contents: &Contents, live: &Live) -> Result<Scope, ContentError> {
    let mut config = Vec::new();
    // Keys that were to change, and those that differ now: a Pod may have read either.
    let mut moved = forward.scope.config.clone();
    let written = source.objects.iter().filter(|state| is_config(&state.reference));
    for state in written.filter(|state| forward.scope.config.iter().any(|change| change.object == state.reference)) {
        let wanted = contents.content(state)?;
        let found = live.get(&state.reference).filter(|found| !terminating(found));
        let keys = changed_keys(found.unwrap_or(&Value::Null), &wanted);
        let other = |found: &Value| must_replace(found, &wanted).is_some() || rewritten(forward, state, found);
        let differs = found.is_none_or(other) || !keys.is_empty();
        if let Some(change) = moved.iter_mut().find(|change| change.object == state.reference) {
            let known: BTreeSet<String> = change.keys.iter().map(|key| key.key.clone()).collect();
            change.keys.extend(keys.iter().filter(|key| !known.contains(&key.key)).cloned());
        }
        if differs {
            config.push(ConfigChange { object: state.reference.clone(), keys });
        }
    }
    let question = Question { forward, contents, live, moved: &moved };
    let mut affected = Vec::new();
    for state in &source.objects {
        let due = forward.scope.affected(&state.reference);
        let (Some(due), Some(kind)) = (due, WorkloadKind::of(&state.reference)) else { continue };
        affected.extend(question.workload(due, kind, state)?);
    }
    let mut scale = Vec::new();
    for Scaling { object, before, .. } in &forward.scope.scale {
        match live.get(object).filter(|found| !terminating(found)) {
            Some(found) if replicas(found) == *before => {}
            Some(found) => {
                scale.push(Scaling { object: object.clone(), before: replicas(found), after: *before });
            }
            // Made again, it has the replicas of the former revision.
            None if affected.iter().all(|entry: &Affected| entry.object != *object) => affected.push(Affected {
                object: object.clone(),
                uid: live.get(object).map(uid).unwrap_or_default().to_owned(),
                how: How::Recreate { because: "it is gone".into() },
                reasons: vec![Reason::Missing],
                pods: Vec::new(),
                strays: Vec::new(),
            }),
            None => {}
        }
    }
    // What the operation deleted at its end, or did not find.
    let lacking = |object: &&ObjectRef| source.object(object).is_some() && live.get(object).is_none_or(terminating);
    let gone = forward.scope.delete.iter().chain(&forward.scope.create).filter(lacking);
    let apply = forward.scope.apply.iter().filter_map(|entry| {
        let state = source.object(&entry.object)?;
        let found = live.get(&entry.object);
        let stands = found.is_some_and(|found| {
            let made_anew = entry.because.is_some() && uid(found) != entry.uid;
            !terminating(found) && !made_anew && !rewritten(forward, state, found)
        });
        let uid = found.map(uid).unwrap_or_default().to_owned();
        (!stands).then(|| Applied { uid, reasons: the_other_way_round(&entry.reasons), ..entry.clone() })
    });
    let (create, apply) = (gone.cloned().collect(), apply.collect());
    let mut delete = created(forward, live);
    delete.retain(|object| source.object(object).is_none());
    Ok(Scope { create, config, affected, apply, scale, delete })
}

/// Whether the operation has written an object as a whole.
fn rewritten(forward: &Journal, state: &ObjectState, found: &Value) -> bool {
    to_be_applied(forward.target.as_ref(), state, found)
}

/// The fields among these reasons, as they come back with the former manifest.
fn the_other_way_round(reasons: &[Reason]) -> Vec<Reason> {
    let field = |reason: &Reason| match reason {
        Reason::Field { field, change } => {
            let change = match change.split_once(" -> ") {
                Some((before, after)) => format!("{after} -> {before}"),
                None if change == "added" => "removed".into(),
                None if change == "removed" => "added".into(),
                None => change.clone(),
            };
            Some(Reason::Field { field: field.clone(), change })
        }
        _ => None,
    };
    reasons.iter().filter_map(field).collect()
}

/// Whether a live workload has this number of replicas.
pub(super) fn has(live: &Live, object: &ObjectRef, wanted: u64) -> bool {
    live.get(object).is_some_and(|found| replicas(found) == wanted)
}

struct Question<'a> {
    forward: &'a Journal,
    contents: &'a Contents,
    live: &'a Live,
    /// ConfigMaps and Secrets whose content was, or was to be, another one.
    moved: &'a [ConfigChange],
}

impl Question<'_> {
    /// What one workload needs to be as it was; `None`: nothing.
    fn workload(
        &self,
        due: &Affected,
        kind: WorkloadKind,
        state: &ObjectState,
    ) -> Result<Option<Affected>, ContentError> {
        let object = state.reference.clone();
        let found = self.live.get(&object);
        let affected = |how, reasons, pods, strays| Affected {
            object: object.clone(),
            uid: found.map(uid).unwrap_or_default().to_owned(),
            how,
            reasons,
            pods,
            strays,
        };
        let Some(live) = found.filter(|live| !terminating(live)) else {
            let because = "it is gone".to_owned();
            return Ok(Some(affected(How::Recreate { because }, vec![Reason::Missing], Vec::new(), Vec::new())));
        };
        let pods: Vec<&Value> = self.live.pods_of(&object).into_iter().filter(|pod| active(pod)).collect();
        let config = with_pending(self.moved, &state.pending);
        let used = changed_uses(live, &pods, &config);
        // Who reads none of the moved configuration may have restarted as often as it likes.
        let started_since = |pod: &&&Value| !used.is_empty() && !self.stands(pod);
        let mut reasons = self.images(due, state, live)?;
        let keys = key_reasons(&used);
        let remade = marker(live, kind) != state.marker;
        let rewritten = rewritten(self.forward, state, live);
        if rewritten && (kind == WorkloadKind::Pod || matches!(due.how, How::Recreate { .. })) {
            let because = "its manifest has changed more than can be put back in place".to_owned();
            let going = pods.iter().map(|pod| uid(pod).to_owned()).collect();
            reasons.extend(keys);
            reasons.extend(the_other_way_round(&due.reasons));
            return Ok(Some(affected(How::Recreate { because }, reasons, going, Vec::new())));
        }
        if kind == WorkloadKind::Pod {
            let stale = pods.iter().any(|pod| started_since(&pod));
            let uids = vec![uid(live).to_owned()];
            let how = if self.has_ended(live) {
                How::Recreate { because: "it has ended".into() }
            } else if !reasons.is_empty() {
                reasons.extend(keys.into_iter().filter(|_| stale));
                bare_pod(live, &reasons, if stale { &used } else { &[] })
            } else if stale {
                reasons = keys;
                let because = "it has no controller, and started with the configuration that is taken back";
                How::Recreate { because: because.into() }
            } else if remade {
                return Ok(Some(affected(How::Mark, Vec::new(), Vec::new(), Vec::new())));
            } else {
                return Ok(None);
            };
            return Ok(Some(affected(how, reasons, uids, Vec::new())));
        }
        let uids = |pods: Vec<&&Value>| pods.into_iter().map(|pod| uid(pod).to_owned()).collect::<Vec<_>>();
        let former = |pod: &&&Value| marker_of_pod(pod) == state.marker;
        let strays = uids(pods.iter().filter(former).filter(started_since).collect());
        let newer = uids(pods.iter().filter(|pod| !former(pod)).collect());
        let template = remade || rewritten || !reasons.is_empty();
        reasons.extend(keys);
        if rewritten {
            reasons.extend(the_other_way_round(&due.reasons));
        }
        if reasons.is_empty() {
            // It was to restart for something that its spec does not name any more.
            reasons.extend(due.reasons.iter().filter(|reason| matches!(reason, Reason::Key { .. })).cloned());
        }
        let how = match controlled(kind, live) {
            How::ReplacePods if !newer.is_empty() => How::ReplacePods,
            how if template => how,
            _ if strays.is_empty() => return Ok(None),
            _ => return Ok(Some(affected(How::Respawn, reasons, strays, Vec::new()))),
        };
        Ok(Some(affected(how, reasons, newer.iter().chain(&strays).cloned().collect(), strays)))
    }

    /// Images to be put back: of the containers that the operation changes, or of all where it makes the object anew.
    fn images(&self, due: &Affected, state: &ObjectState, live: &Value) -> Result<Vec<Reason>, ContentError> {
        let all = matches!(due.how, How::Recreate { .. });
        let changed = crate::plan::changed_images(due);
        let running = pod_spec(live).map(images).unwrap_or_default();
        let wanted = wanted_images(self.contents, state)?;
        let of_operation = wanted.into_iter().filter(|(container, _)| all || changed.contains_key(container));
        Ok(of_operation
            .filter_map(|(container, after)| {
                let before = running.get(&container)?.clone();
                let in_force = state.became.get(&container).unwrap_or(&after);
                (before != after && before != *in_force).then_some(Reason::Image { container, before, after })
            })
            .collect())
    }

    fn before(&self, pod: &Value) -> Option<&Snapshot> {
        let before = text(pod, "/metadata/name").and_then(|name| self.forward.snapshot.get(name));
        before.map(|before| &before.snapshot).filter(|before| before.uid == uid(pod))
    }

    /// Whether a Pod's containers are the very ones that ran before the operation.
    fn stands(&self, pod: &Value) -> bool {
        self.before(pod).is_some_and(|before| same_containers(before, pod))
    }

    /// Whether a bare Pod has run to its end since: nothing starts it again.
    fn has_ended(&self, pod: &Value) -> bool {
        let ran = |before: &Snapshot| before.containers.values().any(|container| container.running);
        let since = !self.stands(pod) || self.before(pod).is_some_and(ran);
        matches!(phase(pod), "Succeeded" | "Failed") && since
    }
}

/// Whether all containers that go on running are the same ones. One that had not started then has started since.
fn same_containers(before: &Snapshot, pod: &Value) -> bool {
    let now = Snapshot::of(pod);
    let spec = pod_spec(pod).map(containers).unwrap_or_default();
    spec.iter().filter(|container| container.class != ContainerClass::Init).all(|container| {
        let id = |snapshot: &Snapshot| snapshot.containers.get(container.name).map(|found| found.id.clone());
        id(before).is_some_and(|then| !then.is_empty() && Some(&then) == id(&now).as_ref())
    })
}
