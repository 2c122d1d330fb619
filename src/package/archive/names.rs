//! Which entry names are taken: plain relative paths, each once, that mean the same on every system.
//!
//! Nothing is ever extracted, but what is refused here could hurt whoever extracts the same package, or is read in two
//! ways by two readers. What an entry holds is not looked at.

use super::super::problem::Problem;
use std::collections::BTreeSet;

/// Most levels of directories above a file, itself included.
const MAX_DEPTH: usize = 32;
/// Longest path, in bytes.
const MAX_BYTES: usize = 1024;
/// Most bytes of all paths together: what names every file must stay readable at once.
const MAX_TOTAL_BYTES: usize = 2 * 1024 * 1024;
/// How many refused names are told one by one.
const MAX_PROBLEMS: usize = 100;
/// How much of a refused name is shown, in characters.
const SHOWN: usize = 120;

/// Judges entry names as they come.
#[derive(Default)]
pub(super) struct Names {
    seen: BTreeSet<String>,
    unreadable: BTreeSet<String>,
    bytes: usize,
    problems: Vec<Problem>,
    untold: usize,
}

impl Names {
    /// The cleaned path of a file (or of a directory on disk) to go on with; `None` for what needs no reading or is
    /// refused. A link or a device is refused, but its name is known.
    pub fn take(&mut self, name: &str, is_directory: bool, mode: Option<u32>) -> Option<String> {
        let trimmed = name.strip_suffix('/').unwrap_or(name);
        let trimmed = trimmed.strip_prefix("./").unwrap_or(trimmed);
        if is_directory && (trimmed.is_empty() || trimmed == ".") {
            return None;
        }
        let reason = match mode.map(|mode| mode & 0o170_000) {
            Some(0o120_000) => Some("a symbolic link"),
            Some(0 | 0o040_000 | 0o100_000) | None => unsafe_path(trimmed),
            Some(_) => Some("a device or a pipe"),
        };
        if let Some(reason) = reason {
            self.refuse(name, reason);
            if unsafe_path(trimmed).is_none() {
                self.unreadable.insert(trimmed.to_owned());
            }
            return None;
        }
        if is_directory {
            return (!name.ends_with('/')).then(|| trimmed.to_owned());
        }
        if !self.seen.insert(trimmed.to_owned()) {
            self.problem(
                Problem::error("C2", format!("duplicate entry {:?}", shown(name)))
                    .help("readers of such an archive do not agree on which of the two counts; pack it anew"),
            );
            return None;
        }
        self.bytes += trimmed.len();
        (self.bytes <= MAX_TOTAL_BYTES).then(|| trimmed.to_owned())
    }

    /// An entry whose name cannot be taken.
    pub fn refuse(&mut self, name: &str, reason: &str) {
        self.problem(Problem::error("C2", format!("unsafe entry {:?}: {reason}", shown(name))));
    }

    /// An entry that cannot be read, though its name can be taken.
    pub fn unreadable(&mut self, name: String, problem: Problem) {
        self.problem(problem);
        self.unreadable.insert(name);
    }

    /// Anything else that is wrong with an entry.
    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.untold += 1;
        }
    }

    /// Last checks over all names: a path that is a file cannot be a directory too. What was refused, and the paths that
    /// are there but cannot be read. An error: there are too many names.
    pub fn finish(mut self) -> Result<(Vec<Problem>, BTreeSet<String>), Vec<Problem>> {
        for path in &self.seen {
            let mut parents = path.match_indices('/').map(|(at, _)| &path[..at]);
            if let Some(parent) = parents.find(|parent| self.seen.contains(*parent)) {
                let message = format!("{:?} is a file, and the directory of {:?}", shown(parent), shown(path));
                self.problems.push(Problem::error("C2", message));
                break;
            }
        }
        if self.untold > 0 {
            let message = format!("{} more entries cannot be taken", self.untold);
            self.problems.push(Problem::error("C2", message));
        }
        if self.bytes > MAX_TOTAL_BYTES {
            self.problems
                .push(Problem::error("C1", format!("the paths of its files take more than {MAX_TOTAL_BYTES} bytes")));
            return Err(self.problems);
        }
        Ok((self.problems, self.unreadable))
    }
}

