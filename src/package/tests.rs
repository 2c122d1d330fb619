//! Whole packages: the samples, and a corpus of broken ones, each with what is said about it.

use super::archive::Archive;
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
        draft.set(META, "CSAR-Version: 1.1\nCreated-By: x\nEntry-Definitions: Definitions/top.yaml\n\nName: Files/cm.yaml\nContent-Type: text/yaml\n");
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

fn open_zip(bytes: Vec<u8>) -> Result<Package, PackageError> {
    Package::read("x.csar".into(), Archive::zip(Box::new(Cursor::new(bytes))), &OpenOptions::default())
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

#[test]
fn the_sample_has_the_figures_of_its_descriptor() {
    let package = open_sample("before");
    let vnfd = &package.vnfd;
    assert_eq!(vnfd.descriptor_id, "97018ca2-bf29-4715-9e2b-6e432dd1f414");
    assert_eq!((vnfd.provider.as_str(), vnfd.product_name.as_str()), ("Company", "Sample VNF"));
    assert_eq!((vnfd.software_version.as_str(), vnfd.descriptor_version.as_str()), ("1.0", "1.0"));
    assert_eq!((package.digests_checked, package.digests_listed), (12, 12));
    let flavour = vnfd.flavour(None).unwrap();
    assert_eq!((flavour.id.as_str(), flavour.description.as_str()), ("simple", "A simple flavour"));
    let vdus: Vec<_> = flavour.vdus.iter().map(|v| (v.id.as_str(), v.name.as_str(), v.min, v.max)).collect();
    assert_eq!(
        vdus,
        [
            ("VDU1", "vdu1-update", 1, 3),
            ("VDU2", "vdu2-update", 1, 3),
            ("VDU3", "env-test", 1, 1),
            ("VDU4", "volume-test", 1, 1),
            ("VDU5", "daemonset-vdu5", 1, 1),
            ("VDU6", "deployment2-vdu6", 1, 1),
            ("VDU7", "env-test2", 1, 1),
            ("VDU8", "volume-test2", 1, 1),
        ]
    );
    let levels: Vec<_> = flavour.levels.iter().map(|level| level.id.as_str()).collect();
    assert_eq!(levels, ["instantiation_level_1", "instantiation_level_2"]);
    assert_eq!(flavour.level(None).unwrap().unwrap().id, "instantiation_level_1");
    assert_eq!(flavour.levels[1].scale, [("vdu1_aspect".into(), 2), ("vdu2_aspect".into(), 2)].into());
    let first = &flavour.vdus[0];
    assert_eq!(first.instances, [("instantiation_level_1".into(), 1), ("instantiation_level_2".into(), 3)].into());
    assert_eq!(first.aspect, Some(VduAspect { id: "vdu1_aspect".into(), initial: Some(1), deltas: vec![1] }));
    assert_eq!(flavour.aspect("vdu2_aspect").unwrap().max_scale_level, 2);
    assert_eq!(flavour.vdu_of("env-test2").unwrap().id, "VDU7");
    assert!(flavour.vdus[2].aspect.is_none() && flavour.vdus[2].instances.is_empty());
    assert_eq!(
        package.scripts,
        [Script {
            name: "mgmt-container-update".into(),
            operation: "modify_information_end".into(),
            file: "Scripts/container_update_mgmt_v2.py".into(),
            present: false,
        }]
    );
    let warnings: Vec<_> = package.warnings.iter().map(|problem| (problem.rule, problem.message.as_str())).collect();
    assert_eq!(warnings, [("V10", "script Scripts/container_update_mgmt_v2.py is missing (it is never run)")]);
}

#[test]
fn the_sample_has_its_objects_in_order() {
    let package = open_sample("before");
    let files = package.kubernetes_files();
    let request: serde_json::Value =
        serde_json::from_slice(&fs::read(sample("instance_kubernetes.json")).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&files).unwrap(), request["additionalParams"]["lcm-kubernetes-def-files"]);
    let manifests = package.manifests(&files).unwrap();
    let names: Vec<_> = manifests.iter().map(|manifest| manifest.reference.to_string()).collect();
    assert_eq!(
        names,
        [
            "Pod env-test",
            "Pod env-test2",
            "Pod volume-test",
            "Pod volume-test2",
            "Deployment vdu1-update",
            "Deployment deployment2-vdu6",
            "DaemonSet daemonset-vdu5",
            "ReplicaSet vdu2-update",
            "ConfigMap cm-data",
            "ConfigMap cm-data3",
            "Secret secret-data",
            "Secret secret-data3",
        ]
    );
    assert!(manifests.iter().all(|manifest| manifest.reference.namespace.is_none()));
    let pod = content(&package, "Pod", "volume-test");
    assert_eq!(pod.pointer("/spec/volumes/0/configMap/defaultMode"), Some(&438.into()));
    assert_eq!(pod.pointer("/spec/volumes/1/secret/defaultMode"), Some(&384.into()));
    let deployment = manifests.iter().find(|m| m.reference.name == "vdu1-update").unwrap();
    let line = package.line_of(deployment, &["spec", "template", "spec", "containers", "nginx", "image"]).unwrap();
    let text = fs::read_to_string(sample("before").join(&deployment.source.file)).unwrap();
    assert_eq!(text.lines().nth(line - 1).map(str::trim), Some("image: nginx"));
    assert_eq!(
        package.defines().unwrap()["Files/kubernetes/configmap_1.yaml"],
        [ObjectRef::new("v1", "ConfigMap", None, "cm-data")]
    );
}

