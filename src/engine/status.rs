//! Reading how VNFs are: one, with its objects watched so that it can be told again after every change; or all of a
//! namespace or cluster, with a number of requests that does not grow with their number.

use super::lock;
use super::observe::Observer;
use super::session::{EngineError, Session, Standing};
use crate::cluster::store::{Store, StoreError, Stored};
use crate::cluster::{Cluster, ClusterError};
use crate::object::workload::WorkloadKind;
use crate::object::{ObjectRef, text};
use crate::plan::{Contents, Live};
use crate::record::names::{INSTANCE, RECORD};
use crate::record::{Instance, Journal, OperationState, Revision};
use crate::report::status::make::{Seen, status};
use crate::report::status::{OpenOperation, Status};
use crate::report::tree::make::PodEvents;
use futures::future::join_all;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One VNF, observed.
#[derive(Debug)]
pub struct Subject {
    session: Session,
    contents: Contents,
    observer: Option<Observer>,
    open: Option<(OpenOperation, Option<Journal>)>,
    /// Why packages are not at hand.
    missing: Option<String>,
}

impl Subject {
    /// Opens an instance and begins to observe what belongs to it. A package that cannot be had is told by the status.
    ///
    /// # Errors
    /// Not found, damaged, or the API server's.
    pub async fn open(cluster: &Cluster, store: &Store, name: &str) -> Result<Self, EngineError> {
        let session = Session::open(cluster, store, name).await?;
        let open = open_operation(&session).await?;
        let mut subject = Self { session, contents: Contents::default(), observer: None, open, missing: None };
        let instance = subject.session.instance();
        let journal = subject.open.as_ref().and_then(|(_, journal)| journal.as_ref());
        let of_journal = journal.into_iter().flat_map(|journal| journal.source.iter().chain(&journal.target));
        let revisions: Vec<&Revision> = instance.current().into_iter().chain(of_journal).collect();
        if !revisions.is_empty() {
            let (loaded, observer) = subject.session.prepare(&revisions, &mut subject.contents).await?;
            subject.missing = loaded.err().map(|error| error.to_string());
            subject.observer = Some(observer);
        }
        Ok(subject)
    }

    /// How it is, by what has been seen so far.
    pub fn status(&self, events: &PodEvents) -> Status {
        let none = Live::default();
        let guard = self.observer.as_ref().map(Observer::live);
        let mut status = status(Seen {
            instance: self.session.instance(),
            namespace: self.session.store.namespace(),
            open: self.open.as_ref().map(|(operation, journal)| (operation, journal.as_ref())),
            contents: &self.contents,
            live: guard.as_deref().unwrap_or(&none),
            events,
        });
        if let Some(missing) = self.missing.clone() {
            // Says more than that it is not at hand.
            status.unknown = vec![missing];
        }
        status
    }

    /// Id of the instance.
    pub fn id(&self) -> &str {
        &self.session.instance().id
    }

    /// Whether the record is another one by now, or what is under way, or who is at work on it.
    ///
    /// # Errors
    /// The record is gone, or damaged; or the API server's.
    pub async fn is_behind(&self) -> Result<bool, EngineError> {
        let Session { cluster, store, stored, .. } = &self.session;
        let session = Session::of(cluster, store, store.reread(stored).await?).await?;
        let version = |stored: &Stored| stored.object["metadata"]["resourceVersion"].clone();
        Ok(version(&session.stored) != version(stored) || open_operation(&session).await? != self.open)
    }

    /// The observed objects; `None`: there are none.
    pub fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    /// What events say of the Pods that are not ready.
    pub async fn pod_events(&self) -> PodEvents {
        match &self.observer {
            Some(observer) => observer.events_of_unready(&self.session.cluster).await,
            None => PodEvents::new(),
        }
    }
}

