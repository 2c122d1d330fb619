//! What applying an object as a whole (server-side apply) has to know of it: which revision wrote it so, how what was
//! written field by field becomes part of what is applied, and what cannot be changed in place.
//!
//! Sending it is the work of `engine::execute`; what it is to be, of `plan::content`.

use super::{ObjectRef, text};
use serde_json::{Map, Value, json};

/// Annotation of an object that was applied or made as a whole: the number of the revision that did it. An object can
/// differ from its manifest in many ways that mean the same (defaults, quantities, lists that admission adds to), so
/// this, and not a comparison, tells whether a revision has been written.
pub const APPLIED: &str = "kubectl-vnf/applied";

/// The revision that an object says it was written by as a whole.
pub fn applied(object: &Value) -> Option<u64> {
    object["metadata"]["annotations"][APPLIED].as_str()?.parse().ok()
}

/// The patch after which what `manager` wrote of an object field by field counts as applied by it: only then does an
/// apply take away fields that it no longer names, and never conflicts with its own writer (as
/// `k8s.io/client-go/util/csaupgrade` does it). It holds for the version that was read. Empty: there is nothing to
/// take over.
///
/// With `instead`, the object that is to be applied whoever has written it since, list items that others have put in the
/// place of its own count as applied too, so that they go: no apply takes away what somebody else owns, and of a port
/// that was changed the old and the new one would be left.
pub fn adopt(live: &Value, manager: &str, instead: Option<&Value>) -> Vec<Value> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let Some(version) = text(live, "/metadata/resourceVersion") else { return Vec::new() };
    let own = |entry: &&Value, operation: &str| {
        entry["manager"] == manager && entry["operation"] == operation && text(entry, "/subresource").is_none()
    };
    let entries: Vec<&Value> = entries.into_iter().flatten().collect();
    let updates: Vec<&&Value> = entries.iter().filter(|entry| own(entry, "Update")).collect();
    let applies = entries.iter().find(|entry| own(entry, "Apply"));
    let Some(kept) = applies.or_else(|| updates.last().copied()) else { return Vec::new() };
    let mut whole = (*kept).clone();
    whole["operation"] = json!("Apply");
    for update in &updates {
        union(&mut whole["fieldsV1"], &update["fieldsV1"]);
    }
    let mut changes = !updates.is_empty();
    let mut fields = Vec::new();
    for other in entries.iter().filter(|entry| !own(entry, "Update") && !own(entry, "Apply")) {
        let mut other = (*other).clone();
        let alike = text(&other, "/subresource").is_none() && other["apiVersion"] == whole["apiVersion"];
        let instead = instead.filter(|_| alike);
        if let Some(moved) = instead.and_then(|desired| taken(desired, live, &mut other["fieldsV1"])) {
            union(&mut whole["fieldsV1"], &moved);
            changes = true;
        }
        if other["fieldsV1"] != json!({}) {
            fields.push(other);
        }
    }
    if !changes {
        return Vec::new();
    }
    fields.push(whole);
    vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}),
        json!({"op": "replace", "path": "/metadata/managedFields", "value": fields}),
    ]
}

/// Takes out of somebody's set of fields the list items that stand in the place of desired ones: those of lists in
/// which a desired item is not there any more.
fn taken(desired: &Value, live: &Value, theirs: &mut Value) -> Option<Value> {
    let theirs = theirs.as_object_mut()?;
    let mut moved = Map::new();
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            for (key, value) in desired {
                let field = format!("f:{key}");
                let (Some(live), Some(fields)) = (live.get(key), theirs.get_mut(&field)) else { continue };
                if let Some(part) = taken(value, live, fields) {
                    // An empty set would be the whole of it.
                    if fields.as_object().is_some_and(Map::is_empty) {
                        theirs.remove(&field);
                    }
                    moved.insert(field, part);
                }
            }
        }
        (Value::Array(desired), Value::Array(live)) => {
            let keys: Vec<String> = theirs.keys().filter(|key| key.starts_with("k:")).cloned().collect();
            let names: Map<String, Value> = keys.first().and_then(|key| keys_of(key)).unwrap_or_default();
            let same = |item: &Value, other: &Value| {
                names.keys().all(|name| item.get(name).is_none_or(|value| other.get(name) == Some(value)))
            };
            let gone = |item: &Value| !live.iter().any(|other| same(item, other));
            if !names.is_empty() && desired.iter().any(gone) {
                for key in keys.iter().filter(|key| !desired.iter().any(|item| is_item(key, item))) {
                    moved.extend(theirs.remove(key).map(|fields| (key.clone(), fields)));
                }
            }
        }
        _ => {}
    }
    (!moved.is_empty()).then_some(Value::Object(moved))
}

/// Whether a key of a set of fields (`k:{"name":"nginx"}`, `v:"item"`) means this item of a list. Keys that the item
/// leaves to their defaults may be anything.
pub fn is_item(key: &str, item: &Value) -> bool {
    if let Some(keys) = keys_of(key) {
        return item.is_object() && keys.iter().all(|(name, value)| item.get(name).is_none_or(|own| own == value));
    }
    key.strip_prefix("v:")
        .and_then(|value| serde_json::from_str::<Value>(value).ok())
        .is_some_and(|value| value == *item)
}

fn keys_of(key: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(key.strip_prefix("k:")?).ok()
}

