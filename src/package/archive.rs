//! The files of a package: a zip or the same tree as a directory, read under limits.
//!
//! A package is untrusted. Nothing is extracted, no path leaves the archive, links are refused, and sizes are those
//! that were really read, never those that the archive declares. Only files that the life cycle needs stay in memory;
//! the others pass through the hash functions. What the files mean is not known here.

use super::digests::{Algorithm, Hasher, Sums};
use super::problem::Problem;
use crate::yaml;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use zip::ZipReadOptions;
use zip::read::OwnedZipFileEntry;
use zip::unstable::read::ZipIterable;

/// Most entries in one package, directories included.
const MAX_ENTRIES: usize = 10_000;
/// Most levels of directories above a file, itself included.
const MAX_PATH_DEPTH: usize = 32;
/// Longest path, in bytes.
const MAX_PATH_BYTES: usize = 1024;
/// Largest file, in bytes. Images are the largest files of a package.
const MAX_FILE_BYTES: u64 = 16 * GIB;
/// Largest package, in bytes, unpacked.
const MAX_TOTAL_BYTES: u64 = 64 * GIB;
/// Largest file that is kept in memory, in bytes: what the YAML reader takes.
const MAX_KEPT_FILE_BYTES: u64 = yaml::MAX_BYTES as u64;
/// Most bytes kept in memory for one package.
const MAX_KEPT_BYTES: u64 = 64 * MIB;
/// How many times its packed size an entry may expand to, beyond [`RATIO_FREE_BYTES`].
const MAX_RATIO: u64 = 200;
/// Expanding up to this many bytes is fine at any ratio: short repetitive YAML packs extremely well.
const RATIO_FREE_BYTES: u64 = 4 * MIB;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// One file of a package.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Bytes that were read.
    pub size: u64,
    /// Its digests.
    pub sums: Sums,
    /// Its content, if it was kept.
    pub bytes: Option<Vec<u8>>,
}

/// All files of a package by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(pub BTreeMap<String, File>);

impl Files {
    /// Whether the package has this file.
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The content of a file; `None` if there is no such file or it was not kept.
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path)?.bytes.as_deref()
    }
}

/// A package that was listed, but not yet read.
pub(super) struct Archive {
    source: Source,
    /// Paths of the files, with what is needed to read each.
    entries: BTreeMap<String, Entry>,
}

enum Source {
    Zip(Box<dyn ReadSeek>),
    Directory,
}

enum Entry {
    Zip(Box<OwnedZipFileEntry>),
    File(PathBuf),
}

/// What a zip is read from.
pub(super) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

impl Archive {
    /// Lists the zip or the directory at `path`.
    pub fn open(path: &Path) -> Result<Self, Vec<Problem>> {
        let unreadable =
            |error: &std::io::Error| vec![Problem::error("C1", format!("cannot be read: {}", plain(error)))];
        let kind = fs::metadata(path).map_err(|error| unreadable(&error))?;
        if kind.is_dir() {
            return Self::directory(path);
        }
        if !kind.is_file() {
            return Err(vec![Problem::error("C1", "neither a file nor a directory").help(WHAT_A_PACKAGE_IS)]);
        }
        let file = fs::File::open(path).map_err(|error| unreadable(&error))?;
        Self::zip(Box::new(BufReader::new(file)))
    }

    /// Lists a zip in memory.
    pub fn zip(mut reader: Box<dyn ReadSeek>) -> Result<Self, Vec<Problem>> {
        let not_a_zip = |error: &zip::result::ZipError| {
            vec![Problem::error("C1", format!("not a zip archive: {error}")).help(WHAT_A_PACKAGE_IS)]
        };
        let mut archive = ZipIterable::try_new(&mut reader, zip::read::Config::default()).map_err(|e| not_a_zip(&e))?;
        if archive.len() > MAX_ENTRIES {
            return Err(vec![too_many_entries(archive.len())]);
        }
        let mut names = Names::default();
        let mut entries = BTreeMap::new();
        for entry in archive.files().map_err(|e| not_a_zip(&e))? {
            let entry = entry.map_err(|e| not_a_zip(&e))?;
            let Ok(name) = entry.name().map(std::borrow::Cow::into_owned) else {
                let name = String::from_utf8_lossy(entry.name_raw());
                names.problems.push(Problem::error("C2", format!("unsafe entry {name:?}: the name is not text")));
                continue;
            };
            let special = entry.unix_mode().map(|mode| mode & 0o170_000);
            let Some(name) = names.take(&name, entry.is_dir(), special) else { continue };
            if entry.encrypted() {
                names.problems.push(Problem::error("C1", format!("entry {name} is encrypted")));
                continue;
            }
            entries.insert(name, Entry::Zip(Box::new(entry.into())));
        }
        names.finish(&entries)?;
        Ok(Self { source: Source::Zip(reader), entries })
    }

