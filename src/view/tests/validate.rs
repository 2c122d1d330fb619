//! The report of `package validate`.

use super::{assert_coloured, assert_screen, assert_widths};
use crate::package::{OpenOptions, Problem, examine};
use crate::view::fixtures::{ascii, screen};
use crate::view::validate::{ValidationSheet, report};
use std::fs;
use std::path::Path;

/// The sample, with a fault in every layer, as `vendor.csar`.
fn vendor() -> ValidationSheet {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/container-update/before");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    for part in ["TOSCA-Metadata", "Definitions", "Files/kubernetes"] {
        fs::create_dir_all(root.join(part)).expect("a new directory");
        for entry in fs::read_dir(sample.join(part)).expect("the sample's directory") {
            let path = entry.expect("an entry").path();
            fs::copy(&path, root.join(part).join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
    let edit = |file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(root.join(file)).expect("a file of the sample");
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(root.join(file), text.replacen(from, to, 1)).expect("the edited file");
    };
    let flavour = "Definitions/sample_df_simple.yaml";
    edit("Files/kubernetes/deployment.yaml", "image: nginx", "image: nginx:1.27");
    edit("Files/kubernetes/replicaset.yaml", "name: vdu2-update", "name: vdu2-user");
    edit("Files/kubernetes/configmap_3.yaml", "kind: ConfigMap\n", "");
    edit("TOSCA-Metadata/TOSCA.meta", "Algorithm: SHA-256", "Algorithm: MD5");
    edit(flavour, "default_level: instantiation_level_1", "default_level: small");
    edit(flavour, "number_of_instances: 3", "number_of_instances: 2");
    edit(flavour, "targets: [ VDU2 ]", "targets: [ VDU9 ]");
    let found = examine(root, &OpenOptions::default());
    let product = found
        .package
        .as_ref()
        .map(|package| format!("{} {}", package.vnfd.product_name, package.vnfd.software_version));
    let standards = found.standards();
    ValidationSheet::new("vendor.csar".into(), product, standards, found.problems)
}

#[test]
fn a_package_with_many_faults() {
    let sheet = vendor();
    assert_widths("s16", |screen| report(&sheet, screen));
    assert_screen("s16-validate-60", &report(&sheet, &screen(60)));
    assert_coloured("s16-coloured", &report(&sheet, &screen(80)));
    assert_screen("s16-ascii", &report(&sheet, &ascii(80)));
}

#[test]
fn fine_packages() {
    let fine =
        |problems| ValidationSheet::new("vendor.csar".into(), Some("Acme / UPF 4.2.1".into()), Vec::new(), problems);
    let script = "script Scripts/update.py is missing (it is never run)";
    let one = Problem::warning("V10", script).at("Definitions/df.yaml", 41);
    let several =
        [1, 2].map(|line| Problem::warning("V9", "declares 3, deltas give 2").at("Definitions/df.yaml", line));
    let without_place = Problem::warning("F3", "the package is not signed").help("ask the vendor");
    assert_screen("s16-valid", &report(&fine(Vec::new()), &screen(80)));
    assert_screen("s16-valid-warning", &report(&fine(vec![one.clone()]), &ascii(80)));
    let all = vec![one, without_place, several[0].clone(), several[1].clone()];
    assert_screen("s16-valid-warnings-60", &report(&fine(all), &screen(60)));
    let unreadable =
        ValidationSheet::new("x.csar".into(), None, Vec::new(), vec![Problem::error("C1", "not a zip archive")]);
    assert_screen("s16-unreadable", &report(&unreadable, &screen(80)));
    let json = serde_json::to_value(&unreadable).expect("a sheet as JSON");
    assert_eq!(json["valid"], false);
    assert_eq!(json["errors"], 1);
    assert_eq!(json["problems"][0]["rule"], "C1");
    assert_eq!(json["problems"][0]["severity"], "error");
}
