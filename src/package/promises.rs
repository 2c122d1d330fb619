//! Whether what a package says about itself is true: everything named is there, with the digest that is given for it
//! (rules M2, M4, A1 to A6 and F2).

use super::META;
use super::archive::{Files, is_yaml};
use super::listing::{Listing, stem};
use super::meta::{Artifact, Promise};
use super::problem::{Problem, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// How many files that no list names are named.
const NAMED: usize = 3;

/// What [`Listing::check`] found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub problems: Vec<Problem>,
    /// Digests that are listed for files of the package.
    pub listed: usize,
    /// Those that match.
    pub matching: usize,
}

impl Listing {
    /// Compares what is listed with what is there. `trusted` skips the digests: the content was verified otherwise.
    pub fn check(&self, files: &Files, allow_mismatch: bool, trusted: bool) -> Checked {
        let mut checked = Checked::default();
        for entry in &self.entries {
            if !files.contains(&entry.value) && !files.has_directory(&entry.value) {
                let rule = if entry.key.to_ascii_lowercase().ends_with("entry-definitions") { "M2" } else { "M4" };
                let message = match entry.value.as_str() {
                    "" => format!("{} has no value", entry.key),
                    target => format!("{} names {target}, which is not in the package", entry.key),
                };
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
                let without = if promise.is_none() { ", and no digest is listed for it" } else { "" };
                let message = format!("{} is a URL, which is not fetched{without}", artifact.name);
                checked.problems.push(Problem { severity: Severity::Warning, ..artifact.problem("A5", message) });
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
                if promise.is_none() && files.has_directory(artifact.name.trim_end_matches('/')) {
                    continue;
                }
                checked
                    .problems
                    .push(artifact.problem("A3", format!("{} is listed, but not in the package", artifact.name)));
                continue;
            };
            if !file.readable {
                continue;
            }
            if !trusted && file.bytes.is_none() && is_yaml(&artifact.name) {
                let message = "too large to be read, so that it is not taken for a Kubernetes manifest";
                checked.problems.push(Problem::warning("C1", message).file(&artifact.name));
            }
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
        checked.problems.extend(self.unlisted(files));
        checked
    }

    /// Files that no list names. What describes the package, and what a signature is checked with, need not be listed.
    fn unlisted(&self, files: &Files) -> Option<Problem> {
        let listed: BTreeSet<&str> =
            self.artifacts.iter().map(|artifact| artifact.name.trim_end_matches('/')).collect();
        let named =
            |path: &str| listed.contains(path) || path.match_indices('/').any(|(at, _)| listed.contains(&path[..at]));
        let signatures = self.artifacts.iter().filter_map(|artifact| artifact.signature.as_ref());
        let exempt: BTreeSet<&String> =
            self.entry.iter().chain(&self.manifest).chain(&self.certificates).chain(signatures).collect();
        let without: Vec<_> = files
            .0
            .iter()
            .filter(|(_, file)| file.readable)
            .map(|(path, _)| path)
            .filter(|path| !path.starts_with("Definitions/") && !path.starts_with("TOSCA-Metadata/"))
            .filter(|path| !exempt.contains(path) && !named(path))
            .map(String::as_str)
            .collect();
        let message = match without.as_slice() {
            [] => return None,
            [one] => format!("{one} is not listed, so that it has no digest"),
            [all @ .., last] if all.len() < NAMED => {
                format!("{} and {last} are not listed, so that they have no digest", all.join(", "))
            }
            many => {
                let (first, more) = (many[..NAMED].join(", "), many.len() - NAMED);
                format!("{first} and {more} more are not listed, so that they have no digest")
            }
        };
        Some(Problem::warning("A6", message))
    }

    /// Whether the manifest is the one of this VNFD.
    pub fn check_vnfd(&self, descriptor_id: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let Some(manifest) = &self.manifest else { return problems };
        if let Some((id, line)) = self.vnfd_id.as_ref().filter(|(id, _)| id != descriptor_id) {
            let message = format!("vnfd_id is {id}, but the VNFD's descriptor_id is {descriptor_id}");
            problems.push(Problem::error("F2", message).bearable().at(manifest, *line));
        }
        if let Some(entry) = self.entry.as_ref().filter(|entry| stem(entry) != stem(manifest)) {
            let message = format!("the manifest of {entry} should be named {}.mf", stem(entry));
            problems.push(Problem::warning("F2", message).file(manifest));
        }
        problems
    }
}
