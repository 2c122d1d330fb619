//! The JSON Patches of the container update: only the fields that change, each guarded by a `test` of the value that
//! the plan was made against.
//!
//! So an autoscaler, `kubectl scale` or a sidecar injector never conflicts, and somebody else's change of the same
//! field never gets lost: the API server refuses the patch, and the plan is made anew.

use super::drift;
use crate::object::workload::{MARKER, WorkloadKind, containers};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Sets images and the restart marker of a live workload or Pod. Fields that have the wanted value already are left
/// out, so the patch is empty when there is nothing to do.
pub fn workload(
    kind: WorkloadKind,
    live: &Value,
    wanted: &BTreeMap<String, String>,
    marker: Option<u64>,
) -> Vec<Value> {
    let mut patch = images(kind, live, wanted);
    if let Some(marker) = marker {
        patch.extend(annotation(live, kind.template_pointer(), MARKER, &marker.to_string()));
    }
    patch
}

/// Guards a patch with the identity of the object that it was made for: one made again under the name is another.
pub fn of_this_object(live: &Value, patch: &[Value]) -> Vec<Value> {
    let uid = live.pointer("/metadata/uid").filter(|_| !patch.is_empty());
    let guard = uid.map(|uid| json!({"op": "test", "path": "/metadata/uid", "value": uid}));
    guard.into_iter().chain(patch.iter().cloned()).collect()
}

/// Sets images only.
pub fn images(kind: WorkloadKind, live: &Value, wanted: &BTreeMap<String, String>) -> Vec<Value> {
    let pointer = kind.pod_spec_pointer();
    let Some(spec) = live.pointer(pointer) else { return Vec::new() };
    let mut patch = Vec::new();
    for container in containers(spec) {
        let Some(image) = wanted.get(container.name).filter(|image| Some(image.as_str()) != container.image) else {
            continue;
        };
        let at = format!("{pointer}/{}/{}", container.list, container.index);
        patch.push(json!({"op": "test", "path": format!("{at}/name"), "value": container.name}));
        if let Some(old) = container.image {
            patch.push(json!({"op": "test", "path": format!("{at}/image"), "value": old}));
        }
        patch.push(json!({"op": "add", "path": format!("{at}/image"), "value": image}));
    }
    patch
}

/// Sets the replicas of a live workload.
pub fn replicas(live: &Value, wanted: u64) -> Vec<Value> {
    let old = live.pointer("/spec/replicas");
    if old.and_then(Value::as_u64) == Some(wanted) {
        return Vec::new();
    }
    let at = "/spec/replicas";
    vec![json!({"op": "test", "path": at, "value": old}), json!({"op": "add", "path": at, "value": wanted})]
}

/// Sets one annotation under `<pointer>/metadata`.
pub fn annotation(live: &Value, pointer: &str, key: &str, value: &str) -> Vec<Value> {
    let metadata = live.pointer(&format!("{pointer}/metadata"));
    let annotations = metadata.and_then(|metadata| metadata.get("annotations")).and_then(Value::as_object);
    let old = annotations.and_then(|annotations| annotations.get(key));
    if old.and_then(Value::as_str) == Some(value) {
        return Vec::new();
    }
    let at = format!("{pointer}/metadata/annotations");
    let Some(_) = annotations else {
        // `add` replaces what is there: the test refuses annotations that somebody adds in between.
        return vec![
            json!({"op": "test", "path": at, "value": null}),
            json!({"op": "add", "path": at, "value": {key: value}}),
        ];
    };
    let at = format!("{at}/{}", escape(key));
    vec![json!({"op": "test", "path": at, "value": old}), json!({"op": "add", "path": at, "value": value})]
}

/// Adds a finalizer to a live object, or takes it away. To one that is being deleted already none can be added.
pub fn finalizer(live: &Value, name: &str, wanted: bool) -> Vec<Value> {
    let at = "/metadata/finalizers";
    let all = live.pointer(at).and_then(Value::as_array);
    let index = all.and_then(|all| all.iter().position(|one| one == name));
    let patch = match (index, all) {
        (Some(index), _) if !wanted => {
            let at = format!("{at}/{index}");
            vec![json!({"op": "test", "path": at, "value": name}), json!({"op": "remove", "path": at})]
        }
        (None, _) if !wanted || live.pointer("/metadata/deletionTimestamp").is_some() => Vec::new(),
        (None, Some(_)) => vec![json!({"op": "add", "path": format!("{at}/-"), "value": name})],
        // `add` replaces what is there: the test refuses one that somebody adds in between.
        (None, None) => {
            vec![json!({"op": "test", "path": at, "value": null}), json!({"op": "add", "path": at, "value": [name]})]
        }
        (Some(_), _) => Vec::new(),
    };
    of_this_object(live, &patch)
}

