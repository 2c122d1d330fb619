//! `TOSCA-Metadata/TOSCA.meta`: its blocks, what they promise, and whether that holds (rules M and A).
//!
//! SOL004 4.1.2 and TOSCA Simple Profile 6.2 describe the file; what packages in the field really write is read as well:
//! any line ending, any case of keys, blocks without an empty line between them. The manifest file (`.mf`), which lists
//! artifacts in the same way, is read in `manifest`.

use super::archive::Files;
use super::digests::Algorithm;
use super::problem::Problem;
use super::{META, manifest};
use std::collections::{BTreeMap, BTreeSet};

/// A file or URL that TOSCA.meta or the manifest lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Path inside the package, or a URL.
    pub name: String,
    /// `Content-Type`, as written.
    pub content_type: Option<String>,
    /// `Algorithm`, as written.
    pub algorithm: Option<String>,
    /// `Hash`, as written.
    pub hash: Option<String>,
    /// The file that lists it.
    pub listed_in: String,
    /// Line of its name there, from 1.
    pub line: usize,
}

impl Artifact {
    /// Whether it lies somewhere else. Such artifacts are never fetched.
    pub fn is_url(&self) -> bool {
        self.name.contains("://")
    }

    fn problem(&self, rule: &'static str, message: impl Into<String>) -> Problem {
        Problem::error(rule, message).at(&self.listed_in, self.line)
    }

    /// Algorithm and digest in lower-case hex; `Ok(None)` if none is given.
    fn promise(&self) -> Result<Option<Promise>, Problem> {
        let (algorithm, hash) = match (&self.algorithm, &self.hash) {
            (None, None) => return Ok(None),
            (Some(algorithm), Some(hash)) => (algorithm, hash),
            (None, Some(_)) => return Err(self.problem("A1", format!("{} has a Hash, but no Algorithm", self.name))),
            (Some(_), None) => return Err(self.problem("A1", format!("{} has an Algorithm, but no Hash", self.name))),
        };
        let known = Algorithm::parse(algorithm).ok_or_else(|| {
            self.problem("A2", format!("unsupported algorithm {algorithm:?} of {}", self.name))
                .help("SHA-224, SHA-256, SHA-384 and SHA-512 are known")
        })?;
        if hash.len() != known.digits() || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let message = format!("Hash of {} is not {} hex digits, as {known} has", self.name, known.digits());
            return Err(self.problem("A2", message));
        }
        Ok(Some((known, hash.to_ascii_lowercase())))
    }
}

/// An algorithm and the digest by it, in lower-case hex.
type Promise = (Algorithm, String);

/// One `key: value` with its continuation lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub key: String,
    pub value: String,
    pub line: usize,
}

/// Lines that belong together.
pub(super) type Block = Vec<Field>;

/// The value of a key in any case.
pub(super) fn field<'a>(block: &'a [Field], key: &str) -> Option<&'a Field> {
    block.iter().find(|field| field.key.eq_ignore_ascii_case(key))
}

/// Splits a text into blocks at empty lines, and before a `Name` that follows other keys.
pub(super) fn blocks(text: &[u8], file: &str, problems: &mut Vec<Problem>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in lines(text).enumerate() {
        let number = index + 1;
        if line.trim().is_empty() {
            open = false;
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        if let (true, true, Some(last)) =
            (open, line.starts_with([' ', '\t']), blocks.last_mut().and_then(|b| b.last_mut()))
        {
            last.value.push_str(line.trim());
            continue;
        }
        let Some((key, value)) = line.split_once(':').map(|(key, value)| (key.trim(), value.trim())) else {
            problems.push(Problem::error("M1", "not 'key: value'").at(file, number));
            continue;
        };
        let next_artifact = |block: &Block| {
            field(block, "name").is_some()
                || block.iter().any(|f| f.key.to_ascii_lowercase().ends_with("entry-definitions"))
        };
        if !open || (key.eq_ignore_ascii_case("name") && blocks.last().is_some_and(next_artifact)) {
            blocks.push(Vec::new());
            open = true;
        }
        if let Some(block) = blocks.last_mut() {
            block.push(Field { key: key.into(), value: value.into(), line: number });
        }
    }
    blocks
}

/// The lines of a text without line ends of any kind and without a byte order mark. What is not UTF-8 is replaced:
/// a path that has no such character will not match one that has.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect::<Vec<_>>().into_iter()
}

