//! When a trouble has used up its patience: the memory that one status lacks.
//!
//! No clock in here: the caller passes the time since it began to wait, so that tests need no sleep.
//!
//! # What "a second time" means
//! A watch shows states, not tries, and may merge two changes that follow closely. From the kubelet's source:
//!
//! - A failed pull shows ErrImagePull. The next look at the Pod, which may come at once, falls into the pull
//!   back-off (10 s at first) and shows ImagePullBackOff: *not* a second failure. The second try comes 10 to 15 s
//!   after the first one, and shows ErrImagePull again.
//! - Without a look in between, two failed tries in a row are one state without a break: no event at all, or one
//!   with another message. Seen on a real kubelet: ErrImagePull at 0.6 s, a second try at 13 s that no state showed,
//!   ImagePullBackOff at 14.4 s. So a back-off that begins only after its first 10 s tells of a second failure.
//! - A container that cannot be started shows RunContainerError, then CrashLoopBackOff with a last state of
//!   StartError: one failure, told by the same restart count. One that cannot be made (CreateContainerError) has
//!   no count; its state stays.
//!
//! So a try counts when its error is entered anew, comes back, or changes its message or restart count; and as the
//! second try is due within 15 s, a trouble that has stood for 30 s without a break has failed twice whether or
//! not it was seen.

use super::{Family, Patience, Trouble, controller_trouble, never_started, troubles};
use crate::object::pod::{self, ContainerState, Snapshot, container_states};
use crate::object::workload::ContainerClass;
use crate::object::{text, uid};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// A trouble of [`Patience::SecondTime`] that has lasted this long has failed twice.
const SECOND_TRY: Duration = Duration::from_secs(30);
/// The kubelet's first pull back-off: a pull that failed is not tried again sooner.
const PULL_BACK_OFF: Duration = Duration::from_secs(10);
/// Exits of a new container that make a failure.
const EXITS: u64 = 3;
/// How long a container must run whose predecessor has ended by itself, before it is believed to stay. One that ends
/// sooner did not really run.
const TRIAL: Duration = Duration::from_secs(10);
/// Counts of a status that move with every Pod that is made or gets ready.
const PROGRESS: [&str; 6] =
    ["replicas", "updatedReplicas", "readyReplicas", "currentNumberScheduled", "updatedNumberScheduled", "numberReady"];
/// Stands for the whole Pod, or the controller, where a container's name stands otherwise.
const WHOLE: &str = "";

/// Remembers what was seen of each container, and when.
#[derive(Clone, Debug)]
pub struct Patient {
    crashes_fail: bool,
    /// By (UID of the Pod or controller, container).
    seen: BTreeMap<(String, String), Seen>,
    /// Containers whose predecessor has ended by itself, by id: when they were first seen to run.
    trials: BTreeMap<String, Duration>,
}

/// The story of one container's trouble so far.
#[derive(Clone, Debug)]
struct Seen {
    trouble: Trouble,
    restarts: u64,
    /// Since when it stands without a break.
    since: Duration,
    /// It is there now; else it went away, but the container has not run since.
    present: bool,
    /// The kubelet waits for the next try.
    backing_off: bool,
    /// What moves when a controller makes progress.
    progress: String,
    /// Whether it is to be confirmed was asked already.
    asked: bool,
}

impl Seen {
    fn new(trouble: Trouble, restarts: u64, now: Duration) -> Self {
        let backing_off = backing_off(&trouble);
        Self { trouble, restarts, since: now, present: true, backing_off, progress: String::new(), asked: false }
    }

    fn deadline(&self) -> Option<Duration> {
        match self.trouble.patience {
            _ if !self.present => None,
            Patience::Now => Some(self.since),
            Patience::SecondTime => Some(self.since + SECOND_TRY),
            Patience::After(bound) | Patience::Confirmed(bound) => Some(self.since + bound),
            Patience::ThirdExit => None,
        }
    }

