//! The files of a package: a zip or the same tree as a directory, read under limits.
//!
//! A package is untrusted. Nothing is extracted, no path leaves the archive, links are refused, and sizes are those
//! that were really read, never those that the archive declares. Only files that the life cycle needs stay in memory;
//! the others pass through the hash functions. What the files mean is not known here.
//!
//! An entry that is refused or damaged does not keep the others from being read, so that one run tells everything: it is
//! there, without content. Whoever wants to use a package has to look at the problems.

mod limits;
mod names;

use super::digests::{Algorithm, Hasher, Sums};
use super::problem::Problem;
use limits::{Budget, MAX_ENTRIES, MAX_KEPT_FILE_BYTES, MAX_LIST_BYTES, MIB, Stop, plain};
use names::Names;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use zip::ZipReadOptions;
use zip::read::OwnedZipFileEntry;
use zip::unstable::read::ZipIterable;

/// One file of a package.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Bytes that were read.
    pub size: u64,
    /// Its digests.
    pub sums: Sums,
    /// Its content, if it was kept.
    pub bytes: Option<Vec<u8>>,
    /// Whether it could be read. Of one that could not, there is a problem, and the rest here says nothing.
    pub readable: bool,
}

/// All files of a package by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(pub BTreeMap<String, File>);

impl Files {
    /// Whether the package has this file.
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Whether every file could be read.
    pub fn complete(&self) -> bool {
        self.0.values().all(|file| file.readable)
    }

    /// Whether a file of the package lies below this path.
    pub fn has_directory(&self, path: &str) -> bool {
        let directory = format!("{path}/");
        let mut inside = self.0.range(directory.clone()..);
        !path.is_empty() && inside.next().is_some_and(|(path, _)| path.starts_with(&directory))
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
    /// What is wrong with entries.
    problems: Vec<Problem>,
}

enum Source {
    /// The archive and its size.
    Zip(Box<dyn ReadSeek>, u64),
    Directory,
}

enum Entry {
    Zip(Box<OwnedZipFileEntry>),
    File(PathBuf),
    /// It is refused, which was said.
    Refused,
}

/// What a zip is read from.
pub(super) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

impl Archive {
    /// Lists the zip or the directory at `path`.
    pub fn open(path: &Path) -> Result<Self, Vec<Problem>> {
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
        let size = reader.seek(SeekFrom::End(0)).map_err(|error| not_a_zip(&error.into()))?;
        let mut archive = ZipIterable::try_new(&mut reader, zip::read::Config::default()).map_err(|e| not_a_zip(&e))?;
        if archive.len() > MAX_ENTRIES {
            return Err(vec![too_many_entries(archive.len())]);
        }
        let mut names = Names::default();
        let mut entries = BTreeMap::new();
        let mut list_start = None;
        for entry in archive.files().map_err(|e| not_a_zip(&e))? {
            let entry = entry.map_err(|e| not_a_zip(&e))?;
            let start = *list_start.get_or_insert(entry.central_header_start());
            if entry.central_header_start().saturating_sub(start) > MAX_LIST_BYTES {
                let message = format!("the list of entries takes more than {} MiB", MAX_LIST_BYTES / MIB);
                return Err(vec![Problem::error("C1", message)]);
            }
            let Ok(name) = entry.name().map(std::borrow::Cow::into_owned) else {
                names.refuse(&String::from_utf8_lossy(entry.name_raw()), "the name is not text");
                continue;
            };
            let Some(name) = names.take(&name, entry.is_dir(), entry.unix_mode()) else { continue };
            if entry.encrypted() {
                let problem = Problem::error("C1", format!("entry {name} is encrypted"));
                names.unreadable(name, problem);
                continue;
            }
            entries.insert(name, Entry::Zip(Box::new(entry.into())));
        }
        Self::listed(Source::Zip(reader, size), names, entries)
    }

