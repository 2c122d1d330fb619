//! Archives, digests and the stored form, right and broken.

use super::*;

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
    let device = Package::open(Path::new("/dev/null"), &OpenOptions::default()).unwrap_err();
    assert_eq!(device.to_string(), "/dev/null: neither a file nor a directory");
    let directory = tempfile::tempdir().unwrap();
    let error = Package::open(directory.path(), &OpenOptions::default()).unwrap_err();
    assert_eq!(
        (error.problems[0].rule, error.problems[0].message.as_str()),
        ("C3", "no TOSCA-Metadata/TOSCA.meta, and no VNFD at the root")
    );
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
    assert_eq!(
        said(open_zip(bytes).map(|_| ())),
        "C2 unsafe entry \"Files/link.yaml\": a symbolic link\nC3 no TOSCA-Metadata/TOSCA.meta, and no VNFD at the root"
    );
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

/// What is too large to be parsed is hashed, and told for what it is.
#[test]
fn files_that_are_too_large_to_be_read() {
    let long = format!("# {}\n", "x".repeat(crate::yaml::MAX_BYTES));
    let told = |path: &str, text: String| {
        let directory = tempfile::tempdir().unwrap();
        Draft::new().set(path, &text).write(directory.path());
        let found = Package::open(directory.path(), &OpenOptions::default());
        let problems = found.map_or_else(|error| error.problems, |package| package.warnings);
        problems.iter().map(|problem| format!("{} {problem}", problem.rule)).collect::<Vec<_>>()
    };
    let mib = crate::yaml::MAX_BYTES / 1024 / 1024;
    assert_eq!(
        told(META, format!("{}{long}", Draft::new().text(META))),
        [format!("C1 entry {META} expands to more than {mib} MiB, which is too much for its kind")]
    );
    assert_eq!(
        told("Files/cm.yaml", format!("{long}{CONFIG}")),
        ["C1 Files/cm.yaml: too large to be read, so that it is not taken for a Kubernetes manifest"]
    );
    assert_eq!(
        told("Definitions/df.yaml", format!("{FLAVOUR}{long}")),
        ["V1 Definitions/df.yaml: too large for a definition"]
    );
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
    assert!(lines[0].ends_with("..., TOSCA-Metadata/TOSCA.meta:9 says 000000000000..."), "{problems}");
    assert!(lines[1].starts_with("A4 Files/c.yaml: SHA-512 is "), "{problems}");
    assert_eq!(lines[2], "A3 TOSCA-Metadata/TOSCA.meta:17: Files/none.yaml is listed, but not in the package");
    draft.replace(META, "\nName: Files/none.yaml\n", "");
    let options = OpenOptions { allow_hash_mismatch: true, ..OpenOptions::default() };
    let package =
        Package::open_archive("x".into(), Archive::zip(Box::new(Cursor::new(draft.zip()))), &options).unwrap();
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
        "A6 TOSCA-Metadata/TOSCA.meta:17: Files/cm.yaml is listed with another Hash in TOSCA-Metadata/TOSCA.meta:9"
    );
}

pub(super) fn package_sum(text: &str) -> String {
    let mut hasher = super::super::digests::Hasher::new(&BTreeSet::new());
    hasher.update(text.as_bytes());
    super::super::digests::hex(&hasher.finish().sha256)
}
