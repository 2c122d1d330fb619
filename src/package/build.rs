//! Making a CSAR of a directory: digests, manifest and a zip that is the same for the same files, wherever and whenever
//! it is made.
//!
//! TOSCA.meta and the manifest are written anew with the digests of what is there; everything else goes in as it is.
//! What is wrong with the result is judged like any other package; nothing is signed here.

use super::archive::{Archive, Files};
use super::digests::hex;
use super::listing::{Listing, stem};
use super::meta::{self, Block, Field, field, key_value};
use super::{META, PackageError, Vnfd, store, vnfd};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use zip::ZipWriter;

/// Keys with which a manifest's list of files begins.
const LIST_KEYS: [&str; 4] = ["source", "name", "algorithm", "hash"];
/// The manifest's part after the list.
const NON_MANO: &str = "non_mano_artifact_sets";

/// What to make.
#[derive(Clone, Debug)]
pub struct BuildRequest<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// File that is not part of it, wherever it lies: the package that is made.
    pub output: &'a Path,
    /// A new `descriptor_id`, in all definitions and the manifest.
    pub vnfd_id: Option<&'a str>,
    /// `vnf_release_date_time` of a manifest that is not there yet.
    pub date: &'a str,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The directory is no package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A new `descriptor_id` cannot replace one that is not known.
    #[error("{directory}: no descriptor_id to replace; kubectl vnf package validate says what is wrong")]
    NoDescriptorId {
        /// The directory.
        directory: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Writes the CSAR, and returns how many files are in it.
///
/// # Errors
/// The directory cannot be read as a package, or a file cannot be read or written.
pub fn build(request: &BuildRequest<'_>, out: impl Write + Seek) -> Result<usize, BuildError> {
    let origin = request.directory.display().to_string();
    let failed = |problems| PackageError { origin: origin.clone(), problems };
    let archive = Archive::open(request.directory).map_err(failed)?;
    let mut files = archive.load_flawless(super::is_text).map_err(failed)?;
    let output = request.output.canonicalize().ok();
    let listing = Listing::read(files.0.keys().map(String::as_str), |path| files.bytes(path).map(<[u8]>::to_vec));
    let listed: BTreeSet<String> = listing.artifacts.into_iter().map(|artifact| artifact.name).collect();
    files.0.retain(|path, _| {
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        (!hidden || listed.contains(path))
            && output
                .as_ref()
                .is_none_or(|output| request.directory.join(path).canonicalize().ok() != Some(output.clone()))
    });
    let changed = renewed(&files, request).ok_or_else(|| BuildError::NoDescriptorId { directory: origin.clone() })?;
    let names: Vec<&String> = files.0.keys().chain(changed.keys().filter(|path| !files.contains(path))).collect();
    write(request.directory, &names, &changed, &files, out)?;
    Ok(names.len())
}

/// The files that are not taken as they are. `None`: there is no `descriptor_id` to replace.
fn renewed(files: &Files, request: &BuildRequest<'_>) -> Option<BTreeMap<String, Vec<u8>>> {
    let listing = Listing::read(files.0.keys().map(String::as_str), |path| files.bytes(path).map(<[u8]>::to_vec));
    let entry = listing.entry.clone().unwrap_or_default();
    let reading = vnfd::read(&entry, files);
    let mut vnfd = reading.vnfd;
    let mut changed = BTreeMap::new();
    let manifest = listing.manifest.clone().unwrap_or_else(|| format!("{}.mf", stem(&entry)));
    let before = files.bytes(&manifest).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let mut before = before.unwrap_or_default();
    if let Some(id) = request.vnfd_id {
        let old = std::mem::replace(&mut vnfd.descriptor_id, id.into());
        if old.is_empty() {
            return None;
        }
        before = replace_word(&before, &old, id);
        for path in &reading.files {
            let text = files.bytes(path).and_then(|bytes| std::str::from_utf8(bytes).ok());
            if let Some(text) = text.filter(|text| text.contains(&old)) {
                changed.insert(path.clone(), replace_word(text, &old, id).into_bytes());
            }
        }
    }
    let mut sums: BTreeMap<String, String> =
        files.0.iter().map(|(path, file)| (path.clone(), hex(&file.sums.sha256))).collect();
    sums.extend(changed.iter().map(|(path, bytes)| (path.clone(), sha256(bytes))));
    sums.remove(&manifest);
    if let Some(text) = files.bytes(META) {
        let text = meta_text(meta::blocks(text, META, &mut Vec::new()), &listing, &manifest, &sums);
        sums.insert(META.into(), sha256(text.as_bytes()));
        changed.insert(META.into(), text.into_bytes());
    }
    let text = manifest_text(&before, &vnfd, request.date, &sums);
    changed.insert(manifest, text.into_bytes());
    Some(changed)
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(bytes))
}

