//! Single writes: creating an object, guarded patches, the restart of a bare Pod in place.
//!
//! Every one goes through [`Task::write`]: the lock is checked before it, and what broke on the way is tried again.

use super::{LOOK_AGAIN, Task};
use crate::cluster::{ClusterError, Run};
use crate::engine::failure::{Cause, Failure};
use crate::engine::lock::{LockError, OUTAGE};
use crate::object::apply;
use crate::object::pod::{Snapshot, terminating};
use crate::object::workload::WorkloadKind;
use crate::object::{ObjectRef, text, uid};
use crate::plan::content::{Owner, owner};
use crate::plan::{drift, patch};
use crate::record::names::MANAGER;
use crate::report::event::EventKind;
use serde_json::Value;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// How long the kubelet gets to refresh mounts after a Pod's annotation changed. A restart does not wait for the
/// refresh, and an annotation is what makes it happen now instead of within 90 s (found by experiment).
const REFRESH: Duration = Duration::from_secs(1);
/// How often it is tried to take over what was written of an object, while others write it too.
const ADOPTIONS: usize = 5;
/// Pauses between tries of what the server could not do at the moment.
const RETRIES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1)];

impl Task<'_> {
    pub(super) fn desired(&self) -> Result<Value, Failure> {
        let state = self.state().ok_or_else(|| self.fail(Cause::Unproven("the target has no such object".into())))?;
        self.work.contents.desired(state, self.work.instance_id).map_err(|error| self.fail(error))
    }

    /// One write: the lock is checked, and what broke on the way is tried again.
    pub(super) async fn write<T, F>(&self, request: impl Fn() -> F) -> Result<T, Cause>
    where
        F: Future<Output = Result<T, ClusterError>>,
    {
        self.insist(async || {
            // Never closed, so there always is a permit in the end.
            let _slot = self.shared.slots.acquire().await.ok();
            match self.work.lock.check().await {
                Ok(()) => Ok(request().await?),
                Err(LockError::Cluster(error)) => Err(error.into()),
                Err(lost) => Err(lost.into()),
            }
        })
        .await
    }

    /// One read.
    pub(super) async fn read<T, F>(&self, request: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, ClusterError>>,
    {
        self.insist(async || Ok(request().await?)).await.map_err(|cause| self.fail(cause))
    }

    /// Tries again what broke on the way: a few times where the server answers that it cannot, and for as long as an
    /// API server takes to restart where there is no answer.
    pub(super) async fn insist<T>(&self, attempt: impl AsyncFn() -> Result<T, Cause>) -> Result<T, Cause> {
        let mut pauses = RETRIES.iter();
        let begin = Instant::now();
        let mut told = false;
        loop {
            let error = match attempt().await {
                Err(Cause::Cluster(error)) if error.is_transient() => error,
                other => return other,
            };
            if let Some(pause) = pauses.next() {
                tokio::time::sleep(*pause).await;
                continue;
            }
            let late = begin.elapsed() > OUTAGE || Instant::now() >= self.work.deadline;
            if late || !error.is_outage() {
                return Err(error.into());
            }
            if !std::mem::replace(&mut told, true) {
                self.tell(EventKind::Waiting(error.to_string()));
            }
            self.pause(LOOK_AGAIN).await.map_err(|stopped| stopped.cause)?;
        }
    }

    /// Creates the object. One of ours that is there already is what an earlier try made.
    pub(super) async fn create(&self) -> Result<(), Failure> {
        let desired = self.desired()?;
        for _ in 0..20 {
            let result = self.write(|| self.work.cluster.create(&desired, Run::Real)).await;
            match result {
                Ok(created) => {
                    self.work.observer.put(created);
                    self.tell(EventKind::Written("created".into()));
                    return Ok(());
                }
                Err(Cause::Cluster(error)) if error.is_already_exists() => {
                    let read = self.read(|| self.work.observer.read(self.work.cluster, &self.item.object)).await;
                    let Some(existing) = read? else { continue };
                    match owner(&existing, self.work.instance_id) {
                        Owner::This if !terminating(&existing) => return Ok(()),
                        Owner::This => self.gone(&[(self.item.object.clone(), uid(&existing).to_owned())]).await?,
                        Owner::Other(id) => {
                            return Err(self.fail(Cause::Foreign { owner: format!("VNF instance {id}") }));
                        }
                        Owner::Foreign(by) => {
                            let owner = by.unwrap_or_else(|| "somebody else".into());
                            return Err(self.fail(Cause::Foreign { owner }));
                        }
                    }
                }
                Err(cause) => return Err(self.fail(cause)),
            }
        }
        Err(self.fail(Cause::Unproven("it comes and goes: something else deletes it".into())))
    }

    /// Sends a guarded patch. When the API server refuses it, the object is read again: what the patch was to bring
    /// may be there already (its answer got lost), or somebody has changed the field in between.
    pub(super) async fn patch(&self, patch: &[Value], again: impl Fn(&Value) -> Vec<Value>) -> Result<Value, Failure> {
        let object = &self.item.object;
        let result = self.write(|| self.work.cluster.json_patch(object, patch, Run::Real)).await;
        match result {
            Ok(patched) => {
                self.work.observer.put(patched.clone());
                Ok(patched)
            }
            Err(Cause::Cluster(error)) if error.is_invalid() => {
                let read = self.read(|| self.work.observer.read(self.work.cluster, object)).await;
                let Some(live) = read? else { return Err(self.fail(error)) };
                if again(&live).is_empty() {
                    return Ok(live);
                }
                match patch::mismatches(patch, &live).into_iter().next() {
                    Some((path, expected, found)) => Err(self.fail(changed(object, &live, &path, &expected, &found))),
                    None => Err(self.fail(error)),
                }
            }
            Err(cause) => Err(self.fail(cause)),
        }
    }

    /// Writes the object as a whole: what this program wrote of it before counts as applied, and what it no longer
    /// has goes. Replicas are left to whoever else sets them.
    pub(super) async fn apply(&self) -> Result<(), Failure> {
        let object = &self.item.object;
        let wanted = self.desired()?;
        let mut live = self.read(|| self.work.observer.read(self.work.cluster, object)).await?;
        for _ in 0..ADOPTIONS {
            let Some(found) = &live else { return self.create().await };
            let patch = apply::adopt(found, MANAGER, self.work.overwrite.then_some(&wanted));
            if patch.is_empty() {
                break;
            }
            live = match self.write(|| self.work.cluster.json_patch(object, &patch, Run::Real)).await {
                Ok(patched) => Some(patched),
                // Written by somebody else in between: whatever it is now is taken over.
                Err(Cause::Cluster(error)) if error.is_invalid() || error.is_conflict() => {
                    self.read(|| self.work.observer.read(self.work.cluster, object)).await?
                }
                Err(cause) => return Err(self.fail(cause)),
            };
        }
        let Some(live) = live else { return self.create().await };
        if terminating(&live) {
            // An apply would be taken, and lost.
            self.gone(&[(object.clone(), uid(&live).to_owned())]).await?;
            return self.create().await;
        }
        let mut desired = patch::applicable(wanted, &live);
        // This very object: an apply to one that is gone by now would create it.
        desired["metadata"]["uid"] = uid(&live).into();
        match self.write(|| self.work.cluster.apply(&desired, self.work.overwrite, Run::Real)).await {
            Ok(applied) => {
                self.work.observer.put(applied);
                self.tell(EventKind::Written("applied".into()));
                Ok(())
            }
            Err(cause) => Err(self.fail(cause)),
        }
    }

    /// Writes what is new of a workload.
    pub(super) async fn write_workload(&self, whole: bool, patch: &[Value]) -> Result<(), Failure> {
        if whole { self.apply().await } else { self.patch_workload(patch).await }
    }

    pub(super) async fn patch_workload(&self, patch: &[Value]) -> Result<(), Failure> {
        let Some(kind) = WorkloadKind::of(&self.item.object) else { return Ok(()) };
        if patch.is_empty() {
            return Ok(());
        }
        let images = self.images();
        self.patch(patch, |live| patch::workload(kind, live, &images, self.marker())).await?;
        self.tell(EventKind::Written(self.what()));
        Ok(())
    }

    /// What a restart brings, in a few words.
    pub(super) fn what(&self) -> String {
        let images: Vec<String> = self
            .item
            .reasons
            .iter()
            .filter_map(|reason| match reason {
                crate::record::Reason::Image { before, after, .. } => Some(format!("image {before} -> {after}")),
                _ => None,
            })
            .collect();
        if images.is_empty() { "restart marker set".into() } else { images.join(", ") }
    }

    pub(super) async fn restart_in_place(
        &self,
        mark: &[Value],
        images: &[Value],
        refresh_mounts: bool,
    ) -> Result<(), Failure> {
        let wanted = self.images();
        let marker = self.marker();
        let again = |live: &Value| patch::workload(WorkloadKind::Pod, live, &wanted, marker);
        let patched = if refresh_mounts && !images.is_empty() {
            if !mark.is_empty() {
                self.patch(mark, |live| {
                    let marker = marker.map(|marker| marker.to_string()).unwrap_or_default();
                    patch::annotation(live, "", crate::object::workload::MARKER, &marker)
                })
                .await?;
            }
            self.pause(REFRESH).await?;
            self.patch(images, again).await?
        } else {
            self.patch(&[images, mark].concat(), again).await?
        };
        // The first one counts: what a repeated request returns may have restarted already.
        let _ = self.patched.set(Snapshot::of(&patched));
        self.tell(EventKind::Written(self.what()));
        Ok(())
    }
}