#[test]
fn the_sample_changes_what_it_says() {
    let (before, after) = (open_sample("before"), open_sample("after"));
    assert_eq!(after.vnfd.descriptor_id, "58bcc1c6-1400-46ec-b7fb-e508bf7e00e9");
    assert_ne!(before.digest, after.digest);
    let bytes = |package, kind, name, key: &str| {
        let object = content(package, kind, name);
        let data = object.get("data").or(object.get("stringData")).unwrap();
        data[key].as_str().unwrap().len()
    };
    for (kind, name, key, old, new) in [
        ("ConfigMap", "cm-data", "cmKey1.txt", 22, 26),
        ("ConfigMap", "cm-data3", "cmKey1.txt", 22, 22),
        ("Secret", "secret-data", "password", 15, 16),
        ("Secret", "secret-data", "secKey1.txt", 15, 18),
        ("Secret", "secret-data3", "password", 15, 15),
        ("Secret", "secret-data3", "secKey1.txt", 15, 15),
    ] {
        assert_eq!(bytes(&before, kind, name, key), old, "{name} {key}");
        assert_eq!(bytes(&after, kind, name, key), new, "{name} {key}");
    }
    assert_eq!(content(&after, "ConfigMap", "cm-data")["data"]["cmKey1.txt"], "configmap2 data2\nfoo2\nbar2");
    let images = |package: &Package| {
        let manifests = package.manifests(&package.kubernetes_files()).unwrap();
        let image = |object: &serde_json::Value| {
            let spec = object.pointer("/spec/template/spec").or(object.pointer("/spec"))?;
            Some(spec.pointer("/containers/0/image")?.as_str()?.to_owned())
        };
        manifests.iter().filter_map(|m| Some((m.reference.name.clone(), image(&m.object)?))).collect::<Vec<_>>()
    };
    assert!(images(&before).iter().all(|(_, image)| image == "nginx"));
    let changed: Vec<_> = images(&after).into_iter().filter(|(_, image)| image != "nginx").collect();
    assert_eq!(
        changed,
        [
            ("env-test".into(), "tomcat".into()),
            ("volume-test".into(), "cirros".into()),
            ("vdu1-update".into(), "cirros".into()),
            ("daemonset-vdu5".into(), "cirros".into()),
            ("vdu2-update".to_owned(), "celebdor/kuryr-demo".to_owned()),
        ]
    );
    let port = |package| {
        content(package, "ReplicaSet", "vdu2-update")
            .pointer("/spec/template/spec/containers/0/ports/0/containerPort")
            .cloned()
    };
    assert_eq!((port(&before), port(&after)), (Some(80.into()), Some(180.into())));
    let request: serde_json::Value =
        serde_json::from_slice(&fs::read(sample("sample_param_file.json")).unwrap()).unwrap();
    assert_eq!(request["vnfdId"], after.vnfd.descriptor_id.as_str());
    for path in request["metadata"]["configmap_secret_paths"].as_array().unwrap() {
        assert!(after.kubernetes_files().contains(&path.as_str().unwrap().to_owned()));
    }
}

