//! Drift: where the live objects are neither what was recorded nor what is aimed at.
//!
//! Only fields that this program writes count: images, ConfigMap and Secret data, and whether an object is there; all
//! fields of a manifest where an operation writes the object as a whole.
//! Who changed a field, and when, stands in `metadata.managedFields`.

pub mod fields;

use super::changed_images;
use super::content::{ContentError, Contents};
use super::derive::scale::recorded;
use super::live::Live;
use super::order::runs_once;
use crate::object::config::{changed_keys, is_config};
use crate::object::workload::{WorkloadKind, images, pod_spec, replicas};
use crate::object::{ObjectRef, text};
use crate::record::names::MANAGER;
use crate::record::{How, ObjectState, Revision, Scope};
use fields::{Strayed, strayed};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// One drifted field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The object.
    pub object: ObjectRef,
    /// Key of a ConfigMap or Secret, or `image of <container>`; empty: the object itself is gone.
    pub field: String,
    /// `nginx -> nginx:1.27`, `22 -> 31 bytes`, `deleted`.
    pub change: String,
    /// Field manager that wrote it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

/// All drift of a revision.
///
/// # Errors
/// The revision points into a package that is not at hand.
pub fn of_revision(revision: &Revision, contents: &Contents, live: &Live) -> Result<Vec<Drift>, ContentError> {
    let mut drift = Vec::new();
    for state in &revision.objects {
        let recorded = contents.content(state)?;
        object(state, &recorded, live.get(&state.reference), &mut drift);
    }
    Ok(drift)
}

/// The drift that an operation is about to overwrite: in its scope, off the recorded value, and off the target too.
///
/// # Errors
/// A revision points into a package that is not at hand.
pub fn overwritten(
    source: &Revision,
    target: &Revision,
    scope: &Scope,
    contents: &Contents,
    live: &Live,
) -> Result<Vec<Drift>, ContentError> {
    let mut found = Vec::new();
    for entry in of_revision(source, contents, live)? {
        let config = scope.config.iter().any(|change| change.object == entry.object);
        let image = scope.affected(&entry.object).is_some_and(|affected| {
            matches!(affected.how, How::Recreate { .. })
                || changed_images(affected).keys().any(|container| image_of(container) == entry.field)
        });
        if !(config || image) || entry.field.is_empty() {
            continue;
        }
        let reached = match target.object(&entry.object) {
            Some(state) => {
                let mut off_target = Vec::new();
                object(state, &contents.content(state)?, live.get(&entry.object), &mut off_target);
                !off_target.iter().any(|other| other.field == entry.field)
            }
            None => false,
        };
        if !reached {
            found.push(entry);
        }
    }
    for entry in written_as_a_whole(source, target, scope, contents, live)? {
        if !found.iter().any(|known| known.object == entry.object && known.field == entry.field) {
            found.push(entry);
        }
    }
    for scaling in &scope.scale {
        let (Some(state), Some(object)) = (source.object(&scaling.object), live.get(&scaling.object)) else { continue };
        let (recorded, now) = (recorded(state, contents)?, replicas(object));
        if now != recorded && now != scaling.after {
            let change = format!("{recorded} -> {now}");
            found.extend(entry(&scaling.object, "spec.replicas".into(), change, replicas_writer(object)));
        }
    }
    Ok(found)
}

/// What others have set in objects that are written, or made anew, as a whole.
fn written_as_a_whole(
    source: &Revision,
    target: &Revision,
    scope: &Scope,
    contents: &Contents,
    live: &Live,
) -> Result<Vec<Drift>, ContentError> {
    let mut drift = Vec::new();
    for state in &target.objects {
        let reference = &state.reference;
        let Some(found) = live.get(reference) else { continue };
        let rewritten = source.object(reference).is_some_and(|former| former.applied != state.applied);
        let affected = scope.affected(reference);
        let whole = scope.apply.iter().any(|entry| entry.object == *reference)
            || (rewritten && scope.config.iter().any(|change| change.object == *reference))
            || affected.is_some_and(|affected| rewritten || matches!(affected.how, How::Recreate { .. }));
        if !whole {
            continue;
        }
        for Strayed { change, writer } in strayed(reference, contents.content(state)?, found) {
            if !matches!(writer, Writer::Foreign(..)) {
                continue;
            }
            let container = change.path.strip_suffix("].image").and_then(|path| path.rsplit_once('['));
            let name = match container {
                Some((_, container)) => image_of(container),
                None => change.short_path().to_owned(),
            };
            drift.extend(entry(reference, name, change.summary(), writer));
        }
    }
    Ok(drift)
}