    /// Whether a later state of the same trouble shows another failed try.
    fn tried_again(&self, later: &Seen) -> bool {
        let (then, now) = (&self.trouble, &later.trouble);
        if self.restarts != later.restarts {
            return true;
        }
        // Within one restart count a crash back-off is the echo of the failed start, and starts nothing.
        let came_back = now.family == Family::Pull && self.backing_off;
        !later.backing_off && (came_back || (then.reason == now.reason && then.message != now.message))
    }

    /// Whether the pull back-off that begins only now tells of a second try that no state showed.
    fn tried_unseen(&self, later: &Seen, now: Duration) -> bool {
        let begins = !self.backing_off && later.backing_off && later.trouble.family == Family::Pull;
        begins && now.saturating_sub(self.since) >= PULL_BACK_OFF
    }

    fn used_up(&self, now: Duration, crashes_fail: bool) -> bool {
        let twice = self.trouble.patience == Patience::SecondTime && self.trouble.times >= 2;
        let crashed = self.trouble.patience == Patience::ThirdExit && crashes_fail && self.trouble.times >= EXITS;
        self.present && (twice || crashed || self.deadline().is_some_and(|deadline| deadline <= now))
    }
}

impl Patient {
    /// A new memory. `crashes_fail`: whether a third exit is a failure; at instantiation it is not, containers may
    /// crash until their peers are up.
    pub fn new(crashes_fail: bool) -> Self {
        Self { crashes_fail, seen: BTreeMap::new(), trials: BTreeMap::new() }
    }

    /// Takes in the state of a Pod, at every watch event and again when [`Self::next_deadline`] has come. Returns
    /// the trouble whose patience is used up, if one is. `now`: time since the waiting began.
    pub fn observe(&mut self, pod: &Value, before: Option<&Snapshot>, now: Duration) -> Option<Trouble> {
        let id = uid(pod);
        if pod::terminating(pod) {
            self.forget(id);
            return None;
        }
        let states = container_states(pod);
        let found = troubles(pod, before);
        self.seen.retain(|(owner, container), seen| {
            if owner != id || found.iter().any(|trouble| trouble.container.as_deref().unwrap_or(WHOLE) == container) {
                return true;
            }
            seen.present = false;
            // A container that runs has overcome it. One that only left the state may come back to it.
            states.iter().any(|state| state.spec.name == container && !state.running())
        });
        let mut failure = None;
        for trouble in found {
            let container = trouble.container.clone().unwrap_or_else(|| WHOLE.to_owned());
            let restarts = states.iter().find(|state| state.spec.name == container).map_or(0, |state| state.restarts());
            let crashes_fail = self.crashes_fail;
            let seen = self.remember((id.to_owned(), container), trouble, restarts, now);
            if failure.is_none() && seen.used_up(now, crashes_fail) {
                failure = Some(seen.trouble.clone());
            }
        }
        failure
    }

    /// The same for the controller of `have` Pods: a trouble of [`controller_trouble`], whose clock starts again
    /// whenever the controller has made progress.
    pub fn observe_controller(&mut self, object: &Value, have: usize, now: Duration) -> Option<Trouble> {
        let key = (uid(object).to_owned(), WHOLE.to_owned());
        let Some(trouble) = controller_trouble(object, have) else {
            self.seen.remove(&key);
            return None;
        };
        let progress: Vec<String> = PROGRESS
            .iter()
            .map(|field| object.pointer(&format!("/status/{field}")).unwrap_or(&Value::Null).to_string())
            .collect();
        let progress = progress.join(" ");
        let seen = self.seen.entry(key).or_insert_with(|| Seen::new(trouble.clone(), 0, now));
        if seen.progress != progress {
            seen.since = now;
            seen.progress = progress;
        }
        seen.trouble = trouble;
        seen.used_up(now, self.crashes_fail).then(|| seen.trouble.clone())
    }

    /// Drops what is remembered of a Pod or controller that is gone.
    pub fn forget(&mut self, uid: &str) {
        self.seen.retain(|(owner, _), _| owner != uid);
    }

