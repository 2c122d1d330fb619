//! Packages in the cluster: Secrets that are content-addressed and immutable, shared by all instances of a namespace,
//! and removed when no record refers to them.

use super::{Store, StoreError, annotation};
use crate::apart::apart;
use crate::cluster::ClusterError;
use crate::cluster::verbs::{DeleteHow, Run};
use crate::object::{ObjectRef, text, uid};
use crate::package::{Digest, Package};
use crate::record::names::{self, MANAGED_BY, MANAGER, RECORD, column};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Bytes of a stored package per Secret: base64 in JSON stays well under etcd's 1.5 MiB per request.
const PART_BYTES: usize = 900 * 1024;
/// Annotation of a package part: how many parts there are.
pub(super) const PARTS: &str = "kubectl-vnf/parts";
/// Annotation of a package part: SHA-256 of all parts together.
const CONTENT_HASH: &str = "kubectl-vnf/content-sha256";
/// Annotation of a package part: changes whenever somebody relies on the part.
const USED: &str = "kubectl-vnf/used";
/// Annotation of a package that was onboarded: it stays although nobody refers to it.
pub(super) const ONBOARDED: &str = "kubectl-vnf/onboarded";

impl Store {
    /// Stores a package: missing parts are created, then all are there. The record that names its digest must have
    /// been written before, so that nobody collects the parts in between.
    ///
    /// # Errors
    /// The API server's; parts already there are kept, another try finishes.
    pub async fn put_package(&self, package: &Package) -> Result<(), StoreError> {
        self.put_parts(package, json!({})).await
    }

