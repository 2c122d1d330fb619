//! What is left of an instance whose record cannot be read, or is gone: found and removed without reading it.

use super::{READ, Store, StoreError, annotation, holder, list_records};
use crate::object::text;
use crate::record::names::{self, INSTANCE, RECORD, column};
use crate::record::{Instance, RecordError};
use futures::future::{try_join, try_join_all};
use serde_json::Value;
use std::collections::BTreeSet;

/// An instance, as far as it is known without its record's content.
#[derive(Clone, Debug)]
pub struct Traces {
    /// Instance id.
    pub id: String,
    /// Name, from the record's annotations.
    pub name: Option<String>,
    /// Namespace of its objects, from the record's annotations.
    pub target_namespace: Option<String>,
    /// Digests of its packages, from the record's annotations.
    pub packages: BTreeSet<String>,
    /// The record's ConfigMap, if there is one.
    pub record: Option<Value>,
}

impl Store {
    /// Finds an instance by id, name or beginning of the id without reading its record. An id need not have left
    /// anything here.
    ///
    /// # Errors
    /// Nothing of that name; a record that a newer program wrote, which is that program's to remove.
    pub async fn traces(&self, name: &str) -> Result<Traces, StoreError> {
        let id = match uuid::Uuid::try_parse(name) {
            Ok(_) => name.to_owned(),
            Err(_) => self.id_of(name).await?,
        };
        let record = self.cluster.get(&names::config_map(&self.namespace, &names::instance(&id))).await;
        let record = record.map_err(StoreError::needed(READ))?;
        match &record {
            Some(record) => {
                if let Err(error @ RecordError::Newer { .. }) = Instance::from_config_map(record) {
                    return Err(error.into());
                }
            }
            // Who may not look into other namespaces can still name this one.
            None => {
                let all = list_records(&self.cluster, None).await.unwrap_or_default();
                let elsewhere: Vec<String> = all
                    .iter()
                    .filter(|record| id_in(record).is_some_and(|found| found == id))
                    .filter_map(|record| text(record, "/metadata/namespace").map(ToOwned::to_owned))
                    .collect();
                if !elsewhere.is_empty() {
                    let (name, namespace) = (id, self.namespace.clone());
                    return Err(StoreError::NotFound { name, namespace, renamed: None, elsewhere, similar: None });
                }
            }
        }
        let column = |key: &str| {
            let value = record.as_ref().map(|record| annotation(record, key)).unwrap_or_default();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let packages = column(column::PACKAGES).unwrap_or_default();
        Ok(Traces {
            name: column(column::NAME),
            target_namespace: column(column::TARGET_NAMESPACE),
            packages: packages.split(',').filter(|digest| !digest.is_empty()).map(ToOwned::to_owned).collect(),
            id,
            record,
        })
    }

    async fn id_of(&self, name: &str) -> Result<String, StoreError> {
        let claim = self.cluster.get(&names::config_map(&self.namespace, &names::claim(name))).await;
        if let Some(id) = claim.map_err(StoreError::needed(READ))?.as_ref().and_then(holder) {
            return Ok(id.to_owned());
        }
        let records = self.records().await?;
        let mut fits: BTreeSet<&str> =
            records.iter().filter(|record| annotation(record, column::NAME) == name).filter_map(id_in).collect();
        if fits.is_empty() && name.len() >= 4 {
            fits = records.iter().filter_map(id_in).filter(|id| id.starts_with(name)).collect();
        }
        match fits.iter().collect::<Vec<_>>().as_slice() {
            [] => Err(self.not_found(name, &records).await),
            [id] => Ok((**id).to_owned()),
            several => Err(StoreError::Ambiguous {
                prefix: name.to_owned(),
                names: several.iter().map(|id| (**id).to_owned()).collect(),
            }),
        }
    }

    /// Removes everything that this program kept of an instance: record, claims, operations, evidence, and the
    /// packages that nobody else uses.
    ///
    /// # Errors
    /// The API server's.
    pub async fn erase(&self, traces: &Traces) -> Result<(), StoreError> {
        if let Some(record) = &traces.record {
            self.delete_object(record).await?;
        }
        let selector = format!("{},{RECORD} in (instance, operation, name)", names::instance_selector(&traces.id));
        let (config_maps, secrets) = try_join(
            self.cluster.list_metadata("v1", "ConfigMap", Some(&self.namespace), &selector),
            self.cluster.list_metadata("v1", "Secret", Some(&self.namespace), &selector),
        )
        .await?;
        let records = config_maps.items.iter().chain(&secrets.items);
        try_join_all(records.map(|object| self.delete_object(object))).await?;
        self.collect_packages(&traces.packages).await?;
        Ok(())
    }
}

/// The instance that a record is about: its label says so, and so does its name.
fn id_in(record: &Value) -> Option<&str> {
    let by_name = || text(record, "/metadata/name")?.strip_prefix("vnf-");
    record["metadata"]["labels"][INSTANCE].as_str().or_else(by_name)
}
