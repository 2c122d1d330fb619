//! What applying an object as a whole (server-side apply) has to know of it: which revision wrote it so, how what was
//! written field by field becomes part of what is applied, and what cannot be changed in place.
//!
//! Sending it is the work of `engine::execute`; what it is to be, of `plan::content`.

use super::{ObjectRef, text};
use serde_json::{Value, json};

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
pub fn adopt(live: &Value, manager: &str) -> Vec<Value> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let Some(version) = text(live, "/metadata/resourceVersion") else { return Vec::new() };
    let own = |entry: &&Value, operation: &str| {
        entry["manager"] == manager && entry["operation"] == operation && text(entry, "/subresource").is_none()
    };
    let entries: Vec<&Value> = entries.into_iter().flatten().collect();
    let updates: Vec<&&Value> = entries.iter().filter(|entry| own(entry, "Update")).collect();
    let Some(last) = updates.last() else { return Vec::new() };
    let applies = entries.iter().find(|entry| own(entry, "Apply"));
    let mut whole = (**applies.unwrap_or(last)).clone();
    whole["operation"] = json!("Apply");
    for update in &updates {
        union(&mut whole["fieldsV1"], &update["fieldsV1"]);
    }
    let others = entries.iter().filter(|entry| !own(entry, "Update") && !own(entry, "Apply"));
    let fields: Vec<Value> = others.map(|entry| (**entry).clone()).chain(std::iter::once(whole)).collect();
    vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}),
        json!({"op": "replace", "path": "/metadata/managedFields", "value": fields}),
    ]
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
        let patch = adopt(&live, "vnf");
        assert_eq!(patch[0]["value"], "7");
        let entries = patch[1]["value"].as_array().expect("entries");
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0]["subresource"], "status");
        assert_eq!(entries[1]["manager"], "edit");
        assert_eq!(entries[2]["operation"], "Apply");
        assert_eq!(entries[2]["fieldsV1"], json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
        assert!(adopt(&live, "nobody").is_empty());
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
