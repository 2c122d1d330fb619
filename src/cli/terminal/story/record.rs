//! Makes the recordings anew, on a real cluster:
//!
//! ```text
//! KUBECONFIG=$(tests/cluster/up) PATH=$(tests/cluster/build --print-bin):$PATH \
//!     cargo test --lib -- --ignored the_sample_is_recorded
//! ```
//!
//! An operation runs in this process, and what its live tree would be painted from is written down instead.

use super::tape::{Head, data_of, folder, line, revisions};
use super::{RECORDED, sample_with_a_bad_image};
use crate::cli::args::Cli;
use crate::cli::dispatch;
use crate::commands::env::Env;
use crate::commands::progress::{EVENTS, Subject};
use crate::engine::events::Notice;
use crate::object::lean::slim_pod;
use crate::object::{ObjectRef, text};
use crate::plan::{Contents, Inputs, Live};
use crate::record::Journal;
use crate::report::tree::make::{PodEvents, of_operation};
use crate::report::tree::{Told, Tree};
use clap::Parser as _;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};

/// Where the sample runs meanwhile.
const NAMESPACE: &str = "recorded";

thread_local! {
    /// The recording that the next operation of this thread makes.
    static TAPE: RefCell<Option<&'static str>> = const { RefCell::new(None) };
}

/// Whether the operation that runs now is recorded.
pub fn is_recorded() -> bool {
    TAPE.with_borrow(Option::is_some)
}

/// Records an operation to its end.
pub async fn record(env: &Env, subject: &Subject<'_>, timeout: Duration, mut notices: UnboundedReceiver<Notice>) {
    let head = Head {
        name: subject.name.clone(),
        instance_id: subject.instance_id.clone(),
        operation_id: subject.operation_id.clone(),
        verb: subject.verb,
        timeout: timeout.as_secs(),
        begin: env.cluster.now(),
    };
    let mut tape = Tape {
        subject,
        begin: Instant::now(),
        journal: None,
        lines: vec![serde_json::to_value(head).expect("a head")],
        known: BTreeMap::new(),
        lean: Live::default(),
        told: Told::default(),
        events: PodEvents::new(),
    };
    let changes = subject.observer.all_changes();
    let events = async || {
        sleep(EVENTS).await;
        subject.observer.events_of_unready(&env.cluster).await
    };
    let reading = events();
    tokio::pin!(reading);
    loop {
        tokio::select! {
            biased;
            notice = notices.recv() => match notice {
                Some(notice) => tape.hear(notice),
                None => break,
            },
            () = changes.next() => {}
            found = &mut reading => {
                tape.pod_events(found);
                reading.set(events());
            }
        }
        tape.look(&subject.observer.live());
    }
    tape.look(&subject.observer.live());
    tape.write(("end", json!(true)));
    let name = TAPE.take().expect("the name of the recording");
    let lines: String = tape.lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder().join(name), lines).expect("a recording is written");
}

/// A recording in the making.
struct Tape<'a> {
    subject: &'a Subject<'a>,
    begin: Instant,
    journal: Option<Journal>,
    lines: Vec<Value>,
    /// Live objects as they were written down last.
    known: BTreeMap<ObjectRef, Value>,
    /// The same as the replay knows them.
    lean: Live,
    told: Told,
    events: PodEvents,
}

