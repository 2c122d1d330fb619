//! Which fields of a live object are not what its manifest says, and who made them so.
//!
//! Values alone cannot tell: the API server fills in defaults, writes quantities in its own way and drops what is empty.
//! So `metadata.managedFields` is asked: a field that this program wrote and still owns is as it was written, however
//! it looks, for whoever writes another value takes the field over. What others have added beside it is theirs.

use super::compare::FieldChange;
use super::drift::{Writer, last_of};
use crate::object::apply::is_item;
use crate::object::config::is_config;
use crate::object::workload::WorkloadKind;
use crate::object::{ObjectRef, text};
use crate::record::names::MANAGER;
use serde_json::{Map, Value};

/// One field that is not as the manifest has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Strayed {
    /// The field: as it is live, and as it should be.
    pub field: FieldChange,
    /// Who wrote it last.
    pub by: Writer,
}

/// The fields of a manifest that a live object does not have so. The keys of a ConfigMap or Secret are not among them
/// (see [`crate::object::config::changed_keys`]), and neither are replicas, which belong to scaling.
pub fn strayed(reference: &ObjectRef, live: &Value, wanted: &Value) -> Vec<Strayed> {
    let config = is_config(reference);
    let scalable =
        WorkloadKind::of(reference).is_some_and(WorkloadKind::scalable) || reference.kind == "ReplicationController";
    let skip = |path: &str| match path {
        "apiVersion" | "kind" | "status" | "metadata.name" | "metadata.namespace" => true,
        "data" | "binaryData" | "stringData" => config,
        "spec.replicas" => scalable,
        _ => false,
    };
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let owners = entries
        .filter(|entry| text(entry, "/subresource") != Some("status"))
        .map(|entry| Owner { entry, fields: &entry["fieldsV1"] })
        .collect();
    let mut walk = Walk { skip: &skip, found: Vec::new() };
    walk.value(String::new(), Some(live), wanted, owners);
    walk.found
}

/// A manager's set of fields, at one place of the object.
#[derive(Clone, Copy)]
struct Owner<'a> {
    entry: &'a Value,
    fields: &'a Value,
}

impl<'a> Owner<'a> {
    fn is_us(&self) -> bool {
        self.entry["manager"] == MANAGER
    }

    fn at(&self, field: &str) -> Option<Self> {
        Some(Self { fields: self.fields.get(field)?, ..*self })
    }

    /// The place of an item of a list whose items are told apart by keys.
    fn at_item(&self, item: &Value) -> Option<Self> {
        let (_, fields) = self.fields.as_object()?.iter().find(|(key, _)| is_item(key, item))?;
        Some(Self { fields, ..*self })
    }

    /// Whether nothing below is told apart.
    fn is_leaf(&self) -> bool {
        self.fields.as_object().is_none_or(Map::is_empty)
    }
}

struct Walk<'s> {
    skip: &'s dyn Fn(&str) -> bool,
    found: Vec<Strayed>,
}

impl Walk<'_> {
    fn value(&mut self, path: String, live: Option<&Value>, wanted: &Value, owners: Vec<Owner<'_>>) {
        // Where others own parts of it, to own the whole is to own the vessel.
        let ours_whole = owners.iter().any(Owner::is_us) && owners.iter().all(Owner::is_leaf);
        if live == Some(wanted) || ours_whole || (self.skip)(&path) || (live.is_none() && says_nothing(wanted)) {
            return;
        }
        match (live, wanted) {
            (Some(Value::Object(live)), Value::Object(wanted)) => {
                for (key, value) in wanted {
                    let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    let field = format!("f:{key}");
                    let owners = owners.iter().filter_map(|owner| owner.at(&field)).collect();
                    self.value(child, live.get(key), value, owners);
                }
            }
            (Some(Value::Array(live)), Value::Array(wanted)) => self.list(&path, live, wanted, &owners),
            _ => self.found.push(Strayed {
                field: FieldChange { path, before: live.cloned(), after: Some(wanted.clone()) },
                by: last_of(owners.iter().map(|owner| owner.entry)),
            }),
        }
    }

    fn list(&mut self, path: &str, live: &[Value], wanted: &[Value], owners: &[Owner<'_>]) {
        for (index, item) in wanted.iter().enumerate() {
            let name = text(item, "/name");
            let label = name.map_or_else(|| index.to_string(), ToOwned::to_owned);
            let same_name = || live.iter().find(|other| name.is_some() && text(other, "/name") == name);
            let same_keys = || {
                let keys = owners.iter().filter_map(|owner| owner.fields.as_object()).flat_map(Map::keys);
                let keys: Vec<&String> = keys.filter(|key| is_item(key, item)).collect();
                live.iter().find(|other| keys.iter().any(|key| is_item(key, other)))
            };
            let told_apart = owners.iter().any(|owner| {
                owner.fields.as_object().is_some_and(|fields| fields.keys().any(|key| key.starts_with("k:")))
            });
            let found = same_keys().or_else(same_name).or_else(|| live.iter().find(|other| *other == item));
            // Items that nothing tells apart stand where they stand.
            let found = found.or_else(|| live.get(index).filter(|_| !told_apart && name.is_none() && item.is_object()));
            let mut of_item: Vec<Owner<'_>> = Vec::new();
            for owner in owners {
                of_item.extend(owner.at_item(found.filter(|_| !owner.is_us()).unwrap_or(item)));
            }
            if of_item.is_empty() && found.is_none() {
                // Nobody has it: who wrote the rest of the list has taken it away.
                of_item = owners.iter().filter(|owner| !owner.is_us()).copied().collect();
            }
            self.value(format!("{path}[{label}]"), found, item, of_item);
        }
    }
}