/// A path as it stands in the archive: without `./` before it.
pub(super) fn clean(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

/// What TOSCA.meta and the manifest say about the package.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    /// `Entry-Definitions`.
    pub entry: Option<String>,
    /// `ETSI-Entry-Manifest`.
    pub manifest: Option<String>,
    /// Every other `Entry-*` and `ETSI-Entry-*`: key, target, line.
    entries: Vec<Field>,
    /// Listed files, those of TOSCA.meta first.
    pub artifacts: Vec<Artifact>,
    /// What was wrong with the two files themselves.
    pub problems: Vec<Problem>,
}

impl Listing {
    /// Reads both files. `read` gives the content of a file of the package.
    pub fn read(mut read: impl FnMut(&str) -> Option<Vec<u8>>) -> Self {
        let mut listing = Self::default();
        let Some(text) = read(META) else {
            listing.problems.push(missing());
            return listing;
        };
        let mut blocks = blocks(&text, META, &mut listing.problems).into_iter();
        let mut head = blocks.next().unwrap_or_default();
        if field(&head, "name").is_some() && field(&head, "entry-definitions").is_none() {
            // The first block describes an artifact: there is none about the package.
            listing.artifact(&std::mem::take(&mut head));
        }
        listing.head(&head);
        for block in blocks {
            // Blank lines inside the first block part it; what names no artifact still belongs to the package.
            if field(&block, "name").is_none() && block.iter().any(|f| f.key.to_ascii_lowercase().contains("entry-")) {
                listing.head(&block);
            } else {
                listing.artifact(&block);
            }
        }
        if listing.entry.is_none() && !listing.problems.iter().any(|problem| problem.rule == "M2") {
            let problem = Problem::error("M2", "Entry-Definitions is missing").file(META);
            listing
                .problems
                .push(problem.help("it names the VNFD's top file: Entry-Definitions: Definitions/my_vnfd.yaml"));
        }
        if let Some((path, text)) = listing.manifest.clone().and_then(|path| read(&path).map(|text| (path, text))) {
            let manifest = manifest::Manifest::read(&text, &path);
            listing.problems.extend(manifest.problems);
            listing.artifacts.extend(manifest.artifacts);
        }
        listing
    }

    fn head(&mut self, block: &[Field]) {
        for (key, wanted) in [("TOSCA-Meta-File-Version", ["1.0", "1.1"]), ("CSAR-Version", ["1.1", "1.0"])] {
            if let Some(found) = field(block, key).filter(|found| !wanted.contains(&found.value.as_str())) {
                let message = format!("{key} is {}, SOL004 says {}", found.value, wanted[0]);
                self.problems.push(Problem::warning("M3", message).at(META, found.line));
            }
        }
        for field in block {
            let key = field.key.to_ascii_lowercase();
            let Some(what) = key.strip_prefix("etsi-entry-").or_else(|| key.strip_prefix("entry-")) else { continue };
            let target = clean(&field.value).trim_end_matches('/').to_owned();
            match what {
                "definitions" => self.entry = Some(target.clone()),
                "manifest" => self.manifest = Some(target.clone()),
                _ => {}
            }
            self.entries.push(Field { key: field.key.clone(), value: target, line: field.line });
        }
    }

    fn artifact(&mut self, block: &[Field]) {
        let value = |key| field(block, key).map(|field| field.value.clone()).filter(|value| !value.is_empty());
        let Some(first) = block.first() else { return };
        let Some(name) = field(block, "name").filter(|name| !name.value.is_empty()) else {
            let missing =
                if field(block, "hash").or(field(block, "algorithm")).is_some() { "Name" } else { "a known key" };
            self.problems.push(Problem::error("A1", format!("this block lacks {missing}")).at(META, first.line));
            return;
        };
        self.artifacts.push(Artifact {
            name: clean(&name.value).into(),
            content_type: value("content-type"),
            algorithm: value("algorithm"),
            hash: value("hash"),
            listed_in: META.into(),
            line: name.line,
        });
    }

