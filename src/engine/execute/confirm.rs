//! A second look at what Pods complain of, where their status does not tell the whole: whether a key is really
//! missing, whether a node is on its way, whether a controller was really refused a Pod.

use super::Task;
use crate::object::pod::container_states;
use crate::object::reference::{Class, ConfigKind, Lookup, missing_keys, uses};
use crate::object::trouble::{Family, Trouble, refused_creation, scaling_up};
use crate::object::{ObjectRef, text, uid};
use futures::future::join_all;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Events that are older have nothing to do with it: a refused controller tries again within seconds at first.
const RECENT: Duration = Duration::from_secs(30);

/// What a second look says of a trouble that has used up its patience.
pub(super) enum Verdict {
    /// It ends the wait.
    Stands(Trouble),
    /// It is borne once more.
    Excused,
}

impl Task<'_> {
    /// Whether a trouble that has used up its patience ends the wait: events may speak for it.
    pub(super) async fn verdict(&self, culprit: &Value, trouble: Trouble) -> Verdict {
        let suspected = trouble.family == Family::Create && trouble.message.is_empty();
        if trouble.family != Family::Unschedulable && !suspected {
            return Verdict::Stands(trouble);
        }
        let Some(reference) = ObjectRef::of(culprit) else { return Verdict::Stands(trouble) };
        let events = self.work.cluster.events(&reference, uid(culprit)).await.unwrap_or_default();
        if suspected {
            let since = self.work.cluster.now().checked_sub(RECENT).unwrap_or(jiff::Timestamp::MIN);
            return refused_creation(&events, since).map_or(Verdict::Excused, Verdict::Stands);
        }
        if scaling_up(&events) { Verdict::Excused } else { Verdict::Stands(trouble) }
    }

    /// The Pod of this UID, if the ConfigMaps and Secrets of its environment, read now, lack a key that it requires:
    /// nobody but the user will write that. An object that is not there at all may be on its way.
    pub(super) async fn confirmed(&self, id: &str) -> Option<Value> {
        let pod = {
            let live = self.work.observer.live();
            live.pods_of(&self.item.object).into_iter().find(|pod| uid(pod) == id)?.clone()
        };
        let spec = &pod["spec"];
        let used: BTreeSet<(ConfigKind, String)> =
            uses(spec).into_iter().filter(|one| one.class == Class::Env).map(|one| (one.kind, one.name)).collect();
        let namespace = text(&pod, "/metadata/namespace");
        let reads = used.into_iter().map(|(kind, name)| async move {
            let found = self.work.cluster.get(&ObjectRef::new("v1", kind.as_str(), namespace, &name)).await;
            ((kind, name), found.ok().flatten())
        });
        let found: BTreeMap<_, _> = join_all(reads).await.into_iter().collect();
        let missing = missing_keys(spec, |kind, name| match found.get(&(kind, name.to_owned())) {
            Some(Some(object)) => Lookup::Known(object),
            _ => Lookup::Unknown,
        });
        let waits = container_states(&pod).iter().any(|state| !state.running());
        (waits && !missing.is_empty()).then_some(pod)
    }
}