    /// A trouble of [`Patience::Confirmed`] that was not asked for before, with the UID of its Pod. Asked for once: it
    /// goes on as one that must last.
    pub fn to_confirm(&mut self) -> Option<(String, Trouble)> {
        let open = |seen: &Seen| seen.present && !seen.asked && matches!(seen.trouble.patience, Patience::Confirmed(_));
        let ((owner, _), seen) = self.seen.iter_mut().find(|(_, seen)| open(seen))?;
        seen.asked = true;
        Some((owner.clone(), seen.trouble.clone()))
    }

    /// What stands of a Pod or controller now, whether or not its patience is used up.
    pub fn standing(&self, uid: &str) -> Option<&Trouble> {
        let of_pod = self.seen.iter().filter(|((owner, _), _)| owner == uid);
        of_pod.map(|(_, seen)| seen).find(|seen| seen.present).map(|seen| &seen.trouble)
    }

    /// Until when a Pod that is Ready must go on to run before it is believed; `None`: it is believed.
    ///
    /// Without a probe a container is ready the moment it starts, also one that is about to end. One whose
    /// predecessor in this Pod (`before`: its snapshot) has ended by itself has to run for `TRIAL`.
    pub fn on_trial(&mut self, pod: &Value, before: Option<&Snapshot>, now: Duration) -> Option<Duration> {
        let mut latest = None;
        for state in container_states(pod) {
            if state.running() && !state.probed() && crashed(&state, before.filter(|before| before.uid == uid(pod))) {
                let since = *self.trials.entry(state.id().to_owned()).or_insert(now);
                latest = latest.max(Some(since + TRIAL));
            }
        }
        latest.filter(|until| *until > now)
    }

    /// Starts the clocks of a Pod's or controller's troubles again: what would end the wait is about to pass (an
    /// event says that the cluster scales up for it), or has not happened (no event says that a Pod was refused).
    pub fn postpone(&mut self, uid: &str, now: Duration) {
        for ((owner, _), seen) in &mut self.seen {
            if owner == uid {
                seen.since = now;
            }
        }
    }

    /// When the next trouble uses up its patience by time alone (same time base as `observe`): without an event
    /// before that, observe again then. `None`: nothing runs out by time.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.seen.values().filter_map(Seen::deadline).min()
    }

    /// Merges a trouble into the story of its container.
    fn remember(&mut self, key: (String, String), trouble: Trouble, restarts: u64, now: Duration) -> &Seen {
        let fresh = Seen::new(trouble, restarts, now);
        let seen = self.seen.entry(key).or_insert_with(|| fresh.clone());
        match (seen.trouble.family, fresh.trouble.family) {
            // The disguise of a pull error: keep its name and message, and let its clock run on.
            (Family::Pull, Family::Held) => {
                (seen.present, seen.backing_off) = (true, true);
            }
            (former, latter) if former != latter => *seen = fresh,
            _ => {
                let again = !seen.present || seen.tried_again(&fresh) || seen.tried_unseen(&fresh, now);
                let since = if seen.present { seen.since } else { now };
                let times = match fresh.trouble.family {
                    Family::Crash => fresh.trouble.times,
                    _ => seen.trouble.times + u64::from(again),
                };
                let asked = seen.asked && seen.trouble.message == fresh.trouble.message;
                *seen = Seen { since, asked, trouble: Trouble { times, ..fresh.trouble.clone() }, ..fresh };
            }
        }
        seen
    }
}

/// Whether the container before the one that runs was one of this operation and ended by itself.
fn crashed(state: &ContainerState<'_>, before: Option<&Snapshot>) -> bool {
    let Some(last) = state.last_terminated().filter(|last| !never_started(last)) else { return false };
    let then = before.and_then(|snapshot| snapshot.containers.get(state.spec.name));
    state.spec.class != ContainerClass::Init
        && then.is_none_or(|then| Some(then.id.as_str()) != text(last, "/containerID") && then.id != state.id())
}

/// Whether a state only waits for the next try.
fn backing_off(trouble: &Trouble) -> bool {
    matches!(trouble.reason.as_str(), "ImagePullBackOff" | "CrashLoopBackOff")
}

#[cfg(test)]
mod tests;