/// The operation that has not ended, and the journal that is in force.
async fn open_operation(session: &Session) -> Result<Option<(OpenOperation, Option<Journal>)>, EngineError> {
    let (stored, by, interrupted) = match &session.standing {
        Standing::Free => return Ok(None),
        Standing::Unfinished { operation, interrupted } => (Some((**operation).clone()), None, *interrupted),
        Standing::Busy(holder) => {
            let stored = match session.instance().open_operation() {
                Some(open) => session.store.operation(&open.id).await?,
                None => None,
            };
            (stored, Some(holder.holder.clone()), false)
        }
    };
    let Some(last) = session.instance().open_operation() else { return Ok(None) };
    let Some(stored) = stored else {
        let (id, state) = (last.id.clone(), last.state);
        let open = OpenOperation { id, verb: last.verb, state, interrupted, started: last.time, since: last.time, by };
        return Ok(Some((open, None)));
    };
    let operation = &stored.operation;
    let state = if interrupted { OperationState::FailedTemp } else { operation.operation_state };
    let open = OpenOperation {
        id: operation.id.clone(),
        verb: operation.kubectl_vnf.verb,
        state,
        interrupted,
        started: operation.start_time,
        since: operation.state_entered_time,
        by: by.or_else(|| Some(format!("{} (pid {})", operation.kubectl_vnf.by, operation.kubectl_vnf.by.pid))),
    };
    let journal = stored.rollback.unwrap_or(stored.journal);
    Ok(Some((open, Some(journal))))
}

