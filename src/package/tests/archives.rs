//! Archives as tools of all kinds write them, and as no tool would.

use super::*;
use std::io::Seek;

/// Bytes of an archive, changed by hand: what no writer would write.
fn patch(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let mut found = 0;
    for at in 0..=bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            bytes[at..at + to.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0, "nothing to change");
}

fn write(writer: &mut zip::ZipWriter<impl Write + Seek>, options: SimpleFileOptions) {
    for (path, text) in &Draft::new().0 {
        writer.start_file(path.as_str(), options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
}

#[test]
fn sizes_of_64_bits_and_files_without_compression() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    write(
        &mut writer,
        SimpleFileOptions::default().large_file(true).compression_method(zip::CompressionMethod::Stored),
    );
    let bytes = writer.finish().unwrap().into_inner();
    assert!(bytes.windows(4).any(|window| window == [1, 0, 16, 0]), "no extra field of zip64");
    assert_eq!(open_zip(bytes).unwrap().digest, Draft::new().open().unwrap().digest);
}

#[test]
fn an_end_record_of_64_bits() {
    // A zip64 end record and its locator before the usual end, whose own numbers say "see there".
    let mut bytes = Draft::new().zip();
    let end = bytes.split_off(bytes.len() - 22);
    let number = |at: usize| u32::from_le_bytes(end[at..at + 4].try_into().unwrap());
    let (count, size, start) = (u64::from(end[10]), u64::from(number(12)), u64::from(number(16)));
    let place = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [count, count, size, start] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(place.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    assert_eq!(open_zip(bytes).unwrap().digest, Draft::new().open().unwrap().digest);
}

#[test]
fn sizes_that_follow_the_data() {
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    for (path, text) in &Draft::new().0 {
        writer.start_file(path.as_str(), SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    assert!(bytes.windows(4).any(|window| window == b"PK\x07\x08"), "no data descriptor");
    assert_eq!(open_zip(bytes).unwrap().digest, Draft::new().open().unwrap().digest);
}

#[test]
fn directory_entries_and_a_dot_before_names() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_directory("./", SimpleFileOptions::default()).unwrap();
    writer.add_directory("Files", SimpleFileOptions::default()).unwrap();
    writer.add_directory("Files/empty/", SimpleFileOptions::default()).unwrap();
    for (path, text) in &Draft::new().0 {
        writer.start_file(format!("./{path}"), SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    let package = open_zip(writer.finish().unwrap().into_inner()).unwrap();
    assert_eq!(package.digest, Draft::new().open().unwrap().digest);
}

#[test]
fn names_beyond_ascii() {
    let mut draft = Draft::new();
    draft.set("Licenses/Lizenz für ネットワーク.txt", "frei");
    draft.list("Name: Licenses/Lizenz für ネットワーク.txt\n");
    let with_flag = draft.zip();
    let package = open_zip(with_flag.clone()).unwrap();
    assert_eq!(package.warnings, []);
    let directory = tempfile::tempdir().unwrap();
    draft.write(directory.path());
    assert_eq!(Package::open(directory.path(), &OpenOptions::default()).unwrap().digest, package.digest);
    // Some tools write UTF-8, but not the flag that says so (bit 11 of the flags).
    let mut without = with_flag.clone();
    let name = "Licenses/Lizenz f".as_bytes();
    for at in 0..without.len() - 64 {
        for (signature, flags, path) in [(b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)] {
            if &without[at..at + 4] == signature && without[at + path..].starts_with(name) {
                without[at + flags + 1] &= !8;
            }
        }
    }
    assert_ne!(without, with_flag);
    assert_eq!(open_zip(without).unwrap().digest, package.digest);
}

#[test]
fn text_before_and_after_the_archive() {
    let mut bytes = b"#!/bin/sh\nexit 1\n".to_vec();
    bytes.extend(Draft::new().zip());
    assert_eq!(open_zip(bytes).unwrap().digest, Draft::new().open().unwrap().digest);
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.set_comment("made by hand").unwrap();
    write(&mut writer, SimpleFileOptions::default());
    assert_eq!(open_zip(writer.finish().unwrap().into_inner()).unwrap().digest, Draft::new().open().unwrap().digest);
}

#[test]
fn broken_content_is_named() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    write(&mut writer, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored));
    let good = writer.finish().unwrap().into_inner();
    let mut bytes = good.clone();
    patch(&mut bytes, b"kind: ConfigMap", b"kind: ConfigMop");
    assert_eq!(said(open_zip(bytes).map(|_| ())), "C1 entry Files/cm.yaml cannot be unpacked: invalid checksum");
    // The list leads to a place where no entry begins.
    let mut bytes = good.clone();
    let begins = |at: &usize| bytes[*at..].starts_with(b"PK\x03\x04") && bytes[at + 30..].starts_with(b"Files/cm.yaml");
    let header = (0..bytes.len() - 60).find(begins).unwrap();
    bytes[header] = b'X';
    let problems = said(open_zip(bytes).map(|_| ()));
    assert!(problems.starts_with("C1 entry Files/cm.yaml cannot be unpacked: "), "{problems}");
    // Compressed in a way that nobody reads here (12: bzip2).
    let mut bytes = good;
    for at in 0..bytes.len() - 60 {
        for (signature, method, path) in [(b"PK\x03\x04", 8, 30), (b"PK\x01\x02", 10, 46)] {
            if &bytes[at..at + 4] == signature && bytes[at + path..].starts_with(b"Files/cm.yaml") {
                bytes[at + method] = 12;
            }
        }
    }
    let problems = said(open_zip(bytes).map(|_| ()));
    assert!(problems.starts_with("C1 entry Files/cm.yaml cannot be unpacked: "), "{problems}");
}

/// An entry that is refused or damaged does not keep the others from being judged, and what is missed for want of it is
/// not told.
#[test]
fn damaged_entries_and_all_else_in_one_run() {
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut draft = Draft::new();
    draft.set("Files/two.yaml", &CONFIG.replace("cm", "two")).set("Files/bad.yaml", "apiVersion: v1\nmetadata: x\n");
    draft.list("Name: Files/two.yaml\n\nName: Files/bad.yaml\n\nName: Files/link.yaml\nAlgorithm: MD5\nHash: 00\n");
    draft.replace("Definitions/df.yaml", "    VNF:", "    # Small\n    VNF:");
    draft.replace("Definitions/top.yaml", "product_name", "product");
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in &draft.0 {
        writer.start_file(path.as_str(), stored).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.add_symlink("Files/link.yaml", "/etc/passwd", stored).unwrap();
    let mut bytes = writer.finish().unwrap().into_inner();
    patch(&mut bytes, b"kind: ConfigMap", b"kind: ConfigMop");
    let told = |bytes: &[u8]| {
        let archive = Archive::zip(Box::new(Cursor::new(bytes.to_vec())));
        let problems = examine_archive("x.csar".into(), archive, &OpenOptions::default()).problems;
        problems.iter().map(|problem| format!("{} {problem}", problem.rule)).collect::<Vec<_>>()
    };
    let all = [
        "C2 unsafe entry \"Files/link.yaml\": a symbolic link",
        "C1 entry Files/cm.yaml cannot be unpacked: invalid checksum",
        "C1 entry Files/two.yaml cannot be unpacked: invalid checksum",
        "A2 TOSCA-Metadata/TOSCA.meta:13: unsupported algorithm \"MD5\" of Files/link.yaml",
        "V3 Definitions/top.yaml:9: VNF property product_name has no value",
        "K1 Files/bad.yaml:1: document 1 has no kind",
    ];
    assert_eq!(told(&bytes), all);
    assert!(open_zip(bytes.clone()).is_err());
    // A definition that is damaged is told by its rule; that there is no flavour, which follows, is not.
    patch(&mut bytes, b"# Small", b"# Large");
    let with_definition = told(&bytes);
    assert_eq!(with_definition[1], "C1 entry Definitions/df.yaml cannot be unpacked: invalid checksum");
    assert_eq!(with_definition[5..], ["V1 Definitions/df.yaml: cannot be read", all[5]]);
    // Without TOSCA.meta nothing can be told of the rest.
    patch(&mut bytes, b"Created-By", b"Created_By");
    assert_eq!(told(&bytes), [all[0], "C1 entry TOSCA-Metadata/TOSCA.meta cannot be unpacked: invalid checksum"]);
}

#[test]
fn encrypted_entries() {
    for file in ["Files/cm.yaml", META] {
        let mut bytes = Draft::new().zip();
        for at in 0..bytes.len() - 60 {
            for (signature, flags, path) in [(b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)] {
                if &bytes[at..at + 4] == signature && bytes[at + path..].starts_with(file.as_bytes()) {
                    bytes[at + flags] |= 1;
                }
            }
        }
        assert_eq!(said(open_zip(bytes).map(|_| ())), format!("C1 entry {file} is encrypted"));
    }
}

#[test]
fn no_flood_of_damaged_entries() {
    let mut draft = Draft::new();
    for number in 0..150 {
        draft.set(&format!("f/{number:03}"), "good");
    }
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in &draft.0 {
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file(path.as_str(), stored).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    let mut bytes = writer.finish().unwrap().into_inner();
    patch(&mut bytes, b"good", b"evil");
    let told = said(open_zip(bytes).map(|_| ()));
    assert_eq!((told.lines().count(), told.lines().last()), (101, Some("C1 50 more entries cannot be read")));
}

#[test]
fn entries_that_share_their_bytes() {
    // 400 names in the list, all for one packed megabyte of zeros.
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    write(&mut writer, SimpleFileOptions::default());
    let zeros = vec![0; 1024 * 1024];
    for number in 0..400 {
        writer.start_file(format!("Scripts/{number:03}"), SimpleFileOptions::default()).unwrap();
        writer.write_all(if number == 0 { &zeros } else { b"" }).unwrap();
    }
    let mut bytes = writer.finish().unwrap().into_inner();
    let headers: Vec<usize> = (0..bytes.len() - 60)
        .filter(|at| bytes[*at..].starts_with(b"PK\x01\x02") && bytes[at + 46..].starts_with(b"Scripts/"))
        .collect();
    let (flags, sizes, offset) = (8..12, 16..28, 42..46);
    for range in [flags, sizes, offset] {
        let first = bytes[headers[0] + range.start..headers[0] + range.end].to_vec();
        for header in &headers {
            bytes[header + range.start..header + range.end].copy_from_slice(&first);
        }
    }
    assert_eq!(
        said(open_zip(bytes).map(|_| ())),
        "C1 the package expands to more than 134217728 bytes, the limit for the size of its archive"
    );
}

#[test]
fn a_list_of_entries_that_is_too_long() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    write(&mut writer, SimpleFileOptions::default());
    for number in 0..300 {
        writer.start_file(format!("{number}/{}", "x".repeat(65_000)), SimpleFileOptions::default()).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(said(open_zip(bytes).map(|_| ())), "C1 the list of entries takes more than 16 MiB");
}

/// Short files that are long once they are read: what they hold is bounded together, not only one by one.
#[test]
fn values_of_all_files_together() {
    let many = format!("x: [{}]\n", "1,".repeat(240_000));
    let mut draft = Draft::new();
    for number in 0..3 {
        let file = format!("Files/{number}.yaml");
        draft.set(&file, &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: c{number} }}\n{many}"));
        draft.list(&format!("Name: {file}\n"));
    }
    assert_eq!(draft.problems(), "C1 the YAML files that it lists hold more than 500000 values");
    let mut draft = Draft::new();
    for number in 0..3 {
        let file = format!("Definitions/{number}.yaml");
        draft.set(&file, &format!("tosca_definitions_version: tosca_simple_yaml_1_2\nmetadata:\n  {many}"));
        draft.replace("Definitions/top.yaml", "imports:\n", &format!("imports:\n- {number}.yaml\n"));
    }
    assert!(draft.problems().contains("V2 Definitions/top.yaml: definitions of more than 500000 values"));
}