    /// For each file the digests that its listings need.
    pub fn algorithms(&self) -> BTreeMap<String, BTreeSet<Algorithm>> {
        let mut wanted: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for artifact in &self.artifacts {
            if let Ok(Some((algorithm, _))) = artifact.promise() {
                wanted.entry(artifact.name.clone()).or_default().insert(algorithm);
            }
        }
        wanted
    }

    /// Compares what is listed with what is there. `trusted` skips the digests: the content was verified otherwise.
    pub fn check(&self, files: &Files, allow_mismatch: bool, trusted: bool) -> Checked {
        let mut checked = Checked::default();
        for entry in &self.entries {
            let directory = format!("{}/", entry.value);
            let mut inside = files.0.range(directory.clone()..);
            if !files.contains(&entry.value) && !inside.next().is_some_and(|(path, _)| path.starts_with(&directory)) {
                let rule = if entry.key.eq_ignore_ascii_case("entry-definitions") { "M2" } else { "M4" };
                let message = format!("{} names {}, which is not in the package", entry.key, entry.value);
                checked.problems.push(Problem::error(rule, message).at(META, entry.line));
            }
        }
        let mut seen: BTreeMap<&str, Vec<(&Artifact, Option<Promise>)>> = BTreeMap::new();
        for artifact in &self.artifacts {
            let promise = artifact.promise().unwrap_or_else(|problem| {
                checked.problems.push(problem);
                None
            });
            if artifact.is_url() {
                let problem = artifact.problem("A5", format!("{} is a URL, which is not fetched", artifact.name));
                checked.problems.push(Problem { severity: super::Severity::Warning, ..problem });
                continue;
            }
            let earlier = seen.entry(&artifact.name).or_default();
            if earlier.iter().any(|(_, said)| *said == promise) {
                // Some tools write a block twice, and a manifest may repeat what TOSCA.meta says.
                continue;
            }
            let contradicts = |said: &Option<Promise>| matches!((said, &promise), (Some(a), Some(b)) if a.0 == b.0);
            if let Some((first, _)) = earlier.iter().find(|(_, said)| contradicts(said)) {
                let message =
                    format!("{} is listed with another Hash in {}:{}", artifact.name, first.listed_in, first.line);
                checked.problems.push(artifact.problem("A6", message));
                continue;
            }
            earlier.push((artifact, promise.clone()));
            let Some(file) = files.0.get(&artifact.name) else {
                checked
                    .problems
                    .push(artifact.problem("A3", format!("{} is listed, but not in the package", artifact.name)));
                continue;
            };
            if let Some((algorithm, want)) = promise.as_ref().filter(|_| !trusted) {
                checked.listed += 1;
                match file.sums.get(*algorithm) {
                    Some(got) if got == *want => checked.matching += 1,
                    got => {
                        let start = |sum: &str| format!("{}...", sum.get(..12).unwrap_or(sum));
                        let got = start(&got.unwrap_or_default());
                        let (list, line, want) = (&artifact.listed_in, artifact.line, start(want));
                        let message = format!("{algorithm} is {got}, {list}:{line} says {want}");
                        let problem = Problem::error("A4", message).file(&artifact.name);
                        checked.problems.push(if allow_mismatch {
                            Problem { severity: super::Severity::Warning, ..problem }
                        } else {
                            problem.help("the file was changed after the package was made; ask the vendor, or --allow-hash-mismatch")
                        });
                    }
                }
            }
        }
        checked
    }
}

/// What [`Listing::check`] found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub problems: Vec<Problem>,
    /// Digests that are listed for files of the package.
    pub listed: usize,
    /// Those that match.
    pub matching: usize,
}

