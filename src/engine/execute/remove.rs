//! Deleting an object with its Pods, and waiting until all of them are gone.

use super::wait::Look;
use super::{LOOK_AGAIN, Task, uid_of};
use crate::cluster::{DeleteHow, Propagation, Run};
use crate::engine::failure::{Cause, Failure};
use crate::engine::tenants;
use crate::object::mask::printable_line;
use crate::object::pod::terminating;
use crate::object::workload::{WorkloadKind, made_metadata};
use crate::object::{ObjectRef, uid};
use crate::plan::ItemState;
use crate::plan::content::{Owner, owner};
use crate::plan::order::Phase;
use crate::plan::patch;
use crate::record::names::HOLD;
use crate::report::event::EventKind;
use futures::future::try_join_all;
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// How often it is tried to change an object that others write too.
const TRIES: usize = 5;
/// So many objects are named of those that are waited for.
const NAMED: usize = 5;

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
                self.tell(EventKind::Done(format!("left alone: {tenant} lives in it, and stays")));
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
        // Who would make another Pod for each that goes, the object first.
        let mut makers: Vec<(ObjectRef, String)> = Vec::new();
        let mut held = false;
        {
            let live = self.work.observer.live();
            if !old.is_empty() && uid_of(&live, object) == old {
                leaving.push((object.clone(), old.to_owned()));
                makers.push((object.clone(), old.to_owned()));
                let sets = live.children(object).into_iter();
                let sets = sets.filter(|child| ["ReplicaSet", "Job"].iter().any(|kind| child["kind"] == *kind));
                makers.extend(sets.filter_map(|set| Some((ObjectRef::of(set)?, uid(set).to_owned()))));
                held = makers.iter().any(|(maker, _)| live.get(maker).is_some_and(is_held));
                for pod in live.pods_of(object).iter().filter(|pod| uid(pod) != old) {
                    leaving.extend(ObjectRef::of(pod).map(|reference| (reference, uid(pod).to_owned())));
                }
            }
            // Pods of a workload that an earlier try has deleted.
            for (name, before) in self.work.journal.snapshot.iter().filter(|(_, before)| before.workload == *object) {
                let pod = ObjectRef::new("v1", "Pod", object.namespace.as_deref(), name);
                let id = &before.snapshot.uid;
                let known = || leaving.iter().any(|(_, leaving)| leaving == id);
                if uid_of(&live, &pod) == *id && !known() {
                    leaving.push((pod, id.clone()));
                }
            }
        }
        let Some((reference, id)) = leaving.first() else { return Ok(()) };
        let makes_pods = object.kind != "Pod"
            && (WorkloadKind::of(object).is_some() || !made_metadata(object).is_empty())
            && !makers.is_empty();
        if makes_pods && (self.work.grace_seconds.is_some() || held) {
            self.delete_each(&makers).await?;
            return self.gone(&leaving).await;
        }
        // What makes Pods and is not watched stays until they are gone; on its way it makes no more of them.
        let outlives = !made_metadata(object).is_empty();
        let propagation = if outlives { Propagation::Foreground } else { Propagation::Background };
        self.delete(reference, id, propagation).await?;
        self.gone(&leaving).await
    }

    /// Deletes what makes Pods, and each of the Pods with the grace period that was asked for: it does not travel through
    /// an owner, and no kubelet shortens one that it has begun. So the makers are held until their Pods have ended, for
    /// the garbage collector would be faster; being deleted, they make no more of them. That they are held shows in
    /// themselves: whoever goes on with it later finds them so.
    async fn delete_each(&self, makers: &[(ObjectRef, String)]) -> Result<(), Failure> {
        let object = &self.item.object;
        for (maker, _) in makers {
            self.hold(maker, true).await?;
        }
        for (maker, id) in makers {
            self.delete(maker, id, Propagation::Background).await?;
        }
        let mut told: BTreeSet<String> = BTreeSet::new();
        loop {
            let pods: Vec<(ObjectRef, String)> = {
                let live = self.work.observer.live();
                let new = live.pods_of(object).into_iter().filter(|pod| !told.contains(uid(pod)));
                new.filter_map(|pod| Some((ObjectRef::of(pod)?, uid(pod).to_owned()))).collect()
            };
            try_join_all(pods.iter().map(|(pod, id)| self.delete(pod, id, Propagation::Background))).await?;
            told.extend(pods.into_iter().map(|(_, id)| id));
            let more = self.until(|live| {
                let pods = live.pods_of(object);
                if pods.iter().any(|pod| !told.contains(uid(pod))) {
                    return Look::Done("more".into());
                }
                let left: Vec<String> =
                    pods.iter().filter_map(|pod| Some(leaving_text(&ObjectRef::of(pod)?, pod))).collect();
                if left.is_empty() {
                    Look::Done(String::new())
                } else {
                    Look::Wait(format!("{} leaving", left.join(", ")))
                }
            });
            if more.await?.is_empty() {
                break;
            }
        }
        for (maker, _) in makers.iter().rev() {
            self.hold(maker, false).await?;
        }
        self.gone(makers).await
    }

    async fn delete(&self, reference: &ObjectRef, id: &str, propagation: Propagation) -> Result<(), Failure> {
        let grace_seconds = self.work.grace_seconds.filter(|_| reference.kind == "Pod");
        let how = DeleteHow { uid: Some(id.to_owned()), grace_seconds, propagation, ..DeleteHow::default() };
        match self.write(|| self.work.cluster.delete(reference, &how)).await {
            Ok(_) => Ok(()),
            Err(Cause::Cluster(error)) if error.is_conflict() => Ok(()),
            Err(cause) => Err(self.fail(cause)),
        }
    }

    /// Holds an object that is about to be deleted, or lets it go.
    async fn hold(&self, object: &ObjectRef, wanted: bool) -> Result<(), Failure> {
        for _ in 0..TRIES {
            let found = self.read(|| self.work.observer.read(self.work.cluster, object)).await?;
            let patch = found.map(|found| patch::finalizer(&found, HOLD, wanted)).unwrap_or_default();
            if patch.is_empty() {
                return Ok(());
            }
            match self.write(|| self.work.cluster.json_patch(object, &patch, Run::Real)).await {
                Ok(_) => return Ok(()),
                Err(Cause::Cluster(error)) if error.is_not_found() => return Ok(()),
                // Written by somebody else in between.
                Err(Cause::Cluster(error)) if error.is_invalid() || error.is_conflict() => {}
                Err(cause) => return Err(self.fail(cause)),
            }
        }
        Err(self.fail(Cause::Unproven("somebody else writes it all the time".into())))
    }

    /// Waits until none of these objects is there any more.
    pub(super) async fn gone(&self, leaving: &[(ObjectRef, String)]) -> Result<(), Failure> {
        let watched = leaving.iter().all(|(reference, _)| WorkloadKind::of(reference).is_some());
        if !watched {
            return self.gone_unwatched().await;
        }
        // Its Pods may be left of an earlier try, when it is gone itself.
        let others: Vec<&ObjectRef> = leaving.iter().map(|(reference, _)| reference).collect();
        self.until_with(&others, |live| {
            let left: Vec<String> = leaving
                .iter()
                .filter(|(reference, id)| uid_of(live, reference) == *id)
                .filter_map(|(reference, _)| Some(leaving_text(reference, live.get(reference)?)))
                .collect();
            match left.len() {
                0 => Look::Done(String::new()),
                1..=NAMED => Look::Wait(format!("{} leaving", left.join(", "))),
                more => Look::Wait(format!("{} and {} more leaving", left[..NAMED].join(", "), more - NAMED)),
            }
        })
        .await?;
        Ok(())
    }

    /// As `gone` for a kind that nothing watches: most are gone with the answer to the deletion. What others hang on is
    /// told once it has lasted.
    pub(super) async fn gone_unwatched(&self) -> Result<(), Failure> {
        let object = &self.item.object;
        let begin = Instant::now();
        let mut told = String::new();
        loop {
            let found = self.read(|| self.work.observer.read(self.work.cluster, object)).await?;
            let Some(found) = found.filter(terminating) else { return Ok(()) };
            let waiting = being_deleted(&found);
            if Instant::now() >= self.work.deadline {
                let after = self.work.events.elapsed();
                return Err(self.fail(Cause::Timeout { after, waiting, evidence: None }));
            }
            if *self.shared.halt.borrow() {
                return Err(self.fail(Cause::Unfinished(waiting)));
            }
            if begin.elapsed() >= LOOK_AGAIN && waiting != told {
                told.clone_from(&waiting);
                self.tell(EventKind::Waiting(waiting));
            }
            self.pause(LOOK_AGAIN).await?;
        }
    }
}

