//! Carrying items out: phase by phase, the items of a phase in parallel, waiting for what changed and only for that.
//!
//! Every write goes through `Task::write`: the lock is checked before it, and what broke on the way is tried
//! again where that is safe. Every wait goes through `Task::until`, which also watches for trouble, time and stop.

use super::events::Events;
use super::evidence;
use super::failure::{Cause, Failure};
use super::lock::Lock;
use super::observe::Observer;
use super::tenants;
use crate::cluster::{Cluster, ClusterError, DeleteHow, Eviction, PARALLEL_REQUESTS, Propagation, Run};
use crate::object::health::{self, Readiness};
use crate::object::mask::Mask;
use crate::object::pod::{Snapshot, active, is_ready, terminating};
use crate::object::trouble::patience::Patient;
use crate::object::workload::{WorkloadKind, marker_of_pod};
use crate::object::{ObjectRef, text, uid};
use crate::plan::content::{Owner, owner};
use crate::plan::order::{Phase, is_custom};
use crate::plan::{Contents, Item, ItemState, Live, Step, changed_images, drift, patch, ready};
use crate::record::{Journal, ObjectState, Verb};
use crate::report::event::EventKind;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long others may go on once one item has failed: enough to say how they ended, not enough to keep a user
/// waiting for the bad news.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How long the kubelet gets to refresh mounts after a Pod's annotation changed. A restart does not wait for the
/// refresh, and an annotation is what makes it happen now instead of within 90 s (found by experiment).
const REFRESH: Duration = Duration::from_secs(1);
/// Pauses between tries of a write that broke on its way.
const RETRIES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1)];
/// How long a state must last to be told.
const TELL_AFTER: Duration = Duration::from_secs(1);
/// How often a blocked eviction, or a deletion that nothing watches, is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What executing needs.
pub struct Work<'a> {
    /// The API server.
    pub cluster: &'a Cluster,
    /// The lock, held.
    pub lock: &'a Lock,
    /// The live objects.
    pub observer: &'a Observer,
    /// Packages of both revisions.
    pub contents: &'a Contents,
    /// The instance.
    pub instance_id: &'a str,
    /// What is being done.
    pub verb: Verb,
    /// Revisions, scope and snapshot.
    pub journal: &'a Journal,
    /// Secret values that must not show.
    pub mask: &'a Mask,
    /// Where to tell what happens.
    pub events: &'a Events,
    /// Turns true when the user asks to stop.
    pub stop: watch::Receiver<bool>,
    /// When the time for the whole operation is up.
    pub deadline: Instant,
    /// Grace period of deleted Pods, in seconds; `None`: each Pod's own.
    pub grace_seconds: Option<u32>,
    /// Workloads one after the other.
    pub one_by_one: bool,
}

/// What the tasks of one execution share.
struct Shared {
    /// Turns true when another item has failed and the others have had their time.
    halt: watch::Sender<bool>,
    /// Turns true with the first failure: nothing new is started.
    failed: watch::Sender<bool>,
    /// One for each write under way: the lock is checked when a write can go out at once, not while it queues.
    slots: Semaphore,
}

struct Task<'a> {
    work: &'a Work<'a>,
    shared: &'a Shared,
    item: &'a Item,
    /// A bare Pod at the moment of its patch: what its restart is proven against.
    patched: OnceLock<Snapshot>,
}

