//! A package as it is kept in the cluster: only the files that life-cycle management needs, and the digests of all.
//!
//! The list of all digests makes the package's own digest verifiable without the files that were left out. How the bytes
//! are cut into Secrets is `cluster`'s matter.

use super::archive::{Archive, File, Files};
use super::digests::{Digest, Sums, hex, unhex};
use super::listing::Listing;
use super::problem::Problem;
use super::{Assembly, OpenOptions, Package, PackageError, signature};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The entry with the digests. No file that is kept can have this name: it has no extension of a manifest.
const INDEX: &str = ".kubectl-vnf-index";
/// First line of the index. Another number is another format.
const INDEX_HEAD: &str = "kubectl-vnf-package 1";

impl Package {
    /// A zip of the files that life-cycle management needs: TOSCA-Metadata, manifest, definitions, Kubernetes manifests.
    /// The same package always gives the same bytes.
    pub fn store_bytes(&self) -> Vec<u8> {
        // Writing to memory does not fail, and paths were bounded when the package was read.
        self.write_store().unwrap_or_default()
    }

    fn write_store(&self) -> zip::result::ZipResult<Vec<u8>> {
        let options = zip_options();
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file(INDEX, options)?;
        writer.write_all(self.index().as_bytes())?;
        let kubernetes: BTreeSet<&str> = self.kubernetes.iter().map(String::as_str).collect();
        for (path, file) in &self.files.0 {
            let needed = self.describes(path) || kubernetes.contains(path.as_str());
            if let Some(bytes) = file.bytes.as_ref().filter(|_| needed) {
                writer.start_file(path.as_str(), options)?;
                writer.write_all(bytes)?;
            }
        }
        Ok(writer.finish()?.into_inner())
    }

    /// Whether a file says what the package is.
    fn describes(&self, path: &str) -> bool {
        path.starts_with("TOSCA-Metadata/")
            || path.starts_with("Definitions/")
            || self.manifest.as_deref() == Some(path)
            || self.certificates.iter().any(|certificate| certificate == path)
            || self.definitions.contains(path)
    }

    fn index(&self) -> String {
        let mut index = format!("{INDEX_HEAD}\ndigests {} {}\n", self.digests_checked, self.digests_listed);
        for (path, file) in &self.files.0 {
            index.push_str(&format!("{} {} {path}\n", hex(&file.sums.sha256), file.size));
        }
        index
    }

    /// Reads what [`Package::store_bytes`] wrote, and verifies that it is the package with this digest.
    ///
    /// # Errors
    /// The bytes are damaged, or belong to another package.
    pub fn from_store(bytes: &[u8], digest: Digest) -> Result<Self, PackageError> {
        let origin = format!("sha256:{}", digest.short());
        let failed = |problems| PackageError { origin: origin.clone(), problems };
        let archive = Archive::zip(Box::new(Cursor::new(bytes.to_vec()))).map_err(failed)?;
        let mut stored = archive.load_flawless(|_| true).map_err(failed)?;
        let damaged = |what: String| {
            let help = "the package as it is kept in the cluster was changed or is incomplete";
            failed(vec![Problem::error("C1", what).help(help)])
        };
        let index = stored.0.remove(INDEX).and_then(|file| file.bytes).and_then(|text| String::from_utf8(text).ok());
        let index = index.ok_or_else(|| damaged("the stored package has no index".into()))?;
        let (counts, mut files) =
            parse_index(&index).ok_or_else(|| damaged("the index of the stored package is not readable".into()))?;
        if digest_of(&files) != digest {
            return Err(damaged("the stored package has another digest".into()));
        }
        for (path, file) in stored.0 {
            match files.0.get_mut(&path) {
                Some(known) if known.sums.sha256 == file.sums.sha256 => known.bytes = file.bytes,
                _ => return Err(damaged(format!("the stored package has another content of {path}"))),
            }
        }
        let listing = Listing::read(files.0.keys().map(String::as_str), |path| files.bytes(path).map(<[u8]>::to_vec));
        let mut verdict = signature::of_manifest(&listing, &files, &OpenOptions::default());
        // It was judged when the package came in; what was taken then can be used now.
        verdict.problems.clear();
        let assembly =
            Assembly { origin: origin.clone(), digest, files, trusted: Some(counts), allow_mismatch: false, verdict };
        assembly.finish(listing).usable().map_err(failed)
    }
}

/// How an entry is packed so that the same content always gives the same bytes.
pub(super) fn zip_options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::DEFAULT)
        .system(zip::System::Unix)
        .unix_permissions(0o644)
}

/// The digest of a package over its files.
pub(super) fn digest_of(files: &Files) -> Digest {
    Digest::of(files.0.iter().map(|(path, file)| (path.as_str(), file.size, &file.sums.sha256)))
}

/// Matching and listed digests, and the files without their content.
fn parse_index(index: &str) -> Option<((usize, usize), Files)> {
    let mut lines = index.lines();
    lines.next().filter(|head| *head == INDEX_HEAD)?;
    let (matching, listed) = lines.next()?.strip_prefix("digests ")?.split_once(' ')?;
    let mut files = BTreeMap::new();
    for line in lines {
        let (sum, rest) = line.split_once(' ')?;
        let (size, path) = rest.split_once(' ')?;
        let sums = Sums { sha256: unhex(sum)?.try_into().ok()?, others: Vec::new() };
        files.insert(path.to_owned(), File { size: size.parse().ok()?, sums, bytes: None, readable: true });
    }
    Some(((matching.parse().ok()?, listed.parse().ok()?), Files(files)))
}