/// What the API server leaves out of an object, because it is the same as saying nothing.
pub(super) fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(says_nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(live: &Value, wanted: &Value) -> Vec<String> {
        let reference = ObjectRef::new("apps/v1", "Deployment", None, "web");
        let all = strayed(&reference, live, wanted);
        let by = |by: &Writer| match by {
            Writer::Foreign(manager, _) => manager.clone(),
            other => format!("{other:?}"),
        };
        all.iter().map(|one| format!("{} {} by {}", one.field.path, one.field.summary(), by(&one.by))).collect()
    }

    fn service(port: u16, managed: Value) -> Value {
        json!({"metadata": {"name": "web", "managedFields": managed, "labels": {"more": "theirs"}}, "spec": {
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}], "type": "ClusterIP", "weight": "1"}})
    }

    #[test]
    fn what_we_own_is_as_it_was_written_however_it_looks() {
        let fields = json!({"f:spec": {"f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}":
            {".": {}, "f:name": {}, "f:port": {}}}, "f:type": {}, "f:weight": {}}});
        let live = service(80, json!([{"manager": "kubectl-vnf", "fieldsV1": fields}]));
        let wanted = json!({"metadata": {"name": "web", "labels": {}}, "spec": {"ports": [{"name": "http", "port": 80}],
            "weight": "1000m", "replicas": 3, "headless": false}});
        assert_eq!(told(&live, &wanted), [""; 0]);
    }

    #[test]
    fn who_took_a_field_is_named() {
        let ours = json!({"f:spec": {"f:ports": {}, "f:type": {}}});
        let theirs = json!({"f:spec": {"f:ports": {"k:{\"port\":8080,\"protocol\":\"TCP\"}":
            {".": {}, "f:name": {}, "f:port": {}}}, "f:weight": {}}});
        let live = service(
            8080,
            json!([{"manager": "kubectl-vnf", "fieldsV1": ours},
            {"manager": "edit", "time": "2026-01-02T00:00:00Z", "fieldsV1": theirs}]),
        );
        let wanted = json!({"metadata": {"labels": {"tier": "front"}}, "spec": {
            "ports": [{"name": "http", "port": 80}], "weight": "2"}});
        assert_eq!(
            told(&live, &wanted),
            [
                "metadata.labels.tier added by Unknown",
                "spec.ports[http].port 8080 -> 80 by edit",
                "spec.weight 1 -> 2 by edit"
            ]
        );
    }

    #[test]
    fn without_any_record_of_owners_values_decide() {
        let live = json!({"spec": {"list": [{"a": 1, "b": 2}], "set": ["x", "y"]}});
        assert_eq!(told(&live, &json!({"spec": {"list": [{"a": 1}], "set": ["y"]}})), [""; 0]);
        assert_eq!(
            told(&live, &json!({"spec": {"list": [{"a": 3}], "set": ["z"]}})),
            ["spec.list[0].a 1 -> 3 by Unknown", "spec.set[0] added by Unknown"]
        );
    }
}