#[test]
fn a_package_in_the_small() {
    let package = Draft::new().open().unwrap();
    let vnfd = &package.vnfd;
    assert_eq!(
        (vnfd.provider.as_str(), vnfd.software_version.as_str(), vnfd.descriptor_version.as_str()),
        ("Acme", "1.10", "2.0")
    );
    assert_eq!((vnfd.flavours[0].id.as_str(), vnfd.flavours[0].description.as_str()), ("simple", "Small"));
    assert_eq!(package.kubernetes_files(), ["Files/cm.yaml"]);
    assert_eq!(package.warnings, []);
}

#[test]
fn a_directory_and_its_zip_are_one_package() {
    let directory = tempfile::tempdir().unwrap();
    let mut draft = Draft::new();
    draft.set("Scripts/big.bin", &"x".repeat(100_000));
    draft.write(directory.path());
    fs::create_dir(directory.path().join("empty")).unwrap();
    let from_directory = Package::open(directory.path(), &OpenOptions::default()).unwrap();
    draft.0.reverse();
    let from_zip = draft.open().unwrap();
    assert_eq!(from_directory.digest, from_zip.digest);
    assert_eq!(from_directory.store_bytes(), from_zip.store_bytes());
    assert_ne!(from_zip.digest, Draft::new().open().unwrap().digest);
}

#[test]
fn what_is_stored_comes_back() {
    for which in ["before", "after"] {
        let package = open_sample(which);
        let stored = package.store_bytes();
        assert!(stored.len() < 20_000, "{}", stored.len());
        let back = Package::from_store(&stored, package.digest).unwrap();
        assert_eq!(back.origin, format!("sha256:{}", package.digest.short()));
        assert_eq!(back.vnfd, package.vnfd);
        assert_eq!((back.digest, back.digests_checked, back.digests_listed), (package.digest, 12, 12));
        assert_eq!((&back.scripts, &back.artifacts), (&package.scripts, &package.artifacts));
        let files = package.kubernetes_files();
        assert_eq!(back.kubernetes_files(), files);
        assert_eq!(back.manifests(&files).unwrap(), package.manifests(&files).unwrap());
        assert_eq!(back.store_bytes(), stored);
    }
}

#[test]
fn a_stored_package_is_verified() {
    let package = open_sample("before");
    let stored = package.store_bytes();
    let said = |bytes: &[u8], digest| Package::from_store(bytes, digest).unwrap_err().to_string();
    assert!(said(&stored, open_sample("after").digest).ends_with("the stored package has another digest"));
    assert!(said(&stored[..stored.len() - 30], package.digest).contains("not a zip archive"));
    assert!(said(&Draft::new().zip(), package.digest).ends_with("the stored package has no index"));
}

#[test]
fn files_that_management_does_not_need_are_not_stored() {
    let mut draft = Draft::new();
    draft.set("Scripts/x.py", "print(1)").set("Files/values.yaml", "a: 1\n").set("Licenses/l.txt", "free");
    draft.list("Name: Scripts/x.py\n\nName: Files/values.yaml\n\nName: Licenses/l.txt\n");
    let package = draft.open().unwrap();
    let back = Package::from_store(&package.store_bytes(), package.digest).unwrap();
    let kept: Vec<_> =
        back.files.0.iter().filter(|(_, file)| file.bytes.is_some()).map(|(path, _)| path.as_str()).collect();
    assert_eq!(kept, ["Definitions/df.yaml", "Definitions/top.yaml", "Definitions/types.yaml", "Files/cm.yaml", META]);
}

#[test]
fn what_is_no_archive() {
    assert!(said(open_zip(b"hello".to_vec()).map(|_| ())).starts_with("C1 not a zip archive: "));
    let missing = Package::open(Path::new("/no/such.csar"), &OpenOptions::default()).unwrap_err();
    assert_eq!(missing.to_string(), "/no/such.csar: cannot be read: no such file or directory");
    let directory = tempfile::tempdir().unwrap();
    let error = Package::open(directory.path(), &OpenOptions::default()).unwrap_err();
    assert_eq!((error.problems[0].rule, error.problems[0].message.as_str()), ("C3", "no TOSCA-Metadata/TOSCA.meta"));
    let error = Draft(vec![("a/vendor.csar".into(), "x".into())]).open().unwrap_err();
    assert!(error.problems[0].help.as_ref().unwrap().contains("a/vendor.csar"));
}

