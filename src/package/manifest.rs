//! The manifest file (`.mf`, SOL004 4.3.2) as text: metadata, the files that it lists, and the CMS block that signs it
//! (rule F1).
//!
//! Whether what it says is true is judged in `listing`, whether the signature holds in `signature`. What the standard
//! forbids but every reader understands is an error to live with.

use super::meta::{Artifact, clean, complain, key_value, lines};
use super::problem::Problem;
use std::collections::BTreeMap;

/// Keys that the metadata of a VNF package must have.
const REQUIRED: [&str; 3] = ["vnf_product_name", "vnf_provider_id", "vnf_package_version"];
/// The fourth, and how SOL004 2.4.1 misspells it.
const DATES: [&str; 2] = ["vnf_release_date_time", "vnf_release_data_time"];
/// Keys that it may have.
const OPTIONAL: [&str; 4] = ["vnfd_id", "vnf_software_version", "vnfm_info", "compatible_specification_versions"];

/// A manifest file.
#[derive(Clone, Debug, Default)]
pub(super) struct Manifest {
    /// The metadata by key in lower case, and the line of each.
    pub metadata: BTreeMap<String, (String, usize)>,
    /// Its `Source` groups.
    pub artifacts: Vec<Artifact>,
    /// The block that signs what stands before it.
    pub cms: Option<CmsBlock>,
    /// What is wrong with the text.
    pub problems: Vec<Problem>,
}

/// A signature at the end of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CmsBlock {
    /// Line of its first delimiter.
    pub line: usize,
    /// What stands between the delimiters: base64.
    pub base64: String,
}

/// Where in the file a line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    /// Before everything.
    #[default]
    Start,
    /// After `metadata:`.
    Metadata,
    /// After the first `Source:`.
    Sources,
    /// After `non_mano_artifact_sets:`.
    NonMano,
    /// Between the delimiters of the CMS block.
    Cms,
    /// After it.
    End,
}

impl Manifest {
    /// Reads the text of the file at `path`.
    pub fn read(text: &[u8], path: &str) -> Self {
        let mut reader = Reader { path, section: Section::Start, manifest: Self::default(), last: Last::None };
        let lines = lines(text, path, "F1", &mut reader.manifest.problems);
        for (number, line) in lines {
            reader.line(&line, number);
        }
        reader.finish()
    }
}

/// What the last line gave a value to, which an indented line goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Last {
    /// Nothing.
    None,
    /// What is not kept.
    Other,
    /// This key of the metadata.
    Metadata(String),
    /// The name of the last artifact.
    Name,
    /// This key of the last artifact.
    Attribute(String),
}

