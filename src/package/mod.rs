//! CSAR packages: reading one from a zip, a directory or the cluster, judging it, and asking what is in it.
//!
//! - `archive`: the files, under limits; `digests`: hashes of files and packages;
//! - `meta`, `manifest`: TOSCA.meta and the `.mf` as texts; `listing`: what they say; `promises`: whether that is true;
//! - [`vnfd`]: the descriptor; `objects`: the Kubernetes manifests; `workloads`: whether the two fit;
//! - `store`: the form in which a package is kept; `build`: a CSAR of a directory; [`init`]: a package to start from;
//! - `problem`: findings; [`rules`]: the list of all rules; `examine`: all of them on one package.
//!
//! Opening stops where a package cannot be used, and judges its Kubernetes manifests when they are asked for;
//! [`examine`] goes through all layers and tells everything at once. No script of a package is run and no URL is
//! fetched. What is done with the objects is decided in `plan`.

mod archive;
mod build;
mod digests;
mod envelope;
mod examine;
pub mod init;
mod listing;
mod manifest;
mod meta;
mod objects;
mod problem;
mod promises;
pub mod rules;
mod signature;
mod store;
pub mod vnfd;
mod workloads;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use build::{BuildError, BuildRequest, build};
pub use digests::{Digest, DigestError};
pub use examine::{Examination, examine};
pub use meta::Artifact;
pub use objects::Selection;
pub use problem::{PackageError, Problem, Severity};
pub use signature::{Authorities, NoCertificate, Signature, Signer};
pub use vnfd::{Aspect, Flavour, Level, Script, Vdu, VduAspect, Vnfd, VnfdError};

use archive::{Archive, Files};
use listing::Listing;
use objects::ObjectFile;
use signature::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where a package describes itself (SOL004 4.1.2).
const META: &str = "TOSCA-Metadata/TOSCA.meta";

/// How to open a package.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Take a file whose digest is not the listed one, with a warning.
    pub allow_hash_mismatch: bool,
    /// Refuse a package that has no good signature, or one that does not vouch for all of its files.
    pub require_signature: bool,
    /// The CAs that a signer's certificate must lead to.
    pub authorities: Option<Authorities>,
}

/// A package that was read and can be used.
#[derive(Debug)]
pub struct Package {
    /// What the user typed, or `sha256:` and 12 digits for one that came from the cluster.
    pub origin: String,
    /// Its content identity: a directory and its zip have the same.
    pub digest: Digest,
    /// Its descriptor.
    pub vnfd: Vnfd,
    /// What TOSCA.meta lists, in its order, then what the manifest lists beside that.
    pub artifacts: Vec<Artifact>,
    /// How many files have the digest that is listed for them.
    pub digests_checked: usize,
    /// For how many files of the package a digest is listed.
    pub digests_listed: usize,
    /// Whose signature it has. Of a package from the cluster that of its manifest, judged without a CA.
    pub signature: Signature,
    /// Scripts that the VNFD names.
    pub scripts: Vec<Script>,
    /// What is odd, but no reason to refuse the package.
    pub warnings: Vec<Problem>,
    /// The version of SOL001 whose types it uses, where it says so.
    standard: Option<String>,
    files: Files,
    /// Paths of the definition files that the VNFD is made of.
    definitions: BTreeSet<String>,
    /// Path of the `.mf` file, if there is one.
    manifest: Option<String>,
    /// Paths of the certificates that its signature may be verified with.
    certificates: Vec<String>,
    /// Paths of the Kubernetes manifests, in the order of the list.
    kubernetes: Vec<String>,
    /// What is in each of these.
    objects: BTreeMap<String, ObjectFile>,
}

