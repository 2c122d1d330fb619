//! How a VNF is at one moment: what `status` says and its exit code comes from. [`make`] makes it.

pub mod make;

use super::tree::Tree;
use crate::plan::derive::update::Deferred;
use crate::plan::drift::fields::Departure;
use crate::record::instance::InstantiationState;
use crate::record::{OperationState, Verb};
use jiff::Timestamp;
use serde::Serialize;

/// How a VNF is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Instance name.
    pub name: String,
    /// Instance id.
    pub id: String,
    /// Namespace of the record.
    pub namespace: String,
    /// Whether objects exist.
    pub instantiation_state: InstantiationState,
    /// The revision in force; `None`: nothing is instantiated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// VNFCs that are ready, of how many.
    pub ready: (u64, u64),
    /// The operation that has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OpenOperation>,
    /// Its workloads, and what else is not ready.
    pub tree: Tree,
    /// What is not as recorded. While an operation has not ended nothing is said of it: it is about to be changed.
    pub drift: Vec<Departure>,
    /// What of the package is not in force.
    pub deferred: Vec<Deferred>,
    /// What could not be told, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// An operation that has not ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenOperation {
    /// Operation id.
    pub id: String,
    /// What was asked for.
    pub verb: Verb,
    /// How it stands; FAILED_TEMP also where its process could not say so itself any more.
    pub state: OperationState,
    /// Its process is gone without a word.
    pub interrupted: bool,
    /// When it began.
    pub started: Timestamp,
    /// Since when it stands so.
    pub since: Timestamp,
    /// Who is at work on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Status {
    /// Whether it is healthy, as recorded, and nothing is under way.
    pub fn is_well(&self) -> bool {
        let settled = self.operation.is_none() && self.drift.is_empty() && self.unknown.is_empty();
        settled && self.tree.is_well()
    }
}
