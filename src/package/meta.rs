//! `TOSCA-Metadata/TOSCA.meta` as text: its blocks, and what a block says about an artifact (rules M1, A1 and A2).
//!
//! SOL004 4.1.2 and TOSCA Simple Profile 6.2 describe the file; what packages in the field really write is read as well:
//! any line ending, any case and order of keys, blocks without an empty line between them. Whether it is true is judged
//! in `listing`; the manifest file (`.mf`), which lists artifacts in the same way, is read in `manifest`.

use super::digests::Algorithm;
use super::problem::Problem;

/// Most lines of a file that are read: ten for each entry that a package may have.
pub(super) const MAX_LINES: usize = 100_000;
/// Most keys of one block. That about the package has ten or so.
const MAX_FIELDS: usize = 100;
/// How many lines of one file are called wrong one by one.
const MAX_PROBLEMS: usize = 50;

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
    /// The file that holds a signature over it, if there is one.
    pub signature: Option<String>,
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

    /// One that is listed without anything else.
    pub(super) fn new(name: &str, listed_in: &str, line: usize) -> Self {
        Self {
            name: clean(name).into(),
            content_type: None,
            algorithm: None,
            hash: None,
            signature: None,
            listed_in: listed_in.into(),
            line,
        }
    }

    /// A problem with it, at its line.
    pub(super) fn problem(&self, rule: &'static str, message: impl Into<String>) -> Problem {
        Problem::error(rule, message).at(&self.listed_in, self.line)
    }

    /// Algorithm and digest in lower-case hex; `Ok(None)` if none is given.
    pub(super) fn promise(&self) -> Result<Option<Promise>, Problem> {
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
pub(super) type Promise = (Algorithm, String);

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

/// The name of the artifact that a block describes: `Source` is the manifest's word for it.
pub(super) fn name(block: &[Field]) -> Option<&Field> {
    field(block, "name").or_else(|| field(block, "source"))
}

/// Splits a text into blocks: at empty lines, and where the keys of an artifact begin again.
pub(super) fn blocks(text: &[u8], file: &str, problems: &mut Vec<Problem>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut open, mut full) = (false, false);
    for (number, line) in lines(text, file, "M1", problems) {
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
        let Some((key, value)) = key_value(&line) else {
            complain(problems, Problem::error("M1", "not 'key: value'").at(file, number));
            continue;
        };
        if !open || blocks.last().is_some_and(|block| begins_artifact(block, key)) {
            blocks.push(Vec::new());
            (open, full) = (true, false);
        }
        // What a key means depends on those before it, so that a block without an end would take for ever.
        if blocks.last().is_some_and(|block| block.len() == MAX_FIELDS) {
            if !full {
                let message = format!("more than {MAX_FIELDS} keys in one block");
                complain(problems, Problem::error("M1", message).at(file, number));
            }
            full = true;
            continue;
        }
        if let Some(block) = blocks.last_mut() {
            block.push(Field { key: key.into(), value: value.into(), line: number });
        }
    }
    blocks
}

/// Whether a key that follows a block without an empty line is about the next artifact.
fn begins_artifact(block: &[Field], key: &str) -> bool {
    let describes = ["name", "source", "algorithm", "hash", "content-type"].iter().any(|k| key.eq_ignore_ascii_case(k));
    let is_head = block.iter().any(|field| field.key.to_ascii_lowercase().contains("entry-"));
    describes && (is_head || (name(block).is_some() && field(block, key).is_some()))
}

/// Key and value of a line. Some tools take the file for YAML and quote values.
pub(super) fn key_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let value = value.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some((key.trim(), quoted.unwrap_or(value)))
}

/// Adds a problem with a line, unless there are enough of them: every line of a file may be wrong.
pub(super) fn complain(problems: &mut Vec<Problem>, problem: Problem) {
    if problems.len() < MAX_PROBLEMS {
        problems.push(problem);
    }
}

/// The lines of a text with their numbers, without line ends of any kind and without a byte order mark. What is not
/// UTF-8 is replaced: a path that has no such character will not match one that has.
pub(super) fn lines(
    text: &[u8],
    file: &str,
    rule: &'static str,
    problems: &mut Vec<Problem>,
) -> impl Iterator<Item = (usize, String)> + use<> {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r').to_owned()).zip(1..);
    let read: Vec<_> = lines.by_ref().take(MAX_LINES).map(|(line, number)| (number, line)).collect();
    if lines.any(|(line, _)| !line.is_empty()) {
        problems.push(Problem::error(rule, format!("more than {MAX_LINES} lines")).file(file));
    }
    read.into_iter()
}

/// A path as it stands in the archive: without `./` before it.
pub(super) fn clean(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}
