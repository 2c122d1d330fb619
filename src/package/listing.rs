//! What a package says about itself: TOSCA.meta and the manifest together, or what stands for them in a package without
//! TOSCA.meta (rules C3, M2 and M3).
//!
//! The texts are read in `meta` and `manifest`; whether what they say is true is judged in `promises`.

use super::digests::Algorithm;
use super::manifest::{CmsBlock, Manifest};
use super::meta::{self, Artifact, Field, clean, field};
use super::problem::Problem;
use super::{META, archive};
use std::collections::{BTreeMap, BTreeSet};

/// What TOSCA.meta and the manifest say about the package.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    /// `Entry-Definitions`: the VNFD's top file.
    pub entry: Option<String>,
    /// `ETSI-Entry-Manifest`.
    pub manifest: Option<String>,
    /// `ETSI-Entry-Certificate`, or what lies at the root in its place.
    pub certificates: Vec<String>,
    /// Every `Entry-*` and `ETSI-Entry-*`: key, target, line.
    pub entries: Vec<Field>,
    /// Listed files, those of TOSCA.meta first.
    pub artifacts: Vec<Artifact>,
    /// `vnfd_id` of the manifest and its line.
    pub vnfd_id: Option<(String, usize)>,
    /// The manifest's signature.
    pub cms: Option<CmsBlock>,
    /// What was wrong with the two files themselves.
    pub problems: Vec<Problem>,
}

impl Listing {
    /// Reads both files. `names` are the paths of all files of the package, `read` gives the content of one.
    pub fn read<'a>(names: impl Iterator<Item = &'a str>, mut read: impl FnMut(&str) -> Option<Vec<u8>>) -> Self {
        let root: Vec<&str> = names.filter(|name| !name.contains('/')).collect();
        let mut listing = Self::default();
        match read(META) {
            Some(text) => listing.meta(&text),
            None => listing.without_meta(&root),
        }
        if listing.certificates.is_empty() {
            let certificates = root.iter().filter(|name| ends(name, &[".cert", ".crt", ".cer", ".pem"]));
            listing.certificates = certificates.map(|name| (*name).to_owned()).collect();
        }
        if let Some((path, text)) = listing.manifest.clone().and_then(|path| read(&path).map(|text| (path, text))) {
            let mut manifest = Manifest::read(&text, &path);
            if !ends(&path, &[".mf"]) {
                let message = "the manifest's name does not end with .mf";
                manifest.problems.push(Problem::error("F1", message).bearable().file(&path));
            }
            listing.problems.extend(manifest.problems);
            listing.artifacts.extend(manifest.artifacts);
            listing.vnfd_id = manifest.metadata.remove("vnfd_id");
            listing.cms = manifest.cms;
        }
        listing
    }

    fn meta(&mut self, text: &[u8]) {
        let mut blocks = meta::blocks(text, META, &mut self.problems).into_iter();
        let mut head = blocks.next().unwrap_or_default();
        if meta::name(&head).is_some() && field(&head, "entry-definitions").is_none() {
            // The first block describes an artifact: there is none about the package.
            self.artifact(&std::mem::take(&mut head));
        }
        for block in blocks {
            // Blank lines inside the first block part it; what names no artifact still belongs to the package.
            let about_package = |field: &Field| field.key.to_ascii_lowercase().contains("entry-");
            if meta::name(&block).is_none() && block.iter().any(about_package) {
                head.extend(block);
            } else {
                self.artifact(&block);
            }
        }
        self.head(&head);
        if self.entry.is_none() {
            let problem = Problem::error("M2", "Entry-Definitions is missing").file(META);
            self.problems
                .push(problem.help("it names the VNFD's top file: Entry-Definitions: Definitions/my_vnfd.yaml"));
        }
    }

    fn head(&mut self, block: &[Field]) {
        let versions = [("TOSCA-Meta-File-Version", ["1.0", "1.1"]), ("CSAR-Version", ["1.1", "1.0"])];
        for (key, wanted) in versions {
            let message = match field(block, key) {
                Some(found) if wanted.contains(&found.value.as_str()) => continue,
                Some(found) => format!("{key} is {}, SOL004 says {}", found.value, wanted[0]),
                None => format!("{key} is missing"),
            };
            let problem = Problem::warning("M3", message).file(META);
            self.problems.push(Problem { line: field(block, key).map(|found| found.line), ..problem });
        }
        if field(block, "created-by").is_none() {
            self.problems.push(Problem::warning("M3", "Created-By is missing").file(META));
        }
        let mut seen: BTreeMap<String, &Field> = BTreeMap::new();
        for found in block {
            let key = found.key.to_ascii_lowercase();
            match seen.get(&key) {
                Some(first) if first.value != found.value => {
                    let message = format!("{} has another value in line {}", found.key, first.line);
                    meta::complain(&mut self.problems, Problem::error("M1", message).at(META, found.line));
                }
                Some(_) => {}
                None => self.entry(found, &key),
            }
            seen.entry(key).or_insert(found);
        }
        let absent: Vec<_> = ["Manifest", "Change-Log", "Licenses"]
            .into_iter()
            .filter(|what| !seen.keys().any(|key| entry_key(key).is_some_and(|key| key.eq_ignore_ascii_case(what))))
            .map(|what| format!("ETSI-Entry-{what}"))
            .collect();
        // A package of plain TOSCA names none of them, and is none the worse for it.
        if !absent.is_empty() && seen.keys().any(|key| key.starts_with("etsi-")) {
            self.problems.push(Problem::warning("M4", format!("{} not given", absent.join(", "))).file(META));
        }
    }

    fn entry(&mut self, found: &Field, key: &str) {
        let Some(what) = entry_key(key) else { return };
        let target = clean(&found.value).trim_end_matches('/').to_owned();
        match what {
            "definitions" => self.entry = Some(target.clone()),
            "manifest" => self.manifest = Some(target.clone()),
            "certificate" => self.certificates.push(target.clone()),
            _ => {}
        }
        self.entries.push(Field { key: found.key.clone(), value: target, line: found.line });
    }

    fn artifact(&mut self, block: &[Field]) {
        let value = |key| field(block, key).map(|field| field.value.clone()).filter(|value| !value.is_empty());
        let Some(first) = block.first() else { return };
        let Some(name) = meta::name(block).filter(|name| !name.value.is_empty()) else {
            let missing =
                if field(block, "hash").or(field(block, "algorithm")).is_some() { "Name" } else { "a known key" };
            let problem = Problem::error("A1", format!("this block lacks {missing}")).at(META, first.line);
            meta::complain(&mut self.problems, problem);
            return;
        };
        self.artifacts.push(Artifact {
            content_type: value("content-type"),
            algorithm: value("algorithm"),
            hash: value("hash"),
            ..Artifact::new(&name.value, META, name.line)
        });
    }

    /// SOL004 4.1.3: the one YAML file at the root is the VNFD, and the manifest has its name.
    fn without_meta(&mut self, root: &[&str]) {
        let definitions: Vec<_> = root.iter().filter(|name| archive::is_yaml(name)).collect();
        let [definition] = definitions.as_slice() else {
            self.problems.push(missing(definitions.len()));
            return;
        };
        self.entry = Some((**definition).to_owned());
        let manifests: Vec<_> = root.iter().filter(|name| ends(name, &[".mf"])).collect();
        let same = manifests.iter().find(|name| stem(name) == stem(definition));
        self.manifest = same.or(manifests.first().filter(|_| manifests.len() == 1)).map(|name| (**name).to_owned());
        if self.manifest.is_none() {
            let message = format!("no manifest {}.mf, and no {META}", stem(definition));
            self.problems.push(Problem::warning("M4", message));
        }
    }

    /// The files that are read again after their digests were computed, whatever their names.
    pub fn needed(&self) -> BTreeSet<String> {
        self.entry.iter().chain(&self.manifest).chain(&self.certificates).cloned().collect()
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
}

