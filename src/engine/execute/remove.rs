//! Deleting an object with its Pods, and waiting until all of them are gone.

use super::wait::Look;
use super::{LOOK_AGAIN, Task, uid_of};
use crate::cluster::{DeleteHow, Propagation};
use crate::engine::failure::{Cause, Failure};
use crate::engine::tenants;
use crate::object::pod::terminating;
use crate::object::workload::WorkloadKind;
use crate::object::{ObjectRef, uid};
use crate::plan::ItemState;
use crate::plan::content::{Owner, owner};
use crate::plan::order::Phase;
use crate::report::event::EventKind;
use serde_json::Value;
use tokio::time::Instant;

impl Task<'_> {
    pub(super) async fn delete_item(&self) -> Result<(), Failure> {
        if self.item.state == ItemState::Done {
            return Ok(());
        }
        if *self.work.stop.borrow() {
            return Err(self.fail(Cause::Interrupted));
        }
        let live = self.work.observer.live().get(&self.item.object).cloned();
        let Some(live) = live else { return Ok(()) };
        if owner(&live, self.work.instance_id) != Owner::This {
            self.tell(EventKind::Done("is not this instance's any more: left alone".into()));
            return Ok(());
        }
        if self.item.phase == Phase::Ground {
            let tenant = tenants::foreign(self.work.cluster, &live, self.work.instance_id).await;
            if let Some(tenant) = tenant.map_err(|error| self.fail(error))? {
                self.tell(EventKind::Done(format!("left alone: {tenant} lives in it and is not this instance's")));
                return Ok(());
            }
        }
        self.delete_and_wait(uid(&live)).await?;
        self.tell(EventKind::Done("deleted".into()));
        Ok(())
    }

    /// Deletes the object of this UID with its Pods, and waits until all of them are gone. An empty UID, or another
    /// object under the name, is nothing to delete.
    pub(super) async fn delete_and_wait(&self, old: &str) -> Result<(), Failure> {
        let object = &self.item.object;
        let mut leaving: Vec<(ObjectRef, String)> = Vec::new();
        // Who would make another Pod for each that goes.
        let mut makers: Vec<(ObjectRef, String)> = Vec::new();
        {
            let live = self.work.observer.live();
            if !old.is_empty() && uid_of(&live, object) == old {
                leaving.push((object.clone(), old.to_owned()));
                makers.push((object.clone(), old.to_owned()));
                let sets = live.children(object).into_iter().filter(|child| child["kind"] == "ReplicaSet");
                makers.extend(sets.filter_map(|set| Some((ObjectRef::of(set)?, uid(set).to_owned()))));
                for pod in live.pods_of(object).iter().filter(|pod| uid(pod) != old) {
                    leaving.extend(ObjectRef::of(pod).map(|reference| (reference, uid(pod).to_owned())));
                }
            }
            // Pods of a workload that an earlier try has deleted.
            for (name, before) in &self.work.journal.snapshot {
                let pod = ObjectRef::new("v1", "Pod", object.namespace.as_deref(), name);
                let id = &before.snapshot.uid;
                let known = || leaving.iter().any(|(_, leaving)| leaving == id);
                if before.workload == *object && uid_of(&live, &pod) == *id && !known() {
                    leaving.push((pod, id.clone()));
                }
            }
        }
        if leaving.is_empty() {
            return Ok(());
        }
        // A grace period does not travel through an owner: each Pod is told of it.
        let tell_each = self.work.grace_seconds.is_some();
        for (reference, id) in leaving.iter().take(if tell_each { leaving.len() } else { 1 }) {
            let is_pod = reference.kind == "Pod";
            let how = DeleteHow {
                uid: Some(id.clone()),
                grace_seconds: self.work.grace_seconds.filter(|_| is_pod),
                propagation: Propagation::Background,
                ..DeleteHow::default()
            };
            match self.write(|| self.work.cluster.delete(reference, &how)).await {
                Ok(_) => {}
                Err(Cause::Cluster(error)) if error.is_conflict() => {}
                Err(cause) => return Err(self.fail(cause)),
            }
            if tell_each && !is_pod {
                self.gone(&makers).await?;
            }
        }
        self.gone(&leaving).await
    }

    /// Waits until none of these objects is there any more.
    pub(super) async fn gone(&self, leaving: &[(ObjectRef, String)]) -> Result<(), Failure> {
        let watched = leaving.iter().all(|(reference, _)| WorkloadKind::of(reference).is_some());
        if !watched {
            return self.gone_unwatched().await;
        }
        self.until(|live| {
            let left: Vec<String> = leaving
                .iter()
                .filter(|(reference, id)| uid_of(live, reference) == *id)
                .map(|(reference, _)| match live.get(reference).map(finalizers).filter(|names| !names.is_empty()) {
                    Some(names) => format!("{reference} (held by finalizer {names})"),
                    None => reference.to_string(),
                })
                .collect();
            if left.is_empty() { Look::Done(String::new()) } else { Look::Wait(format!("{} leaving", left.join(", "))) }
        })
        .await?;
        Ok(())
    }

    /// As `gone` for a kind that nothing watches: most are gone with the answer to the deletion.
    pub(super) async fn gone_unwatched(&self) -> Result<(), Failure> {
        let object = &self.item.object;
        loop {
            let found = self.read(|| self.work.observer.read(self.work.cluster, object)).await?;
            let Some(found) = found.filter(terminating) else { return Ok(()) };
            if Instant::now() >= self.work.deadline {
                let after = self.work.events.elapsed();
                let waiting = format!("being deleted, held by finalizer {}", finalizers(&found));
                return Err(self.fail(Cause::Timeout { after, waiting, evidence: None }));
            }
            if *self.shared.halt.borrow() {
                return Err(self.fail(Cause::Unfinished("being deleted".into())));
            }
            self.pause(LOOK_AGAIN).await?;
        }
    }
}

pub(super) fn finalizers(object: &Value) -> String {
    let names = object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}
