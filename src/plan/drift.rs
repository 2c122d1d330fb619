//! Drift: where the live objects are neither what was recorded nor what is aimed at.
//!
//! Only fields that this program writes count: images, ConfigMap and Secret data, and whether an object is there.
//! Who changed a field, and when, stands in `metadata.managedFields`.

use super::content::{ContentError, Contents};
use super::live::Live;
use crate::object::config::{changed_keys, is_config};
use crate::object::workload::{WorkloadKind, images, pod_spec};
use crate::object::{ObjectRef, text};
use crate::record::names::MANAGER;
use crate::record::{ObjectState, Revision, Scope};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

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
        let written =
            scope.config.iter().any(|change| change.object == entry.object) || scope.affected(&entry.object).is_some();
        if !written || entry.field.is_empty() {
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
    Ok(found)
}

fn object(state: &ObjectState, recorded: &Value, live: Option<&Value>, drift: &mut Vec<Drift>) {
    let reference = &state.reference;
    let Some(live) = live else {
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
            let (manager, time) = who(live, &[&["f:data", &format!("f:{}", key.key)]]);
            let change = key.summary();
            drift.push(Drift { object: reference.clone(), field: key.key, change, manager, time });
        }
    } else if let Some(kind) = WorkloadKind::of(reference) {
        let recorded = pod_spec(recorded).map(images).unwrap_or_default();
        let running = pod_spec(live).map(images).unwrap_or_default();
        for (container, wanted) in &recorded {
            let in_force = state.became.get(container).unwrap_or(wanted);
            let Some(found) = running.get(container).filter(|found| *found != in_force && *found != wanted) else {
                continue;
            };
            let key = format!("k:{{\"name\":\"{container}\"}}");
            let spec: &[&str] =
                if kind == WorkloadKind::Pod { &["f:spec"] } else { &["f:spec", "f:template", "f:spec"] };
            let path = |list: &'static str| [spec, &[list, key.as_str(), "f:image"]].concat();
            let (manager, time) = who(live, &[&path("f:containers"), &path("f:initContainers")]);
            drift.push(Drift {
                object: reference.clone(),
                field: format!("image of {container}"),
                change: format!("{in_force} -> {found}"),
                manager,
                time,
            });
        }
    }
}

/// The field manager, other than ours, that last wrote any of the fields, and when.
pub fn who(live: &Value, fields: &[&[&str]]) -> (Option<String>, Option<Timestamp>) {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut writers: BTreeMap<Timestamp, String> = BTreeMap::new();
    for entry in entries.into_iter().flatten() {
        let owns = fields
            .iter()
            .any(|path| path.iter().try_fold(&entry["fieldsV1"], |fields, segment| fields.get(*segment)).is_some());
        let (Some(manager), Some(time)) = (text(entry, "/manager"), text(entry, "/time").and_then(|t| t.parse().ok()))
        else {
            continue;
        };
        if owns && manager != MANAGER {
            writers.insert(time, manager.to_owned());
        }
    }
    writers.pop_last().map_or((None, None), |(time, manager)| (Some(manager), Some(time)))
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
            {"manager": "other", "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:data": {"f:b": {}}}},
        ]}});
        let (manager, time) = who(&live, &[&["f:data", "f:a"]]);
        assert_eq!(manager.as_deref(), Some("kubectl-edit"));
        assert_eq!(time.map(|t| t.to_string()).as_deref(), Some("2026-01-02T00:00:00Z"));
        assert_eq!(who(&live, &[&["f:data", "f:c"]]).0, None);
    }
}
