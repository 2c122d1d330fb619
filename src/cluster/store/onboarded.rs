//! Packages as a user sees them in the cluster: put there for later, listed with who uses them, found by what a user
//! names them by, taken away. How they are stored is `packages`.

use super::packages::{ONBOARDED, PARTS, digest_of};
use super::{Store, StoreError, annotation};
use crate::object::text;
use crate::package::Package;
use crate::record::names::{self, column};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One package of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredPackage {
    /// `vnfdId`.
    pub vnfd_id: String,
    /// Provider.
    pub vnf_provider: String,
    /// Product name and software version.
    pub product: String,
    /// SHA-256 over its content, 64 hex digits.
    pub digest: String,
    /// Whether it stays although nobody uses it.
    pub onboarded: bool,
    /// Names of the instances whose records refer to it, earlier revisions included.
    pub used_by: Vec<String>,
    /// When it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Whether all of its parts are there.
    pub complete: bool,
}

impl Store {
    /// Stores a package for later.
    ///
    /// # Errors
    /// The API server's; another try finishes.
    pub async fn onboard(&self, package: &Package) -> Result<(), StoreError> {
        self.put_parts(package, json!({ONBOARDED: "true"})).await
    }

    /// All packages of the namespace, by product. Metadata only.
    ///
    /// # Errors
    /// The API server's.
    pub async fn packages(&self) -> Result<Vec<StoredPackage>, StoreError> {
        let parts = async {
            let parts = self.parts().await;
            parts.map_err(StoreError::needed("to list the packages, which are kept in Secrets"))
        };
        let (parts, records) = futures::future::try_join(parts, self.records()).await?;
        let mut by_digest: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for part in &parts {
            by_digest.entry(digest_of(part).unwrap_or_default().to_owned()).or_default().push(part);
        }
        let uses =
            |digest: &str, record: &Value| annotation(record, column::PACKAGES).split(',').any(|one| one == digest);
        let package = |(digest, parts): (String, Vec<&Value>)| {
            let first = parts.first()?;
            let users = records.iter().filter(|record| uses(&digest, record));
            let created = parts.iter().filter_map(|part| text(part, "/metadata/creationTimestamp")?.parse().ok());
            Some(StoredPackage {
                vnfd_id: annotation(first, column::VNFD_ID).to_owned(),
                vnf_provider: annotation(first, column::PROVIDER).to_owned(),
                product: annotation(first, column::PRODUCT).to_owned(),
                onboarded: parts.iter().any(|part| !annotation(part, ONBOARDED).is_empty()),
                used_by: users.map(|record| annotation(record, column::NAME).to_owned()).collect(),
                created: created.min(),
                complete: annotation(first, PARTS).parse() == Ok(parts.len()),
                digest,
            })
        };
        let mut packages: Vec<StoredPackage> = by_digest.into_iter().filter_map(package).collect();
        packages.sort_by(|one, other| (&one.product, &one.vnfd_id).cmp(&(&other.product, &other.vnfd_id)));
        Ok(packages)
    }

    /// The package that a user names: by `vnfdId`, or by the beginning of its digest, `sha256:3be1c07a`.
    ///
    /// # Errors
    /// [`StoreError::NoPackage`], [`StoreError::AmbiguousPackage`], and the API server's.
    pub async fn find_package(&self, reference: &str) -> Result<StoredPackage, StoreError> {
        let packages = self.packages().await?;
        let fits = |package: &&StoredPackage| match reference.strip_prefix("sha256:") {
            Some(prefix) => prefix.len() >= 4 && package.digest.starts_with(prefix),
            None => package.vnfd_id == reference,
        };
        let found: Vec<&StoredPackage> = packages.iter().filter(fits).collect();
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(StoreError::NoPackage {
                reference: reference.to_owned(),
                namespace: self.namespace.clone(),
                known: packages.into_iter().map(|package| package.vnfd_id).collect(),
            }),
            several => Err(StoreError::AmbiguousPackage {
                reference: reference.to_owned(),
                digests: several.iter().map(|package| package.digest.clone()).collect(),
            }),
        }
    }

    /// Takes a package away that nobody uses.
    ///
    /// # Errors
    /// [`StoreError::PackageInUse`], and the API server's.
    pub async fn delete_package(&self, package: &StoredPackage) -> Result<(), StoreError> {
        let in_use = |used_by: Vec<String>| StoreError::PackageInUse { vnfd_id: package.vnfd_id.clone(), used_by };
        if !package.used_by.is_empty() {
            return Err(in_use(package.used_by.clone()));
        }
        // From now on it is one of those that go when nobody uses them: who takes it up in between keeps it.
        let parts = self.parts().await?;
        let of_package = parts.iter().filter(|part| digest_of(part) == Some(package.digest.as_str()));
        let of_package = of_package.filter_map(|part| text(part, "/metadata/name"));
        let plain = json!({"metadata": {"annotations": {ONBOARDED: null}}});
        futures::future::try_join_all(of_package.map(|name| async {
            let reference = names::secret(&self.namespace, name);
            match self.cluster.merge_patch(&reference, &plain).await {
                Err(error) if !error.is_not_found() => Err(StoreError::from(error)),
                _ => Ok(()),
            }
        }))
        .await?;
        let digests = BTreeSet::from([package.digest.clone()]);
        if self.collect_packages(&digests).await? > 0 {
            return Ok(());
        }
        match self.find_package(&format!("sha256:{}", package.digest)).await {
            Ok(found) => Err(in_use(found.used_by)),
            Err(StoreError::NoPackage { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
