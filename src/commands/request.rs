//! Request files, as Tacker's: JSON or YAML, `-` for stdin. The packages that they name are `reference`'s.

mod fields;

use crate::cli::error::CliError;
use crate::package::Problem;
use crate::yaml;
use fields::{Field, Kind};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;

/// How large a request file may be, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// A request file, and where in it each field stands.
#[derive(Clone, Debug)]
pub struct Source {
    path: String,
    lines: BTreeMap<String, usize>,
}

impl Default for Source {
    fn default() -> Self {
        Self { path: "the request".into(), lines: BTreeMap::new() }
    }
}

impl Source {
    /// File, and line if the file has the field.
    pub fn place(&self, field: &str) -> String {
        self.lines.get(field).map_or_else(|| self.path.clone(), |line| format!("{}:{line}", self.path))
    }

    /// A problem of a package that a field's value leads to, at the field.
    pub fn place_problem(&self, field: &str, problem: Problem) -> Problem {
        let message = format!("field {field}: {}", problem.message);
        let line = self.lines.get(field).copied();
        Problem { file: Some(self.path.clone()), line, message, ..problem }
    }

    /// The error that a field's value leads to.
    pub fn blame(&self, field: &str, error: impl fmt::Display) -> CliError {
        CliError::new(format!("{}: field {field}: {error}", self.place(field)))
    }
}

/// Reads a request into its type, telling problems by file, line and field; beside it, what there is to note.
fn read<T: for<'de> Deserialize<'de>>(path: &str, fields: &[Field]) -> Result<(T, Source, Vec<String>), CliError> {
    let mut bytes = Vec::new();
    let outcome = if path == "-" {
        std::io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
    };
    outcome.map_err(|error| CliError::new(format!("{path}: {error}")))?;
    if bytes.len() as u64 > LIMIT {
        return Err(CliError::new(format!("{path}: a request of more than {} MiB is not read", LIMIT / (1024 * 1024))));
    }
    let root = yaml::node(&bytes)
        .map_err(|error| CliError::new(format!("{path}:{}:{}: {}", error.line, error.column, error.message)))?;
    if !root.is_mapping() {
        return Err(CliError::new(format!("{path}: the request must be one JSON or YAML object")));
    }
    let checked = fields::check(&root, fields, path);
    let known = || {
        let used = fields.iter().filter(|field| !matches!(field.kind, Kind::Ignored(_)));
        format!("Known fields: {}", used.map(|field| field.name).collect::<Vec<_>>().join(", "))
    };
    if !checked.errors.is_empty() {
        return Err(CliError::new(checked.errors.join("\n")).hint(known()));
    }
    let request = serde_json::from_value(root.to_value())
        .map_err(|error| CliError::new(format!("{path}: {error}")).hint(known()))?;
    Ok((request, Source { path: path.into(), lines: checked.lines }, checked.notes))
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

/// Why the connections to a VIM that a request names are not used.
const KUBE_CONTEXT: &str = "the kube context is used";
/// Why networks that a request names are not used.
const NETWORKS: &str = "networks are the cluster's";
/// Why scripts that a request names are not run.
const SCRIPTS: &str = "scripts of a package are never run";

/// SOL003 `CreateVnfRequest`; the name is the command line's.
const CREATE: &[Field] = &[
    field("vnfdId", Kind::Given),
    field("vnfInstanceName", Kind::Ignored("the command line names the instance")),
    field("vnfInstanceDescription", Kind::Text),
    field("metadata", Kind::Free(&[])),
];

/// SOL003 `InstantiateVnfRequest` with Tacker's additions.
const INSTANTIATE: &[Field] = &[
    field("flavourId", Kind::Text),
    field("instantiationLevelId", Kind::Text),
    field(
        "additionalParams",
        Kind::Object(&[
            field("lcm-kubernetes-def-files", Kind::Texts),
            field("namespace", Kind::Text),
            field("use_helm", Kind::Ignored("charts are not installed: put the rendered manifests into the package")),
            field("lcm-operation-user-data", Kind::Ignored(SCRIPTS)),
            field("lcm-operation-user-data-class", Kind::Ignored(SCRIPTS)),
        ]),
    ),
    field("vimConnectionInfo", Kind::Ignored(KUBE_CONTEXT)),
    field("extVirtualLinks", Kind::Ignored(NETWORKS)),
    field("extManagedVirtualLinks", Kind::Ignored(NETWORKS)),
    field("localizationLanguage", Kind::Ignored("nothing here depends on it")),
    field("extensions", Kind::Ignored("update sets it")),
    field("vnfConfigurableProperties", Kind::Ignored("update sets it")),
];

/// SOL003 `ChangeCurrentVnfPkgRequest` with Tacker's additions.
const CHANGE_PACKAGE: &[Field] = &[
    field("vnfdId", Kind::Given),
    field(
        "additionalParams",
        Kind::Object(&[
            field("upgrade_type", Kind::Text),
            field("vdu_params", Kind::Ignored("every VDU that differs is changed, and no other")),
            field("lcm-kubernetes-def-files", Kind::Texts),
            field("lcm-operation-coordinate-new-vnf", Kind::Ignored(SCRIPTS)),
            field("lcm-operation-coordinate-old-vnf", Kind::Ignored(SCRIPTS)),
        ]),
    ),
    field("vimConnectionInfo", Kind::Ignored(KUBE_CONTEXT)),
    field("extVirtualLinks", Kind::Ignored(NETWORKS)),
    field("extManagedVirtualLinks", Kind::Ignored(NETWORKS)),
    field("extensions", Kind::Ignored("update sets it")),
    field("vnfConfigurableProperties", Kind::Ignored("update sets it")),
];

/// SOL003 `VnfInfoModificationRequest` with Tacker's additions.
const UPDATE: &[Field] = &[
    field("vnfdId", Kind::Given),
    field("vnfInstanceName", Kind::Text),
    field("vnfInstanceDescription", Kind::Text),
    field("metadata", Kind::Free(&[field("configmap_secret_paths", Kind::Texts)])),
    field("extensions", Kind::Free(&[])),
    field("vnfConfigurableProperties", Kind::Free(&[])),
    field("vimConnectionInfo", Kind::Ignored(KUBE_CONTEXT)),
    field("vnfcInfoModifications", Kind::Ignored("no properties of single VNFCs are kept")),
];

/// SOL003 `CreateVnfRequest`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest {
    /// The VNFD.
    pub vnfd_id: Option<String>,
    /// A description.
    pub vnf_instance_description: Option<String>,
    /// The user's own.
    pub metadata: Option<Value>,
    /// Where it was read.
    #[serde(skip)]
    pub source: Source,
}