struct Reader<'a> {
    path: &'a str,
    section: Section,
    manifest: Manifest,
    last: Last,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, number: usize) {
        let indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.starts_with("-----") {
            self.delimiter(line, number);
        } else if self.section == Section::Cms {
            if let Some(cms) = &mut self.manifest.cms {
                cms.base64.push_str(line);
            }
        } else if line.is_empty() {
            self.last = Last::None;
        } else if line.starts_with('#') {
        } else if self.section == Section::End {
            self.error(number, "text after the CMS block, which must be the last and does not sign it");
        } else if let Some((key, value)) = key_value(line) {
            self.last = Last::Other;
            self.field(&key.to_ascii_lowercase(), value, number);
        } else if !(indented && (self.goes_on(line) || self.section == Section::Metadata)) {
            self.error(number, "not 'key: value'");
        }
    }

    /// Adds a line to the value of the line before it; false: there is none.
    fn goes_on(&mut self, line: &str) -> bool {
        let value = match (&self.last, self.manifest.artifacts.last_mut()) {
            (Last::None, _) => return false,
            (Last::Metadata(key), _) => self.manifest.metadata.get_mut(key).map(|(value, _)| value),
            (Last::Name, Some(artifact)) => Some(&mut artifact.name),
            (Last::Attribute(key), Some(artifact)) => attribute(artifact, key).and_then(Option::as_mut),
            _ => None,
        };
        if let Some(value) = value {
            value.push_str(line);
        }
        true
    }

    fn delimiter(&mut self, line: &str, number: usize) {
        match (line, self.section) {
            ("-----END CMS-----" | "-----END PKCS7-----", Section::Cms) => self.section = Section::End,
            ("-----BEGIN CMS-----" | "-----BEGIN PKCS7-----", Section::Cms | Section::End) => {
                self.error(number, "a second CMS block");
            }
            ("-----BEGIN CMS-----" | "-----BEGIN PKCS7-----", _) => {
                self.section = Section::Cms;
                self.manifest.cms = Some(CmsBlock { line: number, base64: String::new() });
            }
            _ => self.error(
                number,
                "a delimiter that does not belong here: expected a block -----BEGIN CMS----- at the end",
            ),
        }
    }

    fn field(&mut self, key: &str, value: &str, line: usize) {
        match (key, self.section) {
            ("metadata", Section::Start) => self.section = Section::Metadata,
            ("metadata", Section::Metadata) => self.error(line, "a second metadata"),
            ("metadata", _) => {
                self.bearable(line, "metadata is out of order: it comes first");
                self.section = Section::Metadata;
            }
            ("non_mano_artifact_sets", _) => self.section = Section::NonMano,
            ("source" | "name", section) => {
                self.manifest.artifacts.push(Artifact::new(value, self.path, line));
                self.last = Last::Name;
                if section != Section::NonMano {
                    self.section = Section::Sources;
                }
            }
            (
                "algorithm" | "hash" | "content-type" | "signature" | "certificate",
                Section::Sources | Section::NonMano,
            ) => {
                self.attribute(key, value, line);
            }
            ("algorithm" | "hash", _) => self.error(line, &format!("{key} is out of order: no Source before it")),
            (_, Section::Start | Section::Metadata) => self.metadata(key, value, line),
            (_, Section::Sources) => self.bearable(line, &format!("unknown key {key:?}")),
            // The names of the sets.
            (_, Section::NonMano | Section::Cms | Section::End) => {}
        }
    }

    fn metadata(&mut self, key: &str, value: &str, line: usize) {
        let about_other = ["pnf", "nsd"].iter().any(|start| key.starts_with(start));
        if !REQUIRED.contains(&key) && !DATES.contains(&key) && !OPTIONAL.contains(&key) && !about_other {
            self.bearable(line, &format!("unknown metadata {key:?}"));
        }
        // SOL004's own example has a date with dots, so nobody can be refused for one.
        if DATES.contains(&key) && value.parse::<jiff::Timestamp>().is_err() {
            self.bearable(line, &format!("{key} is not a date and time such as 2026-01-31T10:00:00+01:00"));
        }
        if let Some((_, first)) = self.manifest.metadata.get(key) {
            let message = format!("{key} stands in line {first} already");
            self.error(line, &message);
        } else {
            self.manifest.metadata.insert(key.into(), (value.into(), line));
            self.last = Last::Metadata(key.into());
        }
    }

    fn attribute(&mut self, key: &str, value: &str, line: usize) {
        let Some(artifact) = self.manifest.artifacts.last_mut() else { return };
        let late = (key == "algorithm" && artifact.hash.is_some()).then_some("Hash");
        let unsigned = artifact.signature.is_none();
        let Some(slot) = attribute(artifact, key) else {
            if unsigned {
                self.bearable(line, "Certificate is out of order: it comes after Signature");
            }
            return;
        };
        if slot.is_some() {
            let message = format!("a second {key} for {}", artifact.name);
            self.error(line, &message);
        } else if !value.is_empty() {
            *slot = Some(if key == "signature" { clean(value) } else { value }.into());
            self.last = Last::Attribute(key.into());
            if let Some(other) = late {
                self.bearable(line, &format!("{key} is out of order: it comes before {other}"));
            }
        }
    }

    fn finish(mut self) -> Manifest {
        if self.section == Section::Cms {
            self.error(self.manifest.cms.as_ref().map_or(1, |cms| cms.line), "the CMS block has no end");
        }
        let metadata = &self.manifest.metadata;
        let missing: Vec<_> = REQUIRED
            .into_iter()
            .filter(|key| !metadata.contains_key(*key))
            .chain(DATES.iter().all(|key| !metadata.contains_key(*key)).then_some(DATES[0]))
            .collect();
        if metadata.is_empty() {
            self.manifest.problems.push(Problem::warning("F1", "no metadata").file(self.path));
        } else if !missing.is_empty() && !metadata.keys().any(|key| key.starts_with("pnf") || key.starts_with("nsd")) {
            let message = format!("metadata lacks {}", missing.join(", "));
            self.manifest.problems.push(Problem::error("F1", message).bearable().file(self.path));
        }
        self.manifest
    }

    fn error(&mut self, line: usize, message: &str) {
        complain(&mut self.manifest.problems, Problem::error("F1", message).at(self.path, line));
    }

    fn bearable(&mut self, line: usize, message: &str) {
        complain(&mut self.manifest.problems, Problem::error("F1", message).bearable().at(self.path, line));
    }
}

