//! What an operation touches: the part of a journal that cannot be worked out again from the live cluster, because
//! doing it takes away what it was decided on.
//!
//! Deciding it is the work of `plan::derive` and `plan::restart`. Whatever is not in the scope is left alone.

use crate::object::ObjectRef;
use crate::object::config::KeyChange;
use serde::{Deserialize, Serialize};

/// Everything that an operation touches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// Objects to be created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub create: Vec<ObjectRef>,
    /// ConfigMaps and Secrets to be written, with the keys that change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<ConfigChange>,
    /// Workloads that restart, how and why, with the UIDs to be replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected: Vec<Affected>,
    /// Objects to be written as a whole, of which nothing restarts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apply: Vec<Applied>,
    /// Workloads that get another number of Pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<Scaling>,
    /// Objects to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<ObjectRef>,
}

impl Scope {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The entry of a workload that restarts.
    pub fn affected(&self, object: &ObjectRef) -> Option<&Affected> {
        self.affected.iter().find(|affected| affected.object == *object)
    }

    /// The entry of a workload whose replicas change.
    pub fn scaling(&self, object: &ObjectRef) -> Option<&Scaling> {
        self.scale.iter().find(|scaling| scaling.object == *object)
    }
}

/// One workload whose `spec.replicas` changes. The number to be reached is fixed here: however often it is set, the
/// workload is scaled once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// The workload.
    pub object: ObjectRef,
    /// Replicas that were live when it was decided.
    pub before: u64,
    /// Replicas to be reached.
    pub after: u64,
}

/// One object to be written as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The object.
    pub object: ObjectRef,
    /// UID that it had.
    pub uid: String,
    /// Why it must be deleted and created again; absent: it is written in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What changes in it.
    #[serde(default)]
    pub reasons: Vec<Reason>,
}

/// One workload to restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Affected {
    /// The workload.
    pub object: ObjectRef,
    /// UID that it had; `""` when it was not there.
    pub uid: String,
    /// How it restarts.
    pub how: How,
    /// Why, in the order shown.
    pub reasons: Vec<Reason>,
    /// UIDs of the Pods to be replaced (all of the workload's, or those that a heal names).
    #[serde(default)]
    pub pods: Vec<String>,
    /// UIDs among them that carry the wanted template and must go all the same: they started while configuration was
    /// in force that is being taken back (rollback).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<String>,
}

/// How a workload's Pods get what is new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "way")]
pub enum How {
    /// Deployment, StatefulSet, DaemonSet: one patch of the template, its own strategy rolls.
    RollOut,
    /// ReplicaSet, and what updates `OnDelete`: the template is patched, then its Pods are replaced one at a time.
    ReplacePods,
    /// Bare Pod: the containers restart, the Pod stays.
    #[serde(rename_all = "camelCase")]
    InPlace {
        /// It mounts a changed key: the kubelet is made to refresh the mounts before the containers restart.
        refresh_mounts: bool,
    },
    /// Delete, wait until it is gone, create again under the same name.
    #[serde(rename_all = "camelCase")]
    Recreate {
        /// Why not more gently.
        because: String,
    },
    /// The named Pods only, one at a time; their workload's template stays (heal).
    Respawn,
    /// Nothing restarts: only the restart marker of a bare Pod is put back (rollback).
    Mark,
}

/// Why a workload restarts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "reason")]
pub enum Reason {
    /// A container's image changes.
    #[serde(rename_all = "camelCase")]
    Image {
        /// Container.
        container: String,
        /// Image that runs now.
        before: String,
        /// Image to run.
        after: String,
    },
    /// A used key of a changed ConfigMap or Secret.
    #[serde(rename_all = "camelCase")]
    Key {
        /// ConfigMap or Secret.
        config: ObjectRef,
        /// The key.
        key: String,
        /// The fields of the pod spec that use it, in short: `env CMENV`, `envFrom CM_`, `volume cm-volume`.
        fields: Vec<String>,
    },
    /// A field that its manifest says otherwise.
    #[serde(rename_all = "camelCase")]
    Field {
        /// `containers[nginx].ports[0].containerPort`.
        field: String,
        /// `80 -> 180`, `added`, `changed` where the value may be secret.
        change: String,
    },
    /// The object is not there.
    Missing,
    /// Somebody asked for it.
    Asked,
    /// It is made anew from the package.
    Anew,
}

/// A changed ConfigMap or Secret and what changes in it: sizes only, never values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigChange {
    /// The object.
    pub object: ObjectRef,
    /// Its changed keys.
    pub keys: Vec<KeyChange>,
}