/// The problem of a package without TOSCA.meta.
pub(super) fn missing() -> Problem {
    Problem::error("C3", format!("no {META}")).help(
        "a package is a CSAR with a TOSCA-Metadata directory (SOL004 4.1.2); is this the right file or directory?",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str =
        "TOSCA-Meta-File-Version: 1.0\nCSAR-Version: 1.1\nCreated-by: x\nEntry-Definitions: Definitions/v.yaml\n";

    fn read(text: &str) -> Listing {
        let text = text.to_owned();
        Listing::read(move |path| (path == META).then(|| text.clone().into_bytes()))
    }

    #[test]
    fn what_packages_in_the_field_write() {
        for text in [
            format!(
                "{HEAD}\nName: a.yaml\nContent-type: x\nAlgorithm: SHA-256\nHash: 12\n\nName: b.yaml\nContent-Type: y"
            ),
            format!(
                "{HEAD}\nName: a.yaml\nContent-type: x\nAlgorithm: SHA-256\nHash: 12\nName: b.yaml\nContent-Type: y\n"
            ),
            format!("{HEAD}   \nalgorithm: SHA-256\nHASH: 12\nname: a.yaml\n\t\nName: ./b.yaml\n").replace(
                "\nalgorithm: SHA-256\nHASH: 12\nname: a.yaml",
                "\nname: a.yaml\nalgorithm: SHA-256\nHASH: 12",
            ),
            format!("\u{feff}{HEAD}\nName: a.y\n aml\nAlgorithm: SHA-256\nHash: 12\n\nName: b.yaml\n")
                .replace('\n', "\r\n"),
            format!("\n\n{HEAD}Name: a.yaml\nAlgorithm: SHA-256\nHash: 12\nName: b.yaml\n"),
        ] {
            let listing = read(&text);
            assert_eq!(listing.problems, [], "{text}");
            assert_eq!(listing.entry.as_deref(), Some("Definitions/v.yaml"), "{text}");
            let names: Vec<_> = listing.artifacts.iter().map(|a| (a.name.as_str(), a.hash.as_deref())).collect();
            assert_eq!(names, [("a.yaml", Some("12")), ("b.yaml", None)], "{text}");
        }
    }

    #[test]
    fn keys_of_a_block_in_alphabetical_order() {
        let listing = read(&format!("{HEAD}\nAlgorithm: SHA-256\nContent-Type: x\nHash: 12\nName: a.yaml\n"));
        assert_eq!(listing.problems, []);
        assert_eq!(listing.artifacts[0].hash.as_deref(), Some("12"));
    }

    #[test]
    fn broken_lines_and_blocks_are_named() {
        let listing = read("CSAR-Version: 2.0\nnonsense\n\nAlgorithm: SHA-256\nHash: 12\n");
        let found: Vec<_> = listing.problems.iter().map(|p| (p.rule, p.line)).collect();
        assert_eq!(found, [("M1", Some(2)), ("M3", Some(1)), ("A1", Some(4)), ("M2", None)]);
    }

    #[test]
    fn algorithms_and_hashes_are_judged() {
        let sha = "0".repeat(64);
        for (algorithm, hash, rule) in [
            ("SHA-256", sha.as_str(), None),
            ("sha256", &sha.to_uppercase(), None),
            ("MD5", "00", Some("A2")),
            ("SHA-512", &sha, Some("A2")),
            ("SHA-256", "", Some("A1")),
            ("", &sha, Some("A1")),
        ] {
            let listing = read(&format!("{HEAD}\nName: a.yaml\nAlgorithm: {algorithm}\nHash: {hash}\n"));
            let found = listing.artifacts[0].promise().err().map(|problem| problem.rule);
            assert_eq!(found, rule, "{algorithm} {hash}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,40}(\n|\r\n|: | |Name:|Hash:|\\PC{0,5}){0,40}") {
            let _ = read(&text);
        }

        #[test]
        fn any_bytes_are_read(text in any::<Vec<u8>>()) {
            let _ = Listing::read(|path| (path == META).then(|| text.clone()));
        }
    }
}
