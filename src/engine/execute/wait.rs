//! Waiting: until the live objects are as they should be, and no longer than trouble, time and the user allow.

use super::confirm::Verdict;
use super::{LOOK_AGAIN, Task, Waiting};
use crate::cluster::ClusterError;
use crate::engine::evidence;
use crate::engine::failure::{Cause, Failure};
use crate::object::definition::Definition;
use crate::object::mask::printable_line;
use crate::object::pod::{self, Snapshot, active, is_ready};
use crate::object::trouble::patience::Patient;
use crate::object::trouble::{self, Family, Trouble};
use crate::object::workload::marker_of_pod;
use crate::object::{ObjectRef, text, uid};
use crate::plan::Live;
use crate::plan::order::runs_once;
use crate::record::Verb;
use crate::report::event::EventKind;
use crate::report::evidence::Evidence;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How long a state must last to be told.
const TELL_AFTER: Duration = Duration::from_secs(1);
/// After this long it is asked whether a Pod's events know more by now; each time twice as long.
const ASK_AGAIN: Duration = Duration::from_secs(4);
/// After a look there are no others for so many times as long as it took.
const REST: u32 = 4;
/// How long a cluster may take to serve a kind whose definition is established; API servers behind one address follow
/// each other within seconds.
const SERVED_BY: Duration = Duration::from_secs(30);
/// The first pauses between looks for it, which on most clusters is there within milliseconds.
const SERVED_PAUSES: [Duration; 4] =
    [Duration::from_millis(20), Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(500)];
/// What is waited for while a container proves that it stays.
const ON_TRIAL: &str = "a container has ended by itself: waiting until it has run for 10 s";

