//! How much of a package is read: caps on sizes and ratios, counted over the bytes that really come.
//!
//! What an archive declares about itself is never believed. The numbers are far above what packages need and far below
//! what would hurt the machine: reading takes time in proportion to the archive's size, and never more memory than the
//! caps here.

use super::super::problem::Problem;
use crate::yaml;
use std::io::Read;

/// Most entries in one package, directories included.
pub(super) const MAX_ENTRIES: usize = 10_000;
/// Most bytes of an archive's list of entries: names, comments and extra fields, which readers keep in memory.
pub(super) const MAX_LIST_BYTES: u64 = 16 * MIB;
/// Largest file that is kept in memory, in bytes: what the YAML reader takes.
pub(super) const MAX_KEPT_FILE_BYTES: u64 = yaml::MAX_BYTES as u64;
/// Most bytes kept in memory for one package.
const MAX_KEPT_BYTES: u64 = 64 * MIB;
/// Largest file, in bytes. Images are the largest files of a package.
const MAX_FILE_BYTES: u64 = 16 * GIB;
/// Largest package, in bytes, unpacked.
const MAX_TOTAL_BYTES: u64 = 64 * GIB;
/// How many times its packed size an entry, and the whole archive, may expand to. Entries may share packed bytes, so
/// that only the second of the two bounds the whole.
const MAX_RATIO: u64 = 200;
/// An entry of up to this many bytes is fine at any ratio: short repetitive YAML packs extremely well.
const ENTRY_FREE_BYTES: u64 = 4 * MIB;
/// An archive of up to this many bytes is fine at any ratio: what was kept of a package, without its images, can be read.
const TOTAL_FREE_BYTES: u64 = 2 * MAX_KEPT_BYTES;

pub(super) const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// This file cannot be read; others can.
    File(Problem),
    /// Nothing more of the package is read.
    Package(Problem),
}

impl Stop {
    /// What is wrong.
    pub fn problem(self) -> Problem {
        match self {
            Self::File(problem) | Self::Package(problem) => problem,
        }
    }
}

/// What was used of the limits that hold for a whole package.
pub(super) struct Budget {
    /// Size of the archive; `None` for a directory.
    packed: Option<u64>,
    /// Most bytes of one file.
    file: u64,
    total: u64,
    kept: u64,
}

impl Budget {
    /// For an archive of this size, or a directory.
    pub fn new(packed: Option<u64>) -> Self {
        Self { packed, file: MAX_FILE_BYTES, total: 0, kept: 0 }
    }

    /// Reads one file to its end, piece by piece into `sink`, and returns its size. `packed` is how much of the archive
    /// it takes.
    pub fn pass(
        &mut self,
        reader: &mut impl Read,
        path: &str,
        packed: Option<u64>,
        mut sink: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<u64, Stop> {
        let entry_ratio = packed.map_or(u64::MAX, |packed| unpacked(packed, ENTRY_FREE_BYTES));
        let total_ratio = self.packed.map_or(u64::MAX, |packed| unpacked(packed, TOTAL_FREE_BYTES));
        let mut size = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(size),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::File(unreadable(path, packed.is_some(), &error))),
            };
            size += count as u64;
            self.total += count as u64;
            let stop = |whole: bool, message: String| {
                let problem = Problem::error("C1", message);
                Err(if whole { Stop::Package(problem) } else { Stop::File(problem) })
            };
            if self.total > MAX_TOTAL_BYTES {
                return stop(true, format!("the package has more than {} GiB", MAX_TOTAL_BYTES / GIB));
            } else if self.total > total_ratio {
                let message = format!(
                    "the package expands to more than {total_ratio} bytes, the limit for the size of its archive"
                );
                return stop(true, message);
            } else if size > self.file {
                return stop(false, format!("entry {path} has more than {} GiB", MAX_FILE_BYTES / GIB));
            } else if size > entry_ratio {
                let message =
                    format!("entry {path} expands to more than {entry_ratio} bytes, the limit for its packed size");
                return stop(false, message);
            }
            sink(&buffer[..count]).map_err(|error| {
                Stop::Package(Problem::error("C1", format!("entry {path} cannot be copied: {}", plain(&error))))
            })?;
        }
    }

    /// Counts a file that stays in memory.
    pub fn keep(&mut self, bytes: usize) -> Result<(), Stop> {
        self.kept += bytes as u64;
        if self.kept > MAX_KEPT_BYTES {
            let message = format!("definitions and manifests of more than {} MiB", MAX_KEPT_BYTES / MIB);
            return Err(Stop::Package(Problem::error("C1", message)));
        }
        Ok(())
    }
}

/// What packed bytes may expand to.
fn unpacked(packed: u64, free: u64) -> u64 {
    free.max(packed.saturating_mul(MAX_RATIO))
}

fn unreadable(path: &str, packed: bool, error: &std::io::Error) -> Problem {
    let what = if packed { "unpacked" } else { "read" };
    Problem::error("C1", format!("entry {path} cannot be {what}: {}", plain(error)))
}

/// An I/O error without the number that the library adds.
pub(super) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pass(budget: &mut Budget, size: u64, packed: Option<u64>) -> Result<u64, String> {
        budget.pass(&mut std::io::repeat(0).take(size), "a", packed, |_| Ok(())).map_err(|stop| stop.problem().message)
    }

    #[test]
    fn ratios_of_an_entry_and_of_the_whole() {
        let mut budget = Budget::new(Some(MIB));
        assert_eq!(pass(&mut budget, 4 * MIB, Some(1)), Ok(4 * MIB));
        let message = "entry a expands to more than 4194304 bytes, the limit for its packed size";
        assert_eq!(pass(&mut budget, 4 * MIB + 1, Some(1)).unwrap_err(), message);
        assert_eq!(pass(&mut budget, 190 * MIB, Some(MIB)), Ok(190 * MIB));
        let message = "the package expands to more than 209715200 bytes, the limit for the size of its archive";
        assert_eq!(pass(&mut budget, 8 * MIB, Some(MIB)).unwrap_err(), message);
        assert_eq!(pass(&mut Budget::new(None), 400 * MIB, None), Ok(400 * MIB));
    }

    #[test]
    fn sizes_of_an_entry_and_of_the_whole() {
        // The counters are set ahead: nobody wants to wait for 64 GiB of zeros.
        let mut budget = Budget::new(None);
        budget.total = MAX_TOTAL_BYTES - 10;
        assert_eq!(pass(&mut budget, 10, None), Ok(10));
        assert_eq!(pass(&mut budget, 1, None).unwrap_err(), "the package has more than 64 GiB");
        // One that is too large does not keep the others from being read.
        let mut budget = Budget { file: 10, ..Budget::new(None) };
        assert_eq!(pass(&mut budget, 11, None).unwrap_err(), "entry a has more than 16 GiB");
        assert_eq!(pass(&mut budget, 10, None), Ok(10));
        let mut budget = Budget::new(None);
        budget.keep(64 * 1024 * 1024).unwrap();
        assert_eq!(budget.keep(1).unwrap_err().problem().message, "definitions and manifests of more than 64 MiB");
    }

    #[test]
    fn a_reader_that_fails() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::from_raw_os_error(5))
            }
        }
        let error =
            |packed| Budget::new(None).pass(&mut Broken, "a", packed, |_| Ok(())).unwrap_err().problem().message;
        assert_eq!(error(None), "entry a cannot be read: input/output error");
        assert_eq!(error(Some(1)), "entry a cannot be unpacked: input/output error");
    }
}