/// Where an attribute of an artifact is kept, if it is.
fn attribute<'a>(artifact: &'a mut Artifact, key: &str) -> Option<&'a mut Option<String>> {
    match key {
        "algorithm" => Some(&mut artifact.algorithm),
        "hash" => Some(&mut artifact.hash),
        "content-type" => Some(&mut artifact.content_type),
        "signature" => Some(&mut artifact.signature),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const METADATA: &str = "metadata:\n  vnf_product_name: UPF\n  vnf_provider_id: Company\n  vnf_package_version: 1.0\n  vnf_release_date_time: 2026-01-31T10:00:00+01:00\n";

    #[test]
    fn groups_with_and_without_blank_lines() {
        let text = format!(
            "{METADATA}vnfd_id: x\n\nSource: a.yaml\nAlgorithm: SHA-256\nHash: 12\nSource: b.sh\nSignature: ./b.p7s\nCertificate: b.cert\n \nnon_mano_artifact_sets:\n  events:\n    Source: c.yaml\n-----BEGIN CMS-----\nMIIG\nAAAA\n-----END CMS-----\n"
        );
        for text in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}"), text.trim_end().to_owned()] {
            let manifest = Manifest::read(text.as_bytes(), "v.mf");
            assert_eq!(manifest.problems, []);
            assert_eq!(manifest.metadata["vnfd_id"], ("x".into(), 6));
            let found: Vec<_> =
                manifest.artifacts.iter().map(|a| (a.name.as_str(), a.hash.as_deref(), a.line)).collect();
            assert_eq!(found, [("a.yaml", Some("12"), 8), ("b.sh", None, 11), ("c.yaml", None, 17)]);
            assert_eq!(manifest.artifacts[1].signature.as_deref(), Some("b.p7s"));
            assert_eq!(manifest.cms, Some(CmsBlock { line: 18, base64: "MIIGAAAA".into() }));
        }
    }

    #[test]
    fn lines_that_go_on() {
        let text = format!(
            "{METADATA}vnfm_info: a,\n  b\n\nSource: Files/\n  a.yaml\nAlgorithm: SHA-\n 256\nHash: 12\n\t34\nSignature: a.\n p7s\nCertificate: a.\n cert\nnon_mano_artifact_sets:\n  set:\n    Source: c\n      .yaml\n    Hash: 56\n      78\n"
        );
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            let manifest = Manifest::read(text.as_bytes(), "v.mf");
            assert_eq!(manifest.problems, [], "{text}");
            assert_eq!(manifest.metadata["vnfm_info"].0, "a,b");
            let found: Vec<_> = manifest
                .artifacts
                .iter()
                .map(|a| (a.name.as_str(), a.hash.as_deref(), a.signature.as_deref()))
                .collect();
            assert_eq!(found, [("Files/a.yaml", Some("1234"), Some("a.p7s")), ("c.yaml", Some("5678"), None)]);
            assert_eq!(manifest.artifacts[0].algorithm.as_deref(), Some("SHA-256"));
        }
        // Nothing goes on after an empty line.
        assert_eq!(problems(&format!("{METADATA}Source: a\n\n  b\n")), "E v.mf:8: not 'key: value'\n");
    }

    /// Line, whether it can be lived with, and message of each problem.
    fn problems(text: &str) -> String {
        let manifest = Manifest::read(text.as_bytes(), "v.mf");
        let line = |problem: &Problem| {
            let weight = if problem.is_error() && !problem.bearable { "E" } else { "W" };
            format!("{weight} {problem}\n")
        };
        manifest.problems.iter().map(line).collect()
    }

    #[test]
    fn broken_lines_are_named() {
        let text = "Hash: 1\nSource: a\nHash: 1\nHash: 2\nnonsense\n-----BEGIN CMS-----\n";
        assert_eq!(
            problems(text),
            "\
E v.mf:1: hash is out of order: no Source before it
E v.mf:4: a second hash for a
E v.mf:5: not 'key: value'
E v.mf:6: the CMS block has no end
W v.mf: no metadata
"
        );
    }

    #[test]
    fn order_and_keys() {
        let text = "\
metadata:
vnf_product_name: UPF
vnf_product_name: UPF
vnf_colour: red
vnf_release_data_time: 2017.01.01T10:00+03:00
Source: a
Hash: 12
Algorithm: SHA-256
Certificate: c
Colour: red
metadata:
-----BEGIN CMS-----
-----BEGIN CMS-----
-----END CMS-----
-----BEGIN CMS-----
Source: late
-----END CERTIFICATE-----
";
        assert_eq!(
            problems(text),
            "\
E v.mf:3: vnf_product_name stands in line 2 already
W v.mf:4: unknown metadata \"vnf_colour\"
W v.mf:5: vnf_release_data_time is not a date and time such as 2026-01-31T10:00:00+01:00
W v.mf:8: algorithm is out of order: it comes before Hash
W v.mf:9: Certificate is out of order: it comes after Signature
W v.mf:10: unknown key \"colour\"
W v.mf:11: metadata is out of order: it comes first
E v.mf:13: a second CMS block
E v.mf:15: a second CMS block
E v.mf:16: text after the CMS block, which must be the last and does not sign it
E v.mf:17: a delimiter that does not belong here: expected a block -----BEGIN CMS----- at the end
W v.mf: metadata lacks vnf_provider_id, vnf_package_version
"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(text in any::<Vec<u8>>()) {
            Manifest::read(&text, "v.mf");
        }
    }
}