impl Package {
    /// Reads a package from a zip or a directory.
    ///
    /// # Errors
    /// Everything that is wrong with it: an unreadable or unsafe archive, TOSCA.meta, artifacts that are missing or have
    /// another digest, a VNFD that cannot be used. Kubernetes manifests are judged when they are asked for.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, PackageError> {
        let origin = path.display().to_string();
        Self::open_archive(origin, Archive::open(path), options)
    }

    fn open_archive(
        origin: String,
        archive: Result<Archive, Vec<Problem>>,
        options: &OpenOptions,
    ) -> Result<Self, PackageError> {
        let opened = Self::read(origin.clone(), archive, options).and_then(Opened::usable);
        opened.map_err(|problems| PackageError { origin, problems })
    }

    /// Reads the archive, and all that can be told without the Kubernetes manifests. An error is what leaves nothing to
    /// read.
    fn read(
        origin: String,
        archive: Result<Archive, Vec<Problem>>,
        options: &OpenOptions,
    ) -> Result<Opened, Vec<Problem>> {
        let (mut archive, envelope) = archive.and_then(envelope::open)?;
        // The two lists come first: they say which digests to compute while everything else passes by.
        let names: Vec<String> = archive.names().map(str::to_owned).collect();
        let (mut unread, mut lost) = (Vec::new(), false);
        let listing = Listing::read(names.iter().map(String::as_str), |path| match archive.read(path)? {
            Ok(bytes) => Some(bytes),
            Err(problems) => {
                lost |= path == META;
                unread.extend(problems);
                None
            }
        });
        if lost {
            return Err(unread);
        }
        if listing.problems.iter().any(|problem| problem.rule == "C3") {
            let inner = archive.names().find(|name| name.to_ascii_lowercase().ends_with(".csar")).map(str::to_owned);
            let mut problems = listing.problems;
            if let (Some(inner), Some(problem)) = (inner, problems.first_mut()) {
                problem.help = Some(format!("the package seems to be the file {inner} inside; unpack it and use that"));
            }
            return Err(archive.flawless().err().unwrap_or_default().into_iter().chain(problems).collect());
        }
        let needed = listing.needed();
        let (files, mut damage) = archive.load(&listing.algorithms(), |path| is_text(path) || needed.contains(path))?;
        unread.retain(|problem| !damage.contains(problem));
        damage.extend(unread);
        let digest = store::digest_of(&files);
        let verdict = match envelope {
            Some(envelope) => envelope.verify(options),
            None => signature::of_manifest(&listing, &files, options),
        };
        let allow_mismatch = options.allow_hash_mismatch;
        let mut opened = Assembly { origin, digest, files, trusted: None, allow_mismatch, verdict }.finish(listing);
        opened.problems.splice(..0, damage);
        Ok(opened)
    }
}

/// Whether a file may be needed again after it was hashed.
fn is_text(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    [".yaml", ".yml", ".json", ".meta", ".mf"].iter().any(|end| lower.ends_with(end))
}

/// Files on their way to become a package.
struct Assembly {
    origin: String,
    digest: Digest,
    files: Files,
    /// Matching and listed digests of files that were verified before.
    trusted: Option<(usize, usize)>,
    allow_mismatch: bool,
    verdict: Verdict,
}

impl Assembly {
    fn finish(self, listing: Listing) -> Opened {
        let Self { origin, digest, files, trusted, allow_mismatch, verdict } = self;
        let mut problems = listing.problems.clone();
        let checked = listing.check(&files, allow_mismatch, trusted.is_some());
        problems.extend(checked.problems);
        problems.extend(verdict.problems);
        // Without an entry, or without its file, there is an error already.
        let reading = listing.entry.as_deref().map(|entry| vnfd::read(entry, &files)).unwrap_or_default();
        problems.extend(reading.problems);
        if !reading.vnfd.descriptor_id.is_empty() {
            problems.extend(listing.check_vnfd(&reading.vnfd.descriptor_id));
        }
        let (digests_checked, digests_listed) = trusted.unwrap_or((checked.matching, checked.listed));
        let mut package = Package {
            origin,
            digest,
            vnfd: reading.vnfd,
            artifacts: listing.artifacts,
            digests_checked,
            digests_listed,
            signature: verdict.signature,
            scripts: reading.scripts,
            warnings: Vec::new(),
            standard: reading.standard,
            files,
            definitions: reading.files,
            manifest: listing.manifest,
            certificates: listing.certificates,
            kubernetes: Vec::new(),
            objects: BTreeMap::new(),
        };
        let found = package.find_kubernetes_files();
        package.kubernetes = found.kubernetes;
        package.objects = found.objects;
        problems.extend(found.problem);
        Opened { package, problems, passed_over: found.passed_over }
    }
}

/// A package as far as it could be read, and what was found on the way.
struct Opened {
    package: Package,
    problems: Vec<Problem>,
    /// Listed files that are no Kubernetes manifests, but look as if they were meant to be.
    passed_over: Vec<Problem>,
}

impl Opened {
    /// The package, if it can be used.
    fn usable(self) -> Result<Package, Vec<Problem>> {
        let Self { mut package, problems, .. } = self;
        package.warnings = problem::judge(problems)?;
        Ok(package)
    }
}
