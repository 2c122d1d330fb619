//! Operations in the cluster, and what failed ones left as evidence.

use super::{Store, StoreError, annotation};
use crate::apart::apart;
use crate::cluster::verbs::{DeleteHow, Run};
use crate::object::text;
use crate::record::instance::owner_reference;
use crate::record::names::{self, MANAGED_BY, MANAGER, RECORD, column};
use crate::record::{Instance, Journal, Operation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::{join_all, try_join_all};
use serde_json::{Value, json};

/// What a record is read for.
const READ: &str = "to read the records of operations, which are ConfigMaps";

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

impl Store {
    /// Makes the ConfigMap of a new operation, which `owner` owns. Packing the journal of a thousand Pods takes as long
    /// as a write: it is done on another thread.
    pub async fn new_operation(&self, operation: Operation, journal: Journal, owner: Value) -> StoredOperation {
        let namespace = self.namespace.clone();
        apart(move || {
            let object = operation.to_config_map(&journal, &namespace, &owner);
            StoredOperation { operation, journal, rollback: None, object }
        })
        .await
    }

    /// Writes a new operation.
    ///
    /// # Errors
    /// The API server's.
    pub async fn create_operation(&self, new: StoredOperation) -> Result<StoredOperation, StoreError> {
        let object = self.create_once(&new.object).await?;
        Ok(StoredOperation { object, ..new })
    }

    /// Writes an operation's new state. It is only ever written under the instance's lock.
    ///
    /// # Errors
    /// The API server's.
    pub async fn save_operation(&self, stored: &mut StoredOperation) -> Result<(), StoreError> {
        let operation = &stored.operation;
        let reference = names::config_map(&self.namespace, &names::operation(&operation.id));
        let patch = operation.to_patch(stored.rollback.as_ref());
        // Twice: without an answer nobody knows which state it is in, and the same once more does no harm.
        stored.object = match self.cluster.merge_patch(&reference, &patch).await {
            Err(error) if error.is_transient() => self.cluster.merge_patch(&reference, &patch).await?,
            answer => answer?,
        };
        Ok(())
    }

    /// An operation by its id; `None`: it was never written, or is gone.
    ///
    /// # Errors
    /// The API server's, or a damaged record.
    pub async fn operation(&self, id: &str) -> Result<Option<StoredOperation>, StoreError> {
        let object = self.cluster.get(&names::config_map(&self.namespace, &names::operation(id))).await;
        object.map_err(StoreError::needed(READ))?.map(read_operation).transpose()
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
        let listing = self.cluster.list("v1", "ConfigMap", Some(&self.namespace), &selector).await;
        let listing = listing.map_err(StoreError::needed(READ))?;
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

    /// The operations of an instance and the names that it claimed: metadata only.
    ///
    /// # Errors
    /// The API server's.
    pub async fn history(&self, instance_id: &str) -> Result<Vec<Value>, StoreError> {
        let selector = format!("{RECORD} in (operation, name),{}", names::instance_selector(instance_id));
        Ok(self.cluster.list_metadata("v1", "ConfigMap", Some(&self.namespace), &selector).await?.items)
    }

    /// Removes what an instance has no use for any more: finished operations beyond the newest that are kept, and the
    /// names that it claimed and does not bear. `history`, if it has been read already.
    ///
    /// # Errors
    /// The API server's.
    pub async fn prune(&self, instance: &Instance, history: Option<Vec<Value>>) -> Result<(), StoreError> {
        match self.prune_once(instance, history).await {
            // Nobody else would do it before the next operation.
            Err(StoreError::Cluster(error)) if error.is_outage() => self.prune_once(instance, None).await,
            other => other,
        }
    }

    async fn prune_once(&self, instance: &Instance, history: Option<Vec<Value>>) -> Result<(), StoreError> {
        let history = match history {
            Some(history) => history,
            None => self.history(&instance.id).await?,
        };
        let (mut operations, claims): (Vec<Value>, Vec<Value>) =
            history.into_iter().partition(|object| object["metadata"]["labels"][RECORD] == "operation");
        operations.sort_by_key(|object| text(object, "/metadata/creationTimestamp").unwrap_or("").to_owned());
        let surplus = operations.len().saturating_sub(crate::record::operation::KEPT);
        let evidence = operations.iter().take(surplus).filter_map(|object| {
            let name = text(object, "/metadata/name")?;
            Some(names::secret(&self.namespace, &format!("{name}-evidence")))
        });
        join_all(evidence.map(|reference| async move {
            // Most operations have none.
            let _ = self.cluster.delete(&reference, &DeleteHow::default()).await;
        }))
        .await;
        let former = claims.iter().filter(|claim| annotation(claim, column::NAME) != instance.vnf_instance_name);
        try_join_all(operations.iter().take(surplus).chain(former).map(|object| self.delete_object(object))).await?;
        Ok(())
    }

    /// Removes an operation that has not begun after all.
    ///
    /// # Errors
    /// The API server's.
    pub async fn withdraw_operation(&self, id: &str) -> Result<(), StoreError> {
        let reference = names::config_map(&self.namespace, &names::operation(id));
        self.cluster.delete(&reference, &DeleteHow::default()).await?;
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
        let secret = self.cluster.get(&names::secret(&self.namespace, &names::evidence(operation_id))).await;
        let secret =
            secret.map_err(StoreError::needed("to read what a failed operation left, which is in a Secret"))?;
        let bytes = secret.and_then(|secret| STANDARD.decode(text(&secret, "/data/evidence")?).ok());
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn read_operation(object: Value) -> Result<StoredOperation, StoreError> {
    let (operation, journal, rollback) = Operation::from_config_map(&object)?;
    Ok(StoredOperation { operation, journal, rollback, object })
}
