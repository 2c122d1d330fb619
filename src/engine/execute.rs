//! Carrying items out: phase by phase, the items of a phase in parallel, waiting for what changed and only for that.
//!
//! Every write goes through `Task::write`: the lock is checked before it, and what broke on the way is tried
//! again where that is safe. Every wait goes through `Task::until`, which also watches for trouble, time and stop.

pub mod alive;
mod confirm;
mod remove;
mod replace;
mod wait;
mod write;

use self::wait::Look;
use super::events::Events;
use super::failure::{Cause, Failure};
use super::lock::Lock;
use super::observe::Observer;
use crate::cluster::{Cluster, PARALLEL_REQUESTS};
use crate::object::health::{self, Readiness};
use crate::object::mask::Mask;
use crate::object::pod::{Snapshot, is_ready, terminating};
use crate::object::workload::{WorkloadKind, marker_of_pod};
use crate::object::{ObjectRef, uid};
use crate::plan::order::{Phase, is_custom};
use crate::plan::{Contents, Item, ItemState, Live, Step, changed_images, patch, ready, scaled};
use crate::record::{Journal, ObjectState, Verb};
use crate::report::event::EventKind;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long others may go on once one item has failed: enough to say how they ended, not enough to keep a user
/// waiting for the bad news.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How often a blocked eviction, or a deletion that nothing watches, is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// So many waits at a time are explained with the events of their Pods.
const FEW: usize = 16;

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
    /// What is written as a whole takes fields over that others have written.
    pub overwrite: bool,
}

/// What the tasks of one execution share.
struct Shared {
    /// Turns true when another item has failed and the others have had their time.
    halt: watch::Sender<bool>,
    /// Turns true with the first failure: nothing new is started.
    failed: watch::Sender<bool>,
    /// One for each write under way: the lock is checked when a write can go out at once, not while it queues.
    slots: Semaphore,
    /// How many waits there are at this moment.
    waits: AtomicUsize,
    /// See [`Executed`].
    ready_since: Mutex<ReadySince>,
}

/// By the id of a fresh container, when its workload was found ready.
pub type ReadySince = BTreeMap<String, Instant>;

/// What an execution came to.
pub struct Executed {
    /// What went wrong; nothing: all items are done.
    pub failures: Vec<Failure>,
    /// When what is done was found ready, as far as that is asked for.
    pub ready_since: ReadySince,
}

struct Task<'a> {
    work: &'a Work<'a>,
    shared: &'a Shared,
    item: &'a Item,
    /// A bare Pod at the moment of its patch: what its restart is proven against.
    patched: OnceLock<Snapshot>,
}

impl Shared {
    fn new() -> Self {
        Self {
            halt: watch::Sender::new(false),
            failed: watch::Sender::new(false),
            slots: Semaphore::new(PARALLEL_REQUESTS),
            waits: AtomicUsize::new(0),
            ready_since: Mutex::default(),
        }
    }

    fn ready(&self, containers: Vec<String>) {
        let now = Instant::now();
        // A map whose entries are put in one by one is whole at any time.
        let mut ready = self.ready_since.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ready.extend(containers.into_iter().map(|id| (id, now)));
    }

    /// What it came to, once no task is left.
    fn executed(self, failures: Vec<Failure>) -> Executed {
        let ready_since = self.ready_since.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        Executed { failures, ready_since }
    }
}

/// One wait, for as long as it lasts.
struct Waiting<'s>(&'s AtomicUsize);

impl<'s> Waiting<'s> {
    fn among(shared: &'s Shared) -> Self {
        shared.waits.fetch_add(1, Ordering::Relaxed);
        Self(&shared.waits)
    }

