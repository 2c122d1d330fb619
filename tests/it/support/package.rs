//! Packages made for a test: the sample or a few manifests, edited, written with right digests.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const META: &str = "TOSCA-Metadata/TOSCA.meta";
const MANIFESTS: &str = "Files/kubernetes/";
const VNFD: &str = "Definitions/vnfd.yaml";

/// A request file of the sample.
pub fn sample_request(name: &str) -> String {
    sample().join(name).to_str().expect("the repository's path is UTF-8").to_owned()
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/container-update")
}

/// A package in the making: its files by path. Cloned and edited, it is the next version.
#[derive(Clone)]
pub struct Draft {
    files: BTreeMap<String, String>,
    entry: &'static str,
}

impl Draft {
    /// The sample's package `before` or `after`.
    pub fn sample(version: &str) -> Self {
        let root = sample().join(version);
        let mut files = BTreeMap::new();
        for folder in ["Definitions", "Files/kubernetes"] {
            for entry in fs::read_dir(root.join(folder)).expect("the sample has the folder") {
                let path = entry.expect("the folder can be read").path();
                let name = path.file_name().and_then(|name| name.to_str()).expect("a file name in UTF-8");
                files.insert(format!("{folder}/{name}"), fs::read_to_string(&path).expect("a text file"));
            }
        }
        Self { files, entry: "Definitions/sample_vnfd.yaml" }
    }

    /// A package of `product` with manifests (`web.yaml` becomes `Files/kubernetes/web.yaml`), of which each workload
    /// in `vdus` is a VDU: `VDU1`, `VDU2`, ... in this order.
    pub fn of(product: &str, manifests: &[(&str, &str)], vdus: &[&str]) -> Self {
        let mut files: BTreeMap<String, String> =
            manifests.iter().map(|(name, text)| (format!("{MANIFESTS}{name}"), (*text).to_owned())).collect();
        files.insert(VNFD.to_owned(), vnfd(product, vdus));
        Self { files, entry: VNFD }
    }

    /// With another manifest, or another text of one.
    #[must_use]
    pub fn manifest(mut self, name: &str, text: &str) -> Self {
        self.files.insert(format!("{MANIFESTS}{name}"), text.to_owned());
        self
    }

    /// Without a manifest.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        assert!(self.files.remove(&format!("{MANIFESTS}{name}")).is_some(), "the package has no {name}");
        self
    }

    /// With `from` replaced by `to` in a manifest, which has to hold it.
    #[must_use]
    pub fn edit(self, name: &str, from: &str, to: &str) -> Self {
        self.edit_file(&format!("{MANIFESTS}{name}"), from, to)
    }

    /// With `from` replaced by `to` in any file, named by its path in the package.
    #[must_use]
    pub fn edit_file(mut self, path: &str, from: &str, to: &str) -> Self {
        let text = self.files.get_mut(path).unwrap_or_else(|| panic!("the package has no {path}"));
        assert!(text.contains(from), "{path} does not hold {from:?}:\n{text}");
        *text = text.replace(from, to);
        self
    }

    /// Writes the package to a folder of its own, with digests that match.
    pub fn write(&self) -> Package {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let package = Package { folder };
        for (path, text) in &self.files {
            package.put(path, text);
        }
        package.put(META, &self.meta());
        package
    }

    /// Writes the package as an archive.
    pub fn zip(&self) -> Package {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = fs::File::create(folder.path().join("package.csar")).expect("a new file");
        let mut archive = zip::ZipWriter::new(file);
        let meta = (META.to_owned(), self.meta());
        for (path, text) in self.files.clone().into_iter().chain([meta]) {
            let options: zip::write::SimpleFileOptions = zip::write::FileOptions::default();
            archive.start_file(path, options).expect("an entry can be added");
            archive.write_all(text.as_bytes()).expect("an entry can be written");
        }
        archive.finish().expect("the archive can be ended");
        Package { folder }
    }

    fn meta(&self) -> String {
        let mut meta = format!(
            "TOSCA-Meta-File-Version: 1.0\nCSAR-Version: 1.1\nCreated-By: Company\nEntry-Definitions: {}\n",
            self.entry
        );
        for (path, text) in self.files.iter().filter(|(path, _)| path.starts_with(MANIFESTS)) {
            let hash = Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            let _ = write!(meta, "\nName: {path}\nContent-Type: application/yaml\nAlgorithm: SHA-256\nHash: {hash}\n");
        }
        meta
    }
}

/// A package on disk; dropped, it is removed.
pub struct Package {
    folder: TempDir,
}

impl Package {
    /// What `--package` takes: the archive if there is one, else the folder.
    pub fn path(&self) -> String {
        let archive = self.folder.path().join("package.csar");
        let path = if archive.exists() { archive } else { self.folder.path().to_owned() };
        path.to_str().expect("temporary folders have names in UTF-8").to_owned()
    }

    /// Writes one of its files as it is given, whatever the digests say.
    pub fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a new folder");
        fs::write(path, text).expect("a new file");
    }

    /// Removes one of its files.
    #[allow(dead_code, reason = "for packages that are broken on purpose")]
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.folder.path().join(path)).expect("the package has the file");
    }
}

/// A descriptor with one flavour, whose VDUs are the workloads of these names.
fn vnfd(product: &str, vdus: &[&str]) -> String {
    let id = uuid::Uuid::new_v4();
    let mut text = format!(
        "tosca_definitions_version: tosca_simple_yaml_1_2

imports:
- etsi_nfv_sol001_common_types.yaml
- etsi_nfv_sol001_vnfd_types.yaml

node_types:
  company.provider.VNF:
    derived_from: tosca.nodes.nfv.VNF

topology_template:
  substitution_mappings:
    node_type: company.provider.VNF
    properties:
      flavour_id: simple

  node_templates:
    VNF:
      type: company.provider.VNF
      properties:
        flavour_id: simple
        descriptor_id: {id}
        provider: Company
        product_name: {product}
        software_version: '1.0'
        descriptor_version: '1.0'
        flavour_description: A simple flavour
        vnfm_info: [ kubectl-vnf ]
"
    );
    for (number, workload) in vdus.iter().enumerate() {
        let number = number + 1;
        let _ = write!(
            text,
            "
    VDU{number}:
      type: tosca.nodes.nfv.Vdu.Compute
      properties:
        name: {workload}
        description: {workload}
        vdu_profile:
          min_number_of_instances: 1
          max_number_of_instances: 3
"
        );
    }
    text
}
