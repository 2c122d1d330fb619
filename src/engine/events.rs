//! What happens during an operation, as one stream of typed events.
//!
//! The engine only sends; how an event looks is the view's affair, and a plain log, a live tree and JSON lines read
//! the same stream.

use crate::object::ObjectRef;
use serde::Serialize;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Since the operation began.
    pub after: Duration,
    /// The object that it is about.
    pub object: ObjectRef,
    /// Its VDU, when it is the workload of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "event", content = "detail")]
pub enum EventKind {
    /// Something was written: `created`, `image nginx -> tomcat`.
    Written(String),
    /// What it is waiting for has changed: `1 of 3 new`.
    Waiting(String),
    /// It is done: `ready 1/1, restarts 0 -> 1`.
    Done(String),
    /// It failed: the reason in a few words.
    Failed(String),
}

/// The sending end; cheap to clone. Without a listener events are dropped.
#[derive(Clone, Debug)]
pub struct Events {
    sender: Option<mpsc::UnboundedSender<Event>>,
    begin: Instant,
}

impl Events {
    /// A stream and its receiving end; time counts from now.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender: Some(sender), begin: Instant::now() }, receiver)
    }

    /// Since the operation began.
    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Sends an event.
    pub fn send(&self, object: &ObjectRef, vdu: Option<&str>, kind: EventKind) {
        if let Some(sender) = &self.sender {
            let vdu = vdu.map(ToOwned::to_owned);
            // The listener may have gone; the operation goes on.
            let _ = sender.send(Event { after: self.elapsed(), object: object.clone(), vdu, kind });
        }
    }
}