/// Why a guarded patch was refused, with the field's last writer. Values of a Secret are not told.
pub(super) fn changed(object: &ObjectRef, live: &Value, path: &str, expected: &Value, found: &Value) -> Cause {
    let tell = |value: &Value| match value {
        _ if object.kind == "Secret" && !path.starts_with("/metadata/") => "another value".to_owned(),
        Value::Null => "absent".to_owned(),
        Value::String(text) if text.len() > 60 => format!("another value ({} bytes)", text.len()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let container = path.rsplit_once('/').map(|(at, _)| at).and_then(|at| text(live, &format!("{at}/name")));
    let field = match container {
        Some(container) => format!("image of {container}"),
        None => path.rsplit('/').next().unwrap_or(path).replace("~1", "/"),
    };
    let writer = match (container, WorkloadKind::of(object)) {
        (Some(container), Some(kind)) => drift::image_writer(kind, live, container),
        (None, Some(_)) if path == "/spec/replicas" => drift::replicas_writer(live),
        _ => drift::key_writer(live, &field),
    };
    let by = match writer {
        drift::Writer::Foreign(manager, _) => Some(manager),
        drift::Writer::Ours | drift::Writer::Unknown => None,
    };
    Cause::Changed { field, expected: tell(expected), found: tell(found), by }
}