/// An object that is on its way, with who holds it.
fn leaving_text(reference: &ObjectRef, object: &Value) -> String {
    match finalizers(object) {
        names if names.is_empty() => reference.to_string(),
        names => format!("{reference} (held by finalizer {names})"),
    }
}

/// Whether an object waits for its Pods to end.
fn is_held(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|name| name == HOLD))
}

/// How far a deletion is: who holds the object, or what a Namespace or a definition says is left in it.
fn being_deleted(object: &Value) -> String {
    let names = finalizers(object);
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let left = conditions.filter(|one| one["status"] == "True").filter_map(|one| {
        // `Terminating` is a definition's, the others are a Namespace's.
        let tells = matches!(
            one["type"].as_str()?,
            "NamespaceContentRemaining"
                | "NamespaceFinalizersRemaining"
                | "NamespaceDeletionContentFailure"
                | "Terminating"
        );
        one["message"].as_str().filter(|message| tells && !message.is_empty())
    });
    let held = (!names.is_empty()).then(|| format!("held by finalizer {names}"));
    let parts: Vec<String> = held.into_iter().chain(left.map(printable_line)).collect();
    if parts.is_empty() { "being deleted".into() } else { format!("being deleted, {}", parts.join("; ")) }
}

pub(super) fn finalizers(object: &Value) -> String {
    let names = object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    printable_line(&names.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_holds_an_object_is_named() {
        let told = |finalizers: Value, conditions: Value| {
            being_deleted(&json!({"metadata": {"finalizers": finalizers}, "status": {"conditions": conditions}}))
        };
        assert_eq!(told(json!(null), json!(null)), "being deleted");
        assert_eq!(told(json!(["a/b", "c"]), json!([])), "being deleted, held by finalizer a/b, c");
        let conditions = json!([
            {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "all found"},
            {"type": "NamespaceContentRemaining", "status": "True", "message": "widgets.x has 1 resource instances"},
            {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "x/hold in 1 resource instances"},
        ]);
        assert_eq!(
            told(json!([]), conditions),
            "being deleted, widgets.x has 1 resource instances; x/hold in 1 resource instances"
        );
    }
}