/// How all VNFs of a namespace, or of all, are.
///
/// The number of requests depends on the kinds of objects and on the packages that are in use, not on how many VNFs
/// there are: one list of the records, one of the locks where an operation is open, one of each kind by the instance
/// label, and each package once.
#[derive(Debug, Default)]
pub struct Overview {
    /// By namespace and name.
    pub statuses: Vec<Status>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

impl Overview {
    /// Reads them.
    ///
    /// # Errors
    /// The records cannot be listed.
    pub async fn read(cluster: &Cluster, namespace: Option<&str>) -> Result<Self, EngineError> {
        let mut overview = Self::default();
        let listed = cluster.list("v1", "ConfigMap", namespace, &format!("{RECORD}=instance")).await;
        let mut instances: Vec<(String, Instance)> = Vec::new();
        for record in
            listed.map_err(StoreError::needed("to read the records of VNF instances, which are ConfigMaps"))?.items
        {
            let place = text(&record, "/metadata/namespace").unwrap_or("").to_owned();
            match Instance::from_config_map(&record) {
                Ok(instance) => instances.push((place, instance)),
                Err(error) => overview.left_out.push(format!("in namespace {place}: {error}")),
            }
        }
        instances.sort_by_key(|(place, instance)| (place.clone(), instance.vnf_instance_name.clone()));
        let running = instances.iter().any(|(_, one)| one.open_operation().is_some_and(|last| last.state.is_running()));
        let alive = async { if running { lock::alive(cluster, namespace).await } else { None } };
        let revisions: Vec<&Revision> = instances.iter().filter_map(|(_, instance)| instance.current()).collect();
        let packages = packages(cluster, &instances);
        let (alive, (objects, unlisted), contents) = futures::join!(alive, objects(cluster, &revisions), packages);
        overview.left_out.extend(unlisted.iter().map(|(kind, why)| format!("{kind}: {why}")));
        let mut live = by_instance(objects);
        let none = PodEvents::new();
        for (place, instance) in &instances {
            let live = live.remove(&instance.id).unwrap_or_default();
            let gone = alive.as_ref().is_some_and(|alive| !alive.contains(&instance.id));
            let open = instance.open_operation().map(|last| OpenOperation {
                id: last.id.clone(),
                verb: last.verb,
                state: if last.state.is_running() && gone { OperationState::FailedTemp } else { last.state },
                interrupted: last.state.is_running() && gone,
                started: last.time,
                since: last.time,
                by: None,
            });
            let empty = Contents::default();
            let (contents, missing) = match contents.get(place) {
                Some((contents, missing)) => (contents, missing.as_slice()),
                None => (&empty, [].as_slice()),
            };
            let open = open.as_ref().map(|open| (open, None));
            let seen = Seen { instance, namespace: place, open, contents, live: &live, events: &none };
            let mut status = status(seen);
            // What may not be listed may well be there.
            status.drift.retain(|one| {
                let kind = &one.drift.object.kind;
                !(one.drift.change == "deleted" && unlisted.contains_key(kind))
            });
            overview.left_out.extend(missing.iter().filter(|_| !status.unknown.is_empty()).cloned());
            overview.statuses.push(status);
        }
        overview.left_out.sort();
        overview.left_out.dedup();
        Ok(overview)
    }
}

/// The packages that the revisions in force point into, by namespace; and why others are not at hand.
async fn packages(cluster: &Cluster, instances: &[(String, Instance)]) -> BTreeMap<String, (Contents, Vec<String>)> {
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (place, instance) in instances {
        let digests = instance.current().map(Revision::packages).unwrap_or_default();
        wanted.entry(place).or_default().extend(digests);
    }
    let of_place = wanted.into_iter().map(|(place, digests)| async move {
        let store = Store::new(cluster.clone(), place);
        let (mut contents, mut missing) = (Contents::default(), Vec::new());
        for package in join_all(digests.into_iter().map(|digest| store.package(digest))).await {
            match package {
                Ok(package) => contents.add(package),
                Err(error) => missing.push(error.to_string()),
            }
        }
        (place.to_owned(), (contents, missing))
    });
    join_all(of_place).await.into_iter().collect()
}

/// Kinds that may not be listed, and why.
type Unlisted = BTreeMap<String, String>;

/// Everything that carries the label of an instance, of the kinds that the revisions name.
async fn objects(cluster: &Cluster, revisions: &[&Revision]) -> (Vec<Value>, Unlisted) {
    let mut kinds: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for state in revisions.iter().flat_map(|revision| &revision.objects) {
        let ObjectRef { api_version, kind, namespace, .. } = &state.reference;
        let place = namespace.clone().unwrap_or_default();
        let mut add = |api_version: &str, kind: &str| {
            kinds.entry((api_version.to_owned(), kind.to_owned())).or_default().insert(place.clone());
        };
        add(api_version, kind);
        match WorkloadKind::of(&state.reference) {
            None => {}
            Some(WorkloadKind::Deployment) => {
                add("apps/v1", "ReplicaSet");
                add("v1", "Pod");
            }
            Some(_) => add("v1", "Pod"),
        }
    }
    let lists = kinds.iter().map(|((api_version, kind), places)| list(cluster, api_version, kind, places));
    let (mut objects, mut unlisted) = (Vec::new(), Unlisted::new());
    for (list, (_, kind)) in join_all(lists).await.into_iter().zip(kinds.keys()) {
        match list {
            Ok(items) => objects.extend(items),
            Err(error) => drop(unlisted.insert(kind.clone(), error.to_string())),
        }
    }
    (objects, unlisted)
}

/// The labelled objects of a kind: with one request, and where that is not allowed with one for each namespace.
async fn list(
    cluster: &Cluster,
    api_version: &str,
    kind: &str,
    places: &BTreeSet<String>,
) -> Result<Vec<Value>, ClusterError> {
    let of = |place: Option<String>| async move {
        match cluster.list(api_version, kind, place.as_deref(), INSTANCE).await {
            // Of a kind that is not served there is no object.
            Err(ClusterError::NotServed { .. }) => Ok(Vec::new()),
            other => other.map(|listing| listing.items),
        }
    };
    let only = places.first().filter(|place| places.len() == 1 && !place.is_empty());
    if let Some(place) = only {
        return of(Some(place.clone())).await;
    }
    match of(None).await {
        Err(error) if error.is_not_allowed() && !places.contains("") => {
            let lists = futures::future::try_join_all(places.iter().map(|place| of(Some(place.clone())))).await?;
            Ok(lists.into_iter().flatten().collect())
        }
        other => other,
    }
}

fn by_instance(objects: Vec<Value>) -> BTreeMap<String, Live> {
    let mut live: BTreeMap<String, Live> = BTreeMap::new();
    for object in objects {
        if let Some(id) = object["metadata"]["labels"][INSTANCE].as_str().map(ToOwned::to_owned) {
            live.entry(id).or_default().put(object);
        }
    }
    live
}
