//! Recorded operations: what the live tree of one was made of, moment by moment, as lines of JSON.
//!
//! Each line has the milliseconds since the beginning and one thing that happened then: `plan` (a journal is carried
//! out from now on), `event` (of the engine), `put`, `patch` and `gone` (a live object, as the observer knows it
//! from now on), `podEvents` (what the cluster says of Pods that are not ready), `end`. The first line is the [`Head`].
//!
//! Values of Secrets are in none of them: `data` says of which revision they are, and the package has them.

use crate::object::ObjectRef;
use crate::plan::Contents;
use crate::record::{Journal, Revision, Verb};
use crate::report::event::{Event, EventKind};
use crate::report::tree::make::PodEvents;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is the same all the time.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Name of the instance.
    pub name: String,
    /// Its id.
    pub instance_id: String,
    /// Id of the operation.
    pub operation_id: String,
    /// What was asked for.
    pub verb: Verb,
    /// How long it may take, in seconds.
    pub timeout: u64,
    /// When it began.
    pub begin: Timestamp,
}

/// One thing that happened.
pub enum Step {
    /// This is carried out from now on.
    Plan(Box<Journal>),
    /// The engine tells something.
    Event(Event),
    /// A live object is so from now on.
    Put(Value),
    /// It is not there any more.
    Gone(ObjectRef),
    /// What the cluster's events say from now on.
    PodEvents(PodEvents),
    /// It is over.
    End,
}

/// The folder of recordings.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded")
}

/// Reads a recording. Secrets get their values from the packages that the journal points into.
pub fn read(name: &str, contents: &Contents) -> (Head, Vec<(Duration, Step)>) {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).expect("a recording");
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let head = serde_json::from_value(lines.next().expect("a first line")).expect("a head");
    let mut reading = Reading { contents, journal: None, known: Vec::new() };
    let steps = lines.map(|line| (Duration::from_millis(line["at"].as_u64().expect("a time")), reading.step(&line)));
    (head, steps.collect())
}

struct Reading<'c> {
    contents: &'c Contents,
    journal: Option<Journal>,
    /// Live objects as they were recorded.
    known: Vec<(ObjectRef, Value)>,
}

impl Reading<'_> {
    fn step(&mut self, line: &Value) -> Step {
        let reference = |value: &Value| serde_json::from_value::<ObjectRef>(value.clone()).expect("a reference");
        if let Some(journal) = line.get("plan") {
            let journal: Journal = serde_json::from_value(journal.clone()).expect("a journal");
            self.journal = Some(journal.clone());
            Step::Plan(Box::new(journal))
        } else if let Some(event) = line.get("event") {
            Step::Event(read_event(event))
        } else if let Some(object) = line.get("put") {
            let reference = ObjectRef::of(object).expect("an object");
            self.known.retain(|(known, _)| *known != reference);
            self.known.push((reference.clone(), object.clone()));
            Step::Put(self.whole(&reference, object.clone()))
        } else if let Some(patch) = line.get("patch") {
            let patched = reference(&line["object"]);
            let found = self.known.iter_mut().find(|(known, _)| *known == patched);
            let (_, object) = found.expect("it was put before");
            let patch: json_patch::Patch = serde_json::from_value(patch.clone()).expect("a patch");
            json_patch::patch(object, &patch).expect("it fits");
            let object = object.clone();
            Step::Put(self.whole(&patched, object))
        } else if let Some(gone) = line.get("gone") {
            Step::Gone(reference(gone))
        } else if let Some(events) = line.get("podEvents") {
            Step::PodEvents(serde_json::from_value(events.clone()).expect("events by Pod"))
        } else {
            assert_eq!(line["end"], true, "{line}");
            Step::End
        }
    }

    /// With the values that a Secret had.
    fn whole(&self, reference: &ObjectRef, mut object: Value) -> Value {
        if reference.kind == "Secret" {
            let journal = self.journal.as_ref().expect("what is carried out is told first");
            let revisions = revisions(journal).into_iter();
            let of_revision = revisions.filter(|(name, _)| object["data"] == *name);
            let data = of_revision.filter_map(|(_, revision)| data_of(revision, reference, self.contents)).next();
            object["data"] = data.expect("the data of a revision");
        }
        object
    }
}

/// The revisions that the data of a Secret can be of, by the words for them.
pub fn revisions(journal: &Journal) -> Vec<(&'static str, &Revision)> {
    let both = [("of the source", &journal.source), ("of the target", &journal.target)];
    both.into_iter().filter_map(|(name, revision)| Some((name, revision.as_ref()?))).collect()
}

/// The data of an object as a revision wants it.
pub fn data_of(revision: &Revision, object: &ObjectRef, contents: &Contents) -> Option<Value> {
    let content = contents.content(revision.object(object)?).ok()?;
    content.get("data").cloned()
}

/// An event as it is printed for machines.
fn read_event(event: &Value) -> Event {
    let detail = event["detail"].as_str().unwrap_or_default().to_owned();
    let kind = match event["event"].as_str() {
        Some("written") => EventKind::Written(detail),
        Some("waiting") => EventKind::Waiting(detail),
        Some("done") => EventKind::Done(detail),
        Some("failed") => EventKind::Failed(detail),
        other => panic!("an event is {other:?}"),
    };
    let vdu = event["vdu"].as_str().map(ToOwned::to_owned);
    let after = Duration::from_secs_f64(event["after"].as_f64().expect("a time"));
    Event { after, object: serde_json::from_value(event["object"].clone()).expect("a reference"), vdu, kind }
}

/// What happened, as a line.
pub fn line(at: Duration, (what, value): (&str, Value)) -> Value {
    json!({"at": u64::try_from(at.as_millis()).unwrap_or(u64::MAX), what: value})
}
