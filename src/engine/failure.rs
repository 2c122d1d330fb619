//! Why an operation did not reach its target.

use super::lock::LockError;
use crate::cluster::ClusterError;
use crate::object::ObjectRef;
use crate::plan::ContentError;
use crate::report::evidence::Evidence;
use std::time::Duration;

/// One thing that went wrong, on one object.
#[derive(Debug)]
pub struct Failure {
    /// The object.
    pub object: ObjectRef,
    /// Its VDU, when it is the workload of one.
    pub vdu: Option<String>,
    /// What went wrong.
    pub cause: Cause,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The API server refused or could not be reached.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The lock is gone, or could not be renewed.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A revision points at content that is not at hand.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A guarded field is not what the plan was made against.
    #[error("{field} is {found}{}, the plan was made for {expected}", by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default())]
    Changed {
        /// The field.
        field: String,
        /// What the plan was made for.
        expected: String,
        /// What it is.
        found: String,
        /// Who changed it.
        by: Option<String>,
    },
    /// An object of that name exists and is not this instance's.
    #[error("it exists and belongs to {owner}")]
    Foreign {
        /// Who owns it.
        owner: String,
    },
    /// It does not become ready by waiting.
    #[error("{}", .0.summary)]
    Trouble(Box<Evidence>),
    /// The operation's time ran out.
    #[error("not ready after {} s: {waiting}", .after.as_secs())]
    Timeout {
        /// How long the whole operation took until then.
        after: Duration,
        /// What it was waiting for.
        waiting: String,
        /// What the cluster tells of a Pod that was not ready.
        evidence: Option<Box<Evidence>>,
    },
    /// Another object failed, and this one was not ready yet when the operation ended.
    #[error("still under way: {0}")]
    Unfinished(String),
    /// The user or the system asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// Read again after the operation, it is not what it should be.
    #[error("read again, it is not at its target: {0}")]
    Unproven(String),
}

impl Cause {
    /// Whether it is the consequence of a stop or of another failure, and not a fault of its own.
    pub fn is_consequence(&self) -> bool {
        matches!(self, Self::Unfinished(_) | Self::Interrupted)
    }
}
