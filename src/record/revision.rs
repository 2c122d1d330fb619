//! A revision: the desired state that an operation reached or aims at, as pointers into stored packages.
//!
//! It holds no content: per object its reference, where a package defines it, and the overrides in force. What an
//! object then looks like is worked out in `plan::content`.

use crate::object::{ObjectRef, Source};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::operation::Verb;
use super::scope::Reason;

/// How many revisions a record keeps.
pub const KEPT: usize = 5;

/// Which package: what its VNFD says of itself, and the digest that tells two packages with one id apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageId {
    /// SHA-256 over the package's content, 64 hex digits.
    pub digest: String,
    /// `descriptor_id`.
    pub vnfd_id: String,
    /// `provider`.
    pub provider: String,
    /// `product_name`.
    pub product_name: String,
    /// `software_version`.
    pub software_version: String,
    /// `descriptor_version`.
    pub vnfd_version: String,
}

impl PackageId {
    /// Of an instance whose record does not say.
    pub fn unknown() -> Self {
        let unknown = String::new;
        Self {
            digest: unknown(),
            vnfd_id: unknown(),
            provider: unknown(),
            product_name: unknown(),
            software_version: unknown(),
            vnfd_version: unknown(),
        }
    }

    /// `Company / Sample VNF 1.0`.
    pub fn title(&self) -> String {
        format!("{} / {} {}", self.provider, self.product_name, self.software_version)
    }

    /// Whether both are versions of one product: what an update may move between.
    pub fn same_product(&self, other: &Self) -> bool {
        self.provider == other.provider && self.product_name == other.product_name
    }

    /// The first 12 digits of the digest, as screens show it.
    pub fn short_digest(&self) -> &str {
        self.digest.get(..12).unwrap_or(&self.digest)
    }
}

/// Where one scaling aspect stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AspectLevel {
    /// The aspect.
    pub aspect_id: String,
    /// Its scale level.
    pub scale_level: u32,
    /// The highest that the package allows.
    pub max_scale_level: u32,
}

/// The desired state of a whole VNF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Counted from 1 within an instance; a number is never used twice, not even after a failure.
    pub number: u64,
    /// The package that the instance runs.
    pub package: PackageId,
    /// Deployment flavour.
    pub flavour_id: String,
    /// Instantiation level, when the flavour has levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instantiation_level_id: Option<String>,
    /// Where each scaling aspect of the flavour stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<AspectLevel>,
    /// Namespace of the namespaced objects.
    pub namespace: String,
    /// The instance's own list of Kubernetes files in `package`.
    pub files: Vec<String>,
    /// The objects, in the order of the files.
    pub objects: Vec<ObjectState>,
    /// The operation that made it.
    pub operation_id: String,
    /// Verb of that operation.
    pub verb: Verb,
    /// When it was derived.
    pub time: Timestamp,
}

impl Revision {
    /// The state of one object.
    pub fn object(&self, reference: &ObjectRef) -> Option<&ObjectState> {
        self.objects.iter().find(|state| state.reference.same_object(reference))
    }

    /// Digests of all packages that the revision points into.
    pub fn packages(&self) -> BTreeSet<&str> {
        self.objects
            .iter()
            .map(|state| state.package.as_str())
            .chain(std::iter::once(self.package.digest.as_str()))
            .collect()
    }
}

/// The desired state of one object: where its content stands, and what is in force instead of parts of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectState {
    /// Who it is, with its namespace settled.
    pub reference: ObjectRef,
    /// Digest of the package that defines it; an older one than the revision's while a change is deferred.
    pub package: String,
    /// Where in that package.
    pub source: Source,
    /// Images that differ from the package's, by container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// What the API server made of an image that we wrote, by container, where admission rewrote it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub became: BTreeMap<String, String>,
    /// Replicas that an instantiation level or a scaling set; absent: as the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u64>,
    /// Restart marker: number of the revision that last restarted the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<u64>,
    /// The revision that wrote the object as a whole (change-package); absent: it was created, and since then changed
    /// field by field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<u64>,
    /// Keys that changed while the workload did not restart for them, since the operation was given up: the next
    /// update restarts it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Reason>,
}