    fn directory(root: &Path) -> Result<Self, Vec<Problem>> {
        // Before walking what may be a whole disk, a look at the one file that makes a directory a package.
        if !root.join(super::META).is_file() {
            return Err(vec![super::meta::missing()]);
        }
        let mut names = Names::default();
        let mut entries = BTreeMap::new();
        let mut pending = vec![(root.to_path_buf(), String::new())];
        let mut count = 0;
        while let Some((directory, prefix)) = pending.pop() {
            let unreadable = |error: std::io::Error| {
                vec![Problem::error("C1", format!("{}: cannot be read: {}", directory.display(), plain(&error)))]
            };
            for item in fs::read_dir(&directory).map_err(unreadable)? {
                let item = item.map_err(unreadable)?;
                count += 1;
                if count > MAX_ENTRIES {
                    return Err(vec![too_many_entries(count)]);
                }
                let kind = item.file_type().map_err(unreadable)?;
                let name = item.file_name();
                let Some(name) = name.to_str() else {
                    names.problems.push(Problem::error("C2", format!("unsafe entry {name:?}: the name is not UTF-8")));
                    continue;
                };
                let path = format!("{prefix}{name}");
                let special = if kind.is_symlink() {
                    0o120_000
                } else if kind.is_dir() {
                    0o040_000
                } else if kind.is_file() {
                    0o100_000
                } else {
                    0o020_000
                };
                let Some(path) = names.take(&path, kind.is_dir(), Some(special)) else { continue };
                if kind.is_dir() {
                    pending.push((item.path(), format!("{path}/")));
                } else {
                    entries.insert(path, Entry::File(item.path()));
                }
            }
        }
        names.finish(&entries)?;
        Ok(Self { source: Source::Directory, entries })
    }

    /// The paths of all files, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Reads one file ahead of the others; `None` if there is none.
    pub fn read(&mut self, path: &str) -> Option<Result<Vec<u8>, Problem>> {
        let entry = self.entries.get(path)?;
        let mut budget = Budget::default();
        let file = budget.read(&mut self.source, path, entry, &BTreeSet::new(), true);
        Some(file.and_then(|file| file.bytes.ok_or_else(|| too_large_to_keep(path))))
    }

    /// Reads everything once: hashes all files (with SHA-256 and with what `algorithms` asks for) and keeps the content
    /// of those that `keep` picks, unless they are larger than what can be parsed.
    pub fn load(
        mut self,
        algorithms: &BTreeMap<String, BTreeSet<Algorithm>>,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Files, Vec<Problem>> {
        let none = BTreeSet::new();
        let mut budget = Budget::default();
        let mut files = BTreeMap::new();
        for (path, entry) in std::mem::take(&mut self.entries) {
            let wanted = algorithms.get(&path).unwrap_or(&none);
            let file =
                budget.read(&mut self.source, &path, &entry, wanted, keep(&path)).map_err(|problem| vec![problem])?;
            files.insert(path, file);
        }
        Ok(Files(files))
    }
}

const WHAT_A_PACKAGE_IS: &str =
    "a package is a CSAR (a zip), or a directory with the same tree, that holds TOSCA-Metadata/TOSCA.meta";

/// An I/O error without the number that the library adds.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn too_many_entries(count: usize) -> Problem {
    Problem::error("C1", format!("{count} or more entries, limit {MAX_ENTRIES}"))
}

fn too_large_to_keep(path: &str) -> Problem {
    Problem::error(
        "C1",
        format!("entry {path} expands to more than {} MiB, which is too much for its kind", MAX_KEPT_FILE_BYTES / MIB),
    )
}

