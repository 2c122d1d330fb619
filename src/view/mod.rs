//! Everything a user reads, as pure functions of values: the same values, width and symbols always give the same
//! text.
//!
//! Text carries colours as ANSI sequences; the stream that it is written to strips them where they are not wanted.
//! Nothing here reads a clock, a terminal or the cluster, and nothing that came from a cluster or a package gets
//! here with control characters in it: [`clean`] is applied to every such string.

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
