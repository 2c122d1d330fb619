//! Our own objects in the cluster: instance records, name claims, operations, packages.
//!
//! Writes of records are conditional on the resourceVersion that was read. Package parts are content-addressed and
//! immutable; they are shared by all instances of a namespace, and removed when no record refers to them.

use super::verbs::{DeleteHow, Propagation, Run};
use super::{Cluster, ClusterError};
use crate::object::{ObjectRef, text, uid};
use crate::package::{Digest, Package, PackageError};
use crate::record::instance::{FormerName, owner_reference};
use crate::record::names::{self, MANAGED_BY, MANAGER, RECORD, column};
use crate::record::{Instance, Journal, Operation, RecordError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Bytes of a stored package per Secret: base64 in JSON stays well under etcd's 1.5 MiB per request.
const PART_BYTES: usize = 900 * 1024;
/// Annotation of a package part: how many parts there are.
const PARTS: &str = "kubectl-vnf/parts";
/// Annotation of a package part: SHA-256 of all parts together.
const CONTENT_HASH: &str = "kubectl-vnf/content-sha256";
/// Annotation of a package part: changes whenever somebody relies on the part.
const USED: &str = "kubectl-vnf/used";
/// Annotation of a package that was onboarded: it stays although nobody refers to it.
const ONBOARDED: &str = "kubectl-vnf/onboarded";

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
    /// Parts of a stored package are missing or not what was stored.
    #[error(
        "the package sha256:{digest} in namespace {namespace} is damaged: {why}\nRun the command again with --package and the package's file: that stores it anew"
    )]
    DamagedPackage {
        /// Digest of the package.
        digest: String,
        /// Where.
        namespace: String,
        /// What is wrong.
        why: String,
    },
    /// No such instance.
    #[error("no VNF instance {name:?} in namespace {namespace}")]
    NotFound {
        /// What was looked for.
        name: String,
        /// Where.
        namespace: String,
        /// The instance that had this name, its present name, and until when it had it.
        renamed: Option<(String, Timestamp)>,
        /// Namespaces that have one of that name.
        elsewhere: Vec<String>,
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
    /// Somebody else changed the record in between.
    #[error("the record of {name} was changed by somebody else at the same moment; run the command again")]
    Conflict {
        /// Instance name.
        name: String,
    },
}

/// An instance as read, with the ConfigMap that it was read from.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The record.
    pub instance: Instance,
    /// Its ConfigMap, for the next conditional write and as owner of what hangs on it.
    pub object: Value,
}

impl Stored {
    /// Whether the record has been written; one that is to be made stands in memory only.
    pub fn exists(&self) -> bool {
        !uid(&self.object).is_empty()
    }

    fn read(object: Value) -> Result<Self, StoreError> {
        let instance = Instance::from_config_map(&object)?;
        Ok(Self { instance, object })
    }
}

/// An operation as read.
#[derive(Clone, Debug)]
pub struct StoredOperation {
    /// The operation.
    pub operation: Operation,
    /// What was fixed before its first write.
    pub journal: Journal,
    /// What was fixed before the first Pod was touched on the way back; `None`: it has not come to that.
    pub rollback: Option<Journal>,
    /// Its ConfigMap.
    pub object: Value,
}

/// The records of one namespace.
#[derive(Clone, Debug)]
pub struct Store {
    cluster: Cluster,
    namespace: String,
}

impl Store {
    /// The store in a namespace.
    pub fn new(cluster: Cluster, namespace: &str) -> Self {
        Self { cluster, namespace: namespace.to_owned() }
    }

    /// The namespace of the records.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Finds an instance: exact id, then exact name, then a unique id prefix of 4 or more characters.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] says whether the name was given up in a rename, and where else one of that name is.
    pub async fn find(&self, name: &str) -> Result<Stored, StoreError> {
        if let Some(stored) = self.by_id(name).await? {
            return Ok(stored);
        }
        if let Some(stored) = self.by_name(name).await? {
            return Ok(stored);
        }
        let prefix = name.len() >= 4 && name.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let records = self.records().await?;
        let id_of = |record: &Value| record["metadata"]["labels"][names::INSTANCE].as_str().unwrap_or("").to_owned();
        // A record whose claim was not written any more is found by its own word.
        let named = |record: &&Value| annotation(record, column::NAME) == name;
        let begins = |record: &&Value| prefix && id_of(record).starts_with(name);
        let mut fits: Vec<&Value> = records.iter().filter(named).collect();
        if fits.is_empty() {
            fits = records.iter().filter(begins).collect();
        }
        match fits.as_slice() {
            [] => Err(self.not_found(name, &records).await),
            [one] => match self.by_id(&id_of(one)).await? {
                Some(stored) => Ok(stored),
                None => Err(self.not_found(name, &[]).await),
            },
            several => Err(StoreError::Ambiguous {
                prefix: name.to_owned(),
                names: several.iter().map(|record| annotation(record, column::NAME).to_owned()).collect(),
            }),
        }
    }

