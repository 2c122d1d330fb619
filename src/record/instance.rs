//! The VNF instance record: SOL003 `VnfInstance` with our additions, and its ConfigMap.

use super::names::{self, MANAGED_BY, MANAGER, RECORD, column};
use super::operation::{Journal, Operation, OperationState, RecordChange, Verb};
use super::revision::{self, AspectLevel, PackageId, Revision};
use super::{RecordError, SCHEMA_VERSION, damaged, pack, read_config_map, require_name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// SOL003 `instantiationState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstantiationState {
    /// The record exists, nothing runs.
    NotInstantiated,
    /// Objects exist in the cluster.
    Instantiated,
}

impl std::fmt::Display for InstantiationState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotInstantiated => "NOT_INSTANTIATED",
            Self::Instantiated => "INSTANTIATED",
        })
    }
}

/// SOL003 `ScaleInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleInfo {
    /// Scaling aspect.
    pub aspect_id: String,
    /// Its level.
    pub scale_level: u32,
}

/// The stored part of SOL003 `instantiatedVnfInfo`; VNFCs are computed from live Pods when read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstantiatedVnfInfo {
    /// Deployment flavour.
    pub flavour_id: String,
    /// `STARTED`.
    pub vnf_state: String,
    /// Level of each scaling aspect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scale_status: Vec<ScaleInfo>,
    /// Highest level of each scaling aspect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub max_scale_levels: Vec<ScaleInfo>,
}

impl InstantiatedVnfInfo {
    /// Of the revision in force.
    fn of(revision: &Revision) -> Self {
        let levels = |level: fn(&AspectLevel) -> u32| {
            let info =
                |aspect: &AspectLevel| ScaleInfo { aspect_id: aspect.aspect_id.clone(), scale_level: level(aspect) };
            revision.scale.iter().map(info).collect()
        };
        Self {
            flavour_id: revision.flavour_id.clone(),
            vnf_state: "STARTED".into(),
            scale_status: levels(|aspect| aspect.scale_level),
            max_scale_levels: levels(|aspect| aspect.max_scale_level),
        }
    }
}

/// A name that the instance had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerName {
    /// The name.
    pub name: String,
    /// When it was given up.
    pub until: Timestamp,
}

/// The last operation, as `list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastOperation {
    /// UUID.
    pub id: String,
    /// What was asked for.
    pub verb: Verb,
    /// How it stands.
    pub state: OperationState,
    /// Since when.
    pub time: Timestamp,
}

/// What SOL003 has no attribute for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceExtension {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// The package of the record: in force, or to be instantiated.
    pub package: PackageId,
    /// Highest revision number ever aimed at.
    pub last_revision: u64,
    /// The last operation. While it is not final, nothing but it may change the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<LastOperation>,
    /// Package of a running operation, so that its parts are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incoming_package: Option<String>,
    /// Names before renames, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_names: Vec<FormerName>,
}

/// SOL003 `VnfInstance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// UUID.
    pub id: String,
    /// Name, unique in the record namespace.
    pub vnf_instance_name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vnf_instance_description: Option<String>,
    /// `descriptor_id` of the package.
    pub vnfd_id: String,
    /// Provider.
    pub vnf_provider: String,
    /// Product.
    pub vnf_product_name: String,
    /// Software version.
    pub vnf_software_version: String,
    /// Descriptor version.
    pub vnfd_version: String,
    /// Whether objects exist.
    pub instantiation_state: InstantiationState,
    /// What was instantiated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instantiated_vnf_info: Option<InstantiatedVnfInfo>,
    /// Metadata, merged per RFC 7396.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
    /// Extensions, merged per RFC 7396.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extensions: Value,
    /// Configurable properties, merged per RFC 7396.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub vnf_configurable_properties: Value,
    /// Ours.
    pub kubectl_vnf: InstanceExtension,
    /// The last revisions, newest last; the last one is in force while INSTANTIATED. Packed apart in the ConfigMap.
    #[serde(skip)]
    pub revisions: Vec<Revision>,
}

