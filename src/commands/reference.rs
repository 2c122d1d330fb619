//! Packages named on the command line or by a request: a path, or one in the cluster; and what is said of them before
//! they are used.

use super::env::Env;
use super::request::Source;
use crate::apart::apart;
use crate::cli::error::CliError;
use crate::cluster::store::StoreError;
use crate::package::{Authorities, OpenOptions, Package, Signature};
use crate::record::PackageId;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::pin;

/// How large a bundle of certificates may be, in bytes. That of a whole operating system has a quarter of it.
const CA_LIMIT: u64 = 1024 * 1024;

/// Flags of every verb that reads a package: which packages are taken.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Package options")]
pub struct PackageFlags {
    /// Take the package although files do not match their digests
    #[arg(long)]
    pub allow_hash_mismatch: bool,
    /// The CAs (a PEM bundle) that the certificate of a signed package must lead to
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Refuse a package without a good signature that vouches for all of its files
    #[arg(long)]
    pub require_signature: bool,
}

impl PackageFlags {
    /// What they mean, with the CAs read.
    ///
    /// # Errors
    /// The bundle cannot be read, or holds no certificate.
    pub fn options(&self) -> Result<OpenOptions, CliError> {
        let authorities = self.ca.as_ref().map(|path| {
            let unreadable = |error: &dyn std::fmt::Display| CliError::new(format!("--ca {}: {error}", path.display()));
            let mut bundle = Vec::new();
            let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
            file.take(CA_LIMIT).read_to_end(&mut bundle).map_err(|error| unreadable(&error))?;
            Authorities::read(&bundle, jiff::Timestamp::now()).map_err(|error| unreadable(&error))
        });
        Ok(OpenOptions {
            allow_hash_mismatch: self.allow_hash_mismatch,
            require_signature: self.require_signature,
            authorities: authorities.transpose()?,
        })
    }
}

/// Reads files while the cluster is asked. What is wrong with the files is told first, and without waiting for a cluster
/// that does not answer.
///
/// # Errors
/// Those of `read`, else those of `ask`.
pub async fn read_beside<R: Send + 'static, A>(
    read: impl FnOnce() -> Result<R, CliError> + Send + 'static,
    ask: impl Future<Output = Result<A, CliError>>,
) -> Result<(R, A), CliError> {
    let (mut reading, mut asking) = (pin!(apart(read)), pin!(ask));
    tokio::select! {
        biased;
        read = &mut reading => Ok((read?, asking.await?)),
        asked = &mut asking => Ok((reading.await?, asked?)),
    }
}

/// Opens the package that a user named: a path.
///
/// # Errors
/// It cannot be opened; all problems of it.
pub fn open_package(reference: &str, flags: &PackageFlags) -> Result<Package, CliError> {
    Ok(Package::open(Path::new(reference), &flags.options()?)?)
}

/// A package as a user names it.
pub enum Reference {
    /// A file or directory, opened.
    File(Box<Package>),
    /// One in the cluster, by `vnfdId` or digest.
    Stored(String),
    /// One in the cluster, by the `vnfdId` of a request that stands at this place.
    Requested(String, String),
}

impl Reference {
    /// What is named: a path if there is such a file, or if it looks like one; else a package in the cluster.
    ///
    /// # Errors
    /// It cannot be opened; all problems of it. Flags that are for files go with a package in the cluster.
    pub fn read(reference: &str, flags: &PackageFlags) -> Result<Self, CliError> {
        let is_path = reference.contains(['/', '\\']) || reference.ends_with(".csar") || reference.ends_with(".zip");
        if !reference.starts_with("sha256:") && (is_path || Path::new(reference).exists()) {
            return Ok(Self::File(Box::new(open_package(reference, flags)?)));
        }
        if flags.allow_hash_mismatch || flags.require_signature || flags.ca.is_some() {
            return Err(CliError::usage(format!(
                "there is no file {reference}, and a package in the cluster was verified"
            ))
            .hint("--ca, --require-signature and --allow-hash-mismatch are for `package onboard`"));
        }
        Ok(Self::Stored(reference.to_owned()))
    }

