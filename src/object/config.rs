//! ConfigMaps and Secrets: the data that containers see, what changed in it, and when a change needs a new object.
//!
//! Two spellings of the same content are the same content: `stringData` and `data`, text and its base64 form.
//! So everything compares *effective data*: bytes by key. Values themselves leave this module only through
//! [`data`]; what is shown to a user are keys and sizes.

use super::{ObjectRef, text};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Base64 as the API server (Go's `encoding/base64`, not strict) reads it: padding needed, stray low bits allowed.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Whether a reference names a ConfigMap or a Secret of the core group.
pub fn is_config(reference: &ObjectRef) -> bool {
    reference.group().is_empty() && matches!(reference.kind.as_str(), "ConfigMap" | "Secret")
}

/// Whether an object is a Secret. Items of a list carry no kind; of the two kinds only a Secret has a type.
pub fn is_secret(object: &Value) -> bool {
    match text(object, "/kind") {
        Some(kind) => kind == "Secret",
        None => object.get("type").is_some() || object.get("stringData").is_some(),
    }
}

/// Effective data by key: `data` and `binaryData` of a ConfigMap; decoded `data` of a Secret with `stringData` laid
/// over it. Base64 that cannot be decoded is kept as the bytes that are written, so that a change of it still
/// shows; the API server refuses it anyway.
pub fn data(object: &Value) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut add = |field: &str, decode: bool| {
        for (key, value) in object.get(field).and_then(Value::as_object).into_iter().flatten() {
            found.insert(key.clone(), bytes(value, decode));
        }
    };
    if is_secret(object) {
        add("data", true);
        add("stringData", false);
    } else {
        add("data", false);
        add("binaryData", true);
    }
    found
}

/// Bytes of one value. A null counts as empty, as it does for the API server; a number or a boolean, which the API
/// server refuses, as its JSON text.
fn bytes(value: &Value, decode: bool) -> Vec<u8> {
    match value {
        Value::String(text) if decode => unbase64(text).unwrap_or_else(|| text.clone().into_bytes()),
        Value::String(text) => text.clone().into_bytes(),
        Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    }
}

/// Decodes as the API server does, which skips line breaks: folded base64 is common in manifests.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let joined: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    LENIENT.decode(joined).ok()
}

/// Keys of a ConfigMap that environment variables can name: those in `data`. The kubelet never takes `binaryData`
/// into an environment (`core/v1`), so a key there counts as missing for `env` and is passed over by `envFrom`.
pub fn env_keys(object: &Value) -> BTreeSet<String> {
    if is_secret(object) {
        return data(object).into_keys().collect();
    }
    object.get("data").and_then(Value::as_object).map(|data| data.keys().cloned().collect()).unwrap_or_default()
}

/// One key whose bytes differ between two versions of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyChange {
    /// The key.
    pub key: String,
    /// Size in bytes before; `None`: the key is new.
    pub before: Option<usize>,
    /// Size in bytes after; `None`: the key is dropped.
    pub after: Option<usize>,
    /// It stands in `binaryData` wherever it stands: only volumes can show it, no environment variable can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub binary: bool,
}

impl KeyChange {
    /// `15 -> 16 bytes`, `added, 5 bytes`, `removed`: sizes, never values.
    pub fn summary(&self) -> String {
        match (self.before, self.after) {
            (Some(before), Some(after)) if before == after => format!("changed, {after} bytes"),
            (Some(before), Some(after)) => format!("{before} -> {after} bytes"),
            (None, Some(after)) => format!("added, {after} bytes"),
            (_, None) => "removed".into(),
        }
    }
}

/// The keys whose effective bytes differ, by name. An object that does not exist is `Value::Null`.
pub fn changed_keys(before: &Value, after: &Value) -> Vec<KeyChange> {
    let (old, new) = (data(before), data(after));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let in_env = |object: &Value, key: &str| env_keys(object).contains(key);
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| KeyChange {
            key: key.clone(),
            before: old.get(key).map(Vec::len),
            after: new.get(key).map(Vec::len),
            binary: !in_env(before, key) && !in_env(after, key),
        })
        .collect()
}

/// Moves the `stringData` of a Secret into `data`, to be done before any write: a Secret once applied with
/// `stringData` keeps keys that later versions drop. Values that are no text stay where they are, for the API
/// server to refuse by their name. Everything but a Secret is left alone.
pub fn settle_secret(object: &mut Value) {
    if !is_secret(object) {
        return;
    }
    let Some(fields) = object.as_object_mut() else { return };
    let Some(Value::Object(plain)) = fields.remove("stringData") else { return };
    let mut refused = Map::new();
    let mut settled = Map::new();
    for (key, value) in plain {
        match value {
            Value::String(text) => drop(settled.insert(key, Value::String(STANDARD.encode(text)))),
            Value::Null => drop(settled.insert(key, Value::String(String::new()))),
            other => drop(refused.insert(key, other)),
        }
    }
    if !settled.is_empty() {
        match fields.get_mut("data") {
            Some(Value::Object(data)) => data.extend(settled),
            _ => drop(fields.insert("data".into(), Value::Object(settled))),
        }
    }
    if !refused.is_empty() {
        fields.insert("stringData".into(), Value::Object(refused));
    }
}

/// Why the change from `before` (live) to `after` cannot be written into the object, which has to be deleted and
/// created instead; `None` when it can. Metadata of an immutable object may change.
pub fn must_replace(before: &Value, after: &Value) -> Option<&'static str> {
    if is_secret(before) && secret_type(before) != secret_type(after) {
        return Some("the type of a Secret cannot change");
    }
    let immutable = |object: &Value| object.get("immutable").and_then(Value::as_bool) == Some(true);
    if !immutable(before) {
        return None;
    }
    if !immutable(after) {
        return Some("immutable cannot be taken back");
    }
    let moved = !is_secret(before) && env_keys(before) != env_keys(after);
    (moved || data(before) != data(after)).then_some("immutable")
}