/// Carries out the items. What went wrong is returned; nothing: all items are done.
pub async fn execute(work: &Work<'_>, items: &[Item]) -> Vec<Failure> {
    let shared = Shared {
        halt: watch::Sender::new(false),
        failed: watch::Sender::new(false),
        slots: Semaphore::new(PARALLEL_REQUESTS),
    };
    let mut failures = Vec::new();
    let tasks: Vec<Task<'_>> =
        items.iter().map(|item| Task { work, shared: &shared, item, patched: OnceLock::new() }).collect();
    let (deletions, others): (Vec<&Task<'_>>, Vec<&Task<'_>>) =
        tasks.iter().partition(|task| task.item.step == Step::Delete);
    // What others need is written first; who reads it, or acts on it, comes together in the end.
    for phase in [Phase::Ground, Phase::Rules, Phase::Support] {
        let of_phase = others.iter().filter(|task| task.item.phase == phase);
        let all = of_phase.map(|task| async move {
            task.write_item().await?;
            if phase == Phase::Ground { task.settle().await } else { Ok(()) }
        });
        run(all, &shared, &mut failures).await;
        if !failures.is_empty() {
            return failures;
        }
        if phase == Phase::Ground && others.iter().any(|task| task.item.phase == phase) {
            // Kinds that were not served a moment ago are now.
            work.cluster.forget_discovery().await;
        }
    }
    let last = others.iter().filter(|task| task.item.phase >= Phase::Support);
    let last = last.map(|task| async move {
        // Support objects are written already: what is left of them is to wait.
        if task.item.phase > Phase::Support {
            task.write_item().await?;
        }
        task.settle().await
    });
    if work.one_by_one {
        for task in last {
            run(std::iter::once(task), &shared, &mut failures).await;
        }
    } else {
        run(last, &shared, &mut failures).await;
    }
    let (custom, others): (Vec<&Task<'_>>, Vec<&Task<'_>>) =
        deletions.into_iter().partition(|task| is_custom(&task.item.object));
    run(custom.iter().map(|task| task.delete_item()), &shared, &mut failures).await;
    for phase in [Phase::Guards, Phase::Workloads, Phase::Support, Phase::Rules, Phase::Ground] {
        if !failures.is_empty() {
            break;
        }
        let of_phase = others.iter().filter(|task| task.item.phase == phase);
        run(of_phase.map(|task| task.delete_item()), &shared, &mut failures).await;
    }
    failures
}

/// Runs tasks in parallel; after the first failure the others have [`AFTER_FAILURE`] to come to an end.
async fn run(
    tasks: impl Iterator<Item = impl Future<Output = Result<(), Failure>>>,
    shared: &Shared,
    failures: &mut Vec<Failure>,
) {
    let mut running: FuturesUnordered<_> = tasks.collect();
    let mut halt_at: Option<Instant> = None;
    loop {
        let next = match halt_at {
            Some(at) => tokio::select! {
                next = running.next() => next,
                () = tokio::time::sleep_until(at) => {
                    shared.halt.send_replace(true);
                    halt_at = None;
                    continue;
                }
            },
            None => running.next().await,
        };
        match next {
            Some(Ok(())) => {}
            Some(Err(failure)) => {
                let first = !shared.failed.send_replace(true);
                if first {
                    halt_at = Some(Instant::now() + AFTER_FAILURE);
                }
                failures.push(failure);
            }
            None => return,
        }
    }
}