    fn directory(root: &Path) -> Result<Self, Vec<Problem>> {
        // Before walking what may be a whole disk, a look at what makes a directory a package.
        if !root.join(super::META).is_file() {
            let items = fs::read_dir(root).map_err(|error| unreadable(&error))?;
            let yaml = items.flatten().filter(|item| is_yaml(&item.file_name().to_string_lossy())).count();
            if yaml != 1 {
                return Err(vec![super::listing::missing(yaml)]);
            }
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
                    names.refuse(&name.to_string_lossy(), "the name is not UTF-8");
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
        Self::listed(Source::Directory, names, entries)
    }

    fn listed(source: Source, names: Names, mut entries: BTreeMap<String, Entry>) -> Result<Self, Vec<Problem>> {
        let (problems, unreadable) = names.finish()?;
        for path in unreadable {
            entries.entry(path).or_insert(Entry::Refused);
        }
        Ok(Self { source, entries, problems })
    }

    /// The same, if nothing is wrong with any entry so far.
    pub fn flawless(self) -> Result<Self, Vec<Problem>> {
        if self.problems.is_empty() { Ok(self) } else { Err(self.problems) }
    }

    /// The paths of all files, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Reads one file ahead of the others; `None` if there is none. An error is all that is wrong so far, much of which
    /// [`Self::load`] tells too.
    pub fn read(&mut self, path: &str) -> Option<Result<Vec<u8>, Vec<Problem>>> {
        let entry = self.entries.get(path)?;
        if matches!(entry, Entry::Refused) {
            return Some(Err(self.problems.clone()));
        }
        let mut budget = self.source.budget();
        let file = read(&mut self.source, &mut budget, path, entry, &BTreeSet::new(), true).map_err(Stop::problem);
        let told = |problem| self.problems.iter().cloned().chain([problem]).collect();
        Some(file.and_then(|file| file.bytes.ok_or_else(|| too_large_to_keep(path))).map_err(told))
    }

    /// Copies one file to a temporary file without a name, and computes its digests; `None` if there is none.
    pub fn copy(&mut self, path: &str, algorithms: &BTreeSet<Algorithm>) -> Option<Result<(fs::File, Sums), Problem>> {
        let entry = self.entries.get(path)?;
        let mut budget = self.source.budget();
        let mut hasher = Hasher::new(algorithms);
        let copied = tempfile::tempfile()
            .map_err(|error| Problem::error("C1", format!("{path} cannot be unpacked: {}", plain(&error))))
            .and_then(|mut copy| {
                let copied = self.source.pass(&mut budget, path, entry, |piece| {
                    hasher.update(piece);
                    copy.write_all(piece)
                });
                copied.map(|_| copy).map_err(Stop::problem)
            });
        Some(copied.map(|copy| (copy, hasher.finish())))
    }

    /// Reads everything once: hashes all files (with SHA-256 and with what `algorithms` asks for) and keeps the content
    /// of those that `keep` picks, unless they are larger than what can be parsed. Beside the files what is wrong with
    /// them; an error is what leaves nothing to look at.
    pub fn load(
        mut self,
        algorithms: &BTreeMap<String, BTreeSet<Algorithm>>,
        keep: impl Fn(&str) -> bool,
    ) -> Result<(Files, Vec<Problem>), Vec<Problem>> {
        let none = BTreeSet::new();
        let mut budget = self.source.budget();
        let mut files = BTreeMap::new();
        let (mut problems, mut untold) = (self.problems, 0);
        let most = problems.len() + MAX_PROBLEMS;
        for (path, entry) in &self.entries {
            let wanted = algorithms.get(path).unwrap_or(&none);
            let file = match entry {
                Entry::Refused => File::unreadable(),
                _ => match read(&mut self.source, &mut budget, path, entry, wanted, keep(path)) {
                    Ok(file) => file,
                    Err(Stop::Package(problem)) => {
                        problems.push(problem);
                        return Err(problems);
                    }
                    Err(Stop::File(problem)) => {
                        if problems.len() < most {
                            problems.push(problem);
                        } else {
                            untold += 1;
                        }
                        File::unreadable()
                    }
                },
            };
            files.insert(path.clone(), file);
        }
        if untold > 0 {
            problems.push(Problem::error("C1", format!("{untold} more entries cannot be read")));
        }
        Ok((Files(files), problems))
    }

    /// As [`Self::load`], for whoever takes only what is right.
    pub fn load_flawless(self, keep: impl Fn(&str) -> bool) -> Result<Files, Vec<Problem>> {
        let (files, problems) = self.load(&BTreeMap::new(), keep)?;
        if problems.is_empty() { Ok(files) } else { Err(problems) }
    }
}

impl File {
    fn unreadable() -> Self {
        Self { size: 0, sums: Sums { sha256: [0; 32], others: Vec::new() }, bytes: None, readable: false }
    }
}

impl Source {
    fn budget(&self) -> Budget {
        Budget::new(match self {
            Self::Zip(_, size) => Some(*size),
            Self::Directory => None,
        })
    }

