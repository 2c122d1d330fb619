//! The Kubernetes manifests of a package: which files they are, and the objects in them (rules K1 and K4).
//!
//! [`file`] makes objects of one file, once, when the package is opened; here they are asked for. Objects come out as
//! they are written. Whether a cluster serves their kinds, and in which namespace they land, is not known here.

mod file;

pub(super) use file::ObjectFile;

use super::problem::{Problem, judge};
use super::{META, Package, PackageError, Severity};
use crate::object::{Manifest, ObjectRef, Source};
use crate::yaml::{self, Node, YamlError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The manifests of chosen files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// In the order of the files, then of the documents.
    pub manifests: Vec<Manifest>,
    /// What was passed over, and why.
    pub notes: Vec<Problem>,
}

/// Most values in all listed YAML files together. Each takes up to half a kilobyte once it is read; the definitions of a
/// large operator's custom resources are about a hundred thousand.
const MAX_VALUES: usize = 500_000;

/// What the listed files are, as far as they may be Kubernetes manifests.
#[derive(Default)]
pub(super) struct Found {
    /// Those that are, in the order of the list.
    pub kubernetes: Vec<String>,
    /// What is in these.
    pub objects: BTreeMap<String, ObjectFile>,
    /// Those that were perhaps meant to be.
    pub passed_over: Vec<Problem>,
    /// Whether it is all too much to read.
    pub problem: Option<Problem>,
}

/// How much a file looks like Kubernetes objects.
enum Likeness {
    /// Some document has two of apiVersion, kind and metadata, or the text has them but does not parse.
    Object(ObjectFile),
    /// Some document, which begins in this line, has one of them.
    Half(usize),
    /// It is not YAML, and has none of them.
    Unreadable(YamlError),
    /// It is something else.
    None,
}

impl Package {
    /// Every Kubernetes manifest that the package lists, in the order of the list. Charts of Helm are none, URLs are none.
    ///
    /// A file belongs here when its documents look like Kubernetes objects, right or wrong: a broken one is reported by
    /// [`Package::manifests`], not left out.
    pub fn kubernetes_files(&self) -> Vec<String> {
        self.kubernetes.clone()
    }

    /// Tells Kubernetes manifests from the other listed files.
    pub(super) fn find_kubernetes_files(&self) -> Found {
        let mut found = Found::default();
        let mut seen = BTreeSet::new();
        let mut values = 0;
        for artifact in self.artifacts.iter().filter(|artifact| !artifact.is_url()) {
            let path = artifact.name.as_str();
            if !seen.insert(path) {
                continue;
            }
            let likeness = self.likeness(path, &mut values);
            if values > MAX_VALUES {
                let message = format!("the YAML files that it lists hold more than {MAX_VALUES} values");
                found.problem = Some(Problem::error("C1", message));
                break;
            }
            match likeness {
                Likeness::Object(file) => {
                    found.kubernetes.push(path.to_owned());
                    found.objects.insert(path.to_owned(), file);
                }
                Likeness::Half(line) => {
                    let message =
                        "no Kubernetes object: it has only one of apiVersion, kind and metadata, and is not used";
                    found.passed_over.push(Problem::warning("K1", message).at(path, line));
                }
                Likeness::Unreadable(error) => {
                    let message = format!("no YAML, and not used: {}", error.message);
                    found.passed_over.push(Problem::warning("K1", message).at(path, error.line));
                }
                Likeness::None => {}
            }
        }
        found
    }

    /// Whether a Helm chart is in it: workloads of charts are not seen.
    pub(super) fn has_charts(&self) -> bool {
        self.files.0.keys().any(|path| path.ends_with("/Chart.yaml") || path.ends_with(".tgz"))
    }