    /// Stores the parts of a package, with these annotations besides their own.
    pub(super) async fn put_parts(&self, package: &Package, more: Value) -> Result<(), StoreError> {
        let bytes = package.store_bytes();
        let hash = sha256_hex(&bytes);
        let digest = package.digest.to_string();
        let chunks: Vec<&[u8]> = bytes.chunks(PART_BYTES).collect();
        let label = digest.get(..63).unwrap_or(&digest);
        try_join_all(chunks.iter().enumerate().map(|(index, chunk)| {
            let mut secret = json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "Opaque",
                "immutable": true,
                "metadata": {
                    "name": names::package_part(&digest, index),
                    "namespace": self.namespace,
                    "labels": {MANAGED_BY: MANAGER, RECORD: "package", "kubectl-vnf/package": label},
                    "annotations": {
                        PARTS: chunks.len().to_string(),
                        CONTENT_HASH: hash,
                        column::VNFD_ID: package.vnfd.descriptor_id,
                        column::PROVIDER: package.vnfd.provider,
                        column::PRODUCT: format!("{} {}", package.vnfd.product_name, package.vnfd.software_version),
                    },
                },
                "data": {"part": STANDARD.encode(chunk)},
            });
            for (key, value) in more.as_object().into_iter().flatten() {
                secret["metadata"]["annotations"][key] = value.clone();
            }
            let more = &more;
            async move { self.put_part(&secret, more).await }
        }))
        .await?;
        Ok(())
    }

    /// All parts of all packages. Metadata only.
    pub(super) async fn parts(&self) -> Result<Vec<Value>, ClusterError> {
        let selector = format!("{RECORD}=package");
        let listing = self.cluster.list_metadata("v1", "Secret", Some(&self.namespace), &selector).await?;
        Ok(listing.items)
    }

    /// Stores one part. Others may store it, or collect it, at the same moment.
    async fn put_part(&self, part: &Value, more: &Value) -> Result<(), StoreError> {
        let reference = names::secret(&self.namespace, text(part, "/metadata/name").unwrap_or(""));
        let mut error = None;
        for _ in 0..5 {
            match self.cluster.create(part, Run::Real).await {
                Ok(_) => return Ok(()),
                Err(taken) if taken.is_already_exists() => error = Some(taken),
                Err(other) => return Err(storing(other)),
            }
            let Some(found) = self.cluster.get(&reference).await.map_err(storing)? else { continue };
            // Content-addressed, but a part may have been tampered with, or be of another format.
            if found["data"] != part["data"] || annotation(&found, CONTENT_HASH) != annotation(part, CONTENT_HASH) {
                self.delete_object(&found).await?;
                continue;
            }
            // Its version moves, so that nobody who took it for unused still deletes it.
            let mut used = json!({"metadata": {"annotations": more}});
            used["metadata"]["annotations"][USED] = uuid::Uuid::new_v4().to_string().into();
            match self.cluster.merge_patch(&reference, &used).await {
                Ok(_) => return Ok(()),
                // Collected in between.
                Err(gone) if gone.is_not_found() => {}
                Err(other) => return Err(storing(other)),
            }
        }
        Err(storing(error.unwrap_or(ClusterError::NoIdentity)))
    }

    /// Stores a package again whose parts are missing or not what was stored. Returns whether that was so.
    ///
    /// # Errors
    /// The API server's.
    pub async fn mend_package(&self, package: &Package) -> Result<bool, StoreError> {
        match self.package(&package.digest.to_string()).await {
            Ok(_) => Ok(false),
            Err(StoreError::DamagedPackage { .. } | StoreError::Package(_)) => {
                self.put_package(package).await?;
                Ok(true)
            }
            Err(other) => Err(other),
        }
    }

    /// Reads a stored package.
    ///
    /// # Errors
    /// [`StoreError::DamagedPackage`] when parts are missing or not what was stored.
    pub async fn package(&self, digest: &str) -> Result<Package, StoreError> {
        let name = |index: usize| names::package_part(digest, index);
        let damaged = |index: usize, why: &str| StoreError::DamagedPackage {
            digest: digest.get(..12).unwrap_or(digest).to_owned(),
            namespace: self.namespace.clone(),
            secret: name(index),
            why: why.to_owned(),
        };
        let part = |index: usize| async move {
            let read = self.cluster.get(&names::secret(&self.namespace, &name(index))).await;
            read.map_err(StoreError::needed("to read the VNF's package, which is kept in Secrets"))
        };
        let first = part(0).await?.ok_or_else(|| damaged(0, "is missing"))?;
        let count: usize = annotation(&first, PARTS).parse().unwrap_or(1);
        let rest = try_join_all((1..count.min(1000)).map(part)).await?;
        let mut bytes = Vec::new();
        for (index, object) in std::iter::once(Some(&first)).chain(rest.iter().map(Option::as_ref)).enumerate() {
            let object = object.ok_or_else(|| damaged(index, "is missing"))?;
            let decoded = text(object, "/data/part").and_then(|part| STANDARD.decode(part).ok());
            bytes.extend(decoded.ok_or_else(|| damaged(index, "cannot be decoded"))?);
        }
        if sha256_hex(&bytes) != annotation(&first, CONTENT_HASH) {
            return Err(damaged(0, "and those after it are not what was stored"));
        }
        let digest: Digest = digest.parse().map_err(|_| damaged(0, "has no digest for a name"))?;
        // The cluster is asked for other things meanwhile.
        Ok(apart(move || Package::from_store(&bytes, digest)).await?)
    }

    /// Removes the parts of packages that no record refers to, of those given. Returns how many packages went.
    ///
    /// A part is deleted only in the version read before the records were listed: who takes the package up in between
    /// has moved that version, or finds the part gone and stores it again.
    ///
    /// # Errors
    /// The API server's.
    pub async fn collect_packages(&self, candidates: &BTreeSet<String>) -> Result<usize, StoreError> {
        if candidates.is_empty() {
            return Ok(0);
        }
        let parts = self.parts().await.map_err(StoreError::needed("to find packages that nobody uses any more"))?;
        let records = self.records().await?;
        if records.iter().any(|record| annotation(record, column::PACKAGES).is_empty()) {
            // A damaged record: who knows what it refers to.
            return Ok(0);
        }
        let used: BTreeSet<&str> =
            records.iter().flat_map(|record| annotation(record, column::PACKAGES).split(',')).collect();
        let unused = candidates.iter().filter(|digest| !used.contains(digest.as_str()));
        let mut removed = 0;
        for digest in unused {
            let of_package: Vec<&Value> = parts.iter().filter(|part| digest_of(part) == Some(digest)).collect();
            if of_package.is_empty() || of_package.iter().any(|part| !annotation(part, ONBOARDED).is_empty()) {
                continue;
            }
            try_join_all(of_package.into_iter().map(|part| async move {
                let Some(reference) = ObjectRef::of(part) else { return Ok(()) };
                let how = DeleteHow {
                    uid: Some(uid(part).to_owned()),
                    resource_version: text(part, "/metadata/resourceVersion").map(ToOwned::to_owned),
                    ..DeleteHow::default()
                };
                match self.cluster.delete(&reference, &how).await {
                    Err(error) if !error.is_conflict() => Err(StoreError::from(error)),
                    _ => Ok(()),
                }
            }))
            .await?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// Digest of the package that a Secret is a part of.
pub(super) fn digest_of(part: &Value) -> Option<&str> {
    text(part, "/metadata/name").and_then(names::digest_of_part)
}

/// Why a package could not be stored.
fn storing(error: ClusterError) -> StoreError {
    StoreError::needed("to keep the VNF's package, which is stored in Secrets")(error)
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
