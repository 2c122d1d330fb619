//! What an operation, and a VNF, tell of themselves, as values: events while it runs, its outcome, the evidence of a
//! failure; how a VNF is, and the tree of it.
//!
//! Made of plans and live objects, without I/O, or by `engine`; shown by `view`, stored and printed as JSON.

pub mod checked;
pub mod event;
pub mod evidence;
pub mod outcome;
pub mod status;
pub mod tree;

use serde::Serializer;
use std::time::Duration;

/// A duration as machines read it: a number of seconds, to the millisecond.
fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}
