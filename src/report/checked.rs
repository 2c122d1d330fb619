//! What the checks before the first write came to, when nothing spoke against it.

use crate::object::ObjectRef;
use serde::Serialize;

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Writes that the server accepted in a dry run.
    pub accepted: usize,
    /// Workloads whose Pods the server would admit.
    pub admitted: usize,
    /// Writes that cannot be tried before the operation itself has made what they need.
    pub not_checkable: Vec<ObjectRef>,
    /// What else could not be checked, and why.
    pub unknown: Vec<String>,
}