#[test]
fn unsafe_entries_are_named() {
    let mut draft = Draft::new();
    for path in ["../evil", "/etc/passwd", "a\\b", "C:/x", "a/../../b", "a//b", "a/./b", "new\nline"] {
        draft.set(path, "x");
    }
    assert_eq!(
        draft.problems(),
        "\
C2 unsafe entry \"../evil\": it leaves the package by '..'
C2 unsafe entry \"/etc/passwd\": an absolute path
C2 unsafe entry \"a\\\\b\": a backslash in the path
C2 unsafe entry \"C:/x\": a drive in the path
C2 unsafe entry \"a/../../b\": it leaves the package by '..'
C2 unsafe entry \"a//b\": an empty part or '.' in the path
C2 unsafe entry \"a/./b\": an empty part or '.' in the path
C2 unsafe entry \"new\\nline\": a control character in the path"
    );
    let mut draft = Draft::new();
    draft.set("Files", "x");
    assert_eq!(draft.problems(), "C2 \"Files\" is a file, and the directory of \"Files/cm.yaml\"");
}

#[test]
fn links_are_refused() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("Files/link.yaml", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(said(open_zip(bytes).map(|_| ())), "C2 unsafe entry \"Files/link.yaml\": a symbolic link");
    let directory = tempfile::tempdir().unwrap();
    Draft::new().write(directory.path());
    std::os::unix::fs::symlink("/etc/passwd", directory.path().join("Files/link.yaml")).unwrap();
    let error = Package::open(directory.path(), &OpenOptions::default()).map(|_| ());
    assert_eq!(said(error), "C2 unsafe entry \"Files/link.yaml\": a symbolic link");
}

#[test]
fn duplicate_entries_are_refused() {
    let mut draft = Draft::new();
    draft.set("Files/cn.yaml", CONFIG);
    // The writer refuses duplicates, so one name is overwritten by hand, in the local and in the central header.
    let mut bytes = draft.zip();
    for at in 0..bytes.len() - 13 {
        if &bytes[at..at + 13] == b"Files/cn.yaml" {
            bytes[at + 7] = b'm';
        }
    }
    assert_eq!(said(open_zip(bytes).map(|_| ())), "C2 duplicate entry \"Files/cm.yaml\"");
}

#[test]
fn bombs_are_refused() {
    let mut draft = Draft::new();
    draft.set("Files/bomb.yaml", &"a".repeat(50_000_000));
    assert!(draft.problems().starts_with("C1 entry Files/bomb.yaml expands to more than "), "{}", draft.problems());
    let mut draft = Draft::new();
    for number in 0..10_001 {
        draft.0.push((format!("f/{number}"), String::new()));
    }
    assert_eq!(draft.problems(), "C1 10006 or more entries, limit 10000");
}

#[test]
fn a_declared_size_is_not_believed() {
    let mut draft = Draft::new();
    draft.set("Files/bomb.yaml", &"a".repeat(50_000_000));
    let mut bytes = draft.zip();
    let size = 50_000_000_u32.to_le_bytes();
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == size {
            bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        }
    }
    let problems = said(open_zip(bytes).map(|_| ()));
    assert!(problems.starts_with("C1 "), "{problems}");
}

#[test]
fn every_wrong_digest_is_named() {
    let mut draft = Draft::new();
    draft.set("Files/b.yaml", CONFIG).set("Files/c.yaml", CONFIG);
    let (zeros, sha) = ("0".repeat(64), "0".repeat(128));
    draft.list(&format!("Name: Files/b.yaml\nAlgorithm: SHA-256\nHash: {zeros}\n\nName: Files/c.yaml\nAlgorithm: sha512\nHash: {sha}\n\nName: Files/none.yaml\n"));
    let problems = draft.problems();
    let lines: Vec<_> = problems.lines().collect();
    assert!(lines[0].starts_with("A4 Files/b.yaml: SHA-256 is "), "{problems}");
    assert!(lines[0].ends_with("..., TOSCA-Metadata/TOSCA.meta:8 says 000000000000..."), "{problems}");
    assert!(lines[1].starts_with("A4 Files/c.yaml: SHA-512 is "), "{problems}");
    assert_eq!(lines[2], "A3 TOSCA-Metadata/TOSCA.meta:16: Files/none.yaml is listed, but not in the package");
    draft.replace(META, "\nName: Files/none.yaml\n", "");
    let options = OpenOptions { allow_hash_mismatch: true };
    let package = Package::read("x".into(), Archive::zip(Box::new(Cursor::new(draft.zip()))), &options).unwrap();
    let warnings: Vec<_> = package.warnings.iter().map(|warning| (warning.rule, warning.severity)).collect();
    assert_eq!(warnings, [("A4", Severity::Warning), ("A4", Severity::Warning)]);
    assert_eq!((package.digests_checked, package.digests_listed), (0, 2));
    let back = Package::from_store(&package.store_bytes(), package.digest).unwrap();
    assert_eq!((back.digests_checked, back.digests_listed), (0, 2));
}

