//! Everything a user reads, as pure functions of values: the same values, width and symbols always give the same
//! text.
//!
//! Text carries colours as ANSI sequences; the stream that it is written to strips them where they are not wanted.
//! Nothing here reads a clock, a terminal or the cluster. Whatever came from a cluster or a package passes through
//! [`style::clean`] on its way into a line, so that no control character ever reaches a terminal.
//!
//! Names are never cut: a line that is too long is wrapped between its parts. What explains (reasons, log lines) may
//! be cut.

pub mod diff;
pub mod inspect;
pub mod jsonpath;
pub mod page;
pub mod plan;
pub mod progress;
pub mod result;
pub mod show;
pub mod status;
pub mod style;
pub mod tables;
pub mod tree;
pub mod validate;
pub mod words;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

/// What rendering needs to know of the surroundings.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// The symbol set.
    pub symbols: Symbols,
    /// Now, for ages.
    pub now: Timestamp,
    /// `" -n <namespace>"` when commands in hints need it, else `""`.
    pub namespace_flag: String,
}

/// Symbols, as one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// `✔ ✖ ◌ ↻`
    Unicode,
    /// `ok x . R`
    Ascii,
}
