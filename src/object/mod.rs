//! Kubernetes objects as data: who an object is, what its pod spec says, which ConfigMaps and Secrets it reads,
//! whether it is healthy.
//!
//! Everything here is a pure function of JSON values. Objects stay `serde_json::Value`, so no field that this
//! program does not know is ever lost. Talking to an API server is `cluster`'s work; deciding what to do about
//! what is read here is `plan`'s.

pub mod apply;
pub mod budget;
pub mod config;
pub mod definition;
pub mod health;
pub mod lean;
pub mod mask;
pub mod pod;
pub mod quota;
pub mod reference;
pub mod rollout;
pub mod trouble;
pub mod workload;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Identity of one object: what it is called and where it lives, not what it holds.
///
/// `namespace` is `None` for cluster-wide objects, and for manifests that do not name one yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// `v1`, `apps/v1`, ...
    pub api_version: String,
    /// `Deployment`, ...
    pub kind: String,
    /// Namespace of a namespaced object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectRef {
    /// A reference from its four parts.
    pub fn new(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
        }
    }

    /// The reference to a whole object; `None` when it lacks `apiVersion`, `kind` or `metadata.name`.
    pub fn of(object: &Value) -> Option<Self> {
        let text = |pointer: &str| text(object, pointer).filter(|s| !s.is_empty());
        Some(Self::new(text("/apiVersion")?, text("/kind")?, text("/metadata/namespace"), text("/metadata/name")?))
    }

    /// API group: `""` for core objects.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The same object as far as identity goes: kind without the version of its group, namespace and name.
    /// Two versions of one group serve the same objects.
    pub fn same_object(&self, other: &Self) -> bool {
        self.group() == other.group()
            && self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
    }
}

/// `Deployment vdu1-update`, as every screen names an object.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Where in a package an object is defined.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Path inside the package, `/` separated.
    pub file: String,
    /// Index of the YAML document in the file, from 0, empty documents not counted; an item of a `List` counts as
    /// a document of its own.
    #[serde(default)]
    pub document: usize,
}

/// One object as a package defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Its identity, namespace as written in the file.
    pub reference: ObjectRef,
    /// The whole object, unchanged.
    pub object: Value,
    /// Where it stands.
    pub source: Source,
    /// Line (from 1) at which its document starts, for messages.
    pub line: usize,
}

/// What stands at a JSON pointer. `Value::pointer` copies each part of the pointer, to undo escapes; where a plan of a
/// thousand Pods is made these copies were a fifth of its time, and hardly a pointer has escapes. Its parts are so short
/// that looking at each byte is the fastest way to find their ends.
pub fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    let (mut found, mut rest) = (value, pointer);
    while let Some(after) = rest.strip_prefix('/') {
        let end = after.bytes().position(|byte| matches!(byte, b'/' | b'~')).unwrap_or(after.len());
        let (part, next) = after.split_at(end);
        if next.starts_with('~') {
            return value.pointer(pointer);
        }
        found = match found {
            Value::Object(fields) => fields.get(part)?,
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
        rest = next;
    }
    rest.is_empty().then_some(found)
}

/// A string at a JSON pointer.
pub fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    at(value, pointer).and_then(Value::as_str)
}

/// `metadata.uid` of a live object, `""` when it has none yet.
pub fn uid(value: &Value) -> &str {
    text(value, "/metadata/uid").unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_finds_what_serde_json_finds() {
        let value = serde_json::json!({"": {"": 1}, "a": {"": {"b": 2}, "b": [3, {"c": 4}]}, "x/y": 5, "~": 6});
        let parts = ["", "/", "a", "b", "c", "0", "1", "x~1y", "~0", "~"];
        for one in parts {
            for other in parts {
                for third in parts {
                    let pointer = format!("{one}/{other}/{third}");
                    for pointer in
                        [one, &format!("/{one}"), &format!("/{one}/{other}"), &pointer, &format!("/{pointer}")]
                    {
                        assert_eq!(at(&value, pointer), value.pointer(pointer), "{pointer}");
                    }
                }
            }
        }
    }
}