#[test]
fn the_manifest_file_is_checked_too() {
    let mut draft = Draft::new();
    draft.replace(
        META,
        "CSAR-Version",
        "ETSI-Entry-Manifest: v.mf\nETSI-Entry-Licenses: Licenses\nETSI-Entry-Tests: Tests\nCSAR-Version",
    );
    draft.set("Licenses/l.txt", "free").set("Files/b.yaml", CONFIG);
    draft.set(
        "v.mf",
        &format!(
            "metadata:\nvnf_provider_id: x\n\nSource: Files/b.yaml\nAlgorithm: SHA-256\nHash: {}\n",
            "0".repeat(64)
        ),
    );
    let problems = draft.problems();
    assert!(problems.starts_with("M4 TOSCA-Metadata/TOSCA.meta:3: ETSI-Entry-Tests names Tests, which is not in the package\nA4 Files/b.yaml: "), "{problems}");
    assert!(problems.ends_with("v.mf:4 says 000000000000..."), "{problems}");
}

#[test]
fn contradicting_listings_are_errors_and_repetitions_are_not() {
    let mut draft = Draft::new();
    let sum = package_sum(CONFIG);
    draft.list(&format!(
        "Name: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {sum}\n\nName: Files/cm.yaml\nAlgorithm: SHA256\nHash: {sum}\n"
    ));
    assert_eq!(draft.open().unwrap().digests_listed, 1);
    draft.list(&format!("Name: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {}\n", "0".repeat(64)));
    assert_eq!(
        draft.problems(),
        "A6 TOSCA-Metadata/TOSCA.meta:16: Files/cm.yaml is listed with another Hash in TOSCA-Metadata/TOSCA.meta:8"
    );
}

fn package_sum(text: &str) -> String {
    let mut hasher = super::digests::Hasher::new(&BTreeSet::new());
    hasher.update(text.as_bytes());
    super::digests::hex(&hasher.finish().sha256)
}

#[test]
fn broken_descriptors() {
    let (top, df, types) = ("Definitions/top.yaml", "Definitions/df.yaml", "Definitions/types.yaml");
    for (path, from, to, expected) in [
        (
            META,
            "top.yaml",
            "other.yaml",
            "M2 TOSCA-Metadata/TOSCA.meta:3: Entry-Definitions names Definitions/other.yaml, which is not in the package",
        ),
        (META, "Entry-Definitions", "Entry-Nothing", "M2 TOSCA-Metadata/TOSCA.meta: Entry-Definitions is missing"),
        (top, "imports:", "imports: [\n", "V1 Definitions/top.yaml:"),
        (
            top,
            "tosca_simple_yaml_1_2",
            "tosca_2_0",
            "V1 Definitions/top.yaml:1: tosca_definitions_version is tosca_2_0",
        ),
        (
            top,
            "- df.yaml",
            "- df2.yaml\n- http://example.com/x.yaml",
            "V2 Definitions/top.yaml:4: imports df2.yaml, which is not in the package\nV2 Definitions/top.yaml:5: imports the URL http://example.com/x.yaml",
        ),
        (
            types,
            "tosca.nodes.nfv.VNF",
            "tosca.nodes.Root",
            "V3 Definitions/top.yaml: no node template of a type that derives from tosca.nodes.nfv.VNF",
        ),
        (top, "product_name", "product", "V3 Definitions/top.yaml:9: VNF property product_name has no value"),
        (
            top,
            "product_name: UPF",
            "product_name: UPF\n        provider: Other",
            "V3 Definitions/top.yaml:14: VNF property provider is \"Other\", its type allows Acme",
        ),
        (df, "flavour_id: simple", "other: x", "V4 Definitions/df.yaml: this deployment flavour has no flavour_id"),
        (
            df,
            "min_number_of_instances: 1",
            "min_number_of_instances: 4",
            "V5 Definitions/df.yaml:9: VDU UPF: min 4 > max 3",
        ),
        (
            df,
            "min_number_of_instances: 1",
            "min_number_of_instances: -1",
            "V5 Definitions/df.yaml:9: VDU UPF: min_number_of_instances is not a whole number",
        ),
        (df, "vdu_profile", "profile", "V5 Definitions/df.yaml:7: VDU UPF has no vdu_profile"),
        (
            df,
            "  policies:",
            "    UPF2:\n      type: tosca.nodes.nfv.Vdu.Compute\n      properties: { name: upf, vdu_profile: { min_number_of_instances: 0, max_number_of_instances: 1 } }\n",
            "V6 Definitions/df.yaml:10: VDU UPF2 has the name \"upf\" of VDU UPF",
        ),
    ] {
        let mut draft = Draft::new();
        let found = draft.replace(path, from, to).problems();
        assert!(found.starts_with(expected), "expected\n{expected}\nfound\n{found}");
    }
}

