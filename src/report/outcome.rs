//! What an operation came to: the values behind its result screen and `-o json`.

use super::evidence::Evidence;
use crate::object::ObjectRef;
use crate::plan::derive::scale::AspectMove;
use crate::plan::derive::update::Deferred;
use crate::record::{OperationState, Verb};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A finished or failed operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What was asked for.
    pub verb: Verb,
    /// Instance name, as it is now.
    pub name: String,
    /// Instance id.
    pub id: String,
    /// Operation id.
    pub operation_id: String,
    /// How it ended.
    pub state: OperationState,
    /// Revision in force, or aimed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// How long it took, waiting for consent not counted.
    #[serde(serialize_with = "super::as_seconds")]
    pub took: Duration,
    /// Scaling aspects that moved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<AspectMove>,
    /// Pods that restarted or were replaced, read again from the cluster.
    pub restarted: Vec<Restarted>,
    /// Pods that a scaling added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<PodOf>,
    /// Pods that a scaling took away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<PodOf>,
    /// Pods that were to stay untouched, and are.
    pub untouched: Vec<PodOf>,
    /// Pods that were to stay untouched, but are not as they were; not by this operation's hand.
    pub disturbed: Vec<Disturbed>,
    /// VNFCs that are ready, of how many.
    pub ready: (usize, usize),
    /// What of the package does not take effect.
    pub deferred: Vec<Deferred>,
    /// Former name, after a rename.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// What went wrong; empty: nothing.
    pub failures: Vec<FailureLine>,
    /// Every object in scope and how it stands at the end, for failures: done, still old, under way.
    pub standing: Vec<Standing>,
    /// What may be done next, when it stopped half way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ways: Option<WaysOut>,
    /// Objects deleted (terminate).
    pub deleted: Vec<ObjectRef>,
    /// More to be said: packages removed, record removed.
    pub notes: Vec<String>,
}

/// A Pod and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodOf {
    /// Its VDU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
    /// Its workload.
    pub workload: ObjectRef,
    /// Its name.
    pub pod: String,
}

/// A Pod that restarted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restarted {
    /// Its VDU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
    /// Its workload.
    pub workload: ObjectRef,
    /// Name before; `None`: there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Name after; `None`: there is none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Restart counts before and after, when it is the same Pod (same UID).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<(u64, u64)>,
    /// Images that it runs.
    pub images: Vec<String>,
}

/// A Pod that changed although nothing of it was in scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disturbed {
    /// Which.
    #[serde(flatten)]
    pub pod: PodOf,
    /// How it differs: `restarted once`, `gone`.
    pub how: String,
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureLine {
    /// The object.
    pub object: ObjectRef,
    /// Its VDU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
    /// Where the package defines it, `file:line` or `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defined_at: Option<String>,
    /// What went wrong, in words.
    pub what: String,
    /// Only the consequence of another failure or of a stop.
    pub consequence: bool,
    /// What the cluster tells about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What an operation takes that stopped half way: retry, rollback and fail, as far as its verb and state allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaysOut {
    /// What was asked for.
    pub verb: Verb,
    /// A rollback has begun: a retry is not possible any more.
    pub rolling_back: bool,
    /// What a rollback would do; `None`: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back: Option<WayBack>,
}

/// What a rollback would do, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WayBack {
    /// The revision that it goes back to; `None`: nothing is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// ConfigMaps and Secrets to be put back.
    pub config: usize,
    /// Workloads that are put back.
    pub workloads: usize,
    /// Workloads that get their former replicas.
    pub scaled: usize,
    /// Those among the workloads whose serving Pods restart.
    pub restarts: usize,
    /// Objects to be deleted.
    pub deleted: usize,
}

/// How one object in scope stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The object.
    pub object: ObjectRef,
    /// Its VDU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
    /// How far it is.
    pub state: crate::plan::ItemState,
}

impl Standing {
    /// That of an item planned at the end of an operation.
    pub fn of(item: crate::plan::Item) -> Self {
        Self { object: item.object, vdu: item.vdu, state: item.state }
    }
}