/// The type of a Secret, with the API server's default.
fn secret_type(object: &Value) -> &str {
    text(object, "/type").filter(|name| !name.is_empty()).unwrap_or("Opaque")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data})
    }

    fn config_map(data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
    }

    #[test]
    fn config_kinds() {
        for (version, kind, expected) in [
            ("v1", "ConfigMap", true),
            ("v1", "Secret", true),
            ("v1", "Pod", false),
            ("example.com/v1", "Secret", false),
        ] {
            assert_eq!(is_config(&ObjectRef::new(version, kind, None, "x")), expected, "{version} {kind}");
        }
    }

    #[test]
    fn effective_data() {
        for (what, object, expected) in [
            ("text", config_map(json!({"k": "v"})), "v"),
            ("binaryData", json!({"kind": "ConfigMap", "binaryData": {"k": "dg=="}}), "v"),
            ("base64", secret(json!({"k": "dg=="})), "v"),
            ("stray low bits", secret(json!({"k": "dh=="})), "v"),
            ("folded", secret(json!({"k": "c2Vj\ncmV0\r\n"})), "secret"),
            ("not base64", secret(json!({"k": "not base64!"})), "not base64!"),
            ("without padding", secret(json!({"k": "dg"})), "dg"),
            ("stringData wins", json!({"kind": "Secret", "data": {"k": "dg=="}, "stringData": {"k": "w"}}), "w"),
            ("list item", json!({"type": "Opaque", "data": {"k": "dg=="}}), "v"),
            ("null", config_map(json!({"k": null})), ""),
            ("number", config_map(json!({"k": 8080})), "8080"),
        ] {
            assert_eq!(data(&object).get("k").map(Vec::as_slice), Some(expected.as_bytes()), "{what}");
        }
        assert!(data(&config_map(Value::Null)).is_empty());
        assert!(data(&Value::Null).is_empty());
    }

    #[test]
    fn keys_that_change() {
        let before = secret(json!({"same": "dg==", "longer": "dg==", "gone": "dg=="}));
        let mut after = secret(json!({"longer": "dnY=", "new": ""}));
        after["stringData"] = json!({"same": "v"});
        let change = |key: &str, before, after| KeyChange { key: key.into(), before, after, binary: false };
        assert_eq!(
            changed_keys(&before, &after),
            [change("gone", Some(1), None), change("longer", Some(1), Some(2)), change("new", None, Some(0))]
        );
        assert!(changed_keys(&before, &before).is_empty());
        let mut labelled = before.clone();
        labelled["metadata"]["labels"] = json!({"a": "b"});
        assert!(changed_keys(&before, &labelled).is_empty(), "metadata is not data");
    }

    #[test]
    fn binary_keys_are_known() {
        let before = json!({"kind": "ConfigMap", "data": {"t": "a"}, "binaryData": {"b": "dg==", "m": "dg=="}});
        let after = json!({"kind": "ConfigMap", "data": {"t": "b", "m": "w"}, "binaryData": {"b": "dnY="}});
        let seen: Vec<_> = changed_keys(&before, &after).into_iter().map(|c| (c.key, c.binary)).collect();
        assert_eq!(seen, [("b".into(), true), ("m".into(), false), ("t".into(), false)]);
    }

    #[test]
    fn secrets_are_settled() {
        let mut object = secret(json!({"a": "dg==", "b": "dg=="}));
        object["stringData"] = json!({"b": "two", "c": "three", "n": 1});
        let effective = data(&object);
        settle_secret(&mut object);
        assert_eq!(object["data"], json!({"a": "dg==", "b": "dHdv", "c": "dGhyZWU="}));
        assert_eq!(object["stringData"], json!({"n": 1}), "left for the API server to refuse");
        assert_eq!(data(&object), effective);

        let mut only = json!({"kind": "Secret", "stringData": {"a": "x"}});
        settle_secret(&mut only);
        assert_eq!(only, json!({"kind": "Secret", "data": {"a": "eA=="}}));

        let mut other = json!({"kind": "Other", "stringData": {"a": "x"}});
        settle_secret(&mut other);
        assert_eq!(other["stringData"]["a"], "x");
    }

    #[test]
    fn when_to_replace() {
        let with = |mut object: Value, field: &str, value: Value| {
            object[field] = value;
            object
        };
        let (one, two) = (config_map(json!({"k": "1"})), config_map(json!({"k": "2"})));
        let fixed = with(one.clone(), "immutable", json!(true));
        let typed = |name: &str| with(secret(json!({})), "type", json!(name));
        for (what, before, after, expected) in [
            ("plain change", one.clone(), two.clone(), None),
            ("becomes immutable", one, with(two.clone(), "immutable", json!(true)), None),
            ("immutable, data", fixed.clone(), with(two.clone(), "immutable", json!(true)), Some("immutable")),
            ("immutable, same", fixed.clone(), fixed.clone(), None),
            ("immutable taken back", fixed, two, Some("immutable cannot be taken back")),
            ("type", typed("Opaque"), typed("kubernetes.io/tls"), Some("the type of a Secret cannot change")),
            ("default type", typed("Opaque"), secret(json!({})), None),
            ("type left out", typed("example.com/x"), secret(json!({})), Some("the type of a Secret cannot change")),
        ] {
            assert_eq!(must_replace(&before, &after), expected, "{what}");
        }
    }
}