impl Instance {
    /// A record at its first moment: NOT_INSTANTIATED.
    pub fn create(id: String, name: String, package: PackageId) -> Self {
        let mut instance = Self {
            id,
            vnf_instance_name: name,
            vnf_instance_description: None,
            vnfd_id: String::new(),
            vnf_provider: String::new(),
            vnf_product_name: String::new(),
            vnf_software_version: String::new(),
            vnfd_version: String::new(),
            instantiation_state: InstantiationState::NotInstantiated,
            instantiated_vnf_info: None,
            metadata: Value::Null,
            extensions: Value::Null,
            vnf_configurable_properties: Value::Null,
            kubectl_vnf: InstanceExtension {
                schema_version: SCHEMA_VERSION,
                package: package.clone(),
                last_revision: 0,
                operation: None,
                incoming_package: None,
                former_names: Vec::new(),
            },
            revisions: Vec::new(),
        };
        instance.set_package(package);
        instance
    }

    /// Points the record at a package; SOL003's attributes about it follow.
    pub fn set_package(&mut self, package: PackageId) {
        self.vnfd_id.clone_from(&package.vnfd_id);
        self.vnf_provider.clone_from(&package.provider);
        self.vnf_product_name.clone_from(&package.product_name);
        self.vnf_software_version.clone_from(&package.software_version);
        self.vnfd_version.clone_from(&package.vnfd_version);
        self.kubectl_vnf.package = package;
    }

    /// The revision in force; `None` while NOT_INSTANTIATED.
    pub fn current(&self) -> Option<&Revision> {
        (self.instantiation_state == InstantiationState::Instantiated).then(|| self.revisions.last()).flatten()
    }

    /// The operation that has not ended, if any.
    pub fn open_operation(&self) -> Option<&LastOperation> {
        self.kubectl_vnf.operation.as_ref().filter(|operation| !operation.state.is_final())
    }

    /// Digests of all packages that the record refers to: these must stay in the cluster.
    pub fn packages(&self) -> std::collections::BTreeSet<&str> {
        self.revisions
            .iter()
            .flat_map(Revision::packages)
            .chain(std::iter::once(self.kubectl_vnf.package.digest.as_str()))
            .chain(self.kubectl_vnf.incoming_package.as_deref())
            .collect()
    }

    /// Notes that an operation has begun: from now on nothing else may change the instance, and neither its package
    /// nor its revision number can be taken by another.
    pub fn begin(&mut self, operation: &Operation, journal: &Journal) {
        self.follow(operation);
        if let Some(target) = &journal.target {
            self.kubectl_vnf.last_revision = self.kubectl_vnf.last_revision.max(target.number);
            self.kubectl_vnf.incoming_package = Some(target.package.digest.clone());
        }
    }

    /// Takes over state and time of the last operation.
    pub fn follow(&mut self, operation: &Operation) {
        self.kubectl_vnf.operation = Some(LastOperation {
            id: operation.id.clone(),
            verb: operation.kubectl_vnf.verb,
            state: operation.operation_state,
            time: operation.state_entered_time,
        });
    }

    /// What the record is once an operation has reached `reached` (its target, or what `op fail` found instead).
    /// Doing it twice changes nothing, so a process that died between the two writes is finished by the next one.
    pub fn conclude(&mut self, operation: &Operation, journal: &Journal, reached: Option<&Revision>) {
        self.follow(operation);
        self.kubectl_vnf.incoming_package = None;
        match reached {
            Some(revision) => {
                self.set_package(revision.package.clone());
                self.instantiation_state = InstantiationState::Instantiated;
                self.instantiated_vnf_info = Some(InstantiatedVnfInfo::of(revision));
                self.revisions.retain(|kept| kept.number != revision.number);
                self.revisions.push(revision.clone());
                let surplus = self.revisions.len().saturating_sub(revision::KEPT);
                self.revisions.drain(..surplus);
            }
            None => {
                self.instantiation_state = InstantiationState::NotInstantiated;
                self.instantiated_vnf_info = None;
                self.revisions.clear();
            }
        }
        if operation.operation_state == OperationState::Completed {
            self.modify(&journal.record, operation.state_entered_time);
        }
    }