impl CreateRequest {
    /// Reads a request file; the second value is what there is to note about it.
    ///
    /// # Errors
    /// It cannot be read, or is not such a request.
    pub fn read(path: &str) -> Result<(Self, Vec<String>), CliError> {
        let (request, source, notes) = read(path, CREATE)?;
        Ok((Self { source, ..request }, notes))
    }
}

/// SOL003 `InstantiateVnfRequest`, as far as it applies to a CNF.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstantiateRequest {
    /// Deployment flavour.
    pub flavour_id: Option<String>,
    /// Instantiation level.
    pub instantiation_level_id: Option<String>,
    /// Tacker's additions.
    #[serde(default)]
    pub additional_params: Option<AdditionalParams>,
    /// Where it was read.
    #[serde(skip)]
    pub source: Source,
}

/// Tacker's `additionalParams` of an instantiation.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct AdditionalParams {
    /// Kubernetes files of the package to instantiate, in order.
    #[serde(rename = "lcm-kubernetes-def-files")]
    pub def_files: Option<Vec<String>>,
    /// Namespace of the objects.
    pub namespace: Option<String>,
}

impl InstantiateRequest {
    /// Reads a request file; the second value is what there is to note about it.
    ///
    /// # Errors
    /// It cannot be read, or is not such a request.
    pub fn read(path: &str) -> Result<(Self, Vec<String>), CliError> {
        let (request, source, notes) = read(path, INSTANTIATE)?;
        Ok((Self { source, ..request }, notes))
    }

    /// The Kubernetes files that it names.
    pub fn def_files(&self) -> Option<&[String]> {
        self.additional_params.as_ref()?.def_files.as_deref()
    }

    /// The namespace that it names.
    pub fn namespace(&self) -> Option<&str> {
        self.additional_params.as_ref()?.namespace.as_deref()
    }
}

/// SOL003 `ChangeCurrentVnfPkgRequest`, as far as it applies to a CNF.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangePackageRequest {
    /// New VNFD.
    pub vnfd_id: Option<String>,
    /// Tacker's additions.
    #[serde(default)]
    pub additional_params: Option<ChangePackageParams>,
    /// Where it was read.
    #[serde(skip)]
    pub source: Source,
}