/// Adds the fields of one set (`FieldsV1`) to another.
fn union(into: &mut Value, from: &Value) {
    match (into.as_object_mut(), from.as_object()) {
        (Some(into), Some(from)) => {
            for (field, children) in from {
                match into.get_mut(field) {
                    Some(known) => union(known, children),
                    None => drop(into.insert(field.clone(), children.clone())),
                }
            }
        }
        (None, Some(_)) => into.clone_from(from),
        _ => {}
    }
}

/// Why changes of an object's fields can only be made by deleting it and creating it again; `None`: they are written
/// into it, or the API server says why not.
///
/// The rules are those of the built-in kinds' validation. Of a claim's and of a definition's own fields none is named:
/// making them anew would take data, or every custom resource, with them.
pub fn must_be_made_anew<'a>(object: &ObjectRef, changed: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let fixed = |path: &str| {
        let within =
            |field: &str| path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        match object.kind.as_str() {
            "Deployment" | "DaemonSet" | "ReplicaSet" => within("spec.selector"),
            "StatefulSet" => {
                const FREE: [&str; 7] = [
                    "spec.replicas",
                    "spec.ordinals",
                    "spec.template",
                    "spec.updateStrategy",
                    "spec.revisionHistoryLimit",
                    "spec.persistentVolumeClaimRetentionPolicy",
                    "spec.minReadySeconds",
                ];
                within("spec") && !FREE.iter().any(|free| within(free))
            }
            "Pod" => within("spec"),
            "Job" => ["spec.template", "spec.selector", "spec.completions", "spec.completionMode"]
                .iter()
                .any(|field| within(field)),
            "Service" => within("spec.clusterIP"),
            "RoleBinding" | "ClusterRoleBinding" => within("roleRef"),
            "StorageClass" => {
                ["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"].iter().any(|field| within(field))
            }
            "PriorityClass" => within("value") || within("preemptionPolicy"),
            "IngressClass" => within("spec.controller"),
            "RuntimeClass" => within("handler"),
            _ => false,
        }
    };
    let path = changed.into_iter().find(|path| fixed(path))?;
    Some(format!("{path} cannot be changed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_field_by_field_becomes_part_of_what_is_applied() {
        let live = json!({"metadata": {"resourceVersion": "7", "managedFields": [
            {"manager": "vnf", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {".": {}, "f:a": {}}}},
            {"manager": "vnf", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:b": {}}}},
            {"manager": "vnf", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
            {"manager": "edit", "operation": "Update", "fieldsV1": {"f:data": {"f:c": {}}}},
        ]}});
        let patch = adopt(&live, "vnf", None);
        assert_eq!(patch[0]["value"], "7");
        let entries = patch[1]["value"].as_array().expect("entries");
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0]["subresource"], "status");
        assert_eq!(entries[1]["manager"], "edit");
        assert_eq!(entries[2]["operation"], "Apply");
        assert_eq!(entries[2]["fieldsV1"], json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
        assert!(adopt(&live, "nobody", None).is_empty());
    }

    #[test]
    fn what_stands_in_the_place_of_an_item_is_taken_over() {
        let set = |port: u16| json!({"f:spec": {"f:ports": {format!("k:{{\"port\":{port},\"protocol\":\"TCP\"}}"): {"f:port": {}}}}});
        let live = |ports: Value| {
            json!({"metadata": {"resourceVersion": "7", "managedFields": [
            {"manager": "edit", "operation": "Update", "fieldsV1": set(8080)},
            {"manager": "vnf", "operation": "Apply", "fieldsV1": {"f:spec": {"f:type": {}}}},
        ]}, "spec": {"ports": ports}})
        };
        let desired = json!({"spec": {"ports": [{"port": 80}]}});
        let replaced = live(json!([{"port": 8080, "protocol": "TCP"}]));
        assert!(adopt(&replaced, "vnf", None).is_empty());
        let patch = adopt(&replaced, "vnf", Some(&desired));
        let entries = patch[1]["value"].as_array().expect("entries");
        let mut whole = set(8080);
        whole["f:spec"]["f:type"] = json!({});
        assert_eq!((entries.len(), &entries[0]["fieldsV1"]), (1, &whole));
        // What stands beside ours is theirs.
        let beside = live(json!([{"port": 80, "protocol": "TCP"}, {"port": 8080, "protocol": "TCP"}]));
        assert!(adopt(&beside, "vnf", Some(&desired)).is_empty());
    }

    #[test]
    fn what_the_api_server_fixes_at_creation_is_made_anew() {
        let why = |kind: &str, path: &str| must_be_made_anew(&ObjectRef::new("v1", kind, None, "x"), [path]);
        assert_eq!(
            why("Deployment", "spec.selector.matchLabels.app").as_deref(),
            Some("spec.selector.matchLabels.app cannot be changed")
        );
        assert!(why("StatefulSet", "spec.serviceName").is_some());
        assert!(why("StatefulSet", "spec.volumeClaimTemplates[data].spec").is_some());
        assert_eq!(why("StatefulSet", "spec.template.spec.x"), None);
        assert_eq!(why("StatefulSet", "metadata.labels.a"), None);
        assert_eq!(why("Service", "spec.ports[0].port"), None);
        assert!(why("Service", "spec.clusterIP").is_some());
        assert_eq!(why("PersistentVolumeClaim", "spec.storageClassName"), None);
    }
}
