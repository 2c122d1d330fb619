//! What a Pod was before an operation: the proof, afterwards, that it was left alone, and the measure of what is new.

use super::{ContainerState, container_states};
use crate::object::workload::ContainerClass;
use crate::object::{text, uid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// What proves later that a Pod was not touched, and tells containers that are newer than an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// UID of the Pod.
    pub uid: String,
    /// By container name, init containers included.
    pub containers: BTreeMap<String, ContainerSnapshot>,
    /// `status.startTime` as the API server gave it; `""` before it started.
    #[serde(default)]
    pub start_time: String,
}

/// One container of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSnapshot {
    /// `containerID`; `""` when there was no container yet.
    #[serde(default)]
    pub id: String,
    /// `restartCount`.
    #[serde(default)]
    pub restarts: u64,
    /// `image` of the **spec**: tells a state that belongs to a later image.
    #[serde(default)]
    pub image: String,
    /// It ran.
    #[serde(default)]
    pub running: bool,
}

/// How a Pod differs from its [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Another Pod stands under the name.
    Replaced {
        /// UID of the Pod that is there.
        uid: String,
    },
    /// A container was restarted.
    Restarted {
        /// Its name.
        container: String,
        /// Restart count then.
        before: u64,
        /// Restart count now.
        after: u64,
    },
    /// A container is another one, though nothing was counted.
    OtherContainer {
        /// Its name.
        container: String,
    },
    /// The Pod was started anew.
    Started {
        /// Start time then.
        before: String,
        /// Start time now.
        after: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { .. } => f.write_str("replaced by another Pod"),
            Self::Restarted { container, before, after } => {
                write!(f, "container {container}: restarts {before} -> {after}")
            }
            Self::OtherContainer { container } => write!(f, "container {container} is another one"),
            Self::Started { before, after } => write!(f, "start time {before} -> {after}"),
        }
    }
}

impl Snapshot {
    /// The snapshot of a Pod.
    pub fn of(pod: &Value) -> Self {
        let containers = container_states(pod).into_iter().map(|state| {
            let snapshot = ContainerSnapshot {
                id: state.id().to_owned(),
                restarts: state.restarts(),
                image: state.spec.image.unwrap_or("").to_owned(),
                running: state.running(),
            };
            (state.spec.name.to_owned(), snapshot)
        });
        Self {
            uid: uid(pod).to_owned(),
            containers: containers.collect(),
            start_time: text(pod, "/status/startTime").unwrap_or("").to_owned(),
        }
    }

    /// Whether a Pod stands as it did: same UID, start time, container ids and restart counts. What had not
    /// started then may have started since. Ordinary init containers are not compared: they ended before, the
    /// kubelet may clean them up, and they run again only when everything else does.
    ///
    /// # Errors
    /// The first difference.
    pub fn same_as(&self, pod: &Value) -> Result<(), Difference> {
        if self.uid != uid(pod) {
            return Err(Difference::Replaced { uid: uid(pod).to_owned() });
        }
        let lasting = |state: &ContainerState<'_>| state.spec.class != ContainerClass::Init;
        for state in container_states(pod).into_iter().filter(lasting) {
            let Some(then) = self.containers.get(state.spec.name) else { continue };
            let container = state.spec.name.to_owned();
            if then.restarts != state.restarts() {
                return Err(Difference::Restarted { container, before: then.restarts, after: state.restarts() });
            }
            if !then.id.is_empty() && then.id != state.id() {
                return Err(Difference::OtherContainer { container });
            }
        }
        let now = text(pod, "/status/startTime").unwrap_or("");
        if !self.start_time.is_empty() && self.start_time != now {
            return Err(Difference::Started { before: self.start_time.clone(), after: now.to_owned() });
        }
        Ok(())
    }
}
