//! Whether containers that are Ready are alive.
//!
//! A container without a probe is Ready from the moment it starts, also one that ends at once for want of a file or
//! an address: the kubelet looks for ended containers only once a second, so for up to that long the Pod's status
//! says Ready of what is dead. Nobody wants to wait a second after each restart for that. But the runtime knows it
//! at once, and the log of a container, followed, ends with it. So fresh containers without a probe are asked for
//! that way, beside reading everything again, and cost next to no time. What ends later than that is found by
//! `status`, or by the next operation.

use super::wait::Look;
use super::{Executed, ReadySince, Shared, Task, Work, run};
use crate::engine::failure::Failure;
use crate::object::pod::{active, container_states, fresh_without_probe};
use crate::object::workload::WorkloadKind;
use crate::object::{ObjectRef, text};
use crate::plan::{Item, ItemState, Live, Step};
use futures::future::join_all;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long after its workload was ready a container is asked for: what dies at its start needs a moment to do so, and the
/// runtime another one to notice. That is about as long as reading everything again takes on a cluster that is not next
/// door.
const AFTER: Duration = Duration::from_millis(60);
/// How long the log of a container that has ended may take to end, once its answer has begun.
const ANSWER: Duration = Duration::from_millis(20);
/// Containers that are asked for at a time, of each workload: enough to find one that dies at its start.
const ASKED: usize = 8;
/// Containers that are asked for at a time in all: each holds a stream of its own to its kubelet meanwhile, and a
/// connection to a server that does not speak HTTP/2.
const ASKED_IN_ALL: usize = 24;
/// The kubelet has told by then of a container that has ended.
const TOLD_BY: Duration = Duration::from_secs(3);

/// Ids of containers that have ended though their Pods' status does not say so yet.
pub type Ended = BTreeSet<String>;

/// Asks for the fresh containers of everything that was carried out, for each from when its workload was ready on.
pub async fn ended(work: &Work<'_>, items: &[Item], ready_since: &ReadySince) -> Ended {
    let asked = {
        let live = work.observer.live();
        let settled = items.iter().filter(|item| item.step != Step::Delete && item.state != ItemState::Done);
        let fresh = settled.map(|item| fresh(work, &live, &item.object));
        // One of each workload before the second of any: those of one workload are alike.
        let mut asked: Vec<(usize, Asked)> = fresh.flat_map(|fresh| fresh.into_iter().enumerate()).collect();
        asked.sort_by_key(|(nth, _)| *nth);
        asked.into_iter().map(|(_, asked)| asked).take(ASKED_IN_ALL).collect::<Vec<_>>()
    };
    ask(work, asked, ready_since).await
}

/// Waits again for everything that has such containers, and for what else is not ready any more.
pub async fn settle_again(work: &Work<'_>, items: &[Item], ended: &Ended, unready: &[ObjectRef]) -> Executed {
    let shared = Shared::new();
    let tasks: Vec<Task<'_>> =
        items.iter().map(|item| Task { work, shared: &shared, item, patched: OnceLock::new() }).collect();
    let hit = tasks.iter().filter(|task| {
        task.item.step != Step::Delete
            && (unready.contains(&task.item.object) || task.still_shown(&work.observer.live(), ended))
    });
    let mut failures = Vec::new();
    run(hit.map(|task| task.come_up_again(ended)), &shared, &mut failures).await;
    shared.executed(failures)
}

impl Task<'_> {
    /// Waits for as long as a fresh container of this workload has ended and its Pod's status does not say so.
    pub(super) async fn stay_up(&self) -> Result<(), Failure> {
        let asked = fresh(self.work, &self.work.observer.live(), &self.item.object);
        let ended = ask(self.work, asked, &ReadySince::new()).await;
        if ended.is_empty() { Ok(()) } else { self.told(&ended).await }
    }

    async fn come_up_again(&self, ended: &Ended) -> Result<(), Failure> {
        self.told(ended).await?;
        self.settle().await
    }

    /// Waits until the status of the Pods tells that these containers have ended. It may have been a false alarm.
    async fn told(&self, ended: &Ended) -> Result<(), Failure> {
        let until = Instant::now() + TOLD_BY;
        let shown = |live: &Live| self.still_shown(live, ended);
        let told = self.until(|live| {
            if shown(live) {
                Look::Wait("a container has ended as soon as it had started".into())
            } else {
                Look::Done(String::new())
            }
        });
        match tokio::time::timeout_at(until, told).await {
            Ok(told) => told.map(|_| ()),
            Err(_) => Ok(()),
        }
    }

    fn still_shown(&self, live: &Live, ended: &Ended) -> bool {
        let pods = live.pods_of(&self.item.object);
        pods.into_iter()
            .any(|pod| container_states(pod).iter().any(|state| state.running() && ended.contains(state.id())))
    }
}

/// Pod, container and container id.
type Asked = (ObjectRef, String, String);

/// The ids of the fresh containers of a workload, as far as they are asked for.
pub(super) fn fresh_ids(work: &Work<'_>, object: &ObjectRef) -> Vec<String> {
    fresh(work, &work.observer.live(), object).into_iter().map(|(_, _, id)| id).collect()
}

/// The fresh containers of a workload, as far as they are asked for.
fn fresh(work: &Work<'_>, live: &Live, object: &ObjectRef) -> Vec<Asked> {
    if WorkloadKind::of(object).is_none() {
        return Vec::new();
    }
    let now = work.cluster.now();
    let mut asked = Vec::new();
    for pod in live.pods_of(object).into_iter().filter(|pod| active(pod)) {
        let before = text(pod, "/metadata/name").and_then(|name| work.journal.snapshot.get(name));
        for state in fresh_without_probe(pod, before.map(|before| &before.snapshot), now) {
            asked.extend(ObjectRef::of(pod).map(|pod| (pod, state.spec.name.to_owned(), state.id().to_owned())));
        }
    }
    asked.truncate(ASKED);
    asked
}

async fn ask(work: &Work<'_>, asked: Vec<Asked>, ready_since: &ReadySince) -> Ended {
    let now = Instant::now();
    let answers = asked.into_iter().map(|(pod, container, id)| async move {
        // Of one that was started since, as if its workload were ready from now on.
        let since = ready_since.get(&id).copied().unwrap_or(now);
        sleep_until(since + AFTER).await;
        work.cluster.has_ended(&pod, &container, ANSWER).await.then_some(id)
    });
    join_all(answers).await.into_iter().flatten().collect()
}