    /// Passes the bytes of one file to `sink`; returns how many they were.
    fn pass(
        &mut self,
        budget: &mut Budget,
        path: &str,
        entry: &Entry,
        sink: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<u64, Stop> {
        let broken =
            |what: &str, why: String| Stop::File(Problem::error("C1", format!("entry {path} cannot be {what}: {why}")));
        match (self, entry) {
            (Self::Zip(reader, _), Entry::Zip(entry)) => {
                let packed = entry.compressed_size();
                let file = OwnedZipFileEntry::as_ref(entry).with_reader(reader, ZipReadOptions::default());
                let mut file = file.map_err(|error| broken("unpacked", error.to_string()))?;
                budget.pass(&mut file, path, Some(packed), sink)
            }
            (_, Entry::File(on_disk)) => {
                let mut file = fs::File::open(on_disk).map_err(|error| broken("read", plain(&error)))?;
                budget.pass(&mut file, path, None, sink)
            }
            (Self::Directory, Entry::Zip(_)) => Err(broken("read", "it has no archive".into())),
            (_, Entry::Refused) => Err(broken("read", "it is refused".into())),
        }
    }
}

fn read(
    source: &mut Source,
    budget: &mut Budget,
    path: &str,
    entry: &Entry,
    algorithms: &BTreeSet<Algorithm>,
    keep: bool,
) -> Result<File, Stop> {
    let mut hasher = Hasher::new(algorithms);
    let mut bytes = keep.then(Vec::new);
    let size = source.pass(budget, path, entry, |piece| {
        hasher.update(piece);
        if let Some(kept) = &mut bytes {
            if (kept.len() + piece.len()) as u64 > MAX_KEPT_FILE_BYTES {
                bytes = None;
            } else {
                kept.extend_from_slice(piece);
            }
        }
        Ok(())
    })?;
    if let Some(bytes) = &mut bytes {
        bytes.shrink_to_fit();
        budget.keep(bytes.len())?;
    }
    Ok(File { size, sums: hasher.finish(), bytes, readable: true })
}

/// How many entries that cannot be read are told one by one.
const MAX_PROBLEMS: usize = 100;

const WHAT_A_PACKAGE_IS: &str =
    "a package is a CSAR (a zip), or a directory with the same tree, that holds TOSCA-Metadata/TOSCA.meta";

/// What the library found, in words of ours.
fn not_a_zip(error: &zip::result::ZipError) -> Vec<Problem> {
    let text = error.to_string();
    let text = text.strip_prefix("invalid Zip archive: ").unwrap_or(&text);
    let why = match text {
        "Could not find EOCD" => "it has no list of entries at its end: it was cut off, or is another kind of file",
        cut if cut.starts_with("Unexpected end") => "it was cut off",
        other => other,
    };
    vec![Problem::error("C1", format!("not a zip archive: {why}")).help(WHAT_A_PACKAGE_IS)]
}

fn unreadable(error: &std::io::Error) -> Vec<Problem> {
    vec![Problem::error("C1", format!("cannot be read: {}", plain(error)))]
}

/// Whether a file is YAML by its name.
pub(super) fn is_yaml(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.ends_with(".yaml") || lower.ends_with(".yml")
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