#[test]
fn broken_policies() {
    let aspects = "  - a:\n      type: tosca.policies.nfv.ScalingAspects\n      properties: { aspects: { up: { max_scale_level: 2, step_deltas: [ d1 ] } } }\n";
    let levels = "  - l:\n      type: tosca.policies.nfv.InstantiationLevels\n      properties: { levels: { small: { scale_info: { up: { scale_level: 0 } } } }, default_level: small }\n";
    let deltas = "  - d:\n      type: tosca.policies.nfv.VduScalingAspectDeltas\n      properties: { aspect: up, deltas: { d1: { number_of_instances: 1 } } }\n      targets: [ UPF ]\n";
    let counts = "  - i:\n      type: tosca.policies.nfv.VduInstantiationLevels\n      properties: { levels: { small: { number_of_instances: 1 } } }\n      targets: [ UPF ]\n";
    let all = format!("  policies:\n{aspects}{levels}{deltas}{counts}");
    let mut right = Draft::new();
    let package = right.replace("Definitions/df.yaml", "  policies:\n", &all).open().unwrap();
    assert_eq!(package.vnfd.flavours[0].vdus[0].aspect.as_ref().unwrap().deltas, [1]);
    assert_eq!(package.warnings, []);
    for (from, to, expected) in [
        (
            "default_level: small",
            "default_level: big",
            "V8 Definitions/df.yaml:16: default_level \"big\" is not in InstantiationLevels (small)",
        ),
        (
            "scale_level: 0",
            "scale_level: 3",
            "V8 Definitions/df.yaml:16: level small, aspect up: scale_level 3 > max_scale_level 2",
        ),
        (
            "scale_info: { up:",
            "scale_info: { down:",
            "V7 Definitions/df.yaml:16: level small: aspect \"down\" is not in ScalingAspects (up)",
        ),
        (
            "aspect: up,",
            "aspect: down,",
            "V7 Definitions/df.yaml:19: policy d: aspect \"down\" is not in ScalingAspects (up)",
        ),
        (
            "deltas: { d1:",
            "deltas: { d2:",
            "V7 Definitions/df.yaml:19: policy d: delta \"d1\" of aspect up is not defined",
        ),
        (
            "targets: [ UPF ]",
            "targets: [ SMF ]",
            "V7 Definitions/df.yaml:24: policy i: target \"SMF\" is no VDU of this flavour (UPF)",
        ),
        (
            "levels: { small: { number",
            "levels: { large: { number",
            "V8 Definitions/df.yaml:23: policy i: level \"large\" is not in InstantiationLevels (small)",
        ),
    ] {
        let mut draft = Draft::new();
        assert!(all.contains(from), "{from}");
        let found = draft.replace("Definitions/df.yaml", "  policies:\n", &all.replace(from, to)).problems();
        assert_eq!(found.lines().next(), Some(expected), "{found}");
    }
    let mut odd = Draft::new();
    let initial = "  - n:\n      type: tosca.policies.nfv.VduInitialDelta\n      properties: { initial_delta: { number_of_instances: 2 } }\n      targets: [ UPF ]\n";
    let package = odd.replace("Definitions/df.yaml", "  policies:\n", &format!("{all}{initial}")).open().unwrap();
    let warnings: Vec<_> = package.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "Definitions/df.yaml:7: VDU UPF, level small: declares 1, deltas give 2",
            "Definitions/df.yaml:7: VDU UPF: scale level 2 of up gives 4, more than max 3",
        ]
    );
}

