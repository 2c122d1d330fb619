//! The manifest file (`.mf`, SOL004 4.3.2): which files it lists with which digests, and its metadata.
//!
//! Only the basics: signatures of single artifacts and the CMS block at its end are passed over.

use super::meta::{Artifact, clean, lines};
use super::problem::Problem;
use std::collections::BTreeMap;

/// A manifest file.
#[derive(Clone, Debug, Default)]
pub(super) struct Manifest {
    /// Keys before the first file, in lower case: `vnf_provider_id`, `vnfd_id`, ...
    pub metadata: BTreeMap<String, String>,
    /// Its `Source` groups.
    pub artifacts: Vec<Artifact>,
    /// What is wrong with the text.
    pub problems: Vec<Problem>,
}

impl Manifest {
    /// Reads the text of the file at `path`.
    pub fn read(text: &[u8], path: &str) -> Self {
        let mut manifest = Self::default();
        let mut in_cms = false;
        for (index, line) in lines(text).enumerate() {
            let line = line.trim();
            if in_cms || line.starts_with("-----BEGIN ") {
                in_cms = !line.starts_with("-----END ");
                continue;
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((key, value)) = line.split_once(':').map(|(key, value)| (key.trim(), value.trim())) else {
                manifest.problems.push(Problem::error("F1", "not 'key: value'").at(path, index + 1));
                continue;
            };
            manifest.take(&key.to_ascii_lowercase(), value, path, index + 1);
        }
        if in_cms {
            manifest.problems.push(Problem::error("F1", "the CMS block has no end").file(path));
        }
        manifest
    }

    fn take(&mut self, key: &str, value: &str, path: &str, line: usize) {
        if key == "source" || key == "name" {
            self.artifacts.push(Artifact {
                name: clean(value).into(),
                content_type: None,
                algorithm: None,
                hash: None,
                listed_in: path.into(),
                line,
            });
            return;
        }
        let Some(artifact) = self.artifacts.last_mut() else {
            if key == "algorithm" || key == "hash" {
                self.problems.push(Problem::error("F1", format!("{key} without a Source before it")).at(path, line));
            } else {
                self.metadata.insert(key.into(), value.into());
            }
            return;
        };
        let slot = match key {
            "algorithm" => &mut artifact.algorithm,
            "hash" => &mut artifact.hash,
            "content-type" => &mut artifact.content_type,
            _ => return,
        };
        if slot.is_some() {
            let message = format!("a second {key} for {}", artifact.name);
            self.problems.push(Problem::error("F1", message).at(path, line));
        } else if !value.is_empty() {
            *slot = Some(value.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn groups_with_and_without_blank_lines() {
        let text = "metadata:\r\n  vnf_provider_id: Company\r\nvnfd_id: x\r\n\r\nSource: a.yaml\r\nAlgorithm: SHA-256\r\nHash: 12\r\nSource: b.sh\r\n \r\nnon_mano_artifact_sets:\r\n  events:\r\n    Source: c.yaml\r\n-----BEGIN CMS-----\r\nMIIG\r\n-----END CMS-----\r\n";
        let manifest = Manifest::read(text.as_bytes(), "v.mf");
        assert_eq!(manifest.problems, []);
        assert_eq!(manifest.metadata["vnfd_id"], "x");
        let found: Vec<_> = manifest.artifacts.iter().map(|a| (a.name.as_str(), a.hash.as_deref(), a.line)).collect();
        assert_eq!(found, [("a.yaml", Some("12"), 5), ("b.sh", None, 8), ("c.yaml", None, 12)]);
    }

    #[test]
    fn broken_lines_are_named() {
        let manifest = Manifest::read(b"Hash: 1\nSource: a\nHash: 1\nHash: 2\nnonsense\n-----BEGIN CMS-----\n", "v.mf");
        let found: Vec<_> = manifest.problems.iter().map(|p| p.line).collect();
        assert_eq!(found, [Some(1), Some(4), Some(5), None]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(text in any::<Vec<u8>>()) {
            Manifest::read(&text, "v.mf");
        }
    }
}
