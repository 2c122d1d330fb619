//! The live objects of one VNF, kept up to date by one watch per kind.
//!
//! Workloads and Pods carry the instance label, so a watch selects exactly them, also in a crowded namespace.
//! Everything else that a revision names is read by name, once: nothing waits for it to change by itself.

use crate::cluster::{Cluster, ClusterError, WatchEvent};
use crate::object::pod::{active, is_ready};
use crate::object::workload::{WorkloadKind, made_metadata};
use crate::object::{ObjectRef, uid};
use crate::plan::Live;
use crate::plan::tree::PodEvents;
use crate::record::Revision;
use crate::record::names::instance_selector;
use futures::StreamExt as _;
use futures::future::try_join_all;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};
use tokio::sync::{oneshot, watch};

/// Of so many Pods events are read at a time.
const EVENTS_OF: usize = 8;

/// Watches the VNF until dropped.
#[derive(Debug)]
pub struct Observer {
    shared: Arc<Shared>,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    /// Kinds that are watched, with their namespace.
    watched: Mutex<BTreeSet<Watched>>,
    /// What nothing watches: read by name.
    unwatched: Vec<ObjectRef>,
    instance_id: String,
}

/// API version, kind and namespace of a watch.
type Watched = (String, String, Option<String>);

#[derive(Debug)]
struct Shared {
    live: RwLock<Live>,
    changed: watch::Sender<u64>,
}

impl Shared {
    fn update(&self, change: impl FnOnce(&mut Live)) {
        // A panic elsewhere while the lock was held cannot have left a half-made map: each change is one call.
        let mut live = self.live.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut live);
        drop(live);
        self.changed.send_modify(|version| *version += 1);
    }
}

impl Observer {
    /// Lists everything that the revisions name and begins to watch what can change by itself. Returns once the
    /// first list of every kind has arrived.
    ///
    /// # Errors
    /// The API server's, of the first request that failed for good.
    pub async fn start(cluster: &Cluster, instance_id: &str, revisions: &[&Revision]) -> Result<Self, ClusterError> {
        let namespaces: BTreeSet<&str> = revisions.iter().map(|revision| revision.namespace.as_str()).collect();
        let references: BTreeSet<&ObjectRef> =
            revisions.iter().flat_map(|revision| revision.objects.iter().map(|state| &state.reference)).collect();
        let mut kinds: BTreeSet<(&str, &str)> = BTreeSet::new();
        for reference in &references {
            if !made_metadata(reference).is_empty() {
                kinds.insert(("v1", "Pod"));
            }
            if reference.kind == "CronJob" {
                kinds.insert(("batch/v1", "Job"));
            }
            let Some(kind) = WorkloadKind::of(reference) else { continue };
            kinds.insert(("v1", "Pod"));
            kinds.insert((reference.api_version.as_str(), reference.kind.as_str()));
            if kind == WorkloadKind::Deployment {
                kinds.insert(("apps/v1", "ReplicaSet"));
            }
        }
        let (changed, _) = watch::channel(0);
        let shared = Arc::new(Shared { live: RwLock::new(Live::default()), changed });
        let others = references.iter().filter(|reference| WorkloadKind::of(reference).is_none());
        let observer = Self {
            shared,
            tasks: Mutex::default(),
            watched: Mutex::default(),
            unwatched: others.map(|reference| (*reference).clone()).collect(),
            instance_id: instance_id.to_owned(),
        };
        let watches = namespaces.iter().flat_map(|namespace| {
            kinds.iter().map(|(api_version, kind)| {
                observer.follow(cluster, ((*api_version).into(), (*kind).into(), Some((*namespace).to_owned())))
            })
        });
        futures::future::try_join(observer.reread(cluster), try_join_all(watches)).await?;
        // A workload that somebody has stripped of its label is still there.
        let missed: Vec<&&ObjectRef> = references
            .iter()
            .filter(|reference| WorkloadKind::of(reference).is_some() && observer.live().get(reference).is_none())
            .collect();
        try_join_all(missed.into_iter().map(|reference| observer.read(cluster, reference))).await?;
        Ok(observer)
    }

    /// Reads again what nothing watches: ConfigMaps, Secrets and whatever else is no workload.
    ///
    /// # Errors
    /// The API server's.
    pub async fn reread(&self, cluster: &Cluster) -> Result<(), ClusterError> {
        try_join_all(self.unwatched.iter().map(|reference| self.read(cluster, reference))).await?;
        Ok(())
    }

