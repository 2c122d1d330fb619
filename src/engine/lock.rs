//! The lock on an instance: a Lease, held while an operation writes.
//!
//! Expiry is judged in server time only: the `Date` of the response against the time that the API server itself
//! recorded in the Lease's managedFields. So machines whose clocks are wrong agree. Before every write the holder
//! looks how long ago its last renewal was, on a clock that goes on while the machine sleeps: over half the duration,
//! and it renews first; a conflict there means that somebody else has taken over. A write that then waits for its
//! turn until the Lease may have run out is held back by a [`Fence`].

use crate::cluster::{Cluster, ClusterError, DeleteHow, Fence, Moment, Run};
use crate::object::{ObjectRef, text, uid};
use crate::record::instance::owner_reference;
use crate::record::names::{self, MANAGED_BY, MANAGER};
use crate::record::operation::By;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// How long a Lease lives without renewal.
pub const DURATION: Duration = Duration::from_secs(15);
/// How often its holder renews it.
const RENEWAL: Duration = Duration::from_secs(5);
/// For how long the server may be out of reach: a restart, a network that comes back.
pub const OUTAGE: Duration = Duration::from_secs(60);
/// For how long after a renewal a write may still be sent: it has to arrive before the Lease runs out.
const WRITES: Duration = Duration::from_secs(10);

/// Why the lock could not be taken or kept.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it.
    #[error("it is held by {}", .0.holder)]
    Busy(Holder),
    /// It was held by us, and somebody else has taken it since.
    #[error("the lock was lost: {0} took it over while this process did not renew it; nothing more was written")]
    Lost(String),
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// `admin@jump1 (pid 4711)`.
    pub holder: String,
    /// What for: `update 7c1e03b9`.
    pub purpose: String,
    /// Server time of the last renewal.
    pub renewed: Option<Timestamp>,
    /// Server time at which it took the lock.
    pub since: Option<Timestamp>,
    /// Server time of this look.
    pub seen: Timestamp,
    /// How long until it runs out, unless it is renewed.
    pub left: Duration,
}

/// A held lock. Dropping it without [`Lock::release`] lets the Lease run out.
#[derive(Debug)]
pub struct Lock {
    shared: Arc<Shared>,
    renewal: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    cluster: Cluster,
    reference: ObjectRef,
    fence: Fence,
    /// Who has taken the lock over.
    lost: watch::Sender<Option<String>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lease: Value,
    renewed: Moment,
}

/// Purpose of the holder, as an annotation of the Lease.
const PURPOSE: &str = "kubectl-vnf/purpose";
/// Annotation with a random id of the holding process: user, host and pid can be the same in two containers.
const TOKEN: &str = "kubectl-vnf/holder-token";

/// Who holds the lock of an instance at this moment; `None`: nobody, or it has run out.
///
/// # Errors
/// The API server's.
pub async fn holder(cluster: &Cluster, namespace: &str, instance_id: &str) -> Result<Option<Holder>, ClusterError> {
    let lease = cluster.get(&names::lease(namespace, instance_id)).await?;
    Ok(lease.and_then(|lease| read(cluster, &lease)))
}

/// How an operation is shown whose process is gone without a word.
pub const INTERRUPTED: &str = "FAILED_TEMP (interrupted)";

/// Ids of the instances in a namespace, or in all, whose lock is held at this moment. `None`: who asks may not know.
pub async fn alive(cluster: &Cluster, namespace: Option<&str>) -> Option<BTreeSet<String>> {
    let leases = cluster.list("coordination.k8s.io/v1", "Lease", namespace, names::INSTANCE).await.ok()?;
    let held = leases.items.iter().filter(|lease| read(cluster, lease).is_some());
    Some(
        held.filter_map(|lease| lease["metadata"]["labels"][names::INSTANCE].as_str().map(ToOwned::to_owned)).collect(),
    )
}