    /// The instance of exactly this name, if there is one.
    ///
    /// # Errors
    /// The API server's, or a damaged record.
    pub async fn by_name(&self, name: &str) -> Result<Option<Stored>, StoreError> {
        let claim = self.cluster.get(&names::config_map(&self.namespace, &names::claim(name))).await?;
        let Some(id) = claim.as_ref().and_then(|claim| text(claim, "/data/vnfInstanceId")) else { return Ok(None) };
        // A claim outlives a rename for a moment: only the record says what the instance is called.
        Ok(self.by_id(id).await?.filter(|stored| stored.instance.vnf_instance_name == name))
    }

    async fn by_id(&self, id: &str) -> Result<Option<Stored>, StoreError> {
        if uuid::Uuid::try_parse(id).is_err() {
            return Ok(None);
        }
        let object = self.cluster.get(&names::config_map(&self.namespace, &names::instance(id))).await?;
        object.map(Stored::read).transpose()
    }

    /// Metadata of all instance records in the namespace.
    ///
    /// # Errors
    /// The API server's.
    pub async fn records(&self) -> Result<Vec<Value>, StoreError> {
        Ok(list_records(&self.cluster, Some(&self.namespace)).await?)
    }

    async fn not_found(&self, name: &str, records: &[Value]) -> StoreError {
        let renamed = records.iter().find_map(|record| {
            let former: Vec<FormerName> = serde_json::from_str(annotation(record, column::FORMER_NAMES)).ok()?;
            let entry = former.into_iter().find(|entry| entry.name == name)?;
            Some((annotation(record, column::NAME).to_owned(), entry.until))
        });
        // Best effort: who may not look into other namespaces is told about this one only.
        let elsewhere = match renamed {
            Some(_) => Vec::new(),
            None => {
                let all = list_records(&self.cluster, None).await.unwrap_or_default();
                all.iter()
                    .filter(|record| annotation(record, column::NAME) == name)
                    .filter_map(|record| text(record, "/metadata/namespace"))
                    .filter(|namespace| *namespace != self.namespace)
                    .map(ToOwned::to_owned)
                    .collect()
            }
        };
        StoreError::NotFound { name: name.to_owned(), namespace: self.namespace.clone(), renamed, elsewhere }
    }

    /// Creates a record and claims its name.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`]; nothing is left behind then.
    pub async fn create(&self, instance: Instance) -> Result<Stored, StoreError> {
        if self.by_name(&instance.vnf_instance_name).await?.is_some() {
            return Err(self.taken(&instance.vnf_instance_name));
        }
        let object = self.cluster.create(&instance.to_config_map(&self.namespace, None), Run::Real).await?;
        let stored = Stored { instance, object };
        if let Err(error) = self.claim(&stored, &stored.instance.vnf_instance_name).await {
            // The record is ours alone: nobody could find it without its name.
            self.delete_object(&stored.object).await?;
            return Err(error);
        }
        Ok(stored)
    }

    fn taken(&self, name: &str) -> StoreError {
        StoreError::NameTaken { name: name.to_owned(), namespace: self.namespace.clone() }
    }