    /// Whether it is one of few: where a hundred workloads are waited for, nobody can read what the events of each
    /// Pod know, and they are a hundred requests. What comes up last is asked about.
    fn is_one_of_few(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= FEW
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Carries out the items.
pub async fn execute(work: &Work<'_>, items: &[Item]) -> Executed {
    let shared = Shared::new();
    let mut failures = Vec::new();
    in_order(work, items, &shared, &mut failures).await;
    shared.executed(failures)
}

async fn in_order(work: &Work<'_>, items: &[Item], shared: &Shared, failures: &mut Vec<Failure>) {
    let tasks: Vec<Task<'_>> = items.iter().map(|item| Task { work, shared, item, patched: OnceLock::new() }).collect();
    let (deletions, others): (Vec<&Task<'_>>, Vec<&Task<'_>>) =
        tasks.iter().partition(|task| task.item.step == Step::Delete);
    // What others need is written first; who reads it, or acts on it, comes together in the end.
    for phase in [Phase::Ground, Phase::Rules, Phase::Support] {
        let of_phase = others.iter().filter(|task| task.item.phase == phase);
        let all = of_phase.map(|task| async move {
            task.write_item().await?;
            if phase == Phase::Ground {
                task.settle().await?;
                task.serve().await?;
            }
            Ok(())
        });
        run(all, shared, failures).await;
        if !failures.is_empty() {
            return;
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
            run(std::iter::once(task), shared, failures).await;
        }
    } else {
        run(last, shared, failures).await;
    }
    let (custom, others): (Vec<&Task<'_>>, Vec<&Task<'_>>) =
        deletions.into_iter().partition(|task| is_custom(&task.item.object));
    run(custom.iter().map(|task| task.delete_item()), shared, failures).await;
    for phase in [Phase::Guards, Phase::Workloads, Phase::Support, Phase::Rules, Phase::Ground] {
        if !failures.is_empty() {
            break;
        }
        let of_phase = others.iter().filter(|task| task.item.phase == phase);
        run(of_phase.map(|task| task.delete_item()), shared, failures).await;
    }
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
            Step::Apply { uid, because: Some(_) } => {
                self.delete_and_wait(uid).await?;
                self.create().await
            }
            Step::Apply { because: None, .. } => self.apply().await,
            Step::Config { whole: true, .. } => self.apply().await,
            Step::Config { keys, replace, patch, whole: false } => {
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
            Step::RollOut { patch, whole, strays } => {
                self.write_workload(*whole, patch).await?;
                self.replace_under_new_template(|pod| is_one_of(strays, pod)).await
            }
            Step::ReplacePods { patch, whole, strays } => {
                self.write_workload(*whole, patch).await?;
                let marker = self.marker();
                self.replace_under_new_template(|pod| marker_of_pod(pod) != marker || is_one_of(strays, pod)).await
            }
            Step::Scale { before, after, patch } => {
                self.patch(patch, |live| patch::replicas(live, *after)).await?;
                self.tell(EventKind::Written(format!("replicas {before} -> {after}")));
                Ok(())
            }
            Step::Mark { patch } => self.patch_workload(patch).await,
            Step::InPlace { mark, patch, refresh_mounts } => self.restart_in_place(mark, patch, *refresh_mounts).await,
            Step::Recreate { uid, .. } => {
                self.delete_and_wait(uid).await?;
                self.create().await
            }
            Step::Respawn { pods } => self.replace_pods(|pod| is_one_of(pods, pod)).await,
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
        if self.item.state == ItemState::Waiting {
            self.try_again().await?;
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
                let readiness = match (witness, &self.item.step) {
                    (Some(witness), _) if !restarted.is_empty() => {
                        health::pod_restarted(found, witness, &restarted, generation)
                    }
                    (_, Step::Scale { before, after, .. }) => scaled(live, object, found, *before, *after),
                    _ => ready(live, object, found, marker),
                };
                match readiness {
                    Readiness::Ready => Look::Ready(summary(live, object, before)),
                    Readiness::Waiting(why) => Look::Unready(why),
                    Readiness::Failed(why) => Look::Fail(why),
                }
            })
            .await?;
        self.shared.ready(alive::fresh_ids(self.work, object));
        if WorkloadKind::of(object).is_some() || self.item.phase == Phase::Ground {
            self.tell(EventKind::Done(done));
        }
        Ok(())
    }
}

fn observed(object: &Value) -> i64 {
    object["status"]["observedGeneration"].as_i64().unwrap_or(0)
}

fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or(0)
}

fn is_one_of(uids: &[String], pod: &Value) -> bool {
    uids.iter().any(|one| one == uid(pod))
}

fn uid_of(live: &Live, reference: &ObjectRef) -> String {
    live.get(reference).map(uid).unwrap_or_default().to_owned()
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
