//! What packages in the field look like, and must be read without complaint.

use super::*;

const METADATA: &str = "metadata:\n  vnf_product_name: UPF\n  vnf_provider_id: Acme\n  vnf_package_version: 1.0\n  vnf_release_date_time: 2026-01-31T10:00:00+01:00\n";

/// The small package in the form without TOSCA-Metadata.
fn flat() -> Draft {
    let mut draft = Draft::new();
    draft.0.retain(|(path, _)| path != META);
    let top = draft
        .text("Definitions/top.yaml")
        .replace("- types", "- Definitions/types")
        .replace("- df", "- Definitions/df");
    draft.0.retain(|(path, _)| path != "Definitions/top.yaml");
    let sum = whole::package_sum(CONFIG);
    draft.set("upf.yaml", &top);
    draft.set("upf.mf", &format!("{METADATA}\nSource: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {sum}\n"));
    draft
}

#[test]
fn a_package_without_tosca_metadata() {
    let package = flat().open().unwrap();
    let warnings: Vec<_> = package.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["the package is not signed"]);
    assert_eq!((package.digests_checked, package.digests_listed), (1, 1));
    assert_eq!(package.kubernetes_files(), ["Files/cm.yaml"]);
    let back = Package::from_store(&package.store_bytes(), package.digest).unwrap();
    assert_eq!(back.vnfd, package.vnfd);
    assert_eq!(back.kubernetes_files(), ["Files/cm.yaml"]);
    let directory = tempfile::tempdir().unwrap();
    flat().write(directory.path());
    assert_eq!(Package::open(directory.path(), &OpenOptions::default()).unwrap().digest, package.digest);
}

#[test]
fn which_file_at_the_root_is_the_descriptor() {
    let two = "C3 no TOSCA-Metadata/TOSCA.meta, and 2 YAML files at the root, where one would be the VNFD";
    let mut draft = flat();
    draft.set("values.yml", "a: 1\n");
    assert_eq!(draft.problems(), two);
    let directory = tempfile::tempdir().unwrap();
    draft.write(directory.path());
    assert_eq!(said(Package::open(directory.path(), &OpenOptions::default()).map(|_| ())), two);
    let mut draft = flat();
    draft.0.retain(|(path, _)| path != "upf.mf");
    let warnings: Vec<_> = draft.open().unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "no manifest upf.mf, and no TOSCA-Metadata/TOSCA.meta",
            "Files/cm.yaml is not listed, so that it has no digest"
        ]
    );
}

#[test]
fn keys_and_blocks_as_tools_write_them() {
    let sum = whole::package_sum(CONFIG);
    let head =
        "TOSCA-Meta-File-Version: 1.0\nCSAR-Version: 1.1\nCreated-by: x\nEntry-Definitions: Definitions/top.yaml\n";
    for meta in [
        format!("{head}\nName: Files/cm.yaml\nContent-type: x\nAlgorithm: SHA-256\nHash: {sum}"),
        format!("{head}Algorithm: SHA-256\nContent-Type: x\nHash: {sum}\nName: Files/cm.yaml\nContent-Type: x\nName: Files"),
        format!("{head}\n\nHASH: {sum}\nALGORITHM: sha256\nSOURCE: ./Files/cm.yaml\n\n\n").replace('\n', "\r\n"),
        format!("\u{feff}{head}  \nName: Files/\n  cm.yaml\nAlgorithm: Sha_256\nHash: {}\n", sum.to_uppercase()),
        format!("Entry-Definitions: './Definitions/top.yaml'\n\nCreated-By: x\n\nCSAR-Version: \"1.1\"\nTOSCA-Meta-File-Version: 1.0\n\nName: \"Files/cm.yaml\"\nAlgorithm: SHA256\nHash: {sum}\n")
            .replace("\n\nC", "\nC"),
        format!("# by hand\n{head}\nName: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {sum}\n\nName: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {sum}\n"),
        format!("{head}\nName: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {sum}\n\nName: Files/cm.yaml\nAlgorithm: SHA-512\nHash: {}\n", "?"),
    ] {
        // Another algorithm beside the first is no contradiction.
        let meta = meta.replace("Hash: ?", &format!("Hash: {}", sha512(CONFIG)));
        let package = Draft::new().set(META, &meta).open().unwrap();
        assert_eq!(package.warnings, [], "{meta}");
        assert!(package.digests_listed >= 1 && package.digests_checked == package.digests_listed, "{meta}");
    }
}

fn sha512(text: &str) -> String {
    let mut hasher = super::super::digests::Hasher::new(&[super::super::digests::Algorithm::Sha512].into());
    hasher.update(text.as_bytes());
    hasher.finish().get(super::super::digests::Algorithm::Sha512).unwrap()
}

#[test]
fn images_and_directories_are_listed_without_digests() {
    let mut draft = Draft::new();
    draft
        .set("Files/images/upf.tar", "bytes")
        .set("chart/Chart.yaml", "name: c\n")
        .set("chart/templates/d.yaml", "{{ x }}");
    draft
        .list("Name: Files/images/upf.tar\nContent-type: application/x-tar\n\nName: chart/\nContent-type: test-data\n");
    assert_eq!(draft.open().unwrap().warnings, []);
}

#[test]
fn entries_of_the_standard() {
    let mut draft = Draft::new();
    draft.replace(META, "CSAR-Version", "ETSI-Entry-Manifest: top.mf\nETSI-Entry-Change-Log: ChangeLog.txt\nETSI-Entry-Licenses: Licenses/\nCSAR-Version");
    draft.set(
        "top.mf",
        &format!(
            "{METADATA}vnfd_id: 97018ca2-bf29-4715-9e2b-6e432dd1f414\nSource: ChangeLog.txt\nSource: Licenses/l.txt\n"
        ),
    );
    draft.set("ChangeLog.txt", "all new").set("Licenses/l.txt", "free");
    let warnings: Vec<_> = draft.open().unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["the package is not signed"]);
    draft.replace(META, "ETSI-Entry-Change-Log: ChangeLog.txt\nETSI-Entry-Licenses: Licenses/\n", "");
    draft.replace("top.mf", "97018ca2", "deadbeef");
    let package = draft.open().unwrap();
    let problems: Vec<_> = package.warnings.iter().map(|problem| format!("{} {problem}", problem.rule)).collect();
    assert_eq!(
        problems,
        [
            "M4 TOSCA-Metadata/TOSCA.meta: ETSI-Entry-Change-Log, ETSI-Entry-Licenses not given",
            "F3 the package is not signed",
            "F2 top.mf:6: vnfd_id is deadbeef-bf29-4715-9e2b-6e432dd1f414, but the VNFD's descriptor_id is 97018ca2-bf29-4715-9e2b-6e432dd1f414",
        ]
    );
}