/// What stands after `Entry-` in a key in lower case.
fn entry_key(key: &str) -> Option<&str> {
    key.strip_prefix("etsi-entry-").or_else(|| key.strip_prefix("entry-"))
}

/// Whether a name ends with one of these, in any case.
pub(super) fn ends(name: &str, endings: &[&str]) -> bool {
    let lower = name.to_ascii_lowercase();
    endings.iter().any(|ending| lower.ends_with(ending))
}

/// A file's name without directory and extension.
pub(super) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The problem of a package without TOSCA.meta that has this many YAML files at its root.
pub(super) fn missing(definitions: usize) -> Problem {
    let message = match definitions {
        0 => format!("no {META}, and no VNFD at the root"),
        _ => format!("no {META}, and {definitions} YAML files at the root, where one would be the VNFD"),
    };
    Problem::error("C3", message).help(
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
        Listing::read([META].into_iter(), move |path| (path == META).then(|| text.clone().into_bytes()))
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
        assert_eq!(
            found,
            [("M1", Some(2)), ("A1", Some(4)), ("M3", None), ("M3", Some(1)), ("M3", None), ("M2", None)]
        );
    }

    #[test]
    fn a_block_without_an_end_is_cut() {
        let listing = read(&format!("{HEAD}\n{}\nName: a.yaml\n", "Hash: 1\n".repeat(50_000)));
        let found: Vec<_> = listing.problems.iter().map(ToString::to_string).collect();
        let meta = "TOSCA-Metadata/TOSCA.meta";
        assert_eq!(
            found,
            [format!("{meta}:106: more than 100 keys in one block"), format!("{meta}:6: this block lacks Name")]
        );
        assert_eq!(listing.artifacts.len(), 1);
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
            let _ = Listing::read([META].into_iter(), |path| (path == META).then(|| text.clone()));
        }
    }
}
