//! Our own objects in the cluster. Here: instance records and the claims of their names; `operations` and `packages`
//! keep the rest, `onboarded` is how a user sees packages.
//!
//! Writes of records are conditional on the resourceVersion that was read.

mod error;
mod onboarded;
mod operations;
mod packages;
mod traces;

pub use error::{Renamed, StoreError};
pub use onboarded::StoredPackage;
pub use operations::StoredOperation;
pub use traces::Traces;

use super::Cluster;
use super::verbs::{DeleteHow, Propagation, Run};
use crate::object::reference::closest;
use crate::object::{ObjectRef, text, uid};
use crate::record::Instance;
use crate::record::instance::{FormerName, InstantiationState, owner_reference};
use crate::record::names::{self, MANAGED_BY, MANAGER, RECORD, column};
use futures::future::{join, try_join_all};
use serde_json::{Value, json};

/// How often a write is tried that finds something else than it should, when that may pass.
const TRIES: u32 = 3;

/// What a record is read for.
const READ: &str = "to read the records of VNF instances, which are ConfigMaps";
/// What a record is written for.
const WRITE: &str = "to write the records of VNF instances, which are ConfigMaps";

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

/// The records of one namespace.
#[derive(Clone, Debug)]
pub struct Store {
    cluster: Cluster,
    namespace: String,
}

impl Store {
    /// The store in a namespace.
    pub fn new(cluster: Cluster, namespace: &str) -> Self {
        // What a lost answer leaves is told by each write: names made at random, versions, conditions.
        Self { cluster: cluster.insisting(), namespace: namespace.to_owned() }
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
        let claim = self.cluster.get(&names::config_map(&self.namespace, &names::claim(name))).await;
        let claim = claim.map_err(StoreError::needed(READ))?;
        let Some(id) = claim.as_ref().and_then(holder) else { return Ok(None) };
        let bears =
            |stored: &Stored| stored.instance.vnf_instance_name == name || stored.instance.open_operation().is_some();
        // A claim outlives a rename for a moment: only the record says what the instance is called. While an operation
        // is open that may be one name or the other.
        Ok(self.by_id(id).await?.filter(bears))
    }

    async fn by_id(&self, id: &str) -> Result<Option<Stored>, StoreError> {
        if uuid::Uuid::try_parse(id).is_err() {
            return Ok(None);
        }
        let object = self.cluster.get(&names::config_map(&self.namespace, &names::instance(id))).await;
        object.map_err(StoreError::needed(READ))?.map(Stored::read).transpose()
    }

    /// Metadata of all instance records in the namespace.
    ///
    /// # Errors
    /// The API server's.
    pub async fn records(&self) -> Result<Vec<Value>, StoreError> {
        list_records(&self.cluster, Some(&self.namespace)).await
    }

