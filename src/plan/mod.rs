//! What is to be done, and why: pure decisions, made from two revisions and the live objects.
//!
//! A command first derives the target revision and the [`Scope`] of what it touches ([`mod@derive`]); [`items`] then says
//! for each object in that scope what step it needs and how far it is. The same value is what a user is shown, what
//! is executed, and, made again against the live cluster, what tells a retry which work is left. Nothing here does
//! I/O: live objects come in as [`Live`], package contents as [`Contents`].

pub mod ahead;
pub mod compare;
pub mod content;
pub mod derive;
pub mod drift;
mod items;
pub mod live;
pub mod order;
pub mod patch;
pub mod restart;
pub mod sheet;
pub mod since;
#[cfg(test)]
mod tests;

pub use content::{ContentError, Contents};
pub use items::{Inputs, changed_images, items, ready, scaled, to_be_applied};
pub use live::Live;

use crate::object::config;
use crate::object::pod::{Snapshot, active};
use crate::object::workload::{WorkloadKind, images, marker, pod_spec};
use crate::object::{ObjectRef, text, uid};
use crate::record::operation::{PodBefore, RecordChange};
use crate::record::{Journal, Reason, Revision, Scope};
use order::Phase;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// One thing to do with one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The object.
    pub object: ObjectRef,
    /// Its VDU, when it is the workload of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
    /// What to do.
    pub step: Step,
    /// How far that is.
    pub state: ItemState,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Names of the live Pods that restart or are replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
    /// The phase that it belongs to.
    #[serde(skip)]
    pub phase: Phase,
}

/// What is done with an object. Patches are those against the live object that the plan was made with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "do")]
pub enum Step {
    /// Create it.
    Create,
    /// Change the data of a ConfigMap or Secret.
    #[serde(rename_all = "camelCase")]
    Config {
        /// Keys that change.
        keys: Vec<config::KeyChange>,
        /// Why it must be deleted and created instead of changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        replace: Option<String>,
        /// More than its data changes: it is written as a whole.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
        /// May hold Secret values: never shown.
        #[serde(skip)]
        patch: Vec<Value>,
    },
    /// Write it as a whole; nothing restarts.
    Apply {
        /// UID that it had.
        #[serde(skip)]
        uid: String,
        /// Why it must be deleted and created instead.
        #[serde(skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// Patch a template; the controller rolls.
    RollOut {
        /// Images and marker; empty where the workload is written as a whole.
        #[serde(skip)]
        patch: Vec<Value>,
        /// More than images and marker change: it is written as a whole.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
        /// UIDs of Pods that the controller would keep, and that must go all the same.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        strays: Vec<String>,
    },
    /// Patch a ReplicaSet's template, then replace its Pods one at a time.
    ReplacePods {
        /// Images and marker; empty where the workload is written as a whole.
        #[serde(skip)]
        patch: Vec<Value>,
        /// More than images and marker change: it is written as a whole.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
        /// UIDs of Pods of this template that must go all the same.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        strays: Vec<String>,
    },
    /// Patch a bare Pod; its containers restart.
    #[serde(rename_all = "camelCase")]
    InPlace {
        /// The marker, written first when mounts must be refreshed.
        #[serde(skip)]
        mark: Vec<Value>,
        /// The images.
        #[serde(skip)]
        patch: Vec<Value>,
        /// Whether the kubelet must refresh mounted configuration before the containers restart.
        refresh_mounts: bool,
    },
    /// Delete, wait until gone, create again.
    #[serde(rename_all = "camelCase")]
    Recreate {
        /// UID to be replaced; empty: nothing to delete.
        uid: String,
        /// Why not more gently.
        because: String,
    },
    /// Replace the named Pods one at a time.
    Respawn {
        /// UIDs.
        pods: Vec<String>,
    },
    /// Set the replicas; its controller adds Pods or takes some away.
    Scale {
        /// Replicas before the operation.
        before: u64,
        /// Replicas to be reached.
        after: u64,
        /// The replicas.
        #[serde(skip)]
        patch: Vec<Value>,
    },
    /// Put the restart marker of a bare Pod back; nothing restarts.
    Mark {
        /// The marker.
        #[serde(skip)]
        patch: Vec<Value>,
    },
    /// Delete it.
    Delete,
}

/// How far an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemState {
    /// Something is to be written.
    ToDo,
    /// Everything is written; not ready yet.
    Waiting,
    /// Done.
    Done,
}

/// What an operation on what is instantiated fixes before its first write: from where, to where (`None`: nothing is to
/// be left), what it touches, and every Pod as it is now. The record stays as it is.
pub fn journal(source: &Revision, target: Option<Revision>, scope: Scope, live: &Live) -> Journal {
    let (source, snapshot) = (Some(source.clone()), snapshot(source, live));
    Journal { source, target, scope, snapshot, record: RecordChange::default() }
}

/// Every Pod of a revision's workloads, by name. Those of Jobs are none: they end by themselves.
fn snapshot(revision: &Revision, live: &Live) -> BTreeMap<String, PodBefore> {
    let mut snapshot = BTreeMap::new();
    for state in revision.objects.iter().filter(|state| state.reference.group() != "batch") {
        for pod in live.pods_of(&state.reference) {
            let Some(name) = text(pod, "/metadata/name").filter(|_| active(pod) && !uid(pod).is_empty()) else {
                continue;
            };
            let before = PodBefore { workload: state.reference.clone(), snapshot: Snapshot::of(pod) };
            snapshot.insert(name.to_owned(), before);
        }
    }
    snapshot
}

/// Which workload belongs to which VDU, in the order of the flavour.
#[derive(Clone, Debug, Default)]
pub struct Vdus {
    /// By the name of the workload, its place in the flavour and its VDU.
    by_name: HashMap<String, (usize, String)>,
}

impl Vdus {
    /// The VDUs of a revision's flavour.
    pub fn of(revision: &Revision, contents: &Contents) -> Self {
        let vdus = contents.flavour(revision).map(|flavour| flavour.vdus.as_slice()).unwrap_or_default();
        let mut by_name = HashMap::new();
        for (place, vdu) in vdus.iter().enumerate() {
            by_name.entry(vdu.name.clone()).or_insert((place, vdu.id.clone()));
        }
        Self { by_name }
    }

    /// The VDU of a workload; nothing else has one.
    pub fn id(&self, object: &ObjectRef) -> Option<&str> {
        WorkloadKind::of(object)?;
        self.by_name.get(&object.name).map(|(_, id)| id.as_str())
    }

    /// Where a workload stands in the flavour; what is not of a VDU comes last.
    pub fn position(&self, object: &ObjectRef) -> usize {
        if WorkloadKind::of(object).is_none() {
            return 0;
        }
        self.by_name.get(&object.name).map_or(usize::MAX, |(place, _)| *place)
    }
}

/// The marker that a live workload carries, for those who compare it with a revision.
pub fn live_marker(reference: &ObjectRef, object: &Value) -> Option<u64> {
    WorkloadKind::of(reference).and_then(|kind| marker(object, kind))
}

/// Images of a live object, by container.
pub fn live_images(object: &Value) -> BTreeMap<String, String> {
    pod_spec(object).map(images).unwrap_or_default()
}
