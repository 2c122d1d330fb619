//! What is kept in the cluster about a VNF: the instance, its revisions, its operations.
//!
//! Pure, versioned types and their form as ConfigMaps. JSON attribute names are SOL003's; what SOL003 has no word
//! for stands under the one key `kubectlVnf`. Reading and writing the ConfigMaps is `cluster::store`'s work.

pub mod instance;
pub mod names;
pub mod operation;
pub mod revision;
pub mod scope;

pub use instance::Instance;
pub use operation::{Journal, Operation, OperationState, Verb};
pub use revision::{AspectLevel, ObjectState, PackageId, Revision};
pub use scope::{Affected, Applied, ConfigChange, How, Reason, Scaling, Scope};

use base64::Engine as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{Read as _, Write as _};

/// Version of everything that this program writes. A record with a newer one is listed, but not written.
pub const SCHEMA_VERSION: u32 = 1;

/// How large a packed value may be once unpacked, in bytes: far over any real record, and a bound for a forged one.
const UNPACKED_LIMIT: u64 = 64 * 1024 * 1024;

/// Why a stored record cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The ConfigMap lacks something that every record has.
    #[error("ConfigMap {name} is damaged: {why}")]
    Damaged {
        /// Name of the ConfigMap.
        name: String,
        /// The instance that it is about, as far as its label tells.
        instance: Option<String>,
        /// What is missing or wrong.
        why: String,
    },
    /// Written by a newer kubectl-vnf.
    #[error(
        "ConfigMap {name} was written by {}, with schema version {found}; this is kubectl-vnf {}, which knows schema version {SCHEMA_VERSION}",
        .writer.as_ref().map_or_else(|| "a newer kubectl-vnf".to_owned(), |version| format!("kubectl-vnf {version}")),
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// Name of the ConfigMap.
        name: String,
        /// Version of the program that wrote it.
        writer: Option<String>,
        /// Its schema version.
        found: u32,
    },
}

/// A value as compressed JSON in base64: the form of a `binaryData` entry.
pub(crate) fn pack(value: &impl Serialize) -> String {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    // Writing into a Vec cannot fail.
    let packed = encoder.write_all(&bytes).and_then(|()| encoder.finish()).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.encode(packed)
}

/// The value that [`pack`] made the text from; the error says what is wrong with the text.
pub(crate) fn unpack<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let packed = base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(&packed[..]).take(UNPACKED_LIMIT);
    reader.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    serde_json::from_slice(&bytes).map_err(|e| e.to_string())
}

/// Splits a ConfigMap into its JSON document at `data.<key>` and its packed part at `binaryData.<packed_key>`,
/// refusing what is damaged or newer than this program.
pub(crate) fn read_config_map<T: DeserializeOwned, P: DeserializeOwned>(
    object: &Value,
    key: &str,
    packed_key: &str,
) -> Result<(T, P), RecordError> {
    let damaged = |why: String| damaged(object, why);
    let document = object["data"][key].as_str().ok_or_else(|| damaged(format!("no data.{key}")))?;
    let document: Value = serde_json::from_str(document).map_err(|e| damaged(format!("data.{key}: {e}")))?;
    let version = document.pointer("/kubectlVnf/schemaVersion").and_then(Value::as_u64).unwrap_or(0);
    if version > u64::from(SCHEMA_VERSION) {
        let name = name_of(object).to_owned();
        let writer = object["metadata"]["annotations"][names::column::WRITER].as_str().map(ToOwned::to_owned);
        return Err(RecordError::Newer { name, writer, found: u32::try_from(version).unwrap_or(u32::MAX) });
    }
    let value = serde_json::from_value(document).map_err(|e| damaged(format!("data.{key}: {e}")))?;
    let packed = read_packed(object, packed_key)?.ok_or_else(|| damaged(format!("no binaryData.{packed_key}")))?;
    Ok((value, packed))
}

/// The packed part of a ConfigMap at `binaryData.<key>`, if it has one.
pub(crate) fn read_packed<T: DeserializeOwned>(object: &Value, key: &str) -> Result<Option<T>, RecordError> {
    let Some(packed) = object["binaryData"][key].as_str() else { return Ok(None) };
    unpack(packed).map(Some).map_err(|error| damaged(object, format!("binaryData.{key}: {error}")))
}

fn name_of(object: &Value) -> &str {
    crate::object::text(object, "/metadata/name").unwrap_or("?")
}

/// That a record cannot be used, and which instance it is about as far as its label or its name tells.
pub(crate) fn damaged(object: &Value, why: String) -> RecordError {
    let label = object["metadata"]["labels"][names::INSTANCE].as_str();
    let instance =
        label.or_else(|| name_of(object).strip_prefix("vnf-").filter(|id| uuid::Uuid::try_parse(id).is_ok()));
    RecordError::Damaged { name: name_of(object).to_owned(), instance: instance.map(ToOwned::to_owned), why }
}

/// Refuses a record that says it is another one's.
pub(crate) fn require_name(object: &Value, name: &str) -> Result<(), RecordError> {
    if name_of(object) == name { Ok(()) } else { Err(damaged(object, format!("it says that it is {name}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_undone_by_unpacking() {
        let value = serde_json::json!({"a": [1, 2, 3], "b": "text"});
        assert_eq!(unpack::<Value>(&pack(&value)), Ok(value));
        assert!(unpack::<Value>("not base64 at all!").is_err());
        assert!(unpack::<Value>("bm90IGd6aXA=").is_err());
    }

    #[test]
    fn a_newer_schema_is_refused_by_number() {
        let object = serde_json::json!({
            "metadata": {"name": "vnf-1", "annotations": {"kubectl-vnf/written-by": "7.0.0"}},
            "data": {"vnfInstance": "{\"kubectlVnf\":{\"schemaVersion\":9}}"}, "binaryData": {"revisions": ""}});
        let error = read_config_map::<Value, Value>(&object, "vnfInstance", "revisions").expect_err("refused");
        assert!(matches!(error, RecordError::Newer { found: 9, .. }), "{error}");
        let this = env!("CARGO_PKG_VERSION");
        assert_eq!(
            error.to_string(),
            format!(
                "ConfigMap vnf-1 was written by kubectl-vnf 7.0.0, with schema version 9; this is kubectl-vnf {this}, \
                 which knows schema version 1"
            )
        );
    }
}