/// The start of a name: an entry may carry one of 64 KiB.
fn shown(name: &str) -> String {
    let mut start: String = name.chars().take(SHOWN).collect();
    if start.len() < name.len() {
        start.push_str("...");
    }
    start
}

/// Why a path cannot be taken; `None` for a plain relative path.
fn unsafe_path(path: &str) -> Option<&'static str> {
    let mut bytes = path.bytes();
    let drive = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic()) && bytes.next() == Some(b':');
    if path.is_empty() {
        Some("an empty name")
    } else if path.starts_with('/') {
        Some("an absolute path")
    } else if path.contains('\\') {
        Some("a backslash in the path")
    } else if drive {
        Some("a drive in the path")
    } else if path.chars().any(char::is_control) {
        Some("a control character in the path")
    } else if path.split('/').any(|part| part == "..") {
        Some("it leaves the package by '..'")
    } else if path.split('/').any(|part| part.is_empty() || part == ".") {
        Some("an empty part or '.' in the path")
    } else if path.split('/').any(is_device) {
        Some("the name of a device on Windows")
    } else if path.len() > MAX_BYTES {
        Some("the path is longer than 1024 bytes")
    } else if path.split('/').count() > MAX_DEPTH {
        Some("the path is deeper than 32 levels")
    } else {
        None
    }
}

/// Whether Windows takes a name for a device, which it does with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        stem => ["COM", "LPT"].iter().filter_map(|device| stem.strip_prefix(device)).any(|number| {
            let mut digits = number.chars();
            // Superscript digits count as well.
            digits.next().is_some_and(|c| matches!(c, '1'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'))
                && digits.next().is_none()
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken() {
        for name in [
            "a",
            "Files/cm.yaml",
            "...",
            "a..b/c",
            ".hidden",
            "con-fig.yaml",
            "COM0",
            "COM10.yaml",
            "nulls/x",
            "ä/ö.yaml",
        ] {
            assert_eq!(unsafe_path(name), None, "{name}");
        }
        let mut names = Names::default();
        assert_eq!(names.take("./a/b", false, None).as_deref(), Some("a/b"));
        assert_eq!(names.take("a/", true, Some(0o040_755)), None);
        assert_eq!(names.take("./", true, None), None);
        assert_eq!(names.finish().unwrap(), (Vec::new(), BTreeSet::new()));
    }

    #[test]
    fn names_that_are_refused() {
        let deep = "a/".repeat(32) + "b";
        let long = "a".repeat(1025);
        for name in [
            "",
            "/etc/passwd",
            "a\\b",
            "C:/a",
            "c:a",
            "a\nb",
            "..",
            "a/../b",
            "a//b",
            "a/./b",
            "NUL",
            "a/aux.yaml",
            "com1",
            "lpt9.x/y",
            "prn .txt",
            "conin$",
            "Com\u{b9}.txt",
            &deep,
            &long,
        ] {
            assert!(unsafe_path(name).is_some(), "{name}");
        }
        for (mode, refused) in
            [(0o120_777, true), (0o020_666, true), (0o010_666, true), (0o100_644, false), (0o644, false)]
        {
            let mut names = Names::default();
            assert_eq!(names.take("a", false, Some(mode)).is_none(), refused, "{mode:o}");
            let (problems, unreadable) = names.finish().unwrap();
            assert_eq!((problems.len(), unreadable.contains("a")), (usize::from(refused), refused), "{mode:o}");
        }
    }

    #[test]
    fn paths_of_all_files_together() {
        let mut names = Names::default();
        for number in 0..2048 {
            names.take(&format!("{number:04}{}", "x".repeat(1020)), false, None);
        }
        assert_eq!(names.bytes, MAX_TOTAL_BYTES);
        names.take("a", false, None);
        let problems = names.finish().unwrap_err();
        assert_eq!((problems.len(), problems[0].rule), (1, "C1"));
    }

    #[test]
    fn no_flood_of_problems() {
        let mut names = Names::default();
        for number in 0..1000 {
            names.take(&format!("/{number}{}", "x".repeat(60_000)), false, None);
        }
        let (problems, unreadable) = names.finish().unwrap();
        assert_eq!((problems.len(), unreadable.len()), (MAX_PROBLEMS + 1, 0));
        assert_eq!(problems[MAX_PROBLEMS].message, "900 more entries cannot be taken");
        assert!(problems.iter().all(|problem| problem.message.len() < 200));
    }
}
