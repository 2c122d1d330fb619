//! What happens during an operation, as typed events: a plain log, a live tree and JSON lines read the same ones.

use crate::object::ObjectRef;
use serde::Serialize;
use std::time::Duration;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Since the operation began.
    #[serde(serialize_with = "super::as_seconds")]
    pub after: Duration,
    /// The object that it is about.
    pub object: ObjectRef,
    /// Its VDU, when it is the workload of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "event", content = "detail")]
pub enum EventKind {
    /// Something was written: `created`, `image nginx -> tomcat`.
    Written(String),
    /// What it is waiting for has changed: `1 of 3 new`.
    Waiting(String),
    /// It is done: `ready 1/1, restarts 0 -> 1`.
    Done(String),
    /// It failed: the reason in a few words.
    Failed(String),
}