#[test]
fn several_flavours_and_container_units() {
    let mut draft = Draft::new();
    draft.replace("Definitions/top.yaml", "- df.yaml", "- df.yaml\n- big.yaml");
    draft.set(
        "Definitions/big.yaml",
        "\
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  substitution_mappings: { node_type: acme.VNF, properties: { flavour_id: big } }
  node_templates:
    UPF:
      type: tosca.nodes.nfv.Vdu.OsContainerDeployableUnit
      properties:
        name: not this
        mcio_identification_data: { name: upf-big, type: Deployment }
        vdu_profile: { min_number_of_instances: 0, max_number_of_instances: 9 }
",
    );
    let package = draft.open().unwrap();
    assert_eq!(package.vnfd.flavour(Some("big")).unwrap().vdus[0].name, "upf-big");
    let error = package.vnfd.flavour(None).unwrap_err();
    assert_eq!(error.to_string(), "the package has several flavours, choose one: simple, big");
    draft.replace("Definitions/big.yaml", "flavour_id: big", "flavour_id: simple");
    assert_eq!(draft.problems(), "V4 Definitions/big.yaml: flavour simple is here and in Definitions/df.yaml");
}

#[test]
fn scripts_of_every_form() {
    let mut draft = Draft::new();
    draft.replace("Definitions/df.yaml", "requirements: }", "interfaces: { Vnflcm: { instantiate: [], terminate: , heal_end: { implementation: a }, scale_start: Scripts/s.py, operate: { implementation: { primary: a } } } }, artifacts: { a: { file: ../Scripts/a.py } } }");
    draft.set("Scripts/s.py", "");
    let package = draft.open().unwrap();
    let scripts: Vec<_> =
        package.scripts.iter().map(|s| (s.operation.as_str(), s.name.as_str(), s.file.as_str(), s.present)).collect();
    assert_eq!(
        scripts,
        [
            ("heal_end", "a", "Scripts/a.py", false),
            ("scale_start", "Scripts/s.py", "Scripts/s.py", true),
            ("operate", "a", "Scripts/a.py", false),
        ]
    );
    assert_eq!(package.warnings.len(), 1);
}

fn manifest_problems(text: &str) -> String {
    let mut draft = Draft::new();
    let package = draft.set("Files/cm.yaml", text).open().unwrap();
    said(package.manifests(&["Files/cm.yaml".into()]).map(|_| ()))
}

#[test]
fn broken_manifests() {
    for (text, expected) in [
        ("apiVersion: v1\nkind: ConfigMap\n  metadata: x\n", "K1 Files/cm.yaml:3: "),
        ("apiVersion: v1\nmetadata: { name: a }\n", "K1 Files/cm.yaml:1: document 1 has no kind"),
        ("kind: ConfigMap\nmetadata: { name: a }\n", "K1 Files/cm.yaml:1: document 1 has no apiVersion"),
        ("a: 1\n", "K1 Files/cm.yaml:1: document 1 has no apiVersion and no kind"),
        ("- a\n", "K1 Files/cm.yaml:1: document 1 is not a Kubernetes object"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", "K1 Files/cm.yaml:1: document 1 (Pod) has no metadata.name"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: { generateName: a- }\n",
            "K1 Files/cm.yaml:1: document 1 (Pod) has generateName instead of a name",
        ),
        (
            &format!("{CONFIG}---\n# none\n---\n{CONFIG}"),
            "K4 Files/cm.yaml:7: ConfigMap cm is defined here and in line 1",
        ),
        (
            &format!("{CONFIG}---\napiVersion: v1\nmetadata: x\n---\nkind: y\n"),
            "K1 Files/cm.yaml:5: document 2 has no kind\nK1 Files/cm.yaml:8: document 3 has no apiVersion",
        ),
    ] {
        let found = manifest_problems(text);
        assert!(found.starts_with(expected), "expected\n{expected}\nfound\n{found}");
    }
}