    /// What a file is; the values in it are added to `values`.
    fn likeness(&self, path: &str, values: &mut usize) -> Likeness {
        let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        let fitting = extension.is_some_and(|extension| ["yaml", "yml", "json"].contains(&extension.as_str()));
        if !fitting
            || path.starts_with("Definitions/")
            || path.starts_with("TOSCA-Metadata/")
            || self.definitions.contains(path)
        {
            return Likeness::None;
        }
        if path.match_indices('/').any(|(at, _)| self.files.contains(&format!("{}/Chart.yaml", &path[..at]))) {
            return Likeness::None;
        }
        let Some(text) = self.files.bytes(path) else { return Likeness::None };
        let object = |nodes: Result<&[Node], &YamlError>| Likeness::Object(ObjectFile::of(path, nodes));
        match yaml::nodes(text) {
            Ok(nodes) => {
                *values += nodes.iter().map(Node::count).sum::<usize>();
                let keys = |node: &Node, keys: &[&str]| keys.iter().filter(|key| node.get(key).is_some()).count();
                let likeness = |node: &Node| match keys(node, &["apiVersion", "kind"]) {
                    0 => 0,
                    some => some + keys(node, &["metadata"]),
                };
                match nodes.iter().map(|node| (likeness(node), node.line)).max_by_key(|(likeness, _)| *likeness) {
                    None | Some((0, _)) => Likeness::None,
                    Some((1, line)) => Likeness::Half(line),
                    Some(_) => object(Ok(&nodes)),
                }
            }
            Err(error) => {
                let text = String::from_utf8_lossy(text);
                // As YAML or as JSON, also where what is broken stands before it.
                let opening = |c: char| c.is_whitespace() || matches!(c, '{' | ',' | '"' | '\'');
                let begins = |piece: &str, word: &str| piece.trim_start_matches(opening).starts_with(word);
                let holds = |word: &str| text.split(['\n', ',', '{']).any(|piece| begins(piece, word));
                if holds("apiVersion") || holds("kind") { object(Err(&error)) } else { Likeness::Unreadable(error) }
            }
        }
    }

    /// The objects of these files of the package, in this order; lists are taken apart.
    ///
    /// # Errors
    /// All problems of all files: a file that the package does not list, YAML that is not readable, an object without
    /// apiVersion, kind or name, a name that the server would generate, one object defined twice.
    pub fn manifests(&self, files: &[String]) -> Result<Vec<Manifest>, PackageError> {
        self.select(files).map(|selection| selection.manifests)
    }

    /// As [`Package::manifests`], with what was passed over: objects that only ask the API server a question.
    ///
    /// # Errors
    /// As [`Package::manifests`].
    pub fn select(&self, files: &[String]) -> Result<Selection, PackageError> {
        self.select_of(files, |_, problem| problem)
    }

    /// As [`Package::select`]; `place` puts what is wrong with one of the list, which it gets the index of, where the list
    /// was read.
    ///
    /// # Errors
    /// As [`Package::manifests`].
    pub fn select_of(
        &self,
        files: &[String],
        place: impl Fn(usize, Problem) -> Problem,
    ) -> Result<Selection, PackageError> {
        let mut reader = Reader::new(self);
        let mut taken: Vec<&str> = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let path = super::meta::clean(file);
            let wrong = if taken.contains(&path) {
                Some(Problem::error("R1", format!("{path} is in the list of files twice")))
            } else {
                taken.push(path);
                reader.cannot_be_chosen(path)
            };
            match wrong {
                Some(problem) => reader.problems.push(place(index, problem)),
                None => reader.file(path),
            }
        }
        reader.twice(Severity::Error);
        self.selected(reader)
    }

    /// The objects of every Kubernetes file. Two files may define one object here: which of them is meant is said when
    /// the VNF is instantiated, so that is a warning among the notes.
    ///
    /// # Errors
    /// As [`Package::manifests`].
    pub fn survey(&self) -> Result<Selection, PackageError> {
        self.selected(self.read_all())
    }

    /// As [`Package::survey`], with what is wrong beside what could be read.
    pub(super) fn survey_all(&self) -> (Vec<Manifest>, Vec<Problem>) {
        let reader = self.read_all();
        (reader.manifests, reader.problems)
    }

    fn read_all(&self) -> Reader<'_> {
        let mut reader = Reader::new(self);
        for file in &self.kubernetes {
            reader.file(file);
        }
        reader.twice(Severity::Warning);
        reader
    }

    fn selected(&self, reader: Reader<'_>) -> Result<Selection, PackageError> {
        let Reader { manifests, problems, .. } = reader;
        Ok(Selection { manifests, notes: self.judged(problems)? })
    }

    /// What is bearable of these problems.
    fn judged(&self, problems: Vec<Problem>) -> Result<Vec<Problem>, PackageError> {
        judge(problems).map_err(|problems| PackageError { origin: self.origin.clone(), problems })
    }

    /// The object of a document as it is written; `None` when no Kubernetes file has it.
    pub fn object(&self, source: &Source) -> Option<&Value> {
        let manifests = &self.objects.get(&source.file)?.manifests;
        let at = manifests.binary_search_by_key(&source.document, |manifest| manifest.source.document).ok()?;
        Some(&manifests[at].object)
    }

    /// The objects that each Kubernetes file defines.
    ///
    /// # Errors
    /// As [`Package::manifests`], but two definitions of one object are fine.
    pub fn defines(&self) -> Result<BTreeMap<String, Vec<ObjectRef>>, PackageError> {
        let in_order = self.kubernetes.iter().filter_map(|path| self.objects.get(path));
        self.judged(in_order.flat_map(|file| file.problems.iter().cloned()).collect())?;
        let references = |file: &ObjectFile| file.manifests.iter().map(|manifest| manifest.reference.clone()).collect();
        Ok(self.objects.iter().map(|(path, file)| (path.clone(), references(file))).collect())
    }
}