/// Makes the data of a live ConfigMap or Secret that of `wanted` (a settled object), key by key.
pub fn data(live: &Value, wanted: &Value) -> Vec<Value> {
    let none = Map::new();
    let mut patch = Vec::new();
    for field in ["data", "binaryData"] {
        let old = live.get(field).and_then(Value::as_object);
        let new = wanted.get(field).and_then(Value::as_object).unwrap_or(&none);
        let Some(old) = old else {
            if !new.is_empty() {
                patch.push(json!({"op": "test", "path": format!("/{field}"), "value": null}));
                patch.push(json!({"op": "add", "path": format!("/{field}"), "value": new}));
            }
            continue;
        };
        for (key, value) in old {
            let at = format!("/{field}/{}", escape(key));
            if new.get(key) != Some(value) {
                patch.push(json!({"op": "test", "path": at, "value": value}));
                patch.push(match new.get(key) {
                    Some(new) => json!({"op": "replace", "path": at, "value": new}),
                    None => json!({"op": "remove", "path": at}),
                });
            }
        }
        for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            let at = format!("/{field}/{}", escape(key));
            patch.push(json!({"op": "test", "path": at, "value": null}));
            patch.push(json!({"op": "add", "path": at, "value": value}));
        }
    }
    patch
}

/// An object as it is applied to a live one: without the replicas where somebody else sets them.
pub fn applicable(mut desired: Value, live: &Value) -> Value {
    let replicas = drift::writer(live, &[&["f:spec", "f:replicas"]]);
    let spec = desired.get_mut("spec").and_then(Value::as_object_mut);
    if let (drift::Writer::Foreign(..), Some(spec)) = (replicas, spec) {
        spec.remove("replicas");
    }
    desired
}

/// A key as a JSON pointer segment (RFC 6901).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// What each guarded field of a patch was expected to be and what the live object has instead: why the API server,
/// whose own answer to a failed `test` names nothing, refused it.
pub fn mismatches(patch: &[Value], live: &Value) -> Vec<(String, Value, Value)> {
    patch
        .iter()
        .filter(|operation| operation["op"] == "test")
        .filter_map(|operation| {
            let path = operation["path"].as_str()?;
            let found = live.pointer(path).cloned().unwrap_or(Value::Null);
            (found != operation["value"]).then(|| (path.to_owned(), operation["value"].clone(), found))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(live: &Value, patch: &[Value]) -> Value {
        // The API server takes `test null` of an absent field for true; the crate does not.
        let absent = |operation: &&Value| operation["op"] != "test" || !operation["value"].is_null();
        let patch: Vec<&Value> = patch.iter().filter(absent).collect();
        let patch: json_patch::Patch = serde_json::from_value(json!(patch)).expect("a patch");
        let mut after = live.clone();
        json_patch::patch(&mut after, &patch).expect("applies");
        after
    }

    #[test]
    fn only_what_changes_is_written_and_it_is_guarded() {
        let live = json!({"metadata": {}, "spec": {"template": {"metadata": {"labels": {}}, "spec": {
            "initContainers": [{"name": "i", "image": "a"}], "containers": [{"name": "c", "image": "b"}, {"name": "d", "image": "e"}]}}}});
        let wanted = BTreeMap::from([("c".to_owned(), "new".to_owned()), ("d".to_owned(), "e".to_owned())]);
        let patch = workload(WorkloadKind::Deployment, &live, &wanted, Some(2));
        let after = apply(&live, &patch);
        assert_eq!(after["spec"]["template"]["spec"]["containers"][0]["image"], "new");
        assert_eq!(after["spec"]["template"]["metadata"]["annotations"][MARKER], "2");
        assert!(workload(WorkloadKind::Deployment, &after, &wanted, Some(2)).is_empty());
        let text = json!(patch).to_string();
        assert!(!text.contains("containers/1") && !text.contains("initContainers"), "{text}");
        let mut other = live.clone();
        other["spec"]["template"]["spec"]["containers"][0]["image"] = json!("elsewhere");
        assert_eq!(mismatches(&patch, &other).len(), 1);
    }

    #[test]
    fn a_finalizer_is_added_once_and_taken_away_alone() {
        let live = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
        let with = apply(&live(json!(["a"])), &finalizer(&live(json!(["a"])), "us", true));
        assert_eq!(with, live(json!(["a", "us"])));
        assert!(finalizer(&with, "us", true).is_empty());
        assert_eq!(apply(&with, &finalizer(&with, "us", false)), live(json!(["a"])));
        let bare = json!({"metadata": {}});
        assert_eq!(apply(&bare, &finalizer(&bare, "us", true)), live(json!(["us"])));
        let leaving = json!({"metadata": {"deletionTimestamp": "t"}});
        assert!(finalizer(&leaving, "us", true).is_empty() && finalizer(&bare, "us", false).is_empty());
    }

    #[test]
    fn data_becomes_exactly_what_is_wanted() {
        let live = json!({"data": {"a/b": "1", "gone": "2", "same": "3"}});
        let wanted = json!({"data": {"a/b": "9", "same": "3", "new~": "4"}, "binaryData": {"x": "AA=="}});
        assert_eq!(apply(&live, &data(&live, &wanted)), wanted);
        assert!(data(&wanted, &wanted).is_empty());
        assert_eq!(apply(&wanted, &data(&wanted, &json!({}))), json!({"data": {}, "binaryData": {}}));
    }
}