/// The holder of a Lease that has not run out.
fn read(cluster: &Cluster, lease: &Value) -> Option<Holder> {
    let renewed = server_write_time(lease);
    let seen = cluster.now();
    let age =
        renewed.map_or(DURATION, |renewed| Duration::try_from(seen.duration_since(renewed)).unwrap_or(Duration::ZERO));
    // Both times have a resolution of one second: a Lease is never taken for expired too early.
    let left = (DURATION + Duration::from_secs(1)).checked_sub(age)?;
    if left.is_zero() {
        return None;
    }
    Some(Holder {
        holder: text(lease, "/spec/holderIdentity").unwrap_or("somebody").to_owned(),
        purpose: lease["metadata"]["annotations"][PURPOSE].as_str().unwrap_or("an operation").to_owned(),
        renewed,
        since: text(lease, "/spec/acquireTime").and_then(|time| time.parse().ok()),
        seen,
        left,
    })
}

/// Which process holds it.
fn token(lease: &Value) -> Option<&str> {
    lease["metadata"]["annotations"][TOKEN].as_str()
}

/// The newest time that the API server noted for a write of the object.
fn server_write_time(object: &Value) -> Option<Timestamp> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    entries.iter().filter_map(|entry| text(entry, "/time")?.parse().ok()).max()
}

impl Lock {
    /// Takes the lock, also from a holder whose Lease has run out.
    ///
    /// # Errors
    /// [`LockError::Busy`] when somebody holds it.
    pub async fn acquire(
        cluster: &Cluster,
        namespace: &str,
        instance_id: &str,
        record: Option<&Value>,
        by: &By,
        purpose: &str,
    ) -> Result<Self, LockError> {
        let cluster = &cluster.unfenced().insisting();
        let reference = names::lease(namespace, instance_id);
        let mut lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": reference.name,
                "namespace": namespace,
                "labels": {MANAGED_BY: MANAGER, names::INSTANCE: instance_id},
                "annotations": {PURPOSE: purpose, TOKEN: uuid::Uuid::new_v4().to_string()},
            },
            "spec": {
                "holderIdentity": format!("{by} (pid {})", by.pid),
                "leaseDurationSeconds": DURATION.as_secs(),
                "acquireTime": micro_time(cluster.now()),
                "renewTime": micro_time(cluster.now()),
            },
        });
        if let Some(record) = record {
            lease["metadata"]["ownerReferences"] = json!([owner_reference(record)]);
        }
        for _ in 0..3 {
            let renewed = Moment::now();
            let written = match cluster.create(&lease, Run::Real).await {
                Ok(written) => written,
                Err(error) if error.is_already_exists() => {
                    let Some(existing) = cluster.get(&reference).await? else { continue };
                    if token(&existing) == token(&lease) {
                        // An earlier try took it, and its answer got lost.
                        existing
                    } else if let Some(holder) = read(cluster, &existing) {
                        return Err(LockError::Busy(holder));
                    } else {
                        let mut takeover = lease.clone();
                        takeover["metadata"]["resourceVersion"] = existing["metadata"]["resourceVersion"].clone();
                        match cluster.replace(&takeover).await {
                            Ok(written) => written,
                            Err(error) if error.is_conflict() || error.is_not_found() => continue,
                            Err(error) => return Err(error.into()),
                        }
                    }
                }
                Err(error) => {
                    if error.is_transient() && !error.is_unsent() {
                        // The server may have done it all the same, and nobody would hold what nobody could take.
                        give_back(cluster, &reference, &lease).await;
                    }
                    return Err(error.into());
                }
            };
            lease = written;
            return Ok(Self::held(cluster.clone(), reference, lease, renewed));
        }
        let holder = holder(cluster, namespace, instance_id).await?;
        Err(LockError::Busy(holder.unwrap_or(Holder {
            holder: "somebody".into(),
            purpose: "an operation".into(),
            renewed: None,
            since: None,
            seen: cluster.now(),
            left: DURATION,
        })))
    }

    fn held(cluster: Cluster, reference: ObjectRef, lease: Value, renewed: Moment) -> Self {
        let fence = Fence::new(WRITES);
        fence.open(renewed);
        let state = Mutex::new(State { lease, renewed });
        let shared = Arc::new(Shared { cluster, reference, fence, lost: watch::Sender::new(None), state });
        let renewer = Arc::clone(&shared);
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                // A failure is met again, and reported, before the next write.
                let _ = renewer.renew(&mut *renewer.state.lock().await).await;
            }
        });
        Self { shared, renewal }
    }

    /// The cluster, to which nothing is written unless the lock is certainly still held at that moment.
    pub fn fenced(&self) -> Cluster {
        self.shared.cluster.fenced(self.shared.fence.clone())
    }

    /// To be called before every write: returns once the lock is certainly still held.
    ///
    /// # Errors
    /// [`LockError::Lost`]: write nothing more.
    pub async fn check(&self) -> Result<(), LockError> {
        let mut state = self.shared.state.lock().await;
        if let Some(by) = &*self.shared.lost.borrow() {
            return Err(LockError::Lost(by.clone()));
        }
        if state.renewed.age() > DURATION / 2 { self.shared.renew(&mut state).await } else { Ok(()) }
    }

    /// As [`Lock::check`], for the one write that ends an operation: it waits for as long as the server may be out of
    /// reach.
    ///
    /// # Errors
    /// As [`Lock::check`].
    pub async fn check_patiently(&self) -> Result<(), LockError> {
        let begin = Moment::now();
        loop {
            match self.check().await {
                Err(LockError::Cluster(error)) if error.is_outage() && begin.age() < OUTAGE => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                other => return other,
            }
        }
    }

    /// Returns when somebody else has taken the lock over, as soon as a renewal shows it.
    pub async fn lost(&self) -> LockError {
        let mut lost = self.shared.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(by) => LockError::Lost(by.clone().unwrap_or_default()),
            // The sender lives as long as the lock.
            Err(_) => std::future::pending().await,
        }
    }

    /// Gives the lock back. A Lease that somebody else has taken over is left alone.
    pub async fn release(self) {
        // A renewal under way ends first: cut off, it could still move the version that the deletion names, and the
        // Lease would block the next command until it runs out.
        let state = self.shared.state.lock().await;
        self.renewal.abort();
        self.shared.fence.shut();
        if self.shared.lost.borrow().is_some() {
            return;
        }
        let (cluster, reference) = (&self.shared.cluster, &self.shared.reference);
        // When this fails the Lease runs out by itself.
        if delete(cluster, reference, &state.lease).await.is_err_and(|error| error.is_conflict()) {
            give_back(cluster, reference, &state.lease).await;
        }
    }
}

