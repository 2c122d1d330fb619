//! What differs between two objects, in the terms that the container update thinks in: images, configuration keys,
//! and all other fields.
//!
//! Lists whose items have a `name` (containers, env, volumes) are matched by it, as Kubernetes itself merges them;
//! other lists by position.

use crate::object::config::{KeyChange, changed_keys, is_config};
use crate::object::workload::{WorkloadKind, images, pod_spec, set_images};
use crate::object::{ObjectRef, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// `spec.template.spec.containers[nginx].ports[0].containerPort`.
    pub path: String,
    /// Value before; absent: the field is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Value after; absent: the field goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl FieldChange {
    /// The path without the way to the pod spec, which every reader of a plan knows.
    pub fn short_path(&self) -> &str {
        let path = self.path.strip_prefix("spec.template.").unwrap_or(&self.path);
        path.strip_prefix("spec.").unwrap_or(path)
    }

    /// `80 -> 180`, `added`, `removed`, or `changed` where the value may be a secret (an environment value) or is
    /// too long for a line.
    pub fn summary(&self) -> String {
        let brief = |value: &Value| match value {
            Value::String(text) if text.chars().count() <= 40 && !text.contains('\n') => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        };
        match (&self.before, &self.after) {
            (None, _) => "added".into(),
            (_, None) => "removed".into(),
            _ if self.may_be_secret() => "changed".into(),
            (Some(before), Some(after)) => match (brief(before), brief(after)) {
                (Some(before), Some(after)) => format!("{before} -> {after}"),
                _ => "changed".into(),
            },
        }
    }

    /// Whether the values must not be shown: environment values, which in practice hold passwords.
    pub fn may_be_secret(&self) -> bool {
        self.path.contains(".env")
    }
}

/// How two versions of one object differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectChange {
    /// Images of containers and init containers that both versions have: before and after, by container.
    pub images: BTreeMap<String, (String, String)>,
    /// Changed keys of a ConfigMap or Secret.
    pub keys: Vec<KeyChange>,
    /// Every other field.
    pub fields: Vec<FieldChange>,
}

impl ObjectChange {
    /// Whether the two are equal.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.keys.is_empty() && self.fields.is_empty()
    }
}

/// Compares two versions of one object. Secrets must have been settled (no `stringData`).
pub fn objects(reference: &ObjectRef, before: &Value, after: &Value) -> ObjectChange {
    if is_config(reference) {
        let strip = |object: &Value| {
            let mut rest = object.clone();
            if let Some(fields) = rest.as_object_mut() {
                fields.retain(|key, _| !matches!(key.as_str(), "data" | "binaryData" | "stringData"));
            }
            rest
        };
        return ObjectChange {
            images: BTreeMap::new(),
            keys: changed_keys(before, after),
            fields: differences(&strip(before), &strip(after)),
        };
    }
    if WorkloadKind::of(reference).is_none() {
        return ObjectChange { fields: differences(before, after), ..ObjectChange::default() };
    }
    let old = pod_spec(before).map(images).unwrap_or_default();
    let new = pod_spec(after).map(images).unwrap_or_default();
    let changed: BTreeMap<String, (String, String)> = new
        .iter()
        .filter_map(|(name, image)| Some((name.clone(), (old.get(name)?.clone(), image.clone()))))
        .filter(|(_, (before, after))| before != after)
        .collect();
    let mut levelled = before.clone();
    set_images(&mut levelled, &changed.iter().map(|(name, (_, after))| (name.clone(), after.clone())).collect());
    ObjectChange { images: changed, keys: Vec::new(), fields: differences(&levelled, after) }
}

/// Every field that differs between two values.
pub fn differences(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    walk(String::new(), Some(before), Some(after), &mut changes);
    changes
}

fn walk(path: String, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(child, old.get(key), new.get(key), changes);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            if let (Some(old), Some(new)) = (by_name(old), by_name(new)) {
                let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
                for name in names {
                    walk(format!("{path}[{name}]"), old.get(name).copied(), new.get(name).copied(), changes);
                }
            } else {
                for index in 0..old.len().max(new.len()) {
                    walk(format!("{path}[{index}]"), old.get(index), new.get(index), changes);
                }
            }
        }
        (before, after) => changes.push(FieldChange { path, before: before.cloned(), after: after.cloned() }),
    }
}

/// The items by their `name`, when every item has one and no two share it.
fn by_name(items: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let named: BTreeMap<&str, &Value> =
        items.iter().map(|item| Some((text(item, "/name")?, item))).collect::<Option<_>>()?;
    (named.len() == items.len()).then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(image: &str, port: u16, env: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [
            {"name": "side", "image": "busybox"},
            {"name": "nginx", "image": image, "ports": [{"containerPort": port}],
                "env": [{"name": "A", "value": env}]},
        ]}}}})
    }

    #[test]
    fn images_are_told_apart_from_other_fields() {
        let reference = ObjectRef::new("apps/v1", "Deployment", None, "web");
        let change = objects(&reference, &deployment("nginx", 80, "x"), &deployment("cirros", 180, "y"));
        assert_eq!(change.images, BTreeMap::from([("nginx".into(), ("nginx".into(), "cirros".into()))]));
        let fields: Vec<_> = change.fields.iter().map(|f| format!("{} {}", f.short_path(), f.summary())).collect();
        assert_eq!(
            fields,
            ["spec.containers[nginx].env[A].value changed", "spec.containers[nginx].ports[0].containerPort 80 -> 180"]
                .map(|f| f.trim_start_matches("spec."))
        );
    }

    #[test]
    fn a_container_more_is_one_field_named_by_container() {
        let mut after = deployment("nginx", 80, "x");
        after["spec"]["template"]["spec"]["containers"]
            .as_array_mut()
            .expect("containers")
            .insert(0, json!({"name": "new", "image": "busybox"}));
        let changes = differences(&deployment("nginx", 80, "x"), &after);
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].short_path(), changes[0].summary().as_str()), ("containers[new]", "added"));
    }
}