fn object(state: &ObjectState, recorded: &Value, live: Option<&Value>, drift: &mut Vec<Drift>) {
    let reference = &state.reference;
    let Some(live) = live else {
        if runs_once(reference) {
            return;
        }
        drift.push(Drift {
            object: reference.clone(),
            field: String::new(),
            change: "deleted".into(),
            manager: None,
            time: None,
        });
        return;
    };
    if is_config(reference) {
        for key in changed_keys(recorded, live) {
            let writer = key_writer(live, &key.key);
            drift.extend(entry(reference, key.key.clone(), key.summary(), writer));
        }
    } else if let Some(kind) = WorkloadKind::of(reference) {
        let recorded = pod_spec(recorded).map(images).unwrap_or_default();
        let running = pod_spec(live).map(images).unwrap_or_default();
        for (container, wanted) in &recorded {
            let in_force = state.became.get(container).unwrap_or(wanted);
            let Some(found) = running.get(container).filter(|found| *found != in_force && *found != wanted) else {
                continue;
            };
            let change = format!("{in_force} -> {found}");
            drift.extend(entry(reference, image_of(container), change, image_writer(kind, live, container)));
        }
    }
}

/// How a drifted image is named.
fn image_of(container: &str) -> String {
    format!("image of {container}")
}

/// A drifted field, unless this program wrote it last: then an operation of its own stopped half way.
fn entry(object: &ObjectRef, field: String, change: String, writer: Writer) -> Option<Drift> {
    let (manager, time) = match writer {
        Writer::Ours => return None,
        Writer::Foreign(manager, time) => (Some(manager), time),
        Writer::Unknown => (None, None),
    };
    Some(Drift { object: object.clone(), field, change, manager, time })
}

/// Who wrote a field, as far as managedFields tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writer {
    /// This program, and nobody after it.
    Ours,
    /// Another field manager, and when; the server does not keep the time of what came through `scale`.
    Foreign(String, Option<Timestamp>),
    /// Nobody owns it (a removed field, for one).
    Unknown,
}

/// Who wrote any of the fields last.
pub fn writer(live: &Value, fields: &[&[&str]]) -> Writer {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    last_of(entries.filter(|entry| {
        fields
            .iter()
            .any(|path| path.iter().try_fold(&entry["fieldsV1"], |fields, segment| fields.get(*segment)).is_some())
    }))
}

/// Who wrote last what all of these entries of managedFields own: others before ourselves.
pub(super) fn last_of<'e>(entries: impl IntoIterator<Item = &'e Value>) -> Writer {
    let mut foreign: Option<(Option<Timestamp>, String)> = None;
    let mut ours = false;
    for entry in entries {
        let manager = text(entry, "/manager").unwrap_or("");
        if manager == MANAGER {
            ours = true;
        } else {
            let time = text(entry, "/time").and_then(|time| time.parse().ok());
            foreign = foreign.max(Some((time, manager.to_owned())));
        }
    }
    match foreign {
        Some((time, manager)) => Writer::Foreign(manager, time),
        None if ours => Writer::Ours,
        None => Writer::Unknown,
    }
}

/// Who wrote the image of a container of a workload or Pod.
pub fn image_writer(kind: WorkloadKind, live: &Value, container: &str) -> Writer {
    let key = format!("k:{{\"name\":\"{container}\"}}");
    let spec: &[&str] = if kind == WorkloadKind::Pod { &["f:spec"] } else { &["f:spec", "f:template", "f:spec"] };
    let path = |list: &'static str| [spec, &[list, key.as_str(), "f:image"]].concat();
    writer(live, &[&path("f:containers"), &path("f:initContainers")])
}

/// Who wrote the replicas of a workload.
pub fn replicas_writer(live: &Value) -> Writer {
    writer(live, &[&["f:spec", "f:replicas"]])
}

/// Who wrote a key of a ConfigMap or Secret.
pub fn key_writer(live: &Value, key: &str) -> Writer {
    let key = format!("f:{key}");
    writer(live, &[&["f:data", &key], &["f:binaryData", &key]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_foreign_writer_of_a_field_is_named() {
        let live = json!({"metadata": {"managedFields": [
            {"manager": "kubectl-vnf", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:a": {}}}},
            {"manager": "kubectl-edit", "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:data": {"f:a": {}}}},
            {"manager": "kubectl-vnf", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:d": {}}}},
            {"manager": "other", "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:data": {"f:b": {}}}},
        ]}});
        let time = "2026-01-02T00:00:00Z".parse().expect("a time");
        assert_eq!(key_writer(&live, "a"), Writer::Foreign("kubectl-edit".into(), Some(time)));
        assert_eq!(key_writer(&live, "c"), Writer::Unknown);
        assert_eq!(key_writer(&live, "d"), Writer::Ours);
        let scaled = json!({"metadata": {"managedFields": [
            {"manager": "kubectl", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}});
        assert_eq!(replicas_writer(&scaled), Writer::Foreign("kubectl".into(), None));
    }
}