/// Deletes a Lease in this version.
async fn delete(cluster: &Cluster, reference: &ObjectRef, lease: &Value) -> Result<bool, ClusterError> {
    let how = DeleteHow {
        uid: Some(uid(lease).to_owned()),
        resource_version: text(lease, "/metadata/resourceVersion").map(ToOwned::to_owned),
        ..DeleteHow::default()
    };
    cluster.delete(reference, &how).await
}

/// Deletes a Lease, if it is ours, in whatever version it is: an answer that got lost may have told of another one.
async fn give_back(cluster: &Cluster, reference: &ObjectRef, ours: &Value) {
    if let Ok(Some(now)) = cluster.get(reference).await
        && token(&now) == token(ours)
    {
        let _ = delete(cluster, reference, &now).await;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Shared {
    async fn renew(&self, state: &mut State) -> Result<(), LockError> {
        // Twice: a renewal whose answer got lost has moved the version, and the Lease is still ours.
        for _ in 0..2 {
            let renewed = Moment::now();
            let mut lease = state.lease.clone();
            lease["spec"]["renewTime"] = micro_time(self.cluster.now()).into();
            if let Some(metadata) = lease["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
            match self.cluster.replace(&lease).await {
                Ok(written) => {
                    state.lease = written;
                    state.renewed = renewed;
                    self.fence.open(renewed);
                    return Ok(());
                }
                Err(error) if error.is_conflict() || error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
            let now = self.cluster.get(&self.reference).await?;
            match now {
                Some(now) if uid(&now) == uid(&state.lease) && token(&now) == token(&state.lease) => state.lease = now,
                now => {
                    let holder = now.as_ref().and_then(|lease| text(lease, "/spec/holderIdentity"));
                    let by = holder.unwrap_or("somebody").to_owned();
                    self.fence.shut();
                    self.lost.send_replace(Some(by.clone()));
                    return Err(LockError::Lost(by));
                }
            }
        }
        Err(LockError::Lost("somebody".into()))
    }
}

/// A time as the API's `MicroTime` wants it.
fn micro_time(time: Timestamp) -> String {
    format!("{time:.6}")
}
