//! Request files (as Tacker's: JSON or YAML, `-` for stdin) and packages named on the command line.

use super::env::Env;
use crate::cli::error::CliError;
use crate::package::{Authorities, OpenOptions, Package, Signature};
use crate::record::PackageId;
use crate::yaml;
use serde::Deserialize;
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// How large a request file may be, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// How large a bundle of certificates may be, in bytes. That of a whole operating system has a quarter of it.
const CA_LIMIT: u64 = 1024 * 1024;

/// Reads a request into its type, telling problems by file and field.
fn read<T: for<'de> Deserialize<'de>>(path: &str, known: &[&str]) -> Result<(T, Vec<String>), CliError> {
    let mut bytes = Vec::new();
    let outcome = if path == "-" {
        std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
    };
    outcome.map_err(|error| CliError::new(format!("{path}: {error}")))?;
    let value = yaml::value(&bytes)
        .map_err(|error| CliError::new(format!("{path}:{}:{}: {}", error.line, error.column, error.message)))?;
    let Some(fields) = value.as_object() else {
        return Err(CliError::new(format!("{path}: the request must be one JSON or YAML object")));
    };
    let notes = fields.keys().filter(|key| !known.contains(&key.as_str())).map(|key| match key.as_str() {
        "vimConnectionInfo" => "vimConnectionInfo is ignored, the kube context is used".to_owned(),
        key => format!("{path}: {key} is not known here and ignored"),
    });
    let notes = notes.collect();
    let request = serde_json::from_value(value.clone()).map_err(|error| {
        CliError::new(format!("{path}: {error}")).hint(format!("Known fields: {}", known.join(", ")))
    })?;
    Ok((request, notes))
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
    pub additional_params: AdditionalParams,
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
        read(path, &["flavourId", "instantiationLevelId", "additionalParams"])
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
    pub additional_params: ChangePackageParams,
}

/// Tacker's `additionalParams` of a change of the package.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ChangePackageParams {
    /// How Pods are replaced: `RollingUpdate` is all that Tacker knows, and what workloads do anyway.
    pub upgrade_type: Option<String>,
    /// The VDUs that Tacker would change.
    pub vdu_params: Option<Vec<VduParam>>,
    /// Kubernetes files of the new package, in order.
    #[serde(rename = "lcm-kubernetes-def-files")]
    pub def_files: Option<Vec<String>>,
}

/// One VDU of a request.
#[derive(Clone, Debug, Deserialize)]
pub struct VduParam {
    /// Its id in the VNFD.
    pub vdu_id: String,
}

impl ChangePackageRequest {
    /// Reads a request file; the second value is what there is to note about it.
    ///
    /// # Errors
    /// It cannot be read, is not such a request, or asks for an upgrade type that there is not.
    pub fn read(path: &str) -> Result<(Self, Vec<String>), CliError> {
        let (request, notes): (Self, _) = read(path, &["vnfdId", "additionalParams"])?;
        match request.additional_params.upgrade_type.as_deref() {
            None | Some("RollingUpdate") => Ok((request, notes)),
            Some(other) => Err(CliError::new(format!(
                "{path}: additionalParams.upgrade_type is {other:?}, it can only be RollingUpdate"
            ))),
        }
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
        read(
            path,
            &[
                "vnfdId",
                "vnfInstanceName",
                "vnfInstanceDescription",
                "metadata",
                "extensions",
                "vnfConfigurableProperties",
            ],
        )
    }

