//! Progress as lines, one per change: for logs, pipes and machines.

use super::style::{Text, clean, dim, green, plain, red};
use crate::object::ObjectRef;
use crate::object::config::is_config;
use crate::report::event::{Event, EventKind};
use std::collections::BTreeMap;
use std::time::Duration;

/// Columns of what it is about.
const LABEL: usize = 7;

/// A plain log: what was said of an object last is not said again.
#[derive(Debug, Default)]
pub struct Log {
    said: BTreeMap<ObjectRef, EventKind>,
}

impl Log {
    /// `00:00.3 VDU3    Pod env-test: image nginx -> tomcat`.
    pub fn line(&mut self, event: &Event) -> Option<String> {
        if self.said.get(&event.object) == Some(&event.kind) {
            return None;
        }
        self.said.insert(event.object.clone(), event.kind.clone());
        Some(line(event))
    }
}

/// One JSON object on one line.
pub fn json(event: &Event) -> String {
    format!("{}\n", serde_json::to_string(event).unwrap_or_default())
}

/// The line of one event.
pub fn line(event: &Event) -> String {
    let label = match &event.vdu {
        Some(vdu) => clean(vdu),
        None if is_config(&event.object) => "config".to_owned(),
        None => String::new(),
    };
    let object = plain(&event.object.to_string());
    let text = match &event.kind {
        EventKind::Written(text) => object + said(text).as_str(),
        EventKind::Waiting(text) => object + dim(&said(text)),
        EventKind::Done(text) => object + green(&said(text)),
        EventKind::Failed(text) => object + " " + red("FAILED:") + " " + text.as_str(),
    };
    let line: Text = dim(&clock(event.after)) + " " + plain(&label).pad(LABEL) + " " + text;
    format!("{line}\n")
}

/// What is said of the object: a verb goes on with the sentence, anything else stands after a colon.
fn said(text: &str) -> String {
    let goes_on = ["written", "created", "deleted", "ready", "is "].iter().any(|verb| text.starts_with(verb));
    if goes_on { format!(" {text}") } else { format!(": {text}") }
}

/// Minutes, seconds, tenths.
fn clock(after: Duration) -> String {
    let tenths = after.as_millis() / 100;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice_in_a_row() {
        let object = |name: &str| ObjectRef::new("v1", "Pod", Some("n"), name);
        let event = |name: &str, kind: EventKind| Event {
            after: Duration::from_millis(62_340),
            object: object(name),
            vdu: Some("VDU1".into()),
            kind,
        };
        let waiting = || EventKind::Waiting("ContainerCreating".into());
        let mut log = Log::default();
        let first = log.line(&event("a", waiting())).expect("it is new");
        assert_eq!(anstream::adapter::strip_str(&first).to_string(), "01:02.3 VDU1    Pod a: ContainerCreating\n");
        assert!(log.line(&event("b", waiting())).is_some());
        assert!(log.line(&event("a", waiting())).is_none());
        assert!(log.line(&event("a", EventKind::Done("ready 1/1".into()))).is_some());
        assert!(log.line(&event("a", waiting())).is_some());
    }
}