    /// What the record is once an operation has been taken back: what it was, but for the operation itself.
    pub fn roll_back(&mut self, operation: &Operation) {
        self.follow(operation);
        self.kubectl_vnf.incoming_package = None;
    }

    /// Changes the record's own attributes.
    pub fn modify(&mut self, change: &RecordChange, now: Timestamp) {
        if let Some(name) = change.name.as_ref().filter(|name| **name != self.vnf_instance_name) {
            let former = std::mem::replace(&mut self.vnf_instance_name, name.clone());
            self.kubectl_vnf.former_names.retain(|entry| entry.name != former && entry.name != *name);
            self.kubectl_vnf.former_names.push(FormerName { name: former, until: now });
        }
        if let Some(description) = &change.description {
            self.vnf_instance_description = Some(description.clone()).filter(|text| !text.is_empty());
        }
        for (field, new) in [
            (&mut self.metadata, &change.metadata),
            (&mut self.extensions, &change.extensions),
            (&mut self.vnf_configurable_properties, &change.configurable_properties),
        ] {
            if let Some(new) = new {
                field.clone_from(new);
            }
        }
    }

    /// As a ConfigMap; `existing` is the one that it replaces, whose resourceVersion makes the write conditional.
    pub fn to_config_map(&self, namespace: &str, existing: Option<&Value>) -> Value {
        let extension = &self.kubectl_vnf;
        let mut annotations = serde_json::Map::new();
        let mut note = |key: &str, value: String| annotations.insert(key.to_owned(), Value::String(value));
        note(column::WRITER, env!("CARGO_PKG_VERSION").to_owned());
        note(column::NAME, self.vnf_instance_name.clone());
        note(column::STATE, self.instantiation_state.to_string());
        note(column::PROVIDER, self.vnf_provider.clone());
        note(column::PRODUCT, format!("{} {}", self.vnf_product_name, self.vnf_software_version));
        note(column::VNFD_ID, self.vnfd_id.clone());
        if let Some(current) = self.current() {
            note(column::FLAVOUR, current.flavour_id.clone());
            note(column::TARGET_NAMESPACE, current.namespace.clone());
            note(column::REVISION, current.number.to_string());
        }
        if let Some(operation) = &extension.operation {
            note(column::OPERATION, format!("{} {}", operation.verb, operation.state));
            note(column::OPERATION_TIME, operation.time.to_string());
        }
        note(column::PACKAGES, self.packages().into_iter().collect::<Vec<_>>().join(","));
        if !extension.former_names.is_empty() {
            note(column::FORMER_NAMES, serde_json::to_string(&extension.former_names).unwrap_or_default());
        }
        let mut metadata = json!({
            "name": names::instance(&self.id),
            "namespace": namespace,
            "labels": {
                MANAGED_BY: MANAGER,
                names::INSTANCE: self.id,
                names::CLAIM: names::claim(&self.vnf_instance_name),
                RECORD: "instance",
            },
            "annotations": annotations,
        });
        if let Some(version) = existing.and_then(|object| object.pointer("/metadata/resourceVersion")) {
            metadata["resourceVersion"] = version.clone();
        }
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"vnfInstance": serde_json::to_string_pretty(self).unwrap_or_default()},
            "binaryData": {"revisions": pack(&self.revisions)},
        })
    }

    /// From its ConfigMap.
    ///
    /// # Errors
    /// A damaged or newer record, naming the ConfigMap.
    pub fn from_config_map(object: &Value) -> Result<Self, RecordError> {
        let (mut instance, revisions): (Self, Vec<Revision>) = read_config_map(object, "vnfInstance", "revisions")?;
        require_name(object, &names::instance(&instance.id))?;
        instance.revisions = revisions;
        if instance.instantiation_state == InstantiationState::Instantiated && instance.revisions.is_empty() {
            return Err(damaged(object, "INSTANTIATED without a revision".into()));
        }
        if instance.kubectl_vnf.last_revision > u64::from(u32::MAX) {
            return Err(damaged(object, "no instance has had so many revisions".into()));
        }
        Ok(instance)
    }
}

/// Owner reference to a record, so that what hangs on it goes with it.
pub fn owner_reference(record: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": record["metadata"]["name"],
        "uid": record["metadata"]["uid"],
    })
}
