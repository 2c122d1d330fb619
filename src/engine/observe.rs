//! The live objects of one VNF, kept up to date by one watch per kind.
//!
//! Workloads and Pods carry the instance label, so a watch selects exactly them, also in a crowded namespace.
//! Everything else that a revision names is read by name, once: nothing waits for it to change by itself.

use crate::apart::drop_apart;
use crate::cluster::{Cluster, ClusterError, Version, WatchEvent};
use crate::object::pod::{active, is_ready};
use crate::object::workload::{WorkloadKind, made_metadata};
use crate::object::{ObjectRef, uid};
use crate::plan::Live;
use crate::record::Revision;
use crate::record::names::instance_selector;
use crate::report::tree::make::PodEvents;
use futures::StreamExt as _;
use futures::future::{join, join_all, try_join_all};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, Weak};
use tokio::sync::{Notify, oneshot};

/// Of so many Pods events are read at a time.
const EVENTS_OF: usize = 16;
/// So many objects are read one by one rather than all of their kind.
const FEW: usize = 16;

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

#[derive(Debug, Default)]
struct Shared {
    live: RwLock<Live>,
    /// Who waits for changes of an object or of what it controls.
    waiting: Mutex<HashMap<ObjectRef, Vec<Arc<Notify>>>>,
    /// Who is told of every change.
    told_all: Mutex<Vec<Arc<Notify>>>,
}

impl Shared {
    /// Changes what is known of one object, and wakes those whom it concerns: a thousand Pods change several times
    /// each while a hundred workloads are waited for.
    fn update(&self, object: &ObjectRef, change: impl FnOnce(&mut Live)) {
        let mut concerned = Vec::new();
        {
            // A panic elsewhere while the lock was held cannot have left a half-made map: each change is one call.
            let mut live = self.live.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            concerned.extend(live.lineage(object));
            change(&mut live);
            concerned.extend(live.lineage(object));
        }
        let waiting = lock(&self.waiting);
        concerned.iter().filter_map(|object| waiting.get(object)).flatten().for_each(|waiter| waiter.notify_one());
        lock(&self.told_all).iter().for_each(|waiter| waiter.notify_one());
    }

    /// Changes what is known without waking anybody.
    fn change(&self, change: impl FnOnce(&mut Live)) {
        change(&mut self.live.write().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn put(&self, object: Value) {
        if let Some(reference) = ObjectRef::of(&object) {
            self.update(&reference, |live| live.put(object));
        }
    }

    /// A whole list: everybody looks again.
    fn relist(&self, api_version: &str, kind: &str, items: Vec<Value>) {
        self.change(|live| live.relist(api_version, kind, items));
        lock(&self.waiting).values().flatten().for_each(|waiter| waiter.notify_one());
        lock(&self.told_all).iter().for_each(|waiter| waiter.notify_one());
    }
}

/// Tells of changes of some objects, and of the ReplicaSets and Pods that they control, or of all, from its making on.
#[derive(Debug)]
pub struct Changes {
    waiter: Arc<Notify>,
    objects: Vec<ObjectRef>,
    shared: Arc<Shared>,
}

impl Changes {
    /// Returns at the next change; at once, if there was one since the last time.
    pub async fn next(&self) {
        self.waiter.notified().await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        lock(&self.shared.told_all).retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
        let mut waiting = lock(&self.shared.waiting);
        for object in &self.objects {
            if let Some(waiters) = waiting.get_mut(object) {
                waiters.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
                if waiters.is_empty() {
                    waiting.remove(object);
                }
            }
        }
    }
}

/// What revisions name, by the way it is read.
struct Sources<'r> {
    /// Kinds of workloads, of their Pods and of what stands between, with their namespace: read by label.
    kinds: BTreeSet<Watched>,
    workloads: Vec<&'r ObjectRef>,
    /// Everything else: read by name.
    others: Vec<ObjectRef>,
}

impl<'r> Sources<'r> {
    fn of(revisions: &[&'r Revision]) -> Self {
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
        }
        let (workloads, others): (Vec<&ObjectRef>, Vec<&ObjectRef>) =
            references.into_iter().partition(|reference| WorkloadKind::of(reference).is_some());
        for reference in &workloads {
            kinds.insert(("v1", "Pod"));
            kinds.insert((reference.api_version.as_str(), reference.kind.as_str()));
            if WorkloadKind::of(reference) == Some(WorkloadKind::Deployment) {
                kinds.insert(("apps/v1", "ReplicaSet"));
            }
        }
        let kinds = namespaces.iter().flat_map(|namespace| {
            kinds.iter().map(|(version, kind)| ((*version).into(), (*kind).into(), Some((*namespace).to_owned())))
        });
        Self { kinds: kinds.collect(), workloads, others: others.into_iter().cloned().collect() }
    }
}

impl Observer {
    /// Lists everything that the revisions name and begins to watch what can change by itself. Returns once the
    /// first list of every kind has arrived.
    ///
    /// # Errors
    /// The API server's, of the first request that failed for good.
    pub async fn start(cluster: &Cluster, instance_id: &str, revisions: &[&Revision]) -> Result<Self, ClusterError> {
        let sources = Sources::of(revisions);
        let observer = Self::begin(cluster, instance_id, &sources).await?;
        observer.find_missed(cluster, &sources.workloads).await?;
        Ok(observer)
    }

