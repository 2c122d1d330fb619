//! Change-package: from one revision to another with all that differs between them; undo goes back across one so.
//!
//! Objects are created, written as a whole, made anew where the API server fixes what changes, and deleted at the end.
//! What the container update can do in its own way (configuration, images) is done in that way, so that nobody
//! restarts who need not. Volumes' data is never deleted: a claim that the new revision does not name stays in it.

use super::update::mark;
use crate::object::apply::must_be_made_anew;
use crate::object::config::is_config;
use crate::object::pod::terminating;
use crate::object::rollout::is_on_delete;
use crate::object::workload::{WorkloadKind, replicas};
use crate::object::{ObjectRef, uid};
use crate::package::{Package, PackageError};
use crate::plan::compare::{self, FieldChange};
use crate::plan::content::{ContentError, Contents};
use crate::plan::live::Live;
use crate::plan::order::{holds_data, runs_once};
use crate::plan::restart::{self, controlled};
use crate::record::{Affected, Applied, ConfigChange, How, ObjectState, Reason, Revision, Scope};
use serde_json::Value;

/// Whether an update's means are not enough to move between two revisions: one has objects that the other has not, or
/// objects have been written as a whole since.
pub fn is_needed(current: &Revision, target: &Revision) -> bool {
    let unlike = |one: &Revision, other: &Revision| {
        one.objects
            .iter()
            .any(|state| other.object(&state.reference).is_none_or(|found| found.applied != state.applied))
    };
    unlike(current, target) || unlike(target, current)
}

/// Completes a target, whose objects point at their content: markers, replicas as they are live, what is kept; and
/// says what has to be done to get there.
///
/// # Errors
/// A revision points into a package that is not at hand.
pub fn scope(
    current: &Revision,
    mut target: Revision,
    contents: &Contents,
    live: &Live,
) -> Result<(Revision, Scope), ContentError> {
    let number = target.number;
    // How many there are is scaling's to say, and on which level that is.
    for level in &mut target.scale {
        if let Some(now) = current.scale.iter().find(|now| now.aspect_id == level.aspect_id) {
            level.scale_level = now.scale_level;
        }
    }
    let mut scope = Scope::default();
    let mut whole: Vec<Affected> = Vec::new();
    for state in &mut target.objects {
        let kind = WorkloadKind::of(&state.reference);
        let Some(former) = current.object(&state.reference) else {
            state.marker = kind.map(|_| number);
            state.applied = Some(number);
            scope.create.push(state.reference.clone());
            continue;
        };
        state.marker = former.marker;
        state.applied = former.applied;
        state.pending.clone_from(&former.pending);
        let found = live.get(&state.reference).filter(|found| !terminating(found));
        if kind.is_some_and(WorkloadKind::scalable) {
            state.replicas = found.map(replicas).or(former.replicas).or(state.replicas);
        }
        let Some(found) = found else {
            if runs_once(&state.reference) && contents.content(former)? == contents.content(state)? {
                continue;
            }
            state.applied = Some(number);
            match kind {
                Some(_) => whole.push(missing(state, live)),
                None if is_config(&state.reference) => {
                    scope.config.push(ConfigChange { object: state.reference.clone(), keys: Vec::new() });
                }
                None => scope.create.push(state.reference.clone()),
            }
            continue;
        };
        let before = ObjectState { replicas: state.replicas, ..former.clone() };
        let change = compare::objects(&state.reference, &contents.content(&before)?, &contents.content(state)?);
        if change.is_empty() {
            state.became.clone_from(&former.became);
            continue;
        }
        if !change.fields.is_empty() {
            state.applied = Some(number);
        }
        if is_config(&state.reference) {
            scope.config.push(ConfigChange { object: state.reference.clone(), keys: change.keys });
        } else if let Some(kind) = kind {
            match workload(kind, state, found, contents, live, &change.fields)? {
                Some(affected) => whole.push(affected),
                None if change.fields.is_empty() => {}
                None => scope.apply.push(apply(state, found, &change.fields)),
            }
        } else {
            scope.apply.push(apply(state, found, &change.fields));
        }
    }
    let question =
        restart::Question { source: current, target: &target, contents, live, config: &scope.config, restore: false };
    let by_content = restart::affected(&question)?;
    restart_all(&mut scope, &mut target, whole, by_content);
    let dropped = current.objects.iter().filter(|state| target.object(&state.reference).is_none());
    let (kept, deleted): (Vec<&ObjectState>, Vec<&ObjectState>) =
        dropped.partition(|state| holds_data(&state.reference));
    scope.delete = deleted.into_iter().map(|state| state.reference.clone()).collect();
    let kept: Vec<ObjectState> = kept.into_iter().cloned().collect();
    target.objects.extend(kept);
    Ok((target, scope))
}