    /// Claims a name for an instance: creating the ConfigMap is the claim. A claim whose record has another name by
    /// now is a leftover of an interrupted rename, and taken over.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`].
    pub async fn claim(&self, stored: &Stored, name: &str) -> Result<(), StoreError> {
        let claim = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": names::claim(name),
                "namespace": self.namespace,
                "labels": {MANAGED_BY: MANAGER, names::INSTANCE: stored.instance.id, RECORD: "name"},
                "annotations": {column::NAME: name},
                "ownerReferences": [owner_reference(&stored.object)],
            },
            "data": {"vnfInstanceId": stored.instance.id},
        });
        let reference = names::config_map(&self.namespace, &names::claim(name));
        for _ in 0..2 {
            match self.cluster.create(&claim, Run::Real).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(error.into()),
            }
            let Some(existing) = self.cluster.get(&reference).await? else { continue };
            let holder = text(&existing, "/data/vnfInstanceId").unwrap_or("");
            if holder == stored.instance.id {
                return Ok(());
            }
            let held = match self.by_id(holder).await? {
                Some(other) => other.instance.vnf_instance_name == name || other.instance.open_operation().is_some(),
                None => false,
            };
            if held {
                return Err(self.taken(name));
            }
            self.delete_object(&existing).await?;
        }
        Err(self.taken(name))
    }

    /// Gives a name up, if it is this instance's.
    ///
    /// # Errors
    /// The API server's.
    pub async fn release_name(&self, instance_id: &str, name: &str) -> Result<(), StoreError> {
        let reference = names::config_map(&self.namespace, &names::claim(name));
        if let Some(claim) = self.cluster.get(&reference).await?
            && text(&claim, "/data/vnfInstanceId") == Some(instance_id)
        {
            self.delete_object(&claim).await?;
        }
        Ok(())
    }

    /// Writes a record under the resourceVersion that it was read with.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else wrote in between.
    pub async fn save(&self, stored: &mut Stored) -> Result<(), StoreError> {
        let wanted = stored.instance.to_config_map(&self.namespace, Some(&stored.object));
        match self.cluster.replace(&wanted).await {
            Ok(object) => {
                stored.object = object;
                Ok(())
            }
            Err(error) if error.is_conflict() => {
                Err(StoreError::Conflict { name: stored.instance.vnf_instance_name.clone() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a record again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is gone.
    pub async fn reread(&self, stored: &Stored) -> Result<Stored, StoreError> {
        match self.by_id(&stored.instance.id).await? {
            Some(stored) => Ok(stored),
            None => Err(self.not_found(&stored.instance.vnf_instance_name, &[]).await),
        }
    }

    /// Removes a record with everything that hangs on it: operations, evidence, claim.
    ///
    /// The record goes first, and only in the version that was read: who has taken the instance up in between keeps
    /// it. What is left behind when this is interrupted, garbage collection removes.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody wrote the record in between, else the API server's.
    pub async fn delete(&self, stored: &Stored) -> Result<(), StoreError> {
        let record = names::config_map(&self.namespace, &names::instance(&stored.instance.id));
        let how = DeleteHow {
            uid: Some(uid(&stored.object).to_owned()),
            resource_version: text(&stored.object, "/metadata/resourceVersion").map(ToOwned::to_owned),
            propagation: Propagation::Background,
            ..DeleteHow::default()
        };
        match self.cluster.delete(&record, &how).await {
            Ok(_) => {}
            Err(error) if error.is_conflict() => {
                return Err(StoreError::Conflict { name: stored.instance.vnf_instance_name.clone() });
            }
            Err(error) => return Err(error.into()),
        }
        // Garbage collection would take the dependents too, but only some time after the command has said "deleted".
        let selector = format!("{},{RECORD} in (operation, name)", names::instance_selector(&stored.instance.id));
        let (config_maps, secrets) = futures::future::try_join(
            self.cluster.list_metadata("v1", "ConfigMap", Some(&self.namespace), &selector),
            self.cluster.list_metadata("v1", "Secret", Some(&self.namespace), &selector),
        )
        .await?;
        let dependents = config_maps.items.iter().chain(&secrets.items);
        try_join_all(dependents.map(|object| self.delete_object(object))).await?;
        Ok(())
    }

    async fn delete_object(&self, object: &Value) -> Result<(), StoreError> {
        let Some(reference) = ObjectRef::of(object) else { return Ok(()) };
        let how = DeleteHow {
            uid: Some(uid(object).to_owned()),
            propagation: Propagation::Background,
            ..DeleteHow::default()
        };
        match self.cluster.delete(&reference, &how).await {
            Ok(_) => Ok(()),
            // Another object of that name: ours is gone.
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a new operation.
    ///
    /// # Errors
    /// The API server's.
    pub async fn create_operation(
        &self,
        operation: Operation,
        journal: Journal,
        owner: &Value,
    ) -> Result<StoredOperation, StoreError> {
        let object = self.cluster.create(&operation.to_config_map(&journal, &self.namespace, owner), Run::Real).await?;
        Ok(StoredOperation { operation, journal, rollback: None, object })
    }

    /// Writes an operation's new state. It is only ever written under the instance's lock.
    ///
    /// # Errors
    /// The API server's.
    pub async fn save_operation(&self, stored: &mut StoredOperation) -> Result<(), StoreError> {
        let operation = &stored.operation;
        let reference = names::config_map(&self.namespace, &names::operation(&operation.id));
        stored.object = self.cluster.merge_patch(&reference, &operation.to_patch(stored.rollback.as_ref())).await?;
        Ok(())
    }

    /// An operation by its id; `None`: it was never written, or is gone.
    ///
    /// # Errors
    /// The API server's, or a damaged record.
    pub async fn operation(&self, id: &str) -> Result<Option<StoredOperation>, StoreError> {
        let object = self.cluster.get(&names::config_map(&self.namespace, &names::operation(id))).await?;
        object.map(read_operation).transpose()
    }

    /// All operations of an instance, or of all instances, newest first; and what is wrong with those that cannot be
    /// read.
    ///
    /// # Errors
    /// The API server's.
    pub async fn operations(
        &self,
        instance_id: Option<&str>,
    ) -> Result<(Vec<StoredOperation>, Vec<StoreError>), StoreError> {
        let of = instance_id.map(|id| format!(",{}", names::instance_selector(id))).unwrap_or_default();
        let selector = format!("{RECORD}=operation{of}");
        let listing = self.cluster.list("v1", "ConfigMap", Some(&self.namespace), &selector).await?;
        let mut operations = Vec::new();
        let mut damaged = Vec::new();
        for object in listing.items {
            match read_operation(object) {
                Ok(operation) => operations.push(operation),
                Err(error) => damaged.push(error),
            }
        }
        operations.sort_by_key(|stored| std::cmp::Reverse(stored.operation.start_time));
        Ok((operations, damaged))
    }

    /// Removes finished operations beyond the newest that are kept.
    ///
    /// # Errors
    /// The API server's.
    pub async fn prune_operations(&self, instance_id: &str) -> Result<(), StoreError> {
        let selector = format!("{RECORD}=operation,{}", names::instance_selector(instance_id));
        let listing = self.cluster.list_metadata("v1", "ConfigMap", Some(&self.namespace), &selector).await?;
        let mut objects = listing.items;
        objects.sort_by_key(|object| text(object, "/metadata/creationTimestamp").unwrap_or("").to_owned());
        let surplus = objects.len().saturating_sub(crate::record::operation::KEPT);
        let evidence = objects.iter().take(surplus).filter_map(|object| {
            let name = text(object, "/metadata/name")?;
            Some(names::secret(&self.namespace, &format!("{name}-evidence")))
        });
        join_all(evidence.map(|reference| async move {
            // Most operations have none.
            let _ = self.cluster.delete(&reference, &DeleteHow::default()).await;
        }))
        .await;
        try_join_all(objects.iter().take(surplus).map(|object| self.delete_object(object))).await?;
        Ok(())
    }

    /// Stores what a failed operation left as evidence: in a Secret, since a log can hold what must not land in a
    /// ConfigMap.
    ///
    /// # Errors
    /// The API server's.
    pub async fn save_evidence(
        &self,
        operation: &StoredOperation,
        instance_id: &str,
        evidence: &str,
    ) -> Result<(), StoreError> {
        let name = names::evidence(&operation.operation.id);
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {MANAGED_BY: MANAGER, names::INSTANCE: instance_id, RECORD: "operation"},
                "ownerReferences": [owner_reference(&operation.object)],
            },
            "data": {"evidence": STANDARD.encode(evidence)},
        });
        match self.cluster.create(&secret, Run::Real).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => {
                let reference = names::secret(&self.namespace, &name);
                self.cluster.merge_patch(&reference, &json!({"data": secret["data"]})).await?;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The evidence of an operation, if it left any.
    ///
    /// # Errors
    /// The API server's.
    pub async fn evidence(&self, operation_id: &str) -> Result<Option<String>, StoreError> {
        let secret = self.cluster.get(&names::secret(&self.namespace, &names::evidence(operation_id))).await?;
        let bytes = secret.and_then(|secret| STANDARD.decode(text(&secret, "/data/evidence")?).ok());
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Stores a package: missing parts are created, then all are there. The record that names its digest must have
    /// been written before, so that nobody collects the parts in between.
    ///
    /// # Errors
    /// The API server's; parts already there are kept, another try finishes.
    pub async fn put_package(&self, package: &Package) -> Result<(), StoreError> {
        let bytes = package.store_bytes();
        let hash = sha256_hex(&bytes);
        let digest = package.digest.to_string();
        let chunks: Vec<&[u8]> = bytes.chunks(PART_BYTES).collect();
        let label = digest.get(..63).unwrap_or(&digest);
        try_join_all(chunks.iter().enumerate().map(|(index, chunk)| {
            let secret = json!({
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
            let hash = &hash;
            async move {
                match self.cluster.create(&secret, Run::Real).await {
                    Ok(_) => Ok(()),
                    // Content-addressed, but a part may have been tampered with, or be of another format.
                    Err(error) if error.is_already_exists() => {
                        let reference = names::secret(&self.namespace, text(&secret, "/metadata/name").unwrap_or(""));
                        match self.cluster.get(&reference).await? {
                            Some(found)
                                if found["data"] == secret["data"] && annotation(&found, CONTENT_HASH) == hash =>
                            {
                                // Its version moves, so that nobody who took it for unused still deletes it.
                                let used =
                                    json!({"metadata": {"annotations": {USED: uuid::Uuid::new_v4().to_string()}}});
                                self.cluster.merge_patch(&reference, &used).await?;
                            }
                            found => {
                                if let Some(found) = &found {
                                    self.delete_object(found).await?;
                                }
                                self.cluster.create(&secret, Run::Real).await?;
                            }
                        }
                        Ok(())
                    }
                    Err(error) => Err(StoreError::from(error)),
                }
            }
        }))
        .await?;
        Ok(())
    }

    /// Reads a stored package.
    ///
    /// # Errors
    /// [`StoreError::DamagedPackage`] when parts are missing or not what was stored.
    pub async fn package(&self, digest: &str) -> Result<Package, StoreError> {
        let damaged = |why: String| StoreError::DamagedPackage {
            digest: digest.get(..12).unwrap_or(digest).to_owned(),
            namespace: self.namespace.clone(),
            why,
        };
        let part = |index: usize| async move {
            self.cluster.get(&names::secret(&self.namespace, &names::package_part(digest, index))).await
        };
        let first = part(0).await?.ok_or_else(|| damaged("part 0 is missing".into()))?;
        let count: usize = annotation(&first, PARTS).parse().unwrap_or(1);
        let rest = try_join_all((1..count.min(1000)).map(part)).await?;
        let mut bytes = Vec::new();
        for (index, object) in std::iter::once(Some(&first)).chain(rest.iter().map(Option::as_ref)).enumerate() {
            let object = object.ok_or_else(|| damaged(format!("part {index} is missing")))?;
            let decoded = text(object, "/data/part").and_then(|part| STANDARD.decode(part).ok());
            bytes.extend(decoded.ok_or_else(|| damaged(format!("part {index} cannot be decoded")))?);
        }
        if sha256_hex(&bytes) != annotation(&first, CONTENT_HASH) {
            return Err(damaged("its content is not what was stored".into()));
        }
        let digest: Digest = digest.parse().map_err(|_| damaged("its digest is malformed".into()))?;
        Ok(Package::from_store(&bytes, digest)?)
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
        let selector = format!("{RECORD}=package");
        let parts = self.cluster.list_metadata("v1", "Secret", Some(&self.namespace), &selector).await?;
        let records = self.records().await?;
        let used: BTreeSet<&str> =
            records.iter().flat_map(|record| annotation(record, column::PACKAGES).split(',')).collect();
        let unused = candidates.iter().filter(|digest| !used.contains(digest.as_str()));
        let mut removed = 0;
        for digest in unused {
            let prefix = format!("vnf-package-{digest}-");
            let of_package: Vec<&Value> = parts
                .items
                .iter()
                .filter(|part| text(part, "/metadata/name").is_some_and(|name| name.starts_with(&prefix)))
                .collect();
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

/// Metadata of all instance records in a namespace, or in all.
///
/// # Errors
/// The API server's.
pub async fn list_records(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<Value>, ClusterError> {
    let selector = format!("{RECORD}=instance");
    Ok(cluster.list_metadata("v1", "ConfigMap", namespace, &selector).await?.items)
}

fn read_operation(object: Value) -> Result<StoredOperation, StoreError> {
    let (operation, journal, rollback) = Operation::from_config_map(&object)?;
    Ok(StoredOperation { operation, journal, rollback, object })
}

/// An annotation of a record, `""` when it has none.
pub fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["annotations"][key].as_str().unwrap_or("")
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
