//! One LCM operation occurrence (SOL003 `VnfLcmOpOcc`) and its journal.
//!
//! The occurrence says what was asked, by whom, and how it stands. The [`Journal`] is fixed before the first write
//! and never changes: with it and the live cluster, what is done and what is left can be worked out again at any
//! time, also after the process that began it has gone.

use super::names::{self, MANAGED_BY, MANAGER, RECORD};
use super::revision::Revision;
use super::scope::Scope;
use super::{RecordError, SCHEMA_VERSION, pack, read_config_map, read_packed, require_name};
use crate::object::ObjectRef;
use crate::object::pod::Snapshot;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// How many finished operations an instance keeps.
pub const KEPT: usize = 10;

/// What the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// SOL003 Instantiate.
    Instantiate,
    /// SOL003 Modify Information, with the container update.
    Update,
    /// An update to an earlier revision; Modify Information for SOL003.
    Undo,
    /// SOL003 Change Current VNF Package.
    ChangePackage,
    /// SOL003 Heal.
    Heal,
    /// SOL003 Scale.
    Scale,
    /// SOL003 Terminate.
    Terminate,
}

impl Verb {
    /// Whether an operation that stopped half way can be rolled back. Heal and terminate take away what they would
    /// have to bring back.
    pub fn can_be_taken_back(self) -> bool {
        !matches!(self, Self::Heal | Self::Terminate)
    }

    /// The value of SOL003's `operation` attribute (`LcmOperationType`).
    pub fn lcm_operation_type(self) -> &'static str {
        match self {
            Self::Instantiate => "INSTANTIATE",
            Self::Update | Self::Undo => "MODIFY_INFO",
            Self::ChangePackage => "CHANGE_VNFPKG",
            Self::Heal => "HEAL",
            Self::Scale => "SCALE",
            Self::Terminate => "TERMINATE",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instantiate => "instantiate",
            Self::Update => "update",
            Self::Undo => "undo",
            Self::ChangePackage => "change-package",
            Self::Heal => "heal",
            Self::Scale => "scale",
            Self::Terminate => "terminate",
        })
    }
}

/// SOL003 `LcmOperationStateType`, as far as a client without a grant phase enters its states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationState {
    /// Under way.
    Processing,
    /// Done, and read again from the cluster.
    Completed,
    /// Stopped half way: retry, roll back or fail it.
    FailedTemp,
    /// Given up: the instance is what the cluster shows.
    Failed,
    /// On the way back to the former revision.
    RollingBack,
    /// Back at the former revision, and read again from the cluster.
    RolledBack,
}

impl OperationState {
    /// States in which a process is at work, or was when it died.
    pub const RUNNING: [Self; 2] = [Self::Processing, Self::RollingBack];

    /// Whether nothing can follow on it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::RolledBack)
    }

    /// Whether a process is at work on it, or was when it died.
    pub fn is_running(self) -> bool {
        Self::RUNNING.contains(&self)
    }
}

impl fmt::Display for OperationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processing => "PROCESSING",
            Self::Completed => "COMPLETED",
            Self::FailedTemp => "FAILED_TEMP",
            Self::Failed => "FAILED",
            Self::RollingBack => "ROLLING_BACK",
            Self::RolledBack => "ROLLED_BACK",
        })
    }
}

/// Who runs an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct By {
    /// Login name on the machine.
    pub user: String,
    /// Name of the machine.
    pub host: String,
    /// Process id there.
    pub pid: u32,
    /// Version of kubectl-vnf.
    pub version: String,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.host)
    }
}

/// RFC 7807 problem, as SOL003 stores why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDetails {
    /// HTTP-like status.
    pub status: u16,
    /// Short summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What failed, on what, and why.
    pub detail: String,
}

/// SOL003 `VnfLcmOpOcc.resourceChanges.affectedVnfcs[]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AffectedVnfc {
    /// VNFC id, `<vduId>-<podName>`.
    pub id: String,
    /// VDU.
    pub vdu_id: String,
    /// `ADDED`, `REMOVED` or `MODIFIED`.
    pub change_type: String,
    /// What computes it.
    pub compute_resource: Value,
}

/// SOL003 `resourceChanges`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChanges {
    /// Pods that the operation added, removed or restarted.
    #[serde(default)]
    pub affected_vnfcs: Vec<AffectedVnfc>,
}

/// How an operation was asked to be run: a retry goes on in the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manner {
    /// Workloads one after the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_by_one: bool,
    /// Grace period of deleted Pods in seconds; absent: each Pod's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u32>,
    /// Fields that others have written are taken over where the object is written as a whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overwrite: bool,
    /// The record goes too, once everything else is gone (terminate).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete_record: bool,
}

/// What SOL003 has no attribute for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationExtension {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// What the user asked for.
    pub verb: Verb,
    /// Who asked.
    pub by: By,
    /// Revision before; absent: nothing was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_revision: Option<u64>,
    /// Revision aimed at; absent: nothing is to be left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_revision: Option<u64>,
    /// How long the last run took, in milliseconds; the times above have the API server's resolution of a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_millis: Option<u64>,
    /// How it is run.
    #[serde(default)]
    pub manner: Manner,
    /// Its rollback has begun: from now on it can be finished or given up, not turned round once more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolling_back: bool,
}