struct Reader<'a> {
    package: &'a Package,
    problems: Vec<Problem>,
    manifests: Vec<Manifest>,
}

impl<'a> Reader<'a> {
    fn new(package: &'a Package) -> Self {
        Self { package, problems: Vec::new(), manifests: Vec::new() }
    }

    /// Why a file is none of those that may be chosen.
    fn cannot_be_chosen(&self, path: &str) -> Option<Problem> {
        if path.contains("://") {
            let problem = Problem::error("R1", format!("{path} is a URL, which is not fetched"));
            return Some(problem.help("put the file into the package"));
        }
        let listed = self.package.artifacts.iter().any(|artifact| artifact.name == path);
        (!listed).then(|| self.not_listed(path))
    }

    fn file(&mut self, path: &str) {
        match self.package.objects.get(path) {
            Some(file) => self.take(file),
            // Chosen by hand, though it does not look like one.
            None => self.take(&match self.package.files.bytes(path) {
                Some(text) => ObjectFile::of(path, yaml::nodes(text).as_deref()),
                None => ObjectFile::unread(
                    Problem::error("K1", "not a Kubernetes manifest, or too large for one").file(path),
                ),
            }),
        }
    }

    fn take(&mut self, file: &ObjectFile) {
        self.manifests.extend(file.manifests.iter().cloned());
        self.problems.extend(file.problems.iter().cloned());
    }

    fn not_listed(&self, path: &str) -> Problem {
        let known = &self.package.kubernetes;
        let same_name = |file: &&String| file.rsplit('/').next() == path.rsplit('/').next();
        let help = match known.iter().find(same_name) {
            Some(near) => format!("did you mean {near}?"),
            None if known.is_empty() => "it lists no Kubernetes manifest at all".into(),
            None => format!("Kubernetes manifests that it lists: {}", known.join(", ")),
        };
        if self.package.files.contains(path) {
            return Problem::error("R1", format!("{path} is in the package, but {META} does not list it")).help(help);
        }
        Problem::error("R1", format!("no {path} in the package")).help(help)
    }

    /// Reports objects with two definitions. How bad two files are that define one object depends on whether both are
    /// used for certain.
    fn twice(&mut self, in_two_files: Severity) {
        let mut seen: HashMap<(&str, &str, Option<&str>, &str), &Manifest> = HashMap::new();
        for manifest in &self.manifests {
            let reference = &manifest.reference;
            let key =
                (reference.group(), reference.kind.as_str(), reference.namespace.as_deref(), reference.name.as_str());
            let Some(first) = seen.get(&key) else {
                seen.insert(key, manifest);
                continue;
            };
            let (a, b) = (&first.source.file, &manifest.source.file);
            let problem = if a == b {
                Problem::error("K4", format!("{reference} is defined here and in line {}", first.line))
                    .at(b, manifest.line)
            } else {
                Problem {
                    severity: in_two_files,
                    ..Problem::error("K4", format!("{reference} is defined in {a} and in {b}"))
                }
                .help("say which files to use: additionalParams.lcm-kubernetes-def-files in the request file")
            };
            self.problems.push(problem);
        }
    }
}

impl Problem {
    /// Whether it is only worth knowing.
    pub fn is_note(&self) -> bool {
        self.severity == Severity::Note
    }
}