    /// The package that the flag names, else the request; it is wrong usage to name none.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn given(
        flag: Option<&str>,
        flags: &PackageFlags,
        vnfd_id: Option<&str>,
        source: &Source,
    ) -> Result<Self, CliError> {
        match (flag, vnfd_id) {
            (Some(named), _) => Self::read(named, flags),
            (None, Some(vnfd_id)) => Ok(Self::of_request(vnfd_id, source)),
            (None, None) => Err(CliError::usage("name the package: --package REF, or vnfdId in the request")),
        }
    }

    /// The package that a request names.
    pub fn of_request(vnfd_id: &str, source: &Source) -> Self {
        Self::Requested(vnfd_id.to_owned(), source.place("vnfdId"))
    }

    /// The package; where it was a file, how many of its digests were verified.
    ///
    /// # Errors
    /// The cluster has no such package, or several.
    pub async fn load(self, env: &Env) -> Result<(Package, Option<usize>), CliError> {
        match self {
            Self::File(package) => {
                let checked = package.digests_checked;
                Ok((*package, Some(checked)))
            }
            Self::Stored(reference) => Ok((stored_package(env, &reference).await?, None)),
            Self::Requested(vnfd_id, place) => match env.store.find_package(&vnfd_id).await {
                Ok(found) => Ok((env.store.package(&found.digest).await?, None)),
                Err(StoreError::NoPackage { namespace, .. }) => Err(CliError::new(format!(
                    "{place}: vnfdId is {vnfd_id}, and no package of that id is in namespace {namespace}"
                ))
                .hint("Name it with --package REF")),
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// A package in the cluster, by `vnfdId` or digest.
///
/// # Errors
/// There is none, or there are several.
pub async fn stored_package(env: &Env, reference: &str) -> Result<Package, CliError> {
    let found = env.store.find_package(reference).await?;
    Ok(env.store.package(&found.digest).await?)
}

/// Identity of an opened package.
pub fn package_id(package: &Package) -> PackageId {
    let vnfd = &package.vnfd;
    PackageId {
        digest: package.digest.to_string(),
        vnfd_id: vnfd.descriptor_id.clone(),
        provider: vnfd.provider.clone(),
        product_name: vnfd.product_name.clone(),
        software_version: vnfd.software_version.clone(),
        vnfd_version: vnfd.descriptor_version.clone(),
    }
}

/// Refuses a request that names another VNFD than the package that it comes with.
///
/// # Errors
/// Both ids, and the place.
pub fn require_vnfd_id(wanted: Option<&str>, source: &Source, package: &Package) -> Result<(), CliError> {
    let found = &package.vnfd.descriptor_id;
    let Some(wanted) = wanted.filter(|wanted| wanted != found) else { return Ok(()) };
    Err(CliError::new(format!("{}: vnfdId is {wanted}, the package's is {found}", source.place("vnfdId")))
        .hint("Take the package's id into the file, or leave vnfdId out."))
}

/// What there is to note about a package before it is used: whose it is, what of it was taken in spite of its digest or
/// signature, and scripts that will not run.
pub fn package_notes(package: &Package) -> Vec<String> {
    let signed =
        matches!(package.signature, Signature::Good(_)).then(|| format!("the package is {}", package.signature));
    let odd =
        package.warnings.iter().filter(|warning| matches!(warning.rule, "A4" | "C1" | "F3")).map(ToString::to_string);
    let scripts = package.scripts.iter().map(|script| {
        let built_in =
            if script.operation.starts_with("modify_information") { ", the container update is built in" } else { "" };
        format!("script {} is never run{built_in}", script.name)
    });
    signed.into_iter().chain(odd).chain(scripts).collect()
}

/// Prints notes to stderr.
pub fn tell_notes(env: &Env, notes: &[String]) {
    for note in notes {
        env.ui.err(&format!("note: {}\n", crate::object::mask::printable_line(note)));
    }
}
