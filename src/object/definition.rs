//! CustomResourceDefinitions: which kind one defines, and as what it is served.

use super::{ObjectRef, text};
use serde_json::Value;

/// What a CustomResourceDefinition (`apiextensions.k8s.io/v1`) says of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// API group.
    pub group: String,
    /// Kind of the objects.
    pub kind: String,
    /// Plural, as URLs and rules have it.
    pub plural: String,
    /// Whether the objects live in namespaces.
    pub namespaced: bool,
    /// The versions that are served, as `group/version`.
    pub served: Vec<String>,
}

impl Definition {
    /// What an object defines; `None`: it is no definition, or lacks its group or names.
    pub fn of(object: &Value) -> Option<Self> {
        if text(object, "/kind") != Some("CustomResourceDefinition") {
            return None;
        }
        let group = text(object, "/spec/group")?;
        let versions = object.pointer("/spec/versions").and_then(Value::as_array);
        let served = versions.into_iter().flatten().filter(|version| version["served"] == true);
        Some(Self {
            group: group.to_owned(),
            kind: text(object, "/spec/names/kind")?.to_owned(),
            plural: text(object, "/spec/names/plural")?.to_owned(),
            namespaced: text(object, "/spec/scope") != Some("Cluster"),
            served: served.filter_map(|version| Some(format!("{group}/{}", text(version, "/name")?))).collect(),
        })
    }

    /// Whether an object is of the kind that this defines.
    pub fn defines(&self, object: &ObjectRef) -> bool {
        object.group() == self.group && object.kind == self.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_definition_tells_its_kind_and_what_is_served() {
        let mut object = json!({"kind": "CustomResourceDefinition", "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1alpha1", "served": false}, {"name": "v1", "served": true}]}});
        let definition = Definition::of(&object).expect("a definition");
        assert_eq!(definition.served, ["example.com/v1"]);
        assert!(definition.namespaced);
        assert!(definition.defines(&ObjectRef::new("example.com/v2", "Widget", None, "w")));
        assert!(!definition.defines(&ObjectRef::new("v1", "Widget", None, "w")));
        object["spec"]["scope"] = "Cluster".into();
        assert!(!Definition::of(&object).expect("a definition").namespaced);
        object["kind"] = "ConfigMap".into();
        assert_eq!(Definition::of(&object), None);
    }
}