impl Task<'_> {
    fn tell(&self, kind: EventKind) {
        self.work.events.send(&self.item.object, self.item.vdu.as_deref(), kind);
    }

    fn fail(&self, cause: impl Into<Cause>) -> Failure {
        let cause = cause.into();
        if !cause.is_consequence() {
            self.tell(EventKind::Failed(cause.to_string()));
        }
        Failure { object: self.item.object.clone(), vdu: self.item.vdu.clone(), cause }
    }

    fn state(&self) -> Option<&ObjectState> {
        self.work.journal.target.as_ref()?.object(&self.item.object)
    }

    fn marker(&self) -> Option<u64> {
        self.state().and_then(|state| state.marker)
    }

    /// The marker that tells the Pods of a new template from old ones; `None`: any Pod will do.
    fn marker_of_new_pods(&self) -> Option<u64> {
        match &self.item.step {
            Step::RollOut { .. } | Step::ReplacePods { .. } => self.marker(),
            _ => None,
        }
    }

    /// Images that the item's restart brings, by container.
    fn images(&self) -> BTreeMap<String, String> {
        let affected = self.work.journal.scope.affected(&self.item.object);
        affected.map(changed_images).unwrap_or_default()
    }

    /// The item's writes, with the waits that lie between them.
    async fn write_item(&self) -> Result<(), Failure> {
        if self.item.state != ItemState::ToDo {
            return Ok(());
        }
        if *self.work.stop.borrow() {
            return Err(self.fail(Cause::Interrupted));
        }
        if *self.shared.failed.borrow() {
            return Err(self.fail(Cause::Unfinished("not begun".into())));
        }
        match &self.item.step {
            Step::Create => self.create().await,
            Step::Config { keys, replace, patch } => {
                let keys: Vec<&str> = keys.iter().map(|key| key.key.as_str()).collect();
                if replace.is_some() {
                    let old = uid_of(&self.work.observer.live(), &self.item.object);
                    self.delete_and_wait(&old).await?;
                    self.create().await
                } else {
                    let wanted = self.desired()?;
                    self.patch(patch, |live| patch::data(live, &wanted)).await?;
                    self.tell(EventKind::Written(format!("written: {}", keys.join(", "))));
                    Ok(())
                }
            }
            Step::RollOut { patch } => self.patch_workload(patch).await,
            Step::ReplacePods { patch } => {
                if !patch.is_empty() {
                    self.patch_workload(patch).await?;
                }
                self.replace_old_pods().await
            }
            Step::InPlace { mark, patch, refresh_mounts } => self.restart_in_place(mark, patch, *refresh_mounts).await,
            Step::Recreate { uid, .. } => {
                self.delete_and_wait(uid).await?;
                self.create().await
            }
            Step::Respawn { pods } => self.respawn(pods).await,
            Step::Delete => Ok(()),
        }
    }

    /// Waits until the object is what it should be.
    async fn settle(&self) -> Result<(), Failure> {
        if self.item.state == ItemState::Done {
            return Ok(());
        }
        let object = &self.item.object;
        let restarted: BTreeSet<String> = match &self.item.step {
            Step::InPlace { .. } => self.images().into_keys().collect(),
            _ => BTreeSet::new(),
        };
        let marker = self.marker_of_new_pods();
        let generation = self.work.observer.live().get(object).map_or(0, generation);
        if WorkloadKind::of(object).is_none() {
            let ready =
                self.work.observer.live().get(object).is_some_and(|found| health::object_ready(found).is_ready());
            if ready {
                return Ok(());
            }
            let follow = self.work.observer.follow_kind(self.work.cluster, object).await;
            follow.map_err(|error| self.fail(error))?;
        }
        if matches!(self.item.step, Step::RollOut { .. }) && object.kind == "StatefulSet" {
            self.free_stuck_pods(generation).await?;
        }
        let done = self
            .until(|live| {
                let Some(found) = live.get(object) else { return Look::Wait("it is not there".into()) };
                let before = self.work.journal.snapshot.get(&object.name).map(|before| &before.snapshot);
                let before = before.filter(|before| before.uid == uid(found));
                // What the patch found is the better witness: the old container may have restarted by itself before.
                let witness = self.patched.get().filter(|patched| patched.uid == uid(found)).or(before);
                let readiness = match witness {
                    Some(witness) if !restarted.is_empty() => {
                        health::pod_restarted(found, witness, &restarted, generation)
                    }
                    _ => ready(live, object, found, marker),
                };
                match readiness {
                    Readiness::Ready => Look::Done(summary(live, object, before)),
                    Readiness::Waiting(why) => Look::Wait(why),
                    Readiness::Failed(why) => Look::Fail(why),
                }
            })
            .await?;
        if WorkloadKind::of(object).is_some() || self.item.phase == Phase::Ground {
            self.tell(EventKind::Done(done));
        }
        Ok(())
    }

    /// Waits until the workload's controller has seen a generation of it.
    async fn seen_by_controller(&self, generation: i64) -> Result<(), Failure> {
        let seen = |live: &Live| match live.get(&self.item.object) {
            Some(found) if observed(found) >= generation => Look::Done(String::new()),
            _ => Look::Wait("its controller has not seen the new template yet".into()),
        };
        self.until(seen).await?;
        Ok(())
    }

    /// A StatefulSet waits for ever for a broken Pod of an earlier revision before it replaces it (the "forced
    /// rollback" of Kubernetes' documentation): such Pods are deleted, and come back new.
    async fn free_stuck_pods(&self, generation: i64) -> Result<(), Failure> {
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

    fn desired(&self) -> Result<Value, Failure> {
        let state = self.state().ok_or_else(|| self.fail(Cause::Unproven("the target has no such object".into())))?;
        self.work.contents.desired(state, self.work.instance_id).map_err(|error| self.fail(error))
    }

    /// One write: the lock is checked, and what broke on the way is tried again.
    async fn write<T, F>(&self, mut request: impl FnMut() -> F) -> Result<T, Cause>
    where
        F: Future<Output = Result<T, ClusterError>>,
    {
        let mut pauses = RETRIES.iter();
        loop {
            // Never closed, so there always is a permit in the end.
            let slot = self.shared.slots.acquire().await.ok();
            self.work.lock.check().await?;
            let answer = request().await;
            drop(slot);
            match answer {
                Err(error) if error.is_transient() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(error.into()),
                },
                other => return Ok(other?),
            }
        }
    }

    /// Creates the object. One of ours that is there already is what an earlier try made.
    async fn create(&self) -> Result<(), Failure> {
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
                    let read = self.work.observer.read(self.work.cluster, &self.item.object).await;
                    let Some(existing) = read.map_err(|error| self.fail(error))? else { continue };
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
    async fn patch(&self, patch: &[Value], again: impl Fn(&Value) -> Vec<Value>) -> Result<Value, Failure> {
        let object = &self.item.object;
        let result = self.write(|| self.work.cluster.json_patch(object, patch, Run::Real)).await;
        match result {
            Ok(patched) => {
                self.work.observer.put(patched.clone());
                Ok(patched)
            }
            Err(Cause::Cluster(error)) if error.is_invalid() => {
                let read = self.work.observer.read(self.work.cluster, object).await;
                let Some(live) = read.map_err(|error| self.fail(error))? else { return Err(self.fail(error)) };
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

    async fn patch_workload(&self, patch: &[Value]) -> Result<(), Failure> {
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
    fn what(&self) -> String {
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

    async fn restart_in_place(&self, mark: &[Value], images: &[Value], refresh_mounts: bool) -> Result<(), Failure> {
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

    /// Sleeps, unless the user asks to stop.
    async fn pause(&self, duration: Duration) -> Result<(), Failure> {
        let mut stop = self.work.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(duration) => Ok(()),
            Ok(_) = stop.wait_for(|stop| *stop) => Err(self.fail(Cause::Interrupted)),
        }
    }

    /// Replaces the Pods of a ReplicaSet that carry another marker than the template, one at a time.
    async fn replace_old_pods(&self) -> Result<(), Failure> {
        let object = &self.item.object;
        let marker = self.marker();
        let generation = self.work.observer.live().get(object).map_or(0, generation);
        // A controller that has not seen the new template yet would replace a Pod by another old one.
        self.seen_by_controller(generation).await?;
        self.replace_pods(|pod| marker_of_pod(pod) != marker).await
    }

    /// Replaces the named Pods.
    async fn respawn(&self, pods: &[String]) -> Result<(), Failure> {
        self.replace_pods(|pod| pods.iter().any(|old| old == uid(pod))).await
    }

    /// Replaces the old ones of the workload's Pods. Those that do not serve are deleted at once: a disruption budget
    /// would protect them for ever. Those that serve go one at a time, each only while as many serve as when it all
    /// began, and through the Eviction API, so that disruption budgets hold.
    async fn replace_pods(&self, old: impl Fn(&Value) -> bool) -> Result<(), Failure> {
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

    async fn delete_pod(&self, pod: &Value) -> Result<(), Failure> {
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
    async fn evict(&self, pod: &ObjectRef, id: &str) -> Result<(), Failure> {
        loop {
            let found = self.work.cluster.get_metadata(pod).await.map_err(|error| self.fail(error))?;
            if found.is_none_or(|found| uid(&found) != id || terminating(&found)) {
                return Ok(());
            }
            match self.write(|| self.work.cluster.evict(pod, id, Run::Real)).await {
                Ok(Eviction::Accepted | Eviction::Gone) => return Ok(()),
                Ok(Eviction::Blocked(why)) => {
                    self.tell(EventKind::Waiting(format!("a disruption budget holds Pod {}: {why}", pod.name)));
                    if Instant::now() >= self.work.deadline {
                        let after = self.work.events.elapsed();
                        return Err(self.fail(Cause::Timeout { after, waiting: why }));
                    }
                    if *self.shared.halt.borrow() {
                        return Err(self.fail(Cause::Unfinished(why)));
                    }
                    self.pause(LOOK_AGAIN).await?;
                }
                Err(Cause::Cluster(error)) if error.is_conflict() => return Ok(()),
                Err(cause) => return Err(self.fail(cause)),
            }
        }
    }

    async fn delete_item(&self) -> Result<(), Failure> {
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
    async fn delete_and_wait(&self, old: &str) -> Result<(), Failure> {
        let object = &self.item.object;
        let mut leaving: Vec<(ObjectRef, String)> = Vec::new();
        {
            let live = self.work.observer.live();
            if !old.is_empty() && uid_of(&live, object) == old {
                leaving.push((object.clone(), old.to_owned()));
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
        }
        self.gone(&leaving).await
    }

    /// Waits until none of these objects is there any more.
    async fn gone(&self, leaving: &[(ObjectRef, String)]) -> Result<(), Failure> {
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
    async fn gone_unwatched(&self) -> Result<(), Failure> {
        let object = &self.item.object;
        loop {
            let found = self.work.observer.read(self.work.cluster, object).await.map_err(|error| self.fail(error))?;
            let Some(found) = found.filter(terminating) else { return Ok(()) };
            if Instant::now() >= self.work.deadline {
                let after = self.work.events.elapsed();
                let waiting = format!("being deleted, held by finalizer {}", finalizers(&found));
                return Err(self.fail(Cause::Timeout { after, waiting }));
            }
            if *self.shared.halt.borrow() {
                return Err(self.fail(Cause::Unfinished("being deleted".into())));
            }
            self.pause(LOOK_AGAIN).await?;
        }
    }

    /// Waits until `look` says that it is done, looking again after every change.
    ///
    /// Ends early when a Pod of the item is in trouble that has used up its patience, when time is up, when the user
    /// asks to stop, and when another item has failed and the others have had their time.
    async fn until(&self, look: impl Fn(&Live) -> Look) -> Result<String, Failure> {
        let work = self.work;
        let object = &self.item.object;
        let mut changes = work.observer.changes();
        let mut stop = work.stop.clone();
        let mut halt = self.shared.halt.subscribe();
        let mut patient = Patient::new(work.verb != Verb::Instantiate);
        let begin = Instant::now();
        // What it waits for is told once it has lasted: on the way to being ready a workload passes through many
        // states that nobody needs to read about.
        let mut reason = String::new();
        let mut tell_at = None;
        loop {
            changes.mark_unchanged();
            let (waiting, trouble) = {
                let live = work.observer.live();
                match look(&live) {
                    Look::Done(what) => return Ok(what),
                    Look::Fail(why) => return Err(self.fail(Cause::Unproven(why))),
                    Look::Wait(why) => (why, self.trouble(&live, &mut patient, begin.elapsed())),
                }
            };
            if let Some((culprit, trouble)) = trouble {
                let evidence = evidence::collect(work.cluster, &culprit, &trouble, work.mask).await;
                return Err(self.fail(Cause::Trouble(Box::new(evidence))));
            }
            if waiting != reason {
                reason.clone_from(&waiting);
                tell_at = Some(Instant::now() + TELL_AFTER);
            }
            let patience = patient.next_deadline().map_or(work.deadline, |after| begin + after);
            let next = [Some(patience), tell_at, Some(work.deadline)].into_iter().flatten().min();
            tokio::select! {
                // The sender lives as long as the observer, which outlives this wait.
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(next.unwrap_or(work.deadline)) => {
                    let now = Instant::now();
                    if now >= work.deadline {
                        let after = work.events.elapsed();
                        return Err(self.fail(Cause::Timeout { after, waiting }));
                    }
                    if tell_at.is_some_and(|at| at <= now) {
                        tell_at = None;
                        self.tell(EventKind::Waiting(waiting));
                    }
                }
                Ok(_) = stop.wait_for(|stop| *stop) => return Err(self.fail(Cause::Interrupted)),
                Ok(_) = halt.wait_for(|halt| *halt) => {
                    return Err(self.fail(Cause::Unfinished(format!("{waiting} on {object}"))));
                }
            }
        }
    }

    /// The trouble of a Pod of this item, or of its controller, that will not be borne any longer. Pods that are
    /// about to be replaced do not count.
    fn trouble(
        &self,
        live: &Live,
        patient: &mut Patient,
        now: Duration,
    ) -> Option<(Value, crate::object::trouble::Trouble)> {
        let object = &self.item.object;
        let marker = self.marker_of_new_pods();
        for pod in live.pods_of(object) {
            if marker.is_some() && marker_of_pod(pod) != marker {
                continue;
            }
            let before = text(pod, "/metadata/name").and_then(|name| self.work.journal.snapshot.get(name));
            if let Some(trouble) = patient.observe(pod, before.map(|before| &before.snapshot), now) {
                return Some((pod.clone(), trouble));
            }
        }
        let found = live.get(object).filter(|_| object.kind != "Pod")?;
        patient.observe_controller(found, now).map(|trouble| (found.clone(), trouble))
    }
}

/// Whether as many of the workload's Pods serve as did before, or as many as it wants by now.
fn serves_as_before(live: &Live, object: &ObjectRef, before: usize) -> Look {
    let Some(found) = live.get(object) else { return Look::Wait("it is not there".into()) };
    let kind = WorkloadKind::of(object).unwrap_or(WorkloadKind::ReplicaSet);
    let wanted = usize::try_from(health::wanted_pods(found, kind)).unwrap_or(usize::MAX);
    let due = before.min(wanted);
    let ready = live.pods_of(object).into_iter().filter(|pod| active(pod) && is_ready(pod)).count();
    if ready >= due { Look::Done(String::new()) } else { Look::Wait(format!("{ready} of {due} ready")) }
}

/// What a look at the live objects says.
enum Look {
    /// Done, and in what state.
    Done(String),
    /// Not yet, and why.
    Wait(String),
    /// Never by waiting, and why.
    Fail(String),
}

fn observed(object: &Value) -> i64 {
    object["status"]["observedGeneration"].as_i64().unwrap_or(0)
}

fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or(0)
}

fn uid_of(live: &Live, reference: &ObjectRef) -> String {
    live.get(reference).map(uid).unwrap_or_default().to_owned()
}

fn finalizers(object: &Value) -> String {
    let names = object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}

/// `ready 1/1`, and for a Pod that stayed how its restart count moved.
fn summary(live: &Live, object: &ObjectRef, before: Option<&Snapshot>) -> String {
    let pods = live.pods_of(object);
    if WorkloadKind::of(object).is_none() {
        return "ready".into();
    }
    let active: Vec<&&Value> = pods.iter().filter(|pod| !terminating(pod)).collect();
    let ready = active.iter().filter(|pod| is_ready(pod)).count();
    let mut text = format!("ready {ready}/{}", active.len());
    if let (Some(before), [pod]) = (before, pods.as_slice()) {
        let restarts =
            |snapshot: &Snapshot| -> u64 { snapshot.containers.values().map(|container| container.restarts).sum() };
        text.push_str(&format!(", restarts {} -> {}", restarts(before), restarts(&Snapshot::of(pod))));
    }
    text
}

/// Why a guarded patch was refused, with the field's last writer. Values of a Secret are not told.
fn changed(object: &ObjectRef, live: &Value, path: &str, expected: &Value, found: &Value) -> Cause {
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
        _ => drift::key_writer(live, &field),
    };
    let by = match writer {
        drift::Writer::Foreign(manager, _) => Some(manager),
        drift::Writer::Ours | drift::Writer::Unknown => None,
    };
    Cause::Changed { field, expected: tell(expected), found: tell(found), by }
}
