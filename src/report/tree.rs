//! A VNF as a tree of VDUs, ReplicaSets and Pods, at one moment: what the live view repaints and `status` shows.
//!
//! Values, which [`make`] makes of live objects and `view::tree` makes lines of.

mod counts;
pub mod make;

use super::event::{Event, EventKind};
use crate::object::ObjectRef;
use crate::record::Verb;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A VNF, or what an operation does with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tree {
    /// ConfigMaps and Secrets that the operation writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigRow>,
    /// Workloads, those of VDUs first, in the order of the flavour; then objects of other kinds that are not ready.
    pub rows: Vec<Row>,
    /// Objects of other kinds that are ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ObjectRef>,
    /// Workloads that the operation leaves alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untouched: Option<Untouched>,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Not begun.
    ToDo,
    /// On its way.
    Waiting,
    /// Done, or ready.
    Done,
    /// It will not get there by waiting, as far as can be told.
    Failed,
    /// On its way out.
    Leaving,
}

/// The configuration that an operation writes, in one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigRow {
    /// How far it is.
    pub state: State,
    /// The ConfigMaps and Secrets.
    pub objects: Vec<ObjectRef>,
    /// How many of them are done.
    pub done: usize,
    /// `created`, `written`, `restored`, `deleted`.
    pub what: &'static str,
    /// When the last of them was, counted from the beginning.
    #[serde(skip)]
    pub took: Option<Duration>,
}

/// One workload, or an object of another kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// How far it is.
    pub state: State,
    /// Its VDU, when it is the workload of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
    /// The object.
    pub object: ObjectRef,
    /// Ready Pods and wanted ones; of a bare Pod its containers. `None`: no workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<(u64, u64)>,
    /// More of it in a few words: `1 new, 1 old leaving`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// Since when it is as the words say, where that is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it was done, counted from the beginning of the operation.
    #[serde(skip)]
    pub took: Option<Duration>,
    /// The ReplicaSets of a Deployment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<Set>,
    /// The Pods that it controls itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodLine>,
    /// What is below it is worth showing.
    #[serde(skip)]
    pub open: bool,
}

/// One ReplicaSet of a Deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Set {
    /// Its name.
    pub name: String,
    /// `new`, `old`, `current`, `leaving`.
    pub role: Role,
    /// Ready Pods and wanted ones.
    pub ready: (u64, u64),
    /// More of it: `still serving`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// Its Pods.
    pub pods: Vec<PodLine>,
}

/// What a ReplicaSet is to its Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Of the template that the operation brings.
    New,
    /// Of the present template; nothing is rolling.
    Current,
    /// Of a former template.
    Old,
    /// Of the template that a rollback takes away.
    Leaving,
}

impl Role {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Current => "current",
            Self::Old => "old",
            Self::Leaving => "leaving",
        }
    }

    /// Whether its Pods are to go.
    pub fn goes(self) -> bool {
        matches!(self, Self::Old | Self::Leaving)
    }
}

/// One Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodLine {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: State,
    /// Ready containers, of how many.
    pub ready: (usize, usize),
    /// Its state as a person says it: `Running`, `ImagePullBackOff`, `waiting for init container 1 of 2`.
    pub reason: String,
    /// Restarts of its containers.
    pub restarts: u64,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
}

/// Workloads that are left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Untouched {
    /// Those of VDUs.
    pub vdus: usize,
    /// Those without one.
    pub others: usize,
    /// Their ready Pods and wanted ones.
    pub ready: (u64, u64),
}

impl Tree {
    /// VDUs (or workloads without one) that are done, of how many.
    pub fn done(&self) -> (usize, usize) {
        let workloads = || self.rows.iter().filter(|row| row.ready.is_some());
        (workloads().filter(|row| row.state == State::Done).count(), workloads().count())
    }

    /// Whether everything in it is ready.
    pub fn is_well(&self) -> bool {
        self.rows.iter().all(|row| row.state == State::Done)
    }

    /// Whether every workload in it is that of a VDU.
    pub fn only_vdus(&self) -> bool {
        self.rows.iter().filter(|row| row.ready.is_some()).all(|row| row.vdu.is_some())
    }
}

/// The line above the tree of an operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// What was asked for.
    pub verb: Verb,
    /// It is on its way back.
    pub rolling_back: bool,
    /// Name of the instance.
    pub name: String,
    /// Operation id.
    pub operation_id: String,
    /// How long it has been at work.
    pub elapsed: Duration,
    /// How long it may be; `None`: whoever runs it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// What the events of an operation have told so far, beyond what the live objects show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Objects of which something was written.
    pub begun: BTreeSet<ObjectRef>,
    /// Objects that are done, and when.
    pub done: BTreeMap<ObjectRef, Duration>,
    /// Objects that failed, and why.
    pub failed: BTreeMap<ObjectRef, String>,
    /// Nobody is at work on it: what is in trouble has failed.
    pub over: bool,
    /// What is still being waited for, where that was told.
    pub waiting: BTreeMap<ObjectRef, String>,
}

impl Told {
    /// Takes in the next event.
    pub fn hear(&mut self, event: &Event) {
        let object = &event.object;
        match &event.kind {
            EventKind::Written(_) => drop(self.begun.insert(object.clone())),
            EventKind::Waiting(what) => drop(self.waiting.insert(object.clone(), what.clone())),
            EventKind::Done(_) => {
                self.waiting.remove(object);
                self.done.insert(object.clone(), event.after);
            }
            EventKind::Failed(why) => drop(self.failed.insert(object.clone(), why.clone())),
        }
    }
}
