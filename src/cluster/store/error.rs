//! Why our own objects could not be read or written. What to do about it is said where errors are shown.

use crate::cluster::ClusterError;
use crate::package::PackageError;
use crate::record::RecordError;
use jiff::Timestamp;

/// Why our own objects could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A stored package does not open.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The user lacks a right.
    #[error("{error}\nIt is needed {purpose}")]
    Denied {
        /// The API server.
        error: ClusterError,
        /// `to read ...`.
        purpose: &'static str,
    },
    /// Parts of a stored package are missing or not what was stored.
    #[error("the package sha256:{digest} in namespace {namespace} is damaged: Secret {secret} {why}")]
    DamagedPackage {
        /// Digest of the package.
        digest: String,
        /// Where.
        namespace: String,
        /// The part.
        secret: String,
        /// What is wrong with it.
        why: String,
    },
    /// No such instance.
    #[error("no VNF instance {name:?} in namespace {namespace}")]
    NotFound {
        /// What was looked for.
        name: String,
        /// Where.
        namespace: String,
        /// What became of the instance that had this name.
        renamed: Option<Renamed>,
        /// Namespaces that have one of that name.
        elsewhere: Vec<String>,
        /// The name that was perhaps meant.
        similar: Option<String>,
    },
    /// An id prefix that fits several instances.
    #[error("{prefix:?} fits several VNF instances: {}", .names.join(", "))]
    Ambiguous {
        /// What was typed.
        prefix: String,
        /// Names that it fits.
        names: Vec<String>,
    },
    /// The name belongs to an instance already.
    #[error("a VNF instance {name:?} exists in namespace {namespace}")]
    NameTaken {
        /// The name.
        name: String,
        /// Where.
        namespace: String,
    },
    /// No package in the cluster fits.
    #[error("no package {reference} in namespace {namespace}")]
    NoPackage {
        /// What was looked for.
        reference: String,
        /// Where.
        namespace: String,
        /// `vnfdId` of those that are there.
        known: Vec<String>,
    },
    /// Several packages have one `vnfdId`.
    #[error("{} packages have the vnfdId {reference}; name one of them by its digest: {}", .digests.len(), short_digests(.digests))]
    AmbiguousPackage {
        /// What was looked for.
        reference: String,
        /// Their digests.
        digests: Vec<String>,
    },
    /// Instances use it.
    #[error("package {vnfd_id} is in use by {}", if .used_by.is_empty() { "an instance that is being made".into() } else { .used_by.join(", ") })]
    PackageInUse {
        /// Its `vnfdId`.
        vnfd_id: String,
        /// Their names.
        used_by: Vec<String>,
    },
    /// Somebody else changed the record in between.
    #[error("the record of {name} was changed by somebody else at the same moment; run the command again")]
    Conflict {
        /// Instance name.
        name: String,
    },
}

impl StoreError {
    /// Says what a right that the user lacks is needed for.
    pub fn needed(purpose: &'static str) -> impl Fn(ClusterError) -> Self {
        move |error| {
            if error.is_not_allowed() { Self::Denied { error, purpose } } else { Self::Cluster(error) }
        }
    }
}

/// What became of an instance that had another name.
#[derive(Clone, Debug)]
pub struct Renamed {
    /// Its present name.
    pub to: String,
    /// When the former one was given up.
    pub at: Timestamp,
    /// Server time of this look.
    pub seen: Timestamp,
}

fn short_digests(digests: &[String]) -> String {
    let short = digests.iter().map(|digest| format!("sha256:{}", digest.get(..12).unwrap_or(digest)));
    short.collect::<Vec<_>>().join(", ")
}