/// SOL003 `VnfLcmOpOcc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// UUID.
    pub id: String,
    /// How it stands.
    pub operation_state: OperationState,
    /// Since when.
    pub state_entered_time: Timestamp,
    /// When it began.
    pub start_time: Timestamp,
    /// The instance.
    pub vnf_instance_id: String,
    /// `LcmOperationType`.
    pub operation: String,
    /// Always false: somebody typed it.
    pub is_automatic_invocation: bool,
    /// The request, without `vimConnectionInfo`.
    #[serde(default)]
    pub operation_params: Value,
    /// Always false: Ctrl-C is the cancel.
    pub is_cancel_pending: bool,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ProblemDetails>,
    /// Pods that it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_changes: Option<ResourceChanges>,
    /// Attributes of the record that it changes (MODIFY_INFO).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_info: Option<Value>,
    /// Ours.
    pub kubectl_vnf: OperationExtension,
}

/// What is fixed before the first write of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Journal {
    /// Desired state before; `None`: nothing was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Revision>,
    /// Desired state aimed at; `None`: nothing is to be left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Revision>,
    /// What the operation touches; everything else stays as it is.
    pub scope: Scope,
    /// Every Pod of the VNF as it was, by Pod name: what proves the others untouched.
    pub snapshot: BTreeMap<String, PodBefore>,
    /// Changes to the instance record that take effect with COMPLETED.
    pub record: RecordChange,
}

/// One Pod before the operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodBefore {
    /// The workload that it belonged to.
    pub workload: ObjectRef,
    /// Its identity and history.
    pub snapshot: Snapshot,
}

/// What an operation changes in the instance record itself (SOL003 `VnfInfoModificationRequest`), already merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordChange {
    /// New `vnfInstanceName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New `vnfInstanceDescription`; `Some("")` removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// New `metadata`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// New `extensions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Value>,
    /// New `vnfConfigurableProperties`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configurable_properties: Option<Value>,
}

impl RecordChange {
    /// Whether the record stays as it is.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Operation {
    /// An operation at its first moment.
    pub fn begin(
        id: String,
        instance_id: &str,
        verb: Verb,
        by: By,
        params: Value,
        journal: &Journal,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            operation_state: OperationState::Processing,
            state_entered_time: now,
            start_time: now,
            vnf_instance_id: instance_id.to_owned(),
            operation: verb.lcm_operation_type().to_owned(),
            is_automatic_invocation: false,
            operation_params: params,
            is_cancel_pending: false,
            error: None,
            resource_changes: None,
            changed_info: None,
            kubectl_vnf: OperationExtension {
                schema_version: SCHEMA_VERSION,
                verb,
                by,
                source_revision: journal.source.as_ref().map(|revision| revision.number),
                target_revision: journal.target.as_ref().map(|revision| revision.number),
                took_millis: None,
                manner: Manner::default(),
                rolling_back: false,
            },
        }
    }

    /// Moves it to a state at a time.
    pub fn enter(&mut self, state: OperationState, now: Timestamp) {
        self.operation_state = state;
        self.state_entered_time = now;
    }

    /// As a ConfigMap owned by the instance record.
    pub fn to_config_map(&self, journal: &Journal, namespace: &str, owner: &Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": names::operation(&self.id),
                "namespace": namespace,
                "labels": {MANAGED_BY: MANAGER, names::INSTANCE: self.vnf_instance_id, RECORD: "operation"},
                "annotations": self.columns(),
                "ownerReferences": [super::instance::owner_reference(owner)],
            },
            "data": {"vnfLcmOpOcc": self.document()},
            "binaryData": {"journal": pack(journal)},
        })
    }

    /// The occurrence as it is stored: without the Pods that it changed, of which there may be thousands. They are
    /// packed.
    fn document(&self) -> String {
        serde_json::to_string_pretty(&Self { resource_changes: None, ..self.clone() }).unwrap_or_default()
    }

    /// What changes in its ConfigMap while it is under way, as a merge patch. The journal never does; that of its
    /// rollback is added when it is fixed.
    pub fn to_patch(&self, rollback: Option<&Journal>) -> Value {
        let mut patch = json!({
            "metadata": {"annotations": self.columns()},
            "data": {"vnfLcmOpOcc": self.document()},
        });
        if let Some(changes) = &self.resource_changes {
            patch["binaryData"]["resourceChanges"] = pack(changes).into();
        }
        if let Some(rollback) = rollback {
            patch["binaryData"]["rollback"] = pack(rollback).into();
        }
        patch
    }

    /// What lists show of it.
    fn columns(&self) -> Value {
        json!({
            names::column::OPERATION: format!("{} {}", self.kubectl_vnf.verb, self.operation_state),
            names::column::OPERATION_TIME: self.state_entered_time.to_string(),
            names::column::WRITER: env!("CARGO_PKG_VERSION"),
        })
    }

    /// From its ConfigMap: the operation, its journal, and that of its rollback once it is fixed.
    ///
    /// # Errors
    /// A damaged or newer record, naming the ConfigMap.
    pub fn from_config_map(object: &Value) -> Result<(Self, Journal, Option<Journal>), RecordError> {
        let (mut operation, journal): (Self, Journal) = read_config_map(object, "vnfLcmOpOcc", "journal")?;
        require_name(object, &names::operation(&operation.id))?;
        if let Some(changes) = read_packed(object, "resourceChanges")? {
            operation.resource_changes = Some(changes);
        }
        Ok((operation, journal, read_packed(object, "rollback")?))
    }
}