#[test]
fn files_that_cannot_be_chosen() {
    let mut draft = Draft::new();
    draft.set("Files/unlisted.yaml", CONFIG).set("Files/again.yaml", CONFIG);
    draft.list("Name: Files/again.yaml\n\nName: http://example.com/x.yaml\n");
    let package = draft.open().unwrap();
    assert_eq!(package.warnings[0].rule, "A5");
    assert_eq!(package.kubernetes_files(), ["Files/cm.yaml", "Files/again.yaml"]);
    let files = [
        "Files/cm.yaml",
        "other/cm.yaml",
        "Files/unlisted.yaml",
        "http://example.com/x.yaml",
        "./Files/cm.yaml",
        "Files/again.yaml",
    ];
    let error = package.manifests(&files.map(str::to_owned)).unwrap_err();
    assert_eq!(error.problems[0].help.as_deref(), Some("did you mean Files/cm.yaml?"));
    assert!(error.problems[4].help.as_deref().unwrap().contains("lcm-kubernetes-def-files"));
    assert_eq!(
        said(Err(error)),
        "\
R1 no other/cm.yaml in the package
R1 Files/unlisted.yaml: is in the package, but TOSCA-Metadata/TOSCA.meta does not list it
R1 http://example.com/x.yaml is a URL, which is not fetched
R1 Files/cm.yaml: is in the list of files twice
K4 ConfigMap cm is defined in Files/cm.yaml and in Files/again.yaml"
    );
    assert_eq!(package.defines().unwrap().len(), 2);
}

#[test]
fn which_files_are_kubernetes_manifests() {
    let mut draft = Draft::new();
    draft.set("Files/values.yaml", "replicas: 1\n").set("Files/broken.yaml", "apiVersion: v1\nkind: [\n");
    draft.set("Files/pod.json", "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"p\"}}");
    draft.set("chart/Chart.yaml", "apiVersion: v2\nname: c\n").set("chart/templates/d.yaml", CONFIG);
    draft.set("Files/nokind.yaml", "apiVersion: v1\nmetadata: { name: x }\n").set("Files/readme.txt", CONFIG);
    for file in [
        "Files/values.yaml",
        "Files/broken.yaml",
        "Files/pod.json",
        "chart/Chart.yaml",
        "chart/templates/d.yaml",
        "Files/nokind.yaml",
        "Files/readme.txt",
        "Definitions/df.yaml",
    ] {
        draft.list(&format!("Name: {file}\n"));
    }
    let package = draft.open().unwrap();
    assert_eq!(
        package.kubernetes_files(),
        ["Files/cm.yaml", "Files/broken.yaml", "Files/pod.json", "Files/nokind.yaml"]
    );
    let back = Package::from_store(&package.store_bytes(), package.digest).unwrap();
    assert_eq!(back.kubernetes_files(), package.kubernetes_files());
    assert_eq!(package.defines().unwrap_err().errors().count(), 2);
}

#[test]
fn lists_are_taken_apart_and_reviews_passed_over() {
    let mut draft = Draft::new();
    draft.set(
        "Files/cm.yaml",
        "\
apiVersion: authorization.k8s.io/v1
kind: SelfSubjectRulesReview
spec: {}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: { name: a }
- apiVersion: v1
  kind: ConfigMapList
  items:
  - metadata: { name: b, namespace: x }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: c }
",
    );
    let selection = draft.open().unwrap().select(&["Files/cm.yaml".into()]).unwrap();
    let found: Vec<_> =
        selection.manifests.iter().map(|m| (m.reference.name.as_str(), m.source.document, m.line)).collect();
    assert_eq!(found, [("a", 1, 8), ("b", 2, 14), ("c", 3, 16)]);
    assert_eq!(
        selection.manifests[1].object,
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "x"}})
    );
    assert_eq!(
        selection.notes[0].to_string(),
        "Files/cm.yaml:1: SelfSubjectRulesReview only asks the API server a question, and is passed over"
    );
    assert!(selection.notes[0].is_note());
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
        let _ = draft.set(path, &yaml).open();
    }
}