impl Tape<'_> {
    fn write(&mut self, what: (&str, Value)) -> &mut Value {
        self.lines.push(line(self.begin.elapsed(), what));
        self.lines.last_mut().expect("a line")
    }

    fn hear(&mut self, notice: Notice) {
        match notice {
            Notice::Plan(journal) => {
                self.write(("plan", serde_json::to_value(&journal).expect("a journal")));
                self.journal = Some(*journal);
            }
            Notice::Event(event) => {
                self.told.hear(&event);
                self.write(("event", serde_json::to_value(&event).expect("an event")));
            }
        }
    }

    fn pod_events(&mut self, mut found: PodEvents) {
        for event in found.values_mut().flatten() {
            let part = |name: &str| Some((name.to_owned(), event.get(name)?.clone()));
            *event = ["type", "reason", "message", "count", "series", "source"].into_iter().filter_map(part).collect();
            event["source"] = json!({"component": event["source"]["component"]});
        }
        if found != self.events {
            self.write(("podEvents", serde_json::to_value(&found).expect("events")));
            self.events = found;
        }
    }

    /// Writes down what has changed of the live objects, and sees that nothing is missing of it.
    fn look(&mut self, live: &Live) {
        let Some(journal) = self.journal.clone() else { return };
        let gone: Vec<ObjectRef> = self.known.keys().filter(|known| live.get(known).is_none()).cloned().collect();
        for reference in gone {
            self.known.remove(&reference);
            self.lean.forget(&reference);
            self.write(("gone", serde_json::to_value(reference).expect("a reference")));
        }
        for (reference, object) in live.objects() {
            let lean = lean(object.clone());
            let masked = masked(&lean, reference, &journal, self.subject.contents);
            let same = |known: &Value| text(known, "/metadata/uid") == text(&masked, "/metadata/uid");
            match self.known.get(reference) {
                Some(known) if *known == masked => continue,
                Some(known) if same(known) => {
                    let patch = json_patch::diff(known, &masked);
                    let line = self.write(("patch", serde_json::to_value(patch).expect("a patch")));
                    line["object"] = serde_json::to_value(reference).expect("a reference");
                }
                _ => drop(self.write(("put", masked.clone()))),
            }
            self.lean.put(lean);
            self.known.insert(reference.clone(), masked);
        }
        assert_eq!(self.tree(&journal, &self.lean), self.tree(&journal, live), "what is left out is missed");
    }

    fn tree(&self, journal: &Journal, live: &Live) -> Tree {
        let Subject { contents, instance_id, .. } = self.subject;
        let inputs = Inputs { journal, contents, live, instance_id };
        of_operation(&inputs, &self.told, &self.events).expect("a tree")
    }
}

/// Without what a tree is not made of.
fn lean(mut object: Value) -> Value {
    if object["kind"] == "Pod" {
        slim_pod(&mut object);
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

/// Without the values of a Secret: they are those of a revision.
fn masked(object: &Value, reference: &ObjectRef, journal: &Journal, contents: &Contents) -> Value {
    let mut masked = object.clone();
    if reference.kind == "Secret" {
        let is_its = |revision| data_of(revision, reference, contents).as_ref() == object.get("data");
        let found = revisions(journal).into_iter().find(|(_, revision)| is_its(*revision));
        masked["data"] = json!(found.expect("values of a revision").0);
    }
    masked
}

fn kubectl(args: &[&str]) {
    let status = Command::new("kubectl").args(args).status().expect("kubectl runs");
    assert!(status.success(), "kubectl {args:?}");
}

/// Runs a command in this process.
fn vnf(args: &[&str]) -> u8 {
    let cli = Cli::parse_from([&["kubectl-vnf", "-n", NAMESPACE], args].concat());
    let runtime = crate::apart::runtime().expect("a runtime");
    let code = runtime.block_on(dispatch(cli));
    runtime.shutdown_background();
    code
}

#[test]
#[ignore = "writes tests/recorded anew, and wants a cluster"]
fn the_sample_is_recorded() {
    // As much as the main thread of a process has: those of tests have less.
    let recording = std::thread::Builder::new().stack_size(8 << 20).spawn(record_the_sample);
    recording.expect("a thread").join().expect("recorded");
}

fn record_the_sample() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/container-update");
    let path = |name: &str| sample.join(name).to_str().expect("a path").to_owned();
    let (before, after) = (path("before"), path("after"));
    let (request, update_request) = (path("instance_kubernetes.json"), path("sample_param_file.json"));
    let bad = sample_with_a_bad_image();
    let bad = bad.path().to_str().expect("a path");
    for (name, package, ends) in [(RECORDED[0], after.as_str(), 0), (RECORDED[1], bad, 3)] {
        kubectl(&["create", "namespace", NAMESPACE]);
        assert_eq!(vnf(&["instantiate", "sample-vnf", "--package", &before, "-f", &request]), 0);
        TAPE.set(Some(name));
        let update = ["update", "sample-vnf", "--package", package, "--allow-hash-mismatch", "-f", &update_request];
        assert_eq!(vnf(&[&update[..], &["--yes"]].concat()), ends, "{name}");
        kubectl(&["delete", "namespace", NAMESPACE]);
    }
}
