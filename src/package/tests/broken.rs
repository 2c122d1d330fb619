//! Packages that are broken in one way each, and what is said about it: one snapshot of all messages.

use super::*;
use crate::package::examine::examine_archive;

const METADATA: &str = "metadata:\nvnf_product_name: UPF\nvnf_provider_id: Acme\nvnf_package_version: 1.0\nvnf_release_date_time: 2026-01-31T10:00:00Z\n";
const BLOCK: &str = "Name: Files/cm.yaml\nContent-Type: text/yaml\n";
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is said about an archive: all that is not a matter of the descriptor and the objects.
fn told(bytes: Vec<u8>, options: &OpenOptions) -> String {
    let found = examine_archive("x.csar".into(), Archive::zip(Box::new(Cursor::new(bytes))), options).problems;
    let about = found.iter().filter(|problem| matches!(&problem.rule[..1], "C" | "M" | "A" | "F"));
    about
        .map(|problem| {
            let word = match (problem.severity, problem.bearable) {
                (Severity::Error, false) => "error",
                (Severity::Error, true) => "error, bearable",
                (Severity::Warning, _) => "warning",
                (Severity::Note, _) => "note",
            };
            format!("  {word}[{}] {problem}\n", problem.rule)
        })
        .collect()
}

/// A zip with one entry of this name and mode beside the small package.
fn with_entry(name: &str, mode: u32) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in &Draft::new().0 {
        writer.start_file(path.as_str(), SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    // The writer gives every entry the type of a file; the mode is in the last header, 38 bytes in.
    writer.start_file("EVIL", SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
    let mut bytes = writer.finish().unwrap().into_inner();
    let header = (0..bytes.len() - 50).rfind(|at| bytes[*at..].starts_with(b"PK\x01\x02")).unwrap();
    bytes[header + 38..header + 42].copy_from_slice(&(mode << 16).to_le_bytes());
    let end = bytes.len() - 22;
    bytes[header + 28..header + 30].copy_from_slice(&(name.len() as u16).to_le_bytes());
    bytes.splice(header + 46..header + 50, name.bytes());
    let end = end + name.len() - 4;
    let size = u32::from_le_bytes(bytes[end + 12..end + 16].try_into().unwrap()) + name.len() as u32 - 4;
    bytes[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    bytes
}

/// The small package with a change.
fn changed(change: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let mut draft = Draft::new();
    change(&mut draft);
    draft.zip()
}

fn with_manifest(text: &str) -> Vec<u8> {
    changed(|draft| {
        draft.replace(
            META,
            "CSAR-Version",
            "ETSI-Entry-Manifest: top.mf\nETSI-Entry-Change-Log: top.mf\nETSI-Entry-Licenses: top.mf\nCSAR-Version",
        );
        draft.set("top.mf", text);
    })
}

#[test]
fn every_broken_package_has_its_message() {
    let sum = whole::package_sum(CONFIG);
    let meta = |from: &'static str, to: &'static str| {
        changed(|draft| {
            draft.replace(META, from, to);
        })
    };
    let listed = |lines: &str| {
        changed(|draft| {
            draft.list(lines);
        })
    };
    let good = Draft::new().zip();
    let corpus: Vec<(&str, Vec<u8>)> = vec![
        ("nothing is wrong", good.clone()),
        ("an empty file", Vec::new()),
        ("text", b"this is no archive".to_vec()),
        ("a compressed tar", b"\x1f\x8b\x08\x00aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec()),
        ("an end and nothing else", [b"PK\x05\x06".as_slice(), &[0; 18]].concat()),
        ("the first half", good[..good.len() / 2].to_vec()),
        ("without its end", good[..good.len() - 10].to_vec()),
        ("an absolute path", with_entry("/etc/passwd", 0o100_644)),
        ("a way out", with_entry("Files/../../x", 0o100_644)),
        ("a backslash", with_entry("Files\\x.yaml", 0o100_644)),
        ("a drive", with_entry("C:/x", 0o100_644)),
        ("a device of Windows", with_entry("Files/nul.yaml", 0o100_644)),
        ("a control character", with_entry("Files/a\u{1b}[31m", 0o100_644)),
        ("an empty part", with_entry("Files//x", 0o100_644)),
        ("a link", with_entry("Files/link", 0o120_777)),
        ("a device", with_entry("Files/null", 0o020_666)),
        ("a pipe", with_entry("Files/pipe", 0o010_666)),
        ("a duplicate", with_entry("Files/cm.yaml", 0o100_644)),
        ("a file as a directory", with_entry("Files/cm.yaml/x", 0o100_644)),
        ("too deep", with_entry(&"a/".repeat(40), 0)),
        ("too deep a file", with_entry(&format!("{}b", "a/".repeat(40)), 0o100_644)),
        ("no TOSCA.meta", changed(|draft| draft.0.retain(|(path, _)| path != META))),
        (
            "two descriptors at the root",
            changed(|draft| {
                draft.0.retain(|(path, _)| path != META);
                draft.set("a.yaml", "").set("b.yml", "");
            }),
        ),
        (
            "a CSAR in a zip",
            changed(|draft| {
                draft.0.clear();
                draft.set("inner.csar", "PK");
            }),
        ),
        (
            "TOSCA.meta is too large",
            changed(|draft| {
                draft.set(META, &"a: b\n".repeat(1_000_000));
            }),
        ),
        (
            "TOSCA.meta has too many lines",
            changed(|draft| {
                draft.list(&"\n".repeat(100_000)).list("x");
            }),
        ),
        (
            "TOSCA.meta is one line",
            changed(|draft| {
                draft.set(META, &"a".repeat(1_000_000));
            }),
        ),
        (
            "TOSCA.meta is empty",
            changed(|draft| {
                draft.set(META, "");
            }),
        ),
        ("a line that is none", meta("Created-By: x", "Created-By x")),
        ("no entry", meta("Entry-Definitions", "Definitions")),
        ("an entry that is not there", meta("Definitions/top.yaml", "Definitions/up.yaml")),
        ("two entries", meta("Created-By: x", "Entry-Definitions: Definitions/df.yaml")),
        ("an empty entry", meta("Entry-Definitions: Definitions/top.yaml", "Entry-Definitions:")),
        ("other versions", meta("CSAR-Version: 1.1", "CSAR-Version: 2.0")),
        ("no versions", meta("CSAR-Version: 1.1\nCreated-By: x\n", "")),
        (
            "entries that are not there",
            meta("CSAR-Version", "ETSI-Entry-Manifest: x.mf\nETSI-Entry-Tests: Tests\nCSAR-Version"),
        ),
        ("a block without a name", listed("Algorithm: SHA-256\nHash: 00\n")),
        ("a block of nothing", listed("Colour: red\n")),
        ("no hash", listed("Name: Files/cm.yaml\nAlgorithm: SHA-256\n")),
        ("no algorithm", listed("Name: Files/cm.yaml\nHash: 00\n")),
        ("an empty hash", listed("Name: Files/cm.yaml\nAlgorithm: SHA-256\nHash:\n")),
        ("another algorithm", listed("Name: Files/cm.yaml\nAlgorithm: MD5\nHash: 00\n")),
        ("a hash of another length", listed("Name: Files/cm.yaml\nAlgorithm: SHA-512\nHash: 00\n")),
        (
            "a hash that is none",
            listed(&format!("Name: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {}\n", "x".repeat(64))),
        ),
        ("a file that is not there", listed("Name: Files/none.yaml\n")),
        ("a digest that does not match", listed(&format!("Name: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {ZEROS}\n"))),
        (
            "two digests",
            listed(&format!(
                "Name: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {sum}\n\nName: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {ZEROS}\n"
            )),
        ),
        ("a URL", listed("Name: http://example.com/a.yaml\n")),
        (
            "a URL with a digest",
            listed(&format!("Name: http://example.com/a.yaml\nAlgorithm: SHA-256\nHash: {ZEROS}\n")),
        ),
        (
            "files that are not listed",
            changed(|draft| {
                draft.set("a", "").set("b", "").set("c", "").set("d", "").set("e", "");
            }),
        ),
        (
            "only one that is not listed",
            changed(|draft| {
                draft.set("a", "");
            }),
        ),
        ("no metadata", with_manifest("Source: Files/cm.yaml\n")),
        ("metadata that is missing", with_manifest("metadata:\nvnf_provider_id: x\n")),
        ("metadata twice", with_manifest(&format!("{METADATA}vnf_provider_id: y\n"))),
        ("a second metadata", with_manifest(&format!("{METADATA}metadata:\n"))),
        ("unknown metadata", with_manifest(&format!("{METADATA}colour: red\n"))),
        ("no date", with_manifest(&METADATA.replace("2026-01-31", "31.1.2026"))),
        ("metadata that comes late", with_manifest(&format!("Source: Files/cm.yaml\n{METADATA}"))),
        ("a hash before its source", with_manifest(&format!("{METADATA}Hash: 00\nSource: Files/cm.yaml\n"))),
        (
            "a hash before its algorithm",
            with_manifest(&format!("{METADATA}Source: Files/cm.yaml\nHash: {sum}\nAlgorithm: SHA-256\n")),
        ),
        (
            "two hashes",
            with_manifest(&format!("{METADATA}Source: Files/cm.yaml\nAlgorithm: SHA-256\nHash: {sum}\nHash: {sum}\n")),
        ),
        ("a manifest's line that is none", with_manifest(&format!("{METADATA}Source: Files/cm.yaml\nnonsense\n"))),
        (
            "a certificate before its signature",
            with_manifest(&format!("{METADATA}Source: Files/cm.yaml\nCertificate: x\n")),
        ),
        ("a signature without an end", with_manifest(&format!("{METADATA}-----BEGIN CMS-----\nAAAA\n"))),
        (
            "two signatures",
            with_manifest(&format!("{METADATA}-----BEGIN CMS-----\n-----END CMS-----\n-----BEGIN CMS-----\n")),
        ),
        (
            "text after the signature",
            with_manifest(&format!("{METADATA}-----BEGIN CMS-----\nAAAA\n-----END CMS-----\nSource: x\n")),
        ),
        (
            "a signature that is none",
            with_manifest(&format!("{METADATA}-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n")),
        ),
        ("the manifest of another package", with_manifest(&format!("{METADATA}vnfd_id: 1\n"))),
        (
            "a manifest of another name",
            changed(|draft| {
                draft.replace(META, "CSAR-Version", "Entry-Manifest: list.txt\nCSAR-Version");
                draft.set("list.txt", METADATA);
            }),
        ),
        (
            "an envelope with two",
            changed(|draft| {
                draft.0.clear();
                draft.set("a.csar", "").set("b.csar", "").set("a.cms", "");
            }),
        ),
        (
            "an envelope with nothing in it",
            changed(|draft| {
                draft.0.clear();
                draft.set("a.csar", "").set("a.cms", "");
            }),
        ),
    ];
    let mut report = String::new();
    for (what, bytes) in corpus {
        report.push_str(&format!("{what}\n{}", told(bytes, &OpenOptions::default())));
    }
    let mismatch = listed(&format!("{BLOCK}Algorithm: SHA-256\nHash: {ZEROS}\n"));
    let allowed = OpenOptions { allow_hash_mismatch: true, ..OpenOptions::default() };
    report.push_str(&format!("a digest that does not match, and is allowed to\n{}", told(mismatch, &allowed)));
    let required = OpenOptions { require_signature: true, ..OpenOptions::default() };
    report.push_str(&format!("no signature, and one is required\n{}", told(good, &required)));
    insta::assert_snapshot!("broken-packages", report);
    for rule in ["C1", "C2", "C3", "M1", "M2", "M3", "M4", "A1", "A2", "A3", "A4", "A5", "A6", "F1", "F2", "F3"] {
        assert!(report.contains(&format!("[{rule}]")), "no package breaks {rule}");
    }
}