    /// Begins to watch the kind of an object, unless it is watched already.
    ///
    /// # Errors
    /// The API server's, when the first list fails.
    pub async fn follow_kind(&self, cluster: &Cluster, object: &ObjectRef) -> Result<(), ClusterError> {
        self.follow(cluster, (object.api_version.clone(), object.kind.clone(), object.namespace.clone())).await
    }

    /// Watches one kind; returns with its first list.
    async fn follow(&self, cluster: &Cluster, watched: Watched) -> Result<(), ClusterError> {
        if !lock(&self.watched).insert(watched.clone()) {
            return Ok(());
        }
        let (api_version, kind, namespace) = watched;
        let (listed, first) = oneshot::channel();
        let stream = cluster.watch(&api_version, &kind, namespace.as_deref(), &instance_selector(&self.instance_id));
        let task = tokio::spawn(follow(stream, api_version, kind, Arc::clone(&self.shared), listed));
        lock(&self.tasks).push(task);
        // A dropped sender means that the task has ended, which it never does before its first list.
        first.await.unwrap_or(Ok(()))
    }

    /// Reads one object by name.
    ///
    /// # Errors
    /// The API server's.
    pub async fn read(&self, cluster: &Cluster, reference: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let found = match cluster.get(reference).await {
            // Of a kind that is not served there is no object.
            Err(ClusterError::NotServed { .. }) => None,
            other => other?,
        };
        match &found {
            Some(object) => self.put(object.clone()),
            None => self.shared.update(|live| live.forget(reference)),
        }
        Ok(found)
    }

    /// Takes in what a write returned, ahead of the watch.
    pub fn put(&self, object: Value) {
        self.shared.update(|live| live.put(object));
    }

    /// Takes out an object that is known to be gone, ahead of the watch.
    pub fn forget(&self, reference: &ObjectRef) {
        self.shared.update(|live| live.forget(reference));
    }

    /// The objects as last seen. Not to be held across an await.
    pub fn live(&self) -> RwLockReadGuard<'_, Live> {
        self.shared.live.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What the cluster's events say of Pods that are not ready, as far as that may be read: of a few Pods, for each
    /// takes a request.
    pub async fn events_of_unready(&self, cluster: &Cluster) -> PodEvents {
        let pods: Vec<(ObjectRef, String)> = {
            let live = self.live();
            let unready = live.objects().filter(|(object, pod)| object.kind == "Pod" && active(pod) && !is_ready(pod));
            unready.take(EVENTS_OF).map(|(object, pod)| (object.clone(), uid(pod).to_owned())).collect()
        };
        let read = pods.into_iter().map(|(pod, uid)| async move {
            let events = cluster.events(&pod, &uid).await.ok()?;
            Some((uid, events))
        });
        futures::future::join_all(read).await.into_iter().flatten().collect()
    }

    /// Tells of changes from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        for task in lock(&self.tasks).iter() {
            task.abort();
        }
    }
}

/// The lists behind these locks are whole at any time: a panic while one was held harms nothing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn follow(
    mut stream: impl futures::Stream<Item = WatchEvent> + Unpin,
    api_version: String,
    kind: String,
    shared: Arc<Shared>,
    listed: oneshot::Sender<Result<(), ClusterError>>,
) {
    let mut listed = Some(listed);
    while let Some(event) = stream.next().await {
        match event {
            WatchEvent::Listed(items) => {
                let items = items.into_iter().map(|object| slim(&kind, object)).collect();
                shared.update(|live| live.relist(&api_version, &kind, items));
                if let Some(listed) = listed.take() {
                    let _ = listed.send(Ok(()));
                }
            }
            WatchEvent::Applied(object) => shared.update(|live| live.put(slim(&kind, object))),
            WatchEvent::Deleted(object) => {
                if let Some(reference) = ObjectRef::of(&object) {
                    shared.update(|live| {
                        // A Pod made again under the same name may have been put ahead of this event.
                        let gone = crate::object::uid(&object).to_owned();
                        if live.get(&reference).is_some_and(|known| crate::object::uid(known) == gone) {
                            live.forget(&reference);
                        }
                    });
                }
            }
            WatchEvent::Trouble(error) => {
                // Before the first list nothing can be planned: say why. Later the watch mends itself.
                if let Some(listed) = listed.take() {
                    let _ = listed.send(Err(error));
                    return;
                }
            }
        }
    }
}

/// Drops what nobody reads of the most numerous objects, the Pods of controllers: a thousand of them are to fit in a
/// few megabytes.
fn slim(kind: &str, mut object: Value) -> Value {
    let controlled = kind == "Pod" && crate::object::workload::controller_uid(&object).is_some();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| controlled) {
        metadata.remove("managedFields");
    }
    object
}