    async fn not_found(&self, name: &str, records: &[Value]) -> StoreError {
        let renamed = records.iter().find_map(|record| {
            let former: Vec<FormerName> = serde_json::from_str(annotation(record, column::FORMER_NAMES)).ok()?;
            let entry = former.into_iter().find(|entry| entry.name == name)?;
            let to = annotation(record, column::NAME).to_owned();
            Some(Renamed { to, at: entry.until, seen: self.cluster.now() })
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
        let names: Vec<String> = records.iter().map(|record| annotation(record, column::NAME).to_owned()).collect();
        let similar = closest(name, &names).map(ToOwned::to_owned);
        StoreError::NotFound { name: name.to_owned(), namespace: self.namespace.clone(), renamed, elsewhere, similar }
    }

    /// Creates a record and claims its name.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`]; nothing is left behind then.
    pub async fn create(&self, instance: Instance) -> Result<Stored, StoreError> {
        self.require_free(&instance.vnf_instance_name).await?;
        let stored = self.create_unclaimed(instance).await?;
        self.claim_first_name(&stored).await?;
        Ok(stored)
    }

    /// Creates a record. It is nobody's until its name is claimed, with [`Store::claim_first_name`].
    ///
    /// # Errors
    /// The API server's; nothing is left behind then.
    pub async fn create_unclaimed(&self, instance: Instance) -> Result<Stored, StoreError> {
        let wanted = instance.to_config_map(&self.namespace, None);
        match self.create_once(&wanted).await {
            Ok(object) => Ok(Stored { instance, object }),
            Err(error) => {
                // The server may have done it all the same; its name was made at random, so that it is ours.
                let _ = self.delete_object(&wanted).await;
                Err(error)
            }
        }
    }

    /// Claims the name of a record that has just been created.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`]; the record is removed then, for without a name it is nothing.
    pub async fn claim_first_name(&self, stored: &Stored) -> Result<(), StoreError> {
        let name = &stored.instance.vnf_instance_name;
        let claimed = async {
            let (claimed, abandoned) = join(self.claim(stored, name), self.abandoned(stored)).await;
            claimed?;
            try_join_all(abandoned?.iter().map(|record| self.delete_object(record))).await
        };
        if let Err(error) = claimed.await {
            // The record is ours alone, and takes its claim of the name with it.
            self.delete_object(&stored.object).await?;
            return Err(error);
        }
        Ok(())
    }

    /// Records of the same name that never came to more than that. Once the name is ours, whoever made them cannot claim
    /// it any more, or was killed before it could.
    async fn abandoned(&self, stored: &Stored) -> Result<Vec<Value>, StoreError> {
        let selector =
            format!("{RECORD}=instance,{}={}", names::CLAIM, names::claim(&stored.instance.vnf_instance_name));
        let listing = self.cluster.list_metadata("v1", "ConfigMap", Some(&self.namespace), &selector).await;
        let not_instantiated = InstantiationState::NotInstantiated.to_string();
        let mut records = listing.map_err(StoreError::needed(READ))?.items;
        records.retain(|record| {
            uid(record) != uid(&stored.object)
                && annotation(record, column::STATE) == not_instantiated
                && annotation(record, column::OPERATION).is_empty()
        });
        Ok(records)
    }

    /// Refuses a name that an instance has.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`].
    pub async fn require_free(&self, name: &str) -> Result<(), StoreError> {
        if self.by_name(name).await?.is_some() { Err(self.taken(name)) } else { Ok(()) }
    }

    /// Creates an object whose name was made at random: one that is there already is ours, made by a try whose answer
    /// got lost.
    async fn create_once(&self, object: &Value) -> Result<Value, StoreError> {
        let mut tries = 0..TRIES;
        loop {
            match (self.cluster.create(object, Run::Real).await, tries.next()) {
                (Err(error), Some(_)) if error.is_already_exists() => {
                    let Some(reference) = ObjectRef::of(object) else { return Err(error.into()) };
                    if let Some(found) = self.cluster.get(&reference).await? {
                        return Ok(found);
                    }
                }
                (answer, _) => return answer.map_err(StoreError::needed(WRITE)),
            }
        }
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
        for _ in 0..TRIES {
            match self.cluster.create(&claim, Run::Real).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(StoreError::needed(WRITE)(error)),
            }
            let Some(existing) = self.cluster.get(&reference).await? else { continue };
            let holder = holder(&existing).unwrap_or("");
            if holder == stored.instance.id {
                return Ok(());
            }
            let held = match self.by_id(holder).await {
                Ok(Some(other)) => {
                    other.instance.vnf_instance_name == name || other.instance.open_operation().is_some()
                }
                Ok(None) => false,
                // It cannot be read, but it is there.
                Err(StoreError::Record(_)) => true,
                Err(error) => return Err(error),
            };
            if held {
                return Err(self.taken(name));
            }
            self.delete_object(&existing).await?;
        }
        Err(self.taken(name))
    }

    /// Writes a record under the resourceVersion that it was read with.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else wrote in between.
    pub async fn save(&self, stored: &mut Stored) -> Result<(), StoreError> {
        let wanted = stored.instance.to_config_map(&self.namespace, Some(&stored.object));
        let record = names::config_map(&self.namespace, &names::instance(&stored.instance.id));
        for _ in 0..TRIES {
            match self.cluster.replace(&wanted).await {
                Ok(object) => {
                    stored.object = object;
                    return Ok(());
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(StoreError::needed(WRITE)(error)),
            }
            let Some(found) = self.cluster.get(&record).await? else { break };
            let same = |part: &str| found[part] == wanted[part];
            if same("data") && same("binaryData") {
                // An earlier try wrote it, and its answer got lost.
                stored.object = found;
                return Ok(());
            }
            if found["metadata"]["resourceVersion"] != wanted["metadata"]["resourceVersion"] {
                break;
            }
        }
        Err(StoreError::Conflict { name: stored.instance.vnf_instance_name.clone() })
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
            Err(error) => return Err(StoreError::needed("to remove the record of a VNF instance, a ConfigMap")(error)),
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
            uid: Some(uid(object).to_owned()).filter(|uid| !uid.is_empty()),
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
}

/// Metadata of all instance records in a namespace, or in all.
///
/// # Errors
/// The API server's.
pub async fn list_records(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<Value>, StoreError> {
    let selector = format!("{RECORD}=instance");
    let listing = cluster.list_metadata("v1", "ConfigMap", namespace, &selector).await;
    Ok(listing.map_err(StoreError::needed(READ))?.items)
}

/// The instance that a claim of a name is for; its label says the same.
fn holder(claim: &Value) -> Option<&str> {
    text(claim, "/data/vnfInstanceId").or_else(|| claim["metadata"]["labels"][names::INSTANCE].as_str())
}

/// An annotation of a record, `""` when it has none.
pub fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["annotations"][key].as_str().unwrap_or("")
}