    /// As [`Observer::start`] for what is to be made: that it is not there is no surprise.
    ///
    /// # Errors
    /// As [`Observer::start`].
    pub async fn start_anew(cluster: &Cluster, instance_id: &str, revision: &Revision) -> Result<Self, ClusterError> {
        Self::begin(cluster, instance_id, &Sources::of(&[revision])).await
    }

    /// Reads everything that the revisions name, once. Of what `former` knows only the state is asked for: what the
    /// server has in the same one is neither read nor kept twice.
    ///
    /// # Errors
    /// As [`Observer::start`].
    pub async fn read_once(
        cluster: &Cluster,
        instance_id: &str,
        revisions: &[&Revision],
        former: Option<&Self>,
    ) -> Result<Self, ClusterError> {
        let sources = Sources::of(revisions);
        let observer = Self::new(instance_id, &sources);
        let lists = sources.kinds.iter().map(async |watched| match former {
            Some(former) => observer.catch_up(cluster, watched, former).await,
            None => observer.list(cluster, watched).await,
        });
        futures::future::try_join(observer.reread(cluster), try_join_all(lists)).await?;
        observer.find_missed(cluster, &sources.workloads).await?;
        Ok(observer)
    }

    /// Lists the objects of a kind.
    async fn list(&self, cluster: &Cluster, (api_version, kind, namespace): &Watched) -> Result<(), ClusterError> {
        let selector = instance_selector(&self.instance_id);
        let listing = cluster.list_lean(api_version, kind, namespace.as_deref(), &selector).await?;
        self.shared.relist(api_version, kind, listing.items);
        Ok(())
    }

    /// Comes to know the objects of a kind as the server has them now. It tells which there are and in which state; what
    /// `former` knows in that state, or in a later one by a watch that went on meanwhile, is what it would answer.
    async fn catch_up(&self, cluster: &Cluster, watched: &Watched, former: &Self) -> Result<(), ClusterError> {
        let versions = self.versions(cluster, watched).await?;
        self.shared.change(|live| {
            let former = former.live();
            versions.iter().filter_map(|now| known(&former, now)).for_each(|object| live.put(Arc::clone(object)));
        });
        let unknown = self.unknown(versions.iter().map(|now| &now.object), &versions);
        if unknown.len() > FEW {
            // The watch is broken, or far behind.
            return self.list(cluster, watched).await;
        }
        try_join_all(unknown.into_iter().map(|object| self.read(cluster, object))).await?;
        Ok(())
    }

    /// In which state the objects of a kind are.
    async fn versions(
        &self,
        cluster: &Cluster,
        (api_version, kind, namespace): &Watched,
    ) -> Result<Vec<Version>, ClusterError> {
        let selector = instance_selector(&self.instance_id);
        cluster.list_versions(api_version, kind, namespace.as_deref(), &selector).await
    }

