//! Whole packages: the samples, and a corpus of broken ones, each with what is said about it.

mod archives;
mod broken;
mod build;
mod descriptor;
mod forms;
mod manifests;
mod rules;
mod sample;
mod signed;
mod whole;

use super::archive::Archive;
use super::examine::examine_archive;
use super::*;
use crate::object::ObjectRef;
use proptest::prelude::*;
use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use zip::write::SimpleFileOptions;

/// A package as a list of files.
#[derive(Clone)]
struct Draft(Vec<(String, String)>);

const TYPES: &str = "\
tosca_definitions_version: tosca_simple_yaml_1_2
imports: [ etsi_nfv_sol001_vnfd_types.yaml ]
node_types:
  acme.Base:
    derived_from: tosca.nodes.nfv.VNF
    properties:
      provider: { type: string, default: Acme, constraints: [ valid_values: [ Acme ] ] }
      software_version: { type: string, default: 1.10 }
  acme.VNF: { derived_from: acme.Base }
";

const TOP: &str = "\
tosca_definitions_version: tosca_simple_yaml_1_2
imports:
- types.yaml
- df.yaml
topology_template:
  inputs: { flavour: { type: string }, version: { type: string, default: '2.0' } }
  node_templates:
    VNF:
      type: acme.VNF
      properties:
        flavour_id: { get_input: flavour }
        descriptor_id: 97018ca2-bf29-4715-9e2b-6e432dd1f414
        product_name: UPF
        descriptor_version: { get_input: version }
";

const FLAVOUR: &str = "\
tosca_definitions_version: tosca_simple_yaml_1_2
imports: [ types.yaml ]
topology_template:
  substitution_mappings: { node_type: acme.VNF, properties: { flavour_id: simple } }
  node_templates:
    VNF: { type: acme.VNF, properties: { flavour_description: Small }, requirements: }
    UPF:
      type: tosca.nodes.nfv.Vdu.Compute
      properties: { name: upf, vdu_profile: { min_number_of_instances: 1, max_number_of_instances: 3 } }
  policies:
";

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: cm }\n";

impl Draft {
    fn new() -> Self {
        let mut draft = Self(Vec::new());
        draft.set(META, "CSAR-Version: 1.1\nCreated-By: x\nEntry-Definitions: Definitions/top.yaml\nTOSCA-Meta-File-Version: 1.0\n\nName: Files/cm.yaml\nContent-Type: text/yaml\n");
        draft.set("Definitions/top.yaml", TOP).set("Definitions/types.yaml", TYPES).set("Definitions/df.yaml", FLAVOUR);
        draft.set("Files/cm.yaml", CONFIG);
        draft
    }

    fn set(&mut self, path: &str, text: &str) -> &mut Self {
        self.0.retain(|(known, _)| known != path);
        self.0.push((path.into(), text.into()));
        self
    }

    fn list(&mut self, lines: &str) -> &mut Self {
        let meta = self.text(META);
        self.set(META, &format!("{meta}\n{lines}"))
    }

    fn replace(&mut self, path: &str, from: &str, to: &str) -> &mut Self {
        let text = self.text(path);
        assert!(text.contains(from), "{path} has no {from:?}");
        self.set(path, &text.replace(from, to))
    }

    fn text(&self, path: &str) -> String {
        self.0.iter().find(|(known, _)| known == path).unwrap().1.clone()
    }

    fn zip(&self) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (path, text) in &self.0 {
            writer.start_file(path.as_str(), SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn write(&self, root: &Path) {
        for (path, text) in &self.0 {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
    }

    fn open(&self) -> Result<Package, PackageError> {
        open_zip(self.zip())
    }

    /// The problems of opening it, one line each: rule, place and message.
    fn problems(&self) -> String {
        said(self.open().map(|_| ()))
    }
}

fn zip_of(draft: &Draft) -> Result<Archive, Vec<Problem>> {
    Archive::zip(Box::new(Cursor::new(draft.zip())))
}

fn open_zip(bytes: Vec<u8>) -> Result<Package, PackageError> {
    Package::open_archive("x.csar".into(), Archive::zip(Box::new(Cursor::new(bytes))), &OpenOptions::default())
}

fn said(result: Result<(), PackageError>) -> String {
    let error = result.expect_err("a problem was expected");
    error.errors().map(|problem| format!("{} {problem}", problem.rule)).collect::<Vec<_>>().join("\n")
}

fn sample(which: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/container-update").join(which)
}

fn open_sample(which: &str) -> Package {
    Package::open(&sample(which), &OpenOptions::default()).unwrap()
}

fn content(package: &Package, kind: &str, name: &str) -> serde_json::Value {
    let manifests = package.manifests(&package.kubernetes_files()).unwrap();
    manifests.into_iter().find(|m| m.reference.kind == kind && m.reference.name == name).unwrap().object
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_opened_or_refused(bytes in any::<Vec<u8>>()) {
        let _ = open_zip(bytes);
    }

    #[test]
    fn a_damaged_zip_is_opened_or_refused(position in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Draft::new().zip();
        let at = position.index(bytes.len());
        bytes[at] = byte;
        let _ = open_zip(bytes.clone());
        bytes.truncate(cut.index(bytes.len()));
        let _ = open_zip(bytes);
    }

    #[test]
    fn a_damaged_descriptor_is_read_or_refused(which in 0..3usize, position in any::<prop::sample::Index>(), text in "[-a:{}\\[\\] \n0-9~]{0,4}") {
        let path = ["Definitions/top.yaml", "Definitions/df.yaml", "Definitions/types.yaml"][which];
        let mut draft = Draft::new();
        let mut yaml = draft.text(path);
        let at = position.index(yaml.len());
        let end = (at + text.len()).min(yaml.len());
        yaml.replace_range(at..end, &text);
        let valid = examine_archive("x".into(), zip_of(draft.set(path, &yaml)), &OpenOptions::default()).is_valid();
        // Whoever says that a package is valid must be able to use it.
        assert!(!valid || draft.open().is_ok());
    }
}
