//! Packages that are made here: the one to start from, and CSARs of directories.

use super::*;
use crate::package::examine::Examination;
use crate::package::{BuildError, BuildRequest, build, examine, init};

const ID: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

fn starter(root: &Path) {
    let files = init::files("web", ID, "2026-01-31T10:00:00Z");
    Draft(files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect()).write(root);
}

fn built(root: &Path, vnfd_id: Option<&str>) -> Result<Vec<u8>, BuildError> {
    let output = root.join("out.csar");
    let request = BuildRequest { directory: root, output: &output, vnfd_id, date: "1980-01-01T00:00:00Z" };
    let mut bytes = Cursor::new(Vec::new());
    build(&request, &mut bytes)?;
    Ok(bytes.into_inner())
}

fn look(bytes: &[u8]) -> Examination {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    examine(file.path(), &OpenOptions::default())
}

fn text(examination: &Examination, path: &str) -> String {
    String::from_utf8(examination.package.as_ref().unwrap().files.bytes(path).unwrap().to_vec()).unwrap()
}

fn faults(examination: &Examination) -> Vec<String> {
    examination.problems.iter().map(|problem| format!("{} {problem}", problem.rule)).collect()
}

#[test]
fn the_package_to_start_from_has_no_fault() {
    let directory = tempfile::tempdir().unwrap();
    starter(directory.path());
    let found = examine(directory.path(), &OpenOptions::default());
    assert_eq!(faults(&found), ["F3 the package is not signed"]);
    let package = found.package.unwrap();
    assert_eq!((package.vnfd.descriptor_id.as_str(), package.vnfd.product_name.as_str()), (ID, "web"));
    let flavour = package.vnfd.flavour(None).unwrap();
    assert_eq!(flavour.level(None).unwrap().unwrap().id, "small");
    assert_eq!(flavour.vdus[0].instances["large"], 3);
    let names: Vec<_> = found.manifests.iter().map(|manifest| manifest.reference.to_string()).collect();
    assert_eq!(names, ["ConfigMap web-config", "Deployment web"]);
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    starter(one.path());
    // Made in another order, at another time, beside files that are no part of it.
    let mut files = init::files("web", ID, "2026-01-31T10:00:00Z");
    files.reverse();
    fs::create_dir(other.path().join("empty")).unwrap();
    Draft(files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect()).write(other.path());
    let past = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let vnfd = fs::File::options().write(true).open(other.path().join("Definitions/vnfd.yaml")).unwrap();
    vnfd.set_modified(past).unwrap();
    fs::create_dir(other.path().join(".git")).unwrap();
    fs::write(other.path().join(".git/config"), "x").unwrap();
    fs::write(other.path().join("out.csar"), "the one of before").unwrap();
    let bytes = built(one.path(), None).unwrap();
    assert!(bytes == built(other.path(), None).unwrap());
    let found = look(&bytes);
    assert_eq!(faults(&found), ["F3 the package is not signed"]);
    let package = found.package.unwrap();
    // All but the manifest itself.
    assert_eq!((package.digests_checked, package.digests_listed, package.files.0.len()), (8, 8, 9));
}

#[test]
fn what_a_package_says_of_itself_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut draft = Draft::new();
    let zeros = "0".repeat(64);
    draft.list(&format!(
        "Name: Files/two.yaml\nContent-Type: test/x\nAlgorithm: SHA-512\nHash: {zeros}\n\nName: http://example.com/x\n"
    ));
    draft.replace(META, "TOSCA-Meta", "ETSI-Entry-Manifest: top.mf\nTOSCA-Meta");
    draft.set("Files/two.yaml", &CONFIG.replace("cm", "two"));
    draft.set(
        "top.mf",
        &format!("metadata:\r\n  vnf_product_name: Our UPF\r\n  vnf_release_date_time: 2025-01-31T10:00:00Z\r\n\r\nSource: gone.yaml\r\nHash: {zeros}\r\n\r\nnon_mano_artifact_sets:\r\n  events:\r\n    Source: Files/two.yaml\r\n    Hash: {zeros}\r\n-----BEGIN CMS-----\r\nMIIG\r\n-----END CMS-----\r\n"),
    );
    draft.write(directory.path());
    let found = look(&built(directory.path(), None).unwrap());
    let meta = text(&found, META);
    let sum = super::super::digests::hex(&found.package.as_ref().unwrap().files.0["Files/two.yaml"].sums.sha256);
    assert!(
        meta.contains(&format!("\n\nName: Files/two.yaml\nContent-Type: test/x\nAlgorithm: SHA-256\nHash: {sum}\n\n")),
        "{meta}"
    );
    assert!(meta.ends_with("\n\nName: http://example.com/x\n"), "{meta}");
    assert_eq!(meta.matches("ETSI-Entry-Manifest").count(), 1);
    let manifest = text(&found, "top.mf");
    assert!(manifest.starts_with("metadata:\n  vnf_product_name: Our UPF\n  vnf_release_date_time: 2025-01-31T10:00:00Z\n\nSource: Definitions/df.yaml\n"), "{manifest}");
    assert!(manifest.ends_with("\n\nnon_mano_artifact_sets:\n  events:\n    Source: Files/two.yaml\n"), "{manifest}");
    for gone in ["gone.yaml", "CMS", &zeros, "\r"] {
        assert!(!manifest.contains(gone), "{gone}: {manifest}");
    }
}