/// Judges entry names as they come.
#[derive(Default)]
struct Names {
    seen: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Names {
    /// The cleaned path of a file (or of a directory on disk) to go on with; `None` for what needs no reading or is refused.
    fn take(&mut self, name: &str, is_directory: bool, mode: Option<u32>) -> Option<String> {
        let trimmed = name.strip_suffix('/').unwrap_or(name);
        let trimmed = trimmed.strip_prefix("./").unwrap_or(trimmed);
        if is_directory && (trimmed.is_empty() || trimmed == ".") {
            return None;
        }
        let reason = match mode {
            Some(0o120_000) => Some("a symbolic link"),
            Some(0 | 0o040_000 | 0o100_000) | None => unsafe_path(trimmed),
            Some(_) => Some("a device or a pipe"),
        };
        if let Some(reason) = reason {
            self.problems.push(Problem::error("C2", format!("unsafe entry {name:?}: {reason}")));
            return None;
        }
        if is_directory {
            return (!name.ends_with('/')).then(|| trimmed.to_owned());
        }
        if !self.seen.insert(trimmed.to_owned()) {
            self.problems.push(
                Problem::error("C2", format!("duplicate entry {name:?}"))
                    .help("readers of such an archive do not agree on which of the two counts; pack it anew"),
            );
            return None;
        }
        Some(trimmed.to_owned())
    }

    /// Last checks over all names: a path that is a file cannot be a directory too.
    fn finish(mut self, entries: &BTreeMap<String, Entry>) -> Result<(), Vec<Problem>> {
        for path in entries.keys() {
            let mut parents = path.match_indices('/').map(|(at, _)| &path[..at]);
            if let Some(parent) = parents.find(|parent| entries.contains_key(*parent)) {
                self.problems
                    .push(Problem::error("C2", format!("{parent:?} is a file, and the directory of {path:?}")));
            }
        }
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }
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
    } else if path.len() > MAX_PATH_BYTES {
        Some("the path is too long")
    } else if path.split('/').count() > MAX_PATH_DEPTH {
        Some("the path is too deep")
    } else {
        None
    }
}

/// What was used of the limits that hold for a whole package.
#[derive(Default)]
struct Budget {
    total: u64,
    kept: u64,
}

impl Budget {
    fn read(
        &mut self,
        source: &mut Source,
        path: &str,
        entry: &Entry,
        algorithms: &BTreeSet<Algorithm>,
        keep: bool,
    ) -> Result<File, Problem> {
        match (source, entry) {
            (Source::Zip(reader), Entry::Zip(entry)) => {
                let packed = entry.compressed_size();
                let file = OwnedZipFileEntry::as_ref(entry).with_reader(reader, ZipReadOptions::default());
                let mut file =
                    file.map_err(|error| Problem::error("C1", format!("entry {path} cannot be unpacked: {error}")))?;
                self.pass(&mut file, path, packed, algorithms, keep)
            }
            (_, Entry::File(on_disk)) => {
                let mut file = fs::File::open(on_disk)
                    .map_err(|error| Problem::error("C1", format!("cannot be read: {}", plain(&error))).file(path))?;
                self.pass(&mut file, path, u64::MAX / MAX_RATIO, algorithms, keep)
            }
            (Source::Directory, Entry::Zip(_)) => Err(Problem::error("C1", format!("entry {path} has no archive"))),
        }
    }

    fn pass(
        &mut self,
        reader: &mut impl Read,
        path: &str,
        packed: u64,
        algorithms: &BTreeSet<Algorithm>,
        keep: bool,
    ) -> Result<File, Problem> {
        let limit = MAX_FILE_BYTES.min(RATIO_FREE_BYTES.max(packed.saturating_mul(MAX_RATIO)));
        let mut hasher = Hasher::new(algorithms);
        let mut bytes = keep.then(Vec::new);
        let mut size = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Problem::error("C1", format!("entry {path} cannot be unpacked: {}", plain(&error))));
                }
            };
            size += count as u64;
            self.total += count as u64;
            if size > limit {
                return Err(Problem::error(
                    "C1",
                    format!("entry {path} expands to more than {limit} bytes, the limit for its size"),
                ));
            }
            if self.total > MAX_TOTAL_BYTES {
                return Err(Problem::error(
                    "C1",
                    format!("the package expands to more than {} GiB", MAX_TOTAL_BYTES / GIB),
                ));
            }
            hasher.update(&buffer[..count]);
            if size > MAX_KEPT_FILE_BYTES {
                bytes = None;
            } else if let Some(bytes) = &mut bytes {
                bytes.extend_from_slice(&buffer[..count]);
            }
        }
        if let Some(bytes) = &mut bytes {
            bytes.shrink_to_fit();
            self.kept += bytes.len() as u64;
            if self.kept > MAX_KEPT_BYTES {
                return Err(Problem::error(
                    "C1",
                    format!("definitions and manifests of more than {} MiB", MAX_KEPT_BYTES / MIB),
                ));
            }
        }
        Ok(File { size, sums: hasher.finish(), bytes })
    }
}