    /// `metadata.configmap_secret_paths`: the config files that may change.
    ///
    /// # Errors
    /// It is not a list of strings.
    pub fn config_paths(&self) -> Result<Option<Vec<String>>, CliError> {
        let Some(list) = self.metadata.as_ref().and_then(|metadata| metadata.get("configmap_secret_paths")) else {
            return Ok(None);
        };
        if list.is_null() {
            return Ok(None);
        }
        let paths: Option<Vec<String>> =
            list.as_array().and_then(|list| list.iter().map(|path| path.as_str().map(ToOwned::to_owned)).collect());
        match paths {
            Some(paths) => Ok(Some(paths)),
            None => Err(CliError::new("metadata.configmap_secret_paths must be a list of file paths in the package")),
        }
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

/// Flags of every verb that reads a package: which packages are taken.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PackageFlags {
    /// Take the package although files do not match their digests
    #[arg(long)]
    pub allow_hash_mismatch: bool,
    /// The CAs (a PEM bundle) that the certificate of a signed package must lead to
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Refuse a package without a good signature that vouches for all of its files
    #[arg(long)]
    pub require_signature: bool,
}

impl PackageFlags {
    /// What they mean, with the CAs read.
    ///
    /// # Errors
    /// The bundle cannot be read, or holds no certificate.
    pub fn options(&self) -> Result<OpenOptions, CliError> {
        let authorities = self.ca.as_ref().map(|path| {
            let unreadable = |error: &dyn std::fmt::Display| CliError::new(format!("--ca {}: {error}", path.display()));
            let mut bundle = Vec::new();
            let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
            file.take(CA_LIMIT).read_to_end(&mut bundle).map_err(|error| unreadable(&error))?;
            Authorities::read(&bundle, jiff::Timestamp::now()).map_err(|error| unreadable(&error))
        });
        Ok(OpenOptions {
            allow_hash_mismatch: self.allow_hash_mismatch,
            require_signature: self.require_signature,
            authorities: authorities.transpose()?,
        })
    }
}

/// Opens the package that a user named: a path.
///
/// # Errors
/// It cannot be opened; all problems of it.
pub fn open_package(reference: &str, flags: &PackageFlags) -> Result<Package, CliError> {
    Ok(Package::open(Path::new(reference), &flags.options()?)?)
}

/// Identity of an opened package.
pub fn package_id(package: &Package) -> PackageId {
    let vnfd = &package.vnfd;
    PackageId {
        digest: package.digest.to_string(),
        vnfd_id: vnfd.descriptor_id.clone(),
        provider: vnfd.provider.clone(),
        product_name: vnfd.product_name.clone(),
        software_version: vnfd.software_version.clone(),
        vnfd_version: vnfd.descriptor_version.clone(),
    }
}

/// Refuses a request that names another VNFD than the package that it comes with.
///
/// # Errors
/// Both ids, and the line.
pub fn require_vnfd_id(wanted: Option<&str>, path: Option<&str>, package: &Package) -> Result<(), CliError> {
    let found = &package.vnfd.descriptor_id;
    let Some(wanted) = wanted.filter(|wanted| wanted != found) else { return Ok(()) };
    let path = path.unwrap_or("request");
    let line = line_of_field(path, "vnfdId").map(|line| format!(":{line}")).unwrap_or_default();
    Err(CliError::new(format!("{path}{line}: vnfdId is {wanted}, the package's is {found}"))
        .hint("Take the package's id into the file, or leave vnfdId out."))
}

fn line_of_field(path: &str, field: &str) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().position(|line| line.contains(field)).map(|index| index + 1)
}

/// What there is to note about a package before it is used: whose it is, what of it was taken in spite of its digest or
/// signature, and scripts that will not run.
pub fn package_notes(package: &Package) -> Vec<String> {
    let signed =
        matches!(package.signature, Signature::Good(_)).then(|| format!("the package is {}", package.signature));
    let odd =
        package.warnings.iter().filter(|warning| matches!(warning.rule, "A4" | "C1" | "F3")).map(ToString::to_string);
    let scripts = package.scripts.iter().map(|script| {
        let built_in =
            if script.operation.starts_with("modify_information") { ", the container update is built in" } else { "" };
        format!("script {} is never run{built_in}", script.name)
    });
    signed.into_iter().chain(odd).chain(scripts).collect()
}

/// Prints notes to stderr.
pub fn tell_notes(env: &Env, notes: &[String]) {
    for note in notes {
        env.ui.err(&format!("note: {}\n", crate::object::mask::printable_line(note)));
    }
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

    #[test]
    fn a_null_description_is_told_from_none() {
        let request: UpdateRequest = serde_json::from_value(json!({"vnfInstanceDescription": null})).unwrap();
        assert_eq!(request.vnf_instance_description, Some(Value::Null));
        let request: UpdateRequest = serde_json::from_value(json!({})).unwrap();
        assert_eq!(request.vnf_instance_description, None);
    }
}
