//! What an operation tells of itself, as values: events while it runs, its outcome, the evidence of a failure.
//!
//! Made by `engine`, shown by `view`, stored and printed as JSON; nothing here does anything.

pub mod checked;
pub mod event;
pub mod evidence;
pub mod outcome;
pub mod tree;