/// Tacker's `additionalParams` of a change of the package.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ChangePackageParams {
    /// How Pods are replaced: `RollingUpdate` is all that Tacker knows, and what workloads do anyway.
    pub upgrade_type: Option<String>,
    /// Kubernetes files of the new package, in order.
    #[serde(rename = "lcm-kubernetes-def-files")]
    pub def_files: Option<Vec<String>>,
}

impl ChangePackageRequest {
    /// Reads a request file; the second value is what there is to note about it.
    ///
    /// # Errors
    /// It cannot be read, is not such a request, or asks for an upgrade type that there is not.
    pub fn read(path: &str) -> Result<(Self, Vec<String>), CliError> {
        let (request, source, notes): (Self, _, _) = read(path, CHANGE_PACKAGE)?;
        let upgrade = request.additional_params.as_ref().and_then(|params| params.upgrade_type.as_deref());
        match upgrade {
            None | Some("RollingUpdate") => Ok((Self { source, ..request }, notes)),
            Some(_) => Err(source.blame("additionalParams.upgrade_type", "it can only be RollingUpdate")),
        }
    }

    /// The Kubernetes files that it names.
    pub fn def_files(&self) -> Option<&[String]> {
        self.additional_params.as_ref()?.def_files.as_deref()
    }
}

/// SOL003 `VnfInfoModificationRequest`, as far as it applies to a CNF.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateRequest {
    /// New VNFD.
    pub vnfd_id: Option<String>,
    /// New name.
    pub vnf_instance_name: Option<String>,
    /// New description; null removes it.
    #[serde(default, deserialize_with = "present")]
    pub vnf_instance_description: Option<Value>,
    /// Merged into the record's (RFC 7396).
    pub metadata: Option<Value>,
    /// Merged into the record's (RFC 7396).
    pub extensions: Option<Value>,
    /// Merged into the record's (RFC 7396).
    pub vnf_configurable_properties: Option<Value>,
    /// Where it was read.
    #[serde(skip)]
    pub source: Source,
}

/// Tells a null from an absent field.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl UpdateRequest {
    /// Reads a request file; the second value is what there is to note about it.
    ///
    /// # Errors
    /// It cannot be read, or is not such a request.
    pub fn read(path: &str) -> Result<(Self, Vec<String>), CliError> {
        let (request, source, notes) = read(path, UPDATE)?;
        Ok((Self { source, ..request }, notes))
    }

    /// `metadata.configmap_secret_paths`: the config files that may change.
    pub fn config_paths(&self) -> Option<Vec<String>> {
        let list = self.metadata.as_ref()?.get("configmap_secret_paths")?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect())
    }
}