#[test]
fn hidden_files_that_are_listed_are_packed() {
    let directory = tempfile::tempdir().unwrap();
    let mut draft = Draft::new();
    draft.set("chart/Chart.yaml", "name: c\n").set("chart/.helmignore", "*.bak").set("chart/.note", "x");
    draft.list("Name: chart/Chart.yaml\n\nName: chart/.helmignore\n");
    draft.write(directory.path());
    let package = look(&built(directory.path(), None).unwrap()).package.unwrap();
    let chart: Vec<_> = package.files.0.keys().filter(|path| path.starts_with("chart/")).collect();
    assert_eq!(chart, ["chart/.helmignore", "chart/Chart.yaml"]);
    assert_eq!(package.digests_checked, package.digests_listed);
}

/// A link or a damaged file would be left out, so that nothing is made.
#[test]
fn what_cannot_be_read_is_not_built_around() {
    let directory = tempfile::tempdir().unwrap();
    Draft::new().write(directory.path());
    std::os::unix::fs::symlink("/etc/passwd", directory.path().join("Files/link")).unwrap();
    let error = built(directory.path(), None).unwrap_err();
    assert!(matches!(error, BuildError::Package(error) if error.problems[0].rule == "C2"));
}

#[test]
fn a_manifest_is_made_of_the_descriptor() {
    let directory = tempfile::tempdir().unwrap();
    Draft::new().write(directory.path());
    let found = look(&built(directory.path(), None).unwrap());
    assert!(text(&found, META).contains("\nETSI-Entry-Manifest: top.mf\n"));
    let manifest = text(&found, "top.mf");
    assert!(
        manifest.starts_with("metadata:\nvnf_product_name: UPF\nvnf_provider_id: Acme\nvnf_package_version: 2.0\nvnf_release_date_time: 1980-01-01T00:00:00Z\nvnfd_id: 97018ca2-bf29-4715-9e2b-6e432dd1f414\n"),
        "{manifest}"
    );
    let errors: Vec<_> =
        found.problems.iter().filter(|problem| problem.is_error()).map(|problem| problem.rule).collect();
    assert_eq!(errors, ["K5"], "the draft has no workload");
}

#[test]
fn a_package_is_the_template_of_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let old = "97018ca2-bf29-4715-9e2b-6e432dd1f414";
    let mut draft = Draft::new();
    draft.replace("Definitions/top.yaml", "product_name: UPF", &format!("product_name: UPF # was x-{old}, {old}"));
    draft.set("Files/cm.yaml", &format!("{CONFIG}data: {{ id: {old} }}\n"));
    draft.write(directory.path());
    let found = look(&built(directory.path(), Some(ID)).unwrap());
    assert_eq!(found.package.as_ref().unwrap().vnfd.descriptor_id, ID);
    let top = text(&found, "Definitions/top.yaml");
    assert!(top.contains(&format!("# was x-{old}, {ID}")), "{top}");
    assert!(text(&found, "top.mf").contains(&format!("vnfd_id: {ID}")));
    assert!(text(&found, "Files/cm.yaml").contains(old), "what is no descriptor stays");
    draft.replace("Definitions/top.yaml", "descriptor_id", "descriptor").write(directory.path());
    let error = built(directory.path(), Some(ID)).unwrap_err().to_string();
    assert!(error.contains("no descriptor_id to replace"), "{error}");
}

#[test]
fn what_is_no_package_is_not_built() {
    let directory = tempfile::tempdir().unwrap();
    let error = built(directory.path(), None).unwrap_err();
    assert!(matches!(error, BuildError::Package(error) if error.problems[0].rule == "C3"));
}
