//! Finding and deleting whatever carries an instance's label, for when there is no record to go by.

use super::events::Events;
use super::execute::{Work, execute};
use super::failure::Failure;
use super::lock::Lock;
use super::observe::Observer;
use super::session::EngineError;
use crate::cluster::{Cluster, ClusterError};
use crate::object::mask::Mask;
use crate::object::{ObjectRef, Source, uid};
use crate::plan::order::holds_data;
use crate::plan::{Contents, Inputs, Item, Live, items};
use crate::record::names::{self, RECORD};
use crate::record::{Journal, ObjectState, PackageId, Revision, Scope, Verb};
use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What carries the label of an instance, our own records aside.
#[derive(Debug, Default)]
pub struct Labelled {
    /// To be deleted: what nothing else controls.
    pub objects: Vec<Value>,
    /// Kept for the data in it.
    pub kept: Vec<ObjectRef>,
    /// Controlled by something that does not carry the label: whoever controls it would make it anew.
    pub controlled: Vec<ObjectRef>,
    /// Kinds that the user may not list.
    pub forbidden: Vec<String>,
    /// Why other kinds could not be looked for.
    pub unseen: Vec<ClusterError>,
}

/// Looks for the label in all kinds that can be listed and deleted; for who may not look everywhere, in `namespaces`.
///
/// # Errors
/// The cluster does not say what it serves.
pub async fn find(
    cluster: &Cluster,
    namespaces: &BTreeSet<String>,
    instance_id: &str,
    with_data: bool,
) -> Result<Labelled, ClusterError> {
    let (kinds, mut unseen) = cluster.deletable_kinds().await?;
    let selector = names::instance_selector(instance_id);
    let lists = join_all(kinds.iter().map(|(api_version, kind)| async {
        match cluster.list_metadata(api_version, kind, None, &selector).await {
            Err(error) if error.is_not_allowed() => {
                let narrow = namespaces
                    .iter()
                    .map(|namespace| cluster.list_metadata(api_version, kind, Some(namespace), &selector));
                Ok(try_join_all(narrow).await?.into_iter().flat_map(|listing| listing.items).collect())
            }
            other => Ok::<Vec<Value>, ClusterError>(other?.items),
        }
    }));
    let (mut all, mut forbidden) = (Vec::new(), Vec::new());
    for (list, (_, kind)) in lists.await.into_iter().zip(&kinds) {
        match list {
            Ok(items) => all.extend(items),
            Err(error) if error.is_not_allowed() => forbidden.push(kind.clone()),
            Err(error) => unseen.push(error),
        }
    }
    let carriers: BTreeSet<String> = all.iter().map(|object| uid(object).to_owned()).collect();
    let lease = names::instance(instance_id);
    let mut labelled = Labelled { forbidden, unseen, ..Labelled::default() };
    for object in all {
        let Some(reference) = ObjectRef::of(&object) else { continue };
        let ours = !object["metadata"]["labels"][RECORD].is_null();
        if ours || (reference.kind == "Lease" && reference.name == lease) {
            continue;
        }
        match crate::object::workload::controller_uid(&object) {
            Some(controller) if carriers.contains(controller) => {}
            Some(_) => labelled.controlled.push(reference),
            None if holds_data(&reference) && !with_data => labelled.kept.push(reference),
            None => labelled.objects.push(object),
        }
    }
    Ok(labelled)
}

/// The objects as items to delete, in order.
///
/// # Errors
/// None that deletions could have.
pub fn deletions(objects: &[Value], instance_id: &str) -> Result<Vec<Item>, EngineError> {
    let mut live = Live::default();
    for object in objects {
        live.put(object.clone());
    }
    let references: Vec<ObjectRef> = objects.iter().filter_map(ObjectRef::of).collect();
    let (journal, contents) = (journal(references, None), Contents::default());
    Ok(items(&Inputs { journal: &journal, contents: &contents, live: &live, instance_id })?)
}

/// How to delete.
pub struct Manner {
    /// Turns true when the user asks to stop.
    pub stop: watch::Receiver<bool>,
    /// Bounds the waiting for all of it.
    pub timeout: Duration,
    /// Grace period of Pods, in seconds; `None`: each Pod's own.
    pub grace_seconds: Option<u32>,
}

/// Deletes the objects under the lock, in the order of their kinds, and waits until they are gone: what lives in
/// namespaces first, then the rest.
///
/// # Errors
/// The objects cannot be observed; what could not be deleted is a value.
pub async fn delete(
    lock: &Lock,
    instance_id: &str,
    objects: &[Value],
    events: &Events,
    manner: &Manner,
) -> Result<Vec<Failure>, EngineError> {
    let cluster = lock.fenced();
    let (contents, mask) = (Contents::default(), Mask::new([]));
    let deadline = Instant::now() + manner.timeout;
    let mut by_namespace: BTreeMap<Option<String>, Vec<ObjectRef>> = BTreeMap::new();
    for reference in objects.iter().filter_map(ObjectRef::of) {
        by_namespace.entry(reference.namespace.clone()).or_default().push(reference);
    }
    let cluster_wide = by_namespace.remove_entry(&None);
    for (namespace, references) in by_namespace.into_iter().chain(cluster_wide) {
        let journal = journal(references, namespace);
        let revisions: Vec<&Revision> = journal.source.iter().collect();
        let observer = Observer::start(&cluster, instance_id, &revisions).await?;
        let list = items(&Inputs { journal: &journal, contents: &contents, live: &observer.live(), instance_id })?;
        let work = Work {
            cluster: &cluster,
            lock,
            observer: &observer,
            contents: &contents,
            instance_id,
            verb: Verb::Terminate,
            journal: &journal,
            mask: &mask,
            events,
            stop: manner.stop.clone(),
            deadline,
            grace_seconds: manner.grace_seconds,
            one_by_one: false,
            overwrite: false,
        };
        let failures = execute(&work, &list).await.failures;
        if !failures.is_empty() {
            return Ok(failures);
        }
    }
    Ok(Vec::new())
}

/// A journal that deletes these objects. Its source only says which they are.
fn journal(references: Vec<ObjectRef>, namespace: Option<String>) -> Journal {
    let state = |reference: &ObjectRef| ObjectState {
        reference: reference.clone(),
        package: String::new(),
        source: Source { file: String::new(), document: 0 },
        images: BTreeMap::new(),
        became: BTreeMap::new(),
        replicas: None,
        marker: None,
        applied: None,
        pending: Vec::new(),
    };
    let source = Revision {
        number: 0,
        package: PackageId::unknown(),
        flavour_id: String::new(),
        instantiation_level_id: None,
        scale: Vec::new(),
        namespace: namespace.unwrap_or_default(),
        files: Vec::new(),
        objects: references.iter().map(state).collect(),
        operation_id: String::new(),
        verb: Verb::Terminate,
        time: Timestamp::UNIX_EPOCH,
    };
    Journal {
        source: Some(source),
        target: None,
        scope: Scope { delete: references, ..Scope::default() },
        snapshot: BTreeMap::new(),
        record: crate::record::operation::RecordChange::default(),
    }
}
