//! Replacing Pods whose controller does not: those of ReplicaSets and `OnDelete` workloads, those that a heal names,
//! and those that a StatefulSet would wait for for ever.

use super::wait::Look;
use super::{LOOK_AGAIN, Task, generation, observed};
use crate::cluster::{DeleteHow, Eviction, Propagation, Run};
use crate::engine::failure::{Cause, Failure};
use crate::object::health;
use crate::object::pod::{active, is_ready, terminating};
use crate::object::trouble::troubles;
use crate::object::workload::{WorkloadKind, controller_uid, marker_of_pod};
use crate::object::{ObjectRef, uid};
use crate::plan::Live;
use crate::report::event::EventKind;
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::time::Instant;

impl Task<'_> {
    /// Waits until the workload's controller has seen a generation of it.
    pub(super) async fn seen_by_controller(&self, generation: i64) -> Result<(), Failure> {
        let seen = |live: &Live| match live.get(&self.item.object) {
            Some(found) if observed(found) >= generation => Look::Done(String::new()),
            _ => Look::Wait("its controller has not seen the new template yet".into()),
        };
        self.until(seen).await?;
        Ok(())
    }

    /// Gives what stands waiting from an earlier try a new one now: the kubelet's pauses between its tries grow to five
    /// minutes, and a Pod made anew begins with none.
    pub(super) async fn try_again(&self) -> Result<(), Failure> {
        let held: Vec<Value> = {
            let live = self.work.observer.live();
            let held = |pod: &&Value| {
                let waits = || troubles(pod, None).iter().any(|trouble| trouble.container.is_some());
                active(pod) && !is_ready(pod) && controller_uid(pod).is_some() && waits()
            };
            live.pods_of(&self.item.object).into_iter().filter(held).cloned().collect()
        };
        for pod in &held {
            self.delete_pod(pod).await?;
        }
        Ok(())
    }

    /// A StatefulSet waits for ever for a broken Pod of an earlier revision before it replaces it (the "forced
    /// rollback" of Kubernetes' documentation): such Pods are deleted, and come back new.
    pub(super) async fn free_stuck_pods(&self, generation: i64) -> Result<(), Failure> {
        let object = &self.item.object;
        let marker = self.marker();
        let mut deleted: BTreeSet<String> = BTreeSet::new();
        loop {
            self.seen_by_controller(generation).await?;
            let stuck: Vec<Value> = {
                let live = self.work.observer.live();
                let Some(found) = live.get(object) else { return Ok(()) };
                let old = |pod: &&Value| {
                    active(pod)
                        && !is_ready(pod)
                        && marker_of_pod(pod) != marker
                        && !health::below_partition(found, pod)
                        && !deleted.contains(uid(pod))
                };
                live.pods_of(object).into_iter().filter(old).cloned().collect()
            };
            if stuck.is_empty() {
                return Ok(());
            }
            for pod in &stuck {
                self.delete_pod(pod).await?;
                deleted.insert(uid(pod).to_owned());
            }
        }
    }

    /// Replaces Pods once the workload's controller has seen the template: before that, it would make the next ones
    /// from the former one.
    pub(super) async fn replace_under_new_template(&self, old: impl Fn(&Value) -> bool) -> Result<(), Failure> {
        let object = &self.item.object;
        let generation = {
            let live = self.work.observer.live();
            if !live.pods_of(object).into_iter().any(&old) {
                return Ok(());
            }
            live.get(object).map_or(0, generation)
        };
        self.seen_by_controller(generation).await?;
        self.replace_pods(old).await
    }

    /// Replaces the old ones of the workload's Pods. Those that do not serve are deleted at once: a disruption budget
    /// would protect them for ever. Those that serve go one at a time, each only while as many serve as when it all
    /// began, and through the Eviction API, so that disruption budgets hold.
    pub(super) async fn replace_pods(&self, old: impl Fn(&Value) -> bool) -> Result<(), Failure> {
        let object = &self.item.object;
        let (serving, idle, count) = {
            let live = self.work.observer.live();
            let pods: Vec<&Value> = live.pods_of(object).into_iter().filter(|pod| active(pod)).collect();
            let (serving, idle): (Vec<&Value>, Vec<&Value>) =
                pods.iter().filter(|pod| old(pod)).partition(|pod| is_ready(pod));
            let count = pods.iter().filter(|pod| is_ready(pod)).count();
            let cloned = |pods: Vec<&Value>| pods.into_iter().cloned().collect::<Vec<_>>();
            (cloned(serving), cloned(idle), count)
        };
        for pod in &idle {
            self.delete_pod(pod).await?;
        }
        for pod in &serving {
            // A new Pod that dies at its start must not cost the next old one.
            self.stay_up().await?;
            self.until(|live| serves_as_before(live, object, count)).await?;
            let Some(reference) = ObjectRef::of(pod) else { continue };
            self.evict(&reference, uid(pod)).await?;
            self.tell(EventKind::Written(format!("Pod {} is being replaced", reference.name)));
            self.until(|live| match live.get(&reference) {
                Some(found) if uid(found) == uid(pod) && !terminating(found) => {
                    Look::Wait(format!("Pod {} is leaving", reference.name))
                }
                _ => Look::Done(String::new()),
            })
            .await?;
        }
        self.until(|live| serves_as_before(live, object, count)).await?;
        Ok(())
    }

    pub(super) async fn delete_pod(&self, pod: &Value) -> Result<(), Failure> {
        let Some(reference) = ObjectRef::of(pod) else { return Ok(()) };
        let how =
            DeleteHow { uid: Some(uid(pod).to_owned()), propagation: Propagation::Background, ..DeleteHow::default() };
        match self.write(|| self.work.cluster.delete(&reference, &how)).await {
            Ok(_) => self.tell(EventKind::Written(format!("Pod {} is being replaced", reference.name))),
            Err(Cause::Cluster(error)) if error.is_conflict() => {}
            Err(cause) => return Err(self.fail(cause)),
        }
        Ok(())
    }

    /// Evicts a Pod, waiting for as long as a disruption budget forbids it. The UID is compared by a read first: a
    /// failed precondition would be charged to the budget all the same.
    pub(super) async fn evict(&self, pod: &ObjectRef, id: &str) -> Result<(), Failure> {
        let mut told = String::new();
        loop {
            let found = self.read(|| self.work.cluster.get_metadata(pod)).await?;
            if found.is_none_or(|found| uid(&found) != id || terminating(&found)) {
                return Ok(());
            }
            match self.write(|| self.work.cluster.evict(pod, id, Run::Real)).await {
                Ok(Eviction::Accepted | Eviction::Gone) => return Ok(()),
                Ok(Eviction::Blocked(why)) => {
                    let waiting = format!("a disruption budget holds Pod {}: {why}", pod.name);
                    if waiting != told {
                        told.clone_from(&waiting);
                        self.tell(EventKind::Waiting(waiting.clone()));
                    }
                    if Instant::now() >= self.work.deadline {
                        let after = self.work.events.elapsed();
                        return Err(self.fail(Cause::Timeout { after, waiting, evidence: None }));
                    }
                    if *self.shared.halt.borrow() {
                        return Err(self.fail(Cause::Unfinished(waiting)));
                    }
                    self.pause(LOOK_AGAIN).await?;
                }
                // Another Pod under this name, or the server gave way to somebody: the next look tells which.
                Err(Cause::Cluster(error)) if error.is_conflict() && Instant::now() < self.work.deadline => {
                    self.pause(LOOK_AGAIN).await?;
                }
                Err(cause) => return Err(self.fail(cause)),
            }
        }
    }
}

/// Whether as many of the workload's Pods serve as did before, or as many as it wants by now.
pub(super) fn serves_as_before(live: &Live, object: &ObjectRef, before: usize) -> Look {
    let Some(found) = live.get(object) else { return Look::Wait("it is not there".into()) };
    let kind = WorkloadKind::of(object).unwrap_or(WorkloadKind::ReplicaSet);
    let wanted = usize::try_from(health::wanted_pods(found, kind)).unwrap_or(usize::MAX);
    let due = before.min(wanted);
    let ready = live.pods_of(object).into_iter().filter(|pod| active(pod) && is_ready(pod)).count();
    if ready >= due { Look::Ready(String::new()) } else { Look::Unready(format!("{ready} of {due} ready")) }
}