/// RFC 7396 JSON merge patch.
pub fn merge(target: &Value, patch: &Value) -> Value {
    let Some(patch) = patch.as_object() else { return patch.clone() };
    let mut merged = target.as_object().cloned().unwrap_or_default();
    for (key, value) in patch {
        if value.is_null() {
            merged.remove(key);
        } else {
            let before = merged.get(key).cloned().unwrap_or(Value::Null);
            merged.insert(key.clone(), merge(&before, value));
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_are_merged_as_rfc_7396_says() {
        let target = json!({"a": "b", "c": {"d": "e", "f": "g"}});
        let patch = json!({"a": "z", "c": {"f": null}});
        assert_eq!(merge(&target, &patch), json!({"a": "z", "c": {"d": "e"}}));
        assert_eq!(merge(&Value::Null, &json!({"a": {"bb": null}})), json!({"a": {}}));
    }

    /// Reads a text as a request file named `r`, which its errors and notes begin with.
    fn told<T>(text: &str, read: impl Fn(&str) -> Result<(T, Vec<String>), CliError>) -> Result<(T, String), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        std::fs::write(&path, text).unwrap();
        let prefix = format!("{}/", folder.path().display());
        let read = read(path.to_str().unwrap());
        read.map(|(request, notes)| (request, notes.join("\n").replace(&prefix, "")))
            .map_err(|error| error.message.replace(&prefix, ""))
    }

    #[test]
    fn wrong_types_are_told_by_field_and_line() {
        let text = "{\n \"flavourId\": 7,\n \"instantiationLevelId\": null,\n \"additionalParams\": {\n  \"namespace\": [],\n  \"lcm-kubernetes-def-files\": [\n   \"a.yaml\",\n   {}\n  ]\n }\n}\n";
        assert_eq!(
            told(text, InstantiateRequest::read).unwrap_err(),
            "\
r:2: field flavourId: must be a string, not a number
r:5: field additionalParams.namespace: must be a string, not a list
r:8: field additionalParams.lcm-kubernetes-def-files[1]: must be a string, not an object"
        );
        let text = "vnfdId: ~\nvnfInstanceName: yes\nvnfInstanceDescription: 1\nmetadata:\n  configmap_secret_paths: a.yaml\nextensions: []\n";
        assert_eq!(
            told(text, UpdateRequest::read).unwrap_err(),
            "\
r:1: field vnfdId: must be a string, not null
r:2: field vnfInstanceName: must be a string, not a boolean
r:3: field vnfInstanceDescription: must be a string, not a number
r:5: field metadata.configmap_secret_paths: must be a list of strings, not a string
r:6: field extensions: must be an object, not a list"
        );
        assert_eq!(told("- a\n", UpdateRequest::read).unwrap_err(), "r: the request must be one JSON or YAML object");
        assert_eq!(told("{\n \"vnfdId\": }x", UpdateRequest::read).unwrap_err().split(": ").next(), Some("r:2:13"));
        let large = format!("vnfdId: \"{}\"", "x".repeat(LIMIT as usize));
        assert_eq!(told(&large, UpdateRequest::read).unwrap_err(), "r: a request of more than 1 MiB is not read");
    }

    #[test]
    fn fields_that_are_not_known_are_told_and_ignored() {
        let text = "\
flavorId: simple
vimConnectionInfo: { vim1: { accessInfo: { password: hunter2 } } }
colour: red
additionalParams:
  lcm-kubernetes-def-file: [ a.yaml ]
  use_helm: true
  other: 1
";
        let (request, notes) = told(text, InstantiateRequest::read).unwrap();
        assert_eq!(
            notes,
            "\
r:1: flavorId is not known here and ignored, did you mean flavourId?
vimConnectionInfo is ignored, the kube context is used
r:3: colour is not known here and ignored
r:5: additionalParams.lcm-kubernetes-def-file is not known here and ignored, did you mean lcm-kubernetes-def-files?
additionalParams.use_helm is ignored, charts are not installed: put the rendered manifests into the package
r:7: additionalParams.other is not known here and ignored"
        );
        assert_eq!((request.flavour_id, request.source.place("colour").ends_with("/r")), (None, true));

        // What is the user's own is kept and not commented on, unless it is a slip.
        let text =
            "metadata:\n  configmap_secret_path: [ a ]\n  mine: 1\nextensions: { mine: 2 }\nvnfInstanceNames: x\n";
        let (request, notes) = told(text, UpdateRequest::read).unwrap();
        assert_eq!(
            notes,
            "\
r:2: metadata.configmap_secret_path: did you mean configmap_secret_paths?
r:5: vnfInstanceNames is not known here and ignored, did you mean vnfInstanceName?"
        );
        assert_eq!((request.config_paths(), request.metadata.unwrap()["mine"].clone()), (None, json!(1)));
        let text = "vnfdId: x\nadditionalParams:\n  upgrade_type: BlueGreen\n";
        assert_eq!(
            told(text, ChangePackageRequest::read).unwrap_err(),
            "r:3: field additionalParams.upgrade_type: it can only be RollingUpdate"
        );
        let text = "additionalParams:\n  upgrade_type: RollingUpdate\n  vdu_params: [ { vdu_id: a } ]\n";
        let (_, notes) = told(text, ChangePackageRequest::read).unwrap();
        assert!(notes.contains("vdu_params") && notes.contains("every VDU that differs"), "{notes}");
        let (request, notes) = told("additionalParams: ~\nflavourId: ~\n", InstantiateRequest::read).unwrap();
        assert_eq!((notes.as_str(), request.def_files(), request.namespace()), ("", None, None));
    }

    #[test]
    fn a_null_description_is_told_from_none() {
        let request: UpdateRequest = serde_json::from_value(json!({"vnfInstanceDescription": null})).unwrap();
        assert_eq!(request.vnf_instance_description, Some(Value::Null));
        let request: UpdateRequest = serde_json::from_value(json!({})).unwrap();
        assert_eq!(request.vnf_instance_description, None);
    }
}