/// Who restarts: for its manifest (`whole`), for images and configuration, or for all of them; with their markers.
pub(super) fn restart_all(
    scope: &mut Scope,
    target: &mut Revision,
    whole: Vec<Affected>,
    mut by_content: Vec<Affected>,
) {
    by_content.retain(|affected| !scope.create.contains(&affected.object));
    scope.affected = merged(target, whole, by_content);
    for affected in &mut scope.affected {
        // A restart in place changes images and nothing else.
        let also = scope.apply.iter().any(|applied| applied.object == affected.object);
        if also && matches!(affected.how, How::InPlace { .. }) {
            affected.how = How::Recreate { because: "it has no controller, and more than its images changes".into() };
        }
    }
    // What restarts is written as a whole on that occasion.
    let restarts = |applied: &Applied| scope.affected.iter().any(|affected| affected.object == applied.object);
    scope.apply.retain(|applied| !restarts(applied));
    mark(target, &scope.affected);
}

/// The Kubernetes files of a new package that stand for those in force: all of them where all of the old package's were
/// taken; else those of the same path, or that define the same objects.
///
/// # Errors
/// The files of a package cannot be read.
pub fn files(current: &Revision, old: &Package, new: &Package) -> Result<Vec<String>, PackageError> {
    let all = new.kubernetes_files();
    if old.kubernetes_files().iter().all(|file| current.files.contains(file)) {
        return Ok(all);
    }
    let (was, is) = (old.defines()?, new.defines()?);
    let stands_for = |file: &String| {
        let objects = is.get(file).map(Vec::as_slice).unwrap_or_default();
        let same = |former: &&String| {
            was.get(*former).is_some_and(|former| former.iter().any(|object| objects.contains(object)))
        };
        current.files.contains(file)
            || (!current.files.iter().any(|former| all.contains(former) && same(&former))
                && current.files.iter().any(|former| same(&former)))
    };
    Ok(all.iter().filter(|file| stands_for(file)).cloned().collect())
}

/// Claims that the package in force does not have, and that stay for their data.
pub fn kept(revision: &Revision) -> impl Iterator<Item = &ObjectRef> {
    revision.objects.iter().filter(|state| is_kept(revision, state)).map(|state| &state.reference)
}

/// Whether an object of a revision stays for its data, although the package does not have it any more.
pub(super) fn is_kept(revision: &Revision, state: &ObjectState) -> bool {
    holds_data(&state.reference) && state.package != revision.package.digest
}

fn missing(state: &ObjectState, live: &Live) -> Affected {
    let found = live.get(&state.reference);
    Affected {
        object: state.reference.clone(),
        uid: found.map(uid).unwrap_or_default().to_owned(),
        how: How::Recreate { because: "it is gone".into() },
        reasons: vec![Reason::Missing],
        pods: Vec::new(),
        strays: Vec::new(),
    }
}

/// How a workload gets fields that an update would defer; `None`: without a restart.
pub(super) fn workload(
    kind: WorkloadKind,
    state: &ObjectState,
    found: &Value,
    contents: &Contents,
    live: &Live,
    fields: &[FieldChange],
) -> Result<Option<Affected>, ContentError> {
    let anew = must_be_made_anew(&state.reference, fields.iter().map(|field| field.path.as_str()));
    let in_template = fields.iter().any(|field| field.path.starts_with("spec.template."));
    let how = match anew {
        Some(because) if kind == WorkloadKind::Pod => {
            How::Recreate { because: format!("it has no controller, and {because} in place") }
        }
        Some(because) => How::Recreate { because },
        None if !in_template => return Ok(None),
        None if is_on_delete(&contents.content(state)?) => How::ReplacePods,
        None => controlled(kind, found),
    };
    let pods = live.pods_of(&state.reference).iter().map(|pod| uid(pod).to_owned()).collect();
    let object = state.reference.clone();
    let uid = uid(found).to_owned();
    Ok(Some(Affected { object, uid, how, reasons: reasons(fields), pods, strays: Vec::new() }))
}

pub(super) fn apply(state: &ObjectState, found: &Value, fields: &[FieldChange]) -> Applied {
    Applied {
        object: state.reference.clone(),
        uid: uid(found).to_owned(),
        because: must_be_made_anew(&state.reference, fields.iter().map(|field| field.path.as_str())),
        reasons: reasons(fields),
    }
}

fn reasons(fields: &[FieldChange]) -> Vec<Reason> {
    let reason = |field: &FieldChange| Reason::Field { field: field.short_path().to_owned(), change: field.summary() };
    fields.iter().map(reason).collect()
}

/// Who restarts, in the target's order: for its manifest, for images and configuration, or for all of them.
fn merged(target: &Revision, mut whole: Vec<Affected>, mut by_content: Vec<Affected>) -> Vec<Affected> {
    let mut affected = Vec::new();
    for state in &target.objects {
        let take = |list: &mut Vec<Affected>| {
            let index = list.iter().position(|entry| entry.object == state.reference)?;
            Some(list.remove(index))
        };
        match (take(&mut whole), take(&mut by_content)) {
            (Some(mut entry), Some(content)) => {
                // What goes whole takes images and configuration with it.
                let mut reasons = content.reasons;
                reasons.retain(|reason| *reason != Reason::Missing);
                reasons.append(&mut entry.reasons);
                affected.push(Affected { reasons, ..entry });
            }
            (one, other) => affected.extend(one.or(other)),
        }
    }
    affected
}