/// Replaces an id, but not a part of a longer one.
fn replace_word(text: &str, from: &str, to: &str) -> String {
    let inside = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let part =
            before.chars().next_back().or(out.chars().next_back()).is_some_and(inside) || after.starts_with(inside);
        out.push_str(before);
        out.push_str(if part { from } else { to });
        rest = after;
    }
    out + rest
}

/// TOSCA.meta with the digests of what is there. What it says beside digests stays; comments do not.
fn meta_text(blocks: Vec<Block>, listing: &Listing, manifest: &str, sums: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for mut block in blocks {
        let name = meta::name(&block).map(|name| meta::clean(&name.value).to_owned());
        if let Some(sum) = name.and_then(|name| sums.get(&name)) {
            block.retain(|field| !["algorithm", "hash"].contains(&field.key.to_ascii_lowercase().as_str()));
            block.push(Field { key: "Algorithm".into(), value: "SHA-256".into(), line: 0 });
            block.push(Field { key: "Hash".into(), value: sum.clone(), line: 0 });
        } else if field(&block, "entry-definitions").is_some() && listing.manifest.is_none() {
            block.push(Field { key: "ETSI-Entry-Manifest".into(), value: manifest.into(), line: 0 });
        }
        if !text.is_empty() {
            text.push('\n');
        }
        for field in &block {
            text.push_str(&format!("{}: {}\n", field.key, field.value));
        }
    }
    text
}

/// The manifest: its metadata as it was, or from the VNFD; every file with its digest; its other parts. A signature was
/// for another text and is left out.
fn manifest_text(before: &str, vnfd: &Vnfd, date: &str, sums: &BTreeMap<String, String>) -> String {
    let key = |line: &str| key_value(line).map(|(key, _)| key.to_ascii_lowercase()).unwrap_or_default();
    let lines = || before.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    let unsigned = || lines().take_while(|line| !line.starts_with("-----BEGIN "));
    let head: Vec<&str> =
        unsigned().take_while(|line| !LIST_KEYS.contains(&key(line).as_str()) && key(line) != NON_MANO).collect();
    let head = head.join("\n");
    let mut text = if head.to_ascii_lowercase().contains("vnf_") {
        format!("{}\n", head.trim())
    } else {
        let Vnfd { product_name, provider, descriptor_version, descriptor_id, software_version, .. } = vnfd;
        format!(
            "metadata:\nvnf_product_name: {product_name}\nvnf_provider_id: {provider}\nvnf_package_version: {descriptor_version}\nvnf_release_date_time: {date}\nvnfd_id: {descriptor_id}\nvnf_software_version: {software_version}\n"
        )
    };
    for (path, sum) in sums {
        text.push_str(&format!("\nSource: {path}\nAlgorithm: SHA-256\nHash: {sum}\n"));
    }
    let stale = ["algorithm", "hash", "signature", "certificate"];
    let rest: Vec<&str> = unsigned()
        .skip_while(|line| key(line) != NON_MANO)
        .filter(|line| !stale.contains(&key(line).as_str()))
        .collect();
    if !rest.is_empty() {
        text.push_str(&format!("\n{}\n", rest.join("\n").trim()));
    }
    text
}

fn write(
    directory: &Path,
    names: &[&String],
    changed: &BTreeMap<String, Vec<u8>>,
    files: &Files,
    out: impl Write + Seek,
) -> Result<(), BuildError> {
    let mut names = names.to_vec();
    names.sort();
    let mut writer = ZipWriter::new(out);
    for name in names {
        let path = directory.join(name);
        let broken = |error: io::Error| BuildError::Io { path: path.clone(), error };
        let large = files.0.get(name).is_some_and(|file| file.size >= u64::from(u32::MAX));
        writer.start_file(name.as_str(), store::zip_options().large_file(large)).map_err(|e| broken(e.into()))?;
        match changed.get(name) {
            Some(bytes) => writer.write_all(bytes),
            None => File::open(&path).and_then(|mut file| io::copy(&mut file, &mut writer).map(drop)),
        }
        .map_err(broken)?;
    }
    let finished = writer.finish().map_err(io::Error::from).and_then(|mut out| out.flush());
    finished.map_err(|error| BuildError::Io { path: directory.into(), error })
}