    /// Those of these objects that are not known in the states that the server has them in, or in later ones.
    fn unknown<'o>(&self, objects: impl Iterator<Item = &'o ObjectRef>, versions: &[Version]) -> Vec<&'o ObjectRef> {
        let live = self.live();
        let as_known = versions.iter().filter(|now| known(&live, now).is_some()).map(|now| &now.object);
        let as_known: HashSet<&ObjectRef> = as_known.collect();
        objects.filter(|object| !as_known.contains(object)).collect()
    }

    fn new(instance_id: &str, sources: &Sources<'_>) -> Self {
        Self {
            shared: Arc::default(),
            tasks: Mutex::default(),
            watched: Mutex::default(),
            unwatched: sources.others.clone(),
            instance_id: instance_id.to_owned(),
        }
    }

    /// Of no cluster: it knows what is put, for tests.
    #[cfg(test)]
    pub(crate) fn unconnected(instance_id: &str) -> Self {
        Self::new(instance_id, &Sources { kinds: BTreeSet::new(), workloads: Vec::new(), others: Vec::new() })
    }

    async fn begin(cluster: &Cluster, instance_id: &str, sources: &Sources<'_>) -> Result<Self, ClusterError> {
        let observer = Self::new(instance_id, sources);
        let watches = sources.kinds.iter().map(|watched| observer.follow(cluster, watched.clone()));
        let (read, listed) = join(observer.reread(cluster), join_all(watches)).await;
        // Of several failures the first by kind, not by time: who lacks rights is told the same each time.
        listed.into_iter().collect::<Result<(), ClusterError>>()?;
        read?;
        Ok(observer)
    }

    /// A workload that somebody has stripped of its label is still there.
    async fn find_missed(&self, cluster: &Cluster, workloads: &[&ObjectRef]) -> Result<(), ClusterError> {
        let missed: Vec<&&ObjectRef> =
            workloads.iter().filter(|reference| self.live().get(reference).is_none()).collect();
        try_join_all(missed.into_iter().map(|reference| self.read(cluster, reference))).await?;
        Ok(())
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
        let selector = instance_selector(&self.instance_id);
        let stream = cluster.watch(&api_version, &kind, namespace.as_deref(), &selector);
        let task = tokio::spawn(follow(stream, api_version, kind, Arc::downgrade(&self.shared), listed));
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
            None => self.forget(reference),
        }
        Ok(found)
    }

    /// Takes in what a write returned, ahead of the watch.
    pub fn put(&self, object: Value) {
        self.shared.put(object);
    }

    /// Takes out an object that is known to be gone, ahead of the watch.
    pub fn forget(&self, reference: &ObjectRef) {
        self.shared.update(reference, |live| live.forget(reference));
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

    /// Reads these objects again. Of many of one kind, first of all it is asked in which state they are: what is known in
    /// that state, or in a later one, is not read.
    ///
    /// # Errors
    /// The API server's.
    pub async fn read_again(&self, cluster: &Cluster, objects: &[&ObjectRef]) -> Result<(), ClusterError> {
        let mut kinds: BTreeMap<Watched, Vec<&ObjectRef>> = BTreeMap::new();
        for object in objects {
            let watched = (object.api_version.clone(), object.kind.clone(), object.namespace.clone());
            kinds.entry(watched).or_default().push(object);
        }
        let read = kinds.iter().map(async |(watched, objects)| {
            let mut objects = objects.clone();
            if objects.len() > FEW {
                let versions = self.versions(cluster, watched).await?;
                objects = self.unknown(objects.into_iter(), &versions);
            }
            try_join_all(objects.into_iter().map(|object| self.read(cluster, object))).await
        });
        try_join_all(read).await?;
        Ok(())
    }

    /// Tells of changes of these objects from now on.
    pub fn changes<'o>(&self, objects: impl IntoIterator<Item = &'o ObjectRef>) -> Changes {
        let waiter = Arc::new(Notify::new());
        let objects: Vec<ObjectRef> = objects.into_iter().cloned().collect();
        let mut waiting = lock(&self.shared.waiting);
        for object in &objects {
            waiting.entry(object.clone()).or_default().push(Arc::clone(&waiter));
        }
        drop(waiting);
        Changes { waiter, objects, shared: Arc::clone(&self.shared) }
    }

    /// Tells of all changes from now on.
    pub fn all_changes(&self) -> Changes {
        let waiter = Arc::new(Notify::new());
        lock(&self.shared.told_all).push(Arc::clone(&waiter));
        Changes { waiter, objects: Vec::new(), shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        for task in lock(&self.tasks).iter() {
            task.abort();
        }
        // A thousand Pods take longer than writing down how an operation ended.
        drop_apart(std::mem::take(&mut self.shared));
    }
}

/// The lists behind these locks are whole at any time: a panic while one was held harms nothing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What is known of an object in this state, or in a later one.
fn known<'l>(live: &'l Live, now: &Version) -> Option<&'l Arc<Value>> {
    live.known(&now.object, &now.uid, &now.resource_version)
}

async fn follow(
    mut stream: impl futures::Stream<Item = WatchEvent> + Unpin,
    api_version: String,
    kind: String,
    shared: Weak<Shared>,
    listed: oneshot::Sender<Result<(), ClusterError>>,
) {
    let mut listed = Some(listed);
    while let Some(event) = stream.next().await {
        let Some(shared) = shared.upgrade() else { return };
        match event {
            WatchEvent::Listed(items) => {
                shared.relist(&api_version, &kind, items);
                if let Some(listed) = listed.take() {
                    let _ = listed.send(Ok(()));
                }
            }
            WatchEvent::Applied(object) => shared.put(object),
            WatchEvent::Deleted(object) => {
                if let Some(reference) = ObjectRef::of(&object) {
                    shared.update(&reference, |live| {
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
