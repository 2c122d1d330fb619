//! The stream of what happens during an operation.
//!
//! The engine only sends; how an event looks is the view's affair, and a plain log, a live tree and JSON lines read
//! the same stream.

use crate::object::ObjectRef;
use crate::record::Journal;
use crate::report::event::{Event, EventKind};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// One message of the stream.
#[derive(Clone, Debug)]
pub enum Notice {
    /// This is carried out from now on.
    Plan(Box<Journal>),
    /// Something happened.
    Event(Event),
}

/// The sending end; cheap to clone. Without a listener events are dropped.
#[derive(Clone, Debug)]
pub struct Events {
    sender: Option<mpsc::UnboundedSender<Notice>>,
    begin: Instant,
}

impl Events {
    /// A stream and its receiving end; time counts from now.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Notice>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender: Some(sender), begin: Instant::now() }, receiver)
    }

    /// Since the operation began.
    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Tells what is carried out from now on.
    pub fn plan(&self, journal: &Journal) {
        if let Some(sender) = &self.sender {
            let _ = sender.send(Notice::Plan(Box::new(journal.clone())));
        }
    }

    /// Sends an event.
    pub fn send(&self, object: &ObjectRef, vdu: Option<&str>, kind: EventKind) {
        if let Some(sender) = &self.sender {
            let vdu = vdu.map(ToOwned::to_owned);
            // The listener may have gone; the operation goes on.
            let event = Event { after: self.elapsed(), object: object.clone(), vdu, kind };
            let _ = sender.send(Notice::Event(event));
        }
    }
}