impl Task<'_> {
    /// Sleeps, unless the user asks to stop.
    pub(super) async fn pause(&self, duration: Duration) -> Result<(), Failure> {
        let mut stop = self.work.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(duration) => Ok(()),
            Ok(_) = stop.wait_for(|stop| *stop) => Err(self.fail(Cause::Interrupted)),
        }
    }

    /// Waits until the cluster serves what a definition defines: one is established before discovery names its kind,
    /// and nothing tells when it does. What is not served by then is told by whoever needs it.
    pub(super) async fn serve(&self) -> Result<(), Failure> {
        let cluster = self.work.cluster;
        if self.item.object.kind != "CustomResourceDefinition" {
            return Ok(());
        }
        let Some(definition) = Definition::of(&self.desired()?) else { return Ok(()) };
        let until = self.work.deadline.min(Instant::now() + SERVED_BY);
        let mut pauses = SERVED_PAUSES.into_iter().chain(std::iter::repeat(LOOK_AGAIN));
        for version in &definition.served {
            // What was learnt before says nothing of a kind that was not served then.
            cluster.forget_discovery().await;
            while let Err(cause) = self.insist(async || Ok(cluster.resource(version, &definition.kind).await?)).await {
                let unknown = matches!(&cause, Cause::Cluster(ClusterError::NotServed { .. }));
                if !unknown || Instant::now() >= until {
                    return if unknown { Ok(()) } else { Err(self.fail(cause)) };
                }
                self.pause(pauses.next().unwrap_or(LOOK_AGAIN)).await?;
                cluster.forget_discovery().await;
            }
        }
        Ok(())
    }

    /// Waits until `look` says that it is done, looking again after every change of the item's object and of what that
    /// controls.
    ///
    /// Ends early when a Pod of the item is in trouble that has used up its patience, when time is up, when the user
    /// asks to stop, and when another item has failed and the others have had their time.
    pub(super) async fn until(&self, look: impl Fn(&Live) -> Look) -> Result<String, Failure> {
        self.until_with(&[], look).await
    }

    /// As [`Task::until`], looking also after every change of other objects.
    pub(super) async fn until_with(
        &self,
        others: &[&ObjectRef],
        look: impl Fn(&Live) -> Look,
    ) -> Result<String, Failure> {
        let work = self.work;
        let object = &self.item.object;
        let changes = work.observer.changes(others.iter().copied().chain([object]));
        let among = Waiting::among(self.shared);
        let mut stop = work.stop.clone();
        let mut halt = self.shared.halt.subscribe();
        let mut patient = Patient::new(work.verb != Verb::Instantiate);
        let begin = Instant::now();
        // What it waits for is told once it has lasted: on the way to being ready a workload passes through many
        // states that nobody needs to read about.
        let mut reason = String::new();
        let mut tell_at = None;
        let mut ask_after = ASK_AGAIN;
        let mut told = String::new();
        loop {
            let looking = Instant::now();
            let now = begin.elapsed();
            let mut wake = None;
            let (waiting, trouble, behind) = {
                let live = work.observer.live();
                match look(&live) {
                    Look::Done(what) => return Ok(what),
                    Look::Fail(why) => return Err(self.fail(Cause::Unproven(why))),
                    Look::Ready(what) => match self.on_trial(&live, &mut patient, now) {
                        None => return Ok(what),
                        Some(until) => {
                            wake = Some(begin + until);
                            (ON_TRIAL.to_owned(), self.trouble(&live, &mut patient, now), None)
                        }
                    },
                    Look::Wait(why) => (why, self.trouble(&live, &mut patient, now), None),
                    Look::Unready(why) => {
                        let behind = self.behind(&live);
                        let why = match behind.map(pod::reason).filter(|_| object.kind != "Pod") {
                            Some(reason) => format!("{why}: {reason}"),
                            None => why,
                        };
                        let behind = behind.and_then(ObjectRef::of);
                        (why, self.trouble(&live, &mut patient, now), behind)
                    }
                }
            };
            // A workload of a thousand Pods changes more often than all of them can be looked at.
            let rest = looking + looking.elapsed() * REST;
            if let Some((culprit, trouble)) = trouble {
                match self.verdict(&culprit, trouble).await {
                    Verdict::Stands(trouble) => return Err(self.troubled(&culprit, &trouble).await),
                    Verdict::Excused => patient.postpone(uid(&culprit), begin.elapsed()),
                }
            }
            if let Some((culprit, trouble)) = patient.to_confirm()
                && let Some(pod) = self.confirmed(&culprit).await
            {
                return Err(self.troubled(&pod, &trouble).await);
            }
            if waiting != reason {
                reason.clone_from(&waiting);
                tell_at = Some(Instant::now() + TELL_AFTER);
                ask_after = ASK_AGAIN;
            }
            let changed = async {
                changes.next().await;
                tokio::time::sleep_until(rest).await;
            };
            let patience = patient.next_deadline().map(|after| begin + after);
            let next = [patience, tell_at, wake].into_iter().flatten().fold(work.deadline, Instant::min);
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(next) => {
                    let now = Instant::now();
                    if now >= work.deadline {
                        let after = work.events.elapsed();
                        let evidence = self.unready(&patient).await.map(Box::new);
                        return Err(self.fail(Cause::Timeout { after, waiting, evidence }));
                    }
                    if tell_at.is_some_and(|at| at <= now) {
                        let more = match &behind {
                            Some(pod) if among.is_one_of_few() => self.with_events(pod, &waiting).await,
                            _ => None,
                        };
                        // Events change without any change of the Pod.
                        tell_at = behind.is_some().then(|| now + ask_after);
                        ask_after *= 2;
                        let waiting = more.unwrap_or(waiting);
                        if waiting != told {
                            told.clone_from(&waiting);
                            self.tell(EventKind::Waiting(waiting));
                        }
                    }
                }
                lost = work.lock.lost() => return Err(self.fail(lost)),
                Ok(_) = stop.wait_for(|stop| *stop) => return Err(self.fail(Cause::Interrupted)),
                Ok(_) = halt.wait_for(|halt| *halt) => {
                    return Err(self.fail(Cause::Unfinished(format!("{waiting} on {object}"))));
                }
            }
        }
    }

    /// The Pods that the item makes or restarts: those that are about to be replaced are not among them.
    fn new_pods<'l>(&self, live: &'l Live) -> impl Iterator<Item = &'l Value> {
        let marker = self.marker_of_new_pods();
        let new = move |pod: &&Value| marker.is_none() || marker_of_pod(pod) == marker;
        live.pods_of(&self.item.object).into_iter().filter(new)
    }

    /// What is known of a Pod before the operation.
    fn before(&self, pod: &Value) -> Option<&Snapshot> {
        let before = text(pod, "/metadata/name").and_then(|name| self.work.journal.snapshot.get(name));
        before.map(|before| &before.snapshot)
    }

    /// The trouble of a Pod of this item, or of its controller, that will not be borne any longer.
    fn trouble(&self, live: &Live, patient: &mut Patient, now: Duration) -> Option<(Value, Trouble)> {
        let object = &self.item.object;
        for pod in self.new_pods(live) {
            // How often a Pod of its may fail is the Job's to say.
            let counts = |trouble: &Trouble| trouble.family != Family::Crash || !runs_once(object);
            if let Some(trouble) = patient.observe(pod, self.before(pod), now).filter(counts) {
                return Some((pod.clone(), trouble));
            }
        }
        let found = live.get(object).filter(|_| object.kind != "Pod")?;
        let have = live.pods_of(object).len();
        patient.observe_controller(found, have, now).map(|trouble| (found.clone(), trouble))
    }

    /// The first of the new Pods that is not ready.
    fn behind<'l>(&self, live: &'l Live) -> Option<&'l Value> {
        self.new_pods(live).find(|pod| active(pod) && !is_ready(pod))
    }

    /// Until when the Pods, all ready, are still to be watched.
    fn on_trial(&self, live: &Live, patient: &mut Patient, now: Duration) -> Option<Duration> {
        let patched = |pod: &Value| self.patched.get().filter(|patched| patched.uid == uid(pod));
        let trials = self
            .new_pods(live)
            .filter(|pod| active(pod))
            .filter_map(|pod| patient.on_trial(pod, patched(pod).or(self.before(pod)), now));
        trials.max()
    }

    async fn troubled(&self, culprit: &Value, trouble: &Trouble) -> Failure {
        let evidence = evidence::collect(self.work.cluster, culprit, trouble, self.work.mask).await;
        self.fail(Cause::Trouble(Box::new(evidence)))
    }

    /// What the cluster tells of the Pod that was waited for when time was up.
    async fn unready(&self, patient: &Patient) -> Option<Evidence> {
        let pod = self.behind(&self.work.observer.live())?.clone();
        let trouble = patient.standing(uid(&pod)).cloned().unwrap_or_else(|| trouble::not_ready(&pod));
        Some(evidence::collect(self.work.cluster, &pod, &trouble, self.work.mask).await)
    }

    /// What is waited for, with what the Pod's events know better than its status; `None`: they add nothing.
    async fn with_events(&self, pod: &ObjectRef, waiting: &str) -> Option<String> {
        let found = self.work.observer.live().get(pod)?.clone();
        let reason = pod::reason(&found);
        let what = waiting.strip_suffix(&reason)?;
        let events = self.work.cluster.events(pod, uid(&found)).await.ok()?;
        let more = pod::reason_with_events(&found, &events);
        Some(format!("{what}{}", printable_line(&self.work.mask.apply(&more))))
    }
}

/// What a look at the live objects says.
pub(super) enum Look {
    /// Done, and in what state.
    Done(String),
    /// Done and in what state, if all containers stay.
    Ready(String),
    /// Not yet, and why.
    Wait(String),
    /// Not yet, and why: Pods are not ready, of which there is more to tell.
    Unready(String),
    /// Never by waiting, and why.
    Fail(String),
}
