//! An update as it goes by on two terminals: from its first frame to its result, with a warning and a terminal that
//! changes its size in between.

use super::painter::{Last, Painter, Size};
use crate::commands::progress::framed;
use crate::object::ObjectRef;
use crate::record::Verb;
use crate::report::tree::{ConfigRow, Head, PodLine, Role, Row, Set, State, Tree, Untouched};
use crate::view::{Screen, Symbols, tree as tree_view};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

const BEGIN: Timestamp = Timestamp::constant(1_795_000_000, 0);

fn object(kind: &str, name: &str) -> ObjectRef {
    let version = if matches!(kind, "Pod" | "ConfigMap" | "Secret") { "v1" } else { "apps/v1" };
    ObjectRef::new(version, kind, Some("default"), name)
}

fn pod(name: &str, state: State, reason: &str, made: i64) -> PodLine {
    let ready = (usize::from(matches!(state, State::Done | State::Leaving)), 1);
    let created = Some(BEGIN + SignedDuration::from_millis(made));
    PodLine { name: name.into(), state, ready, reason: reason.into(), restarts: 0, created }
}

fn row((vdu, kind, name): (&str, &str, &str), state: State, ready: u64, words: &str) -> Row {
    Row {
        state,
        vdu: Some(vdu.into()),
        object: object(kind, name),
        ready: Some((ready, 1)),
        words: words.into(),
        since: None,
        took: None,
        sets: Vec::new(),
        pods: Vec::new(),
        open: true,
    }
}

fn took(millis: u64, row: Row) -> Row {
    Row { took: Some(Duration::from_millis(millis)), ..row }
}

/// What is seen at which time, in milliseconds.
fn recorded() -> Vec<(u64, Tree)> {
    let config = |state, done| {
        let objects = vec![object("ConfigMap", "cm-data"), object("Secret", "secret-data")];
        let took = (done == 2).then(|| Duration::from_millis(160));
        Some(ConfigRow { state, objects, done, what: "written", took })
    };
    let [vdu1, vdu2, vdu3] =
        [("VDU1", "Deployment", "vdu1-update"), ("VDU2", "ReplicaSet", "vdu2-update"), ("VDU3", "Pod", "env-test")];
    let set = |name: &str, role, ready, pods| Set { name: name.into(), role, ready, words: String::new(), pods };
    let old = "vdu1-update-6fcf66b5dd";
    let new = "vdu1-update-5d87858fc6";
    let untouched = Some(Untouched { vdus: 5, others: 0, ready: (5, 5) });
    let tree = |state, done, rows| Tree { config: config(state, done), rows, others: Vec::new(), untouched };
    let to_do = |vdu| row(vdu, State::ToDo, 1, "to do");
    let rolling = |new_pod: PodLine, old_pod: Option<PodLine>, words: &str| Row {
        sets: vec![
            set(new, Role::New, (u64::from(new_pod.state == State::Done), 1), vec![new_pod]),
            set(old, Role::Old, (0, 0), old_pod.into_iter().collect()),
        ],
        ..row(vdu1, State::Waiting, 1, words)
    };
    let (new_pod, old_pod) = (format!("{new}-tfgts"), format!("{old}-nngts"));
    let serving = || pod(&old_pod, State::Done, "Running", -360_000);
    vec![
        (20, tree(State::ToDo, 0, vec![to_do(vdu1), to_do(vdu2), to_do(vdu3)])),
        (160, tree(State::Done, 2, vec![to_do(vdu1), to_do(vdu2), to_do(vdu3)])),
        (
            420,
            tree(
                State::Done,
                2,
                vec![
                    rolling(pod(&new_pod, State::Waiting, "ContainerCreating", 300), Some(serving()), "1 new starting"),
                    Row {
                        pods: vec![pod("vdu2-update-tk7qp", State::Waiting, "pulling celebdor/kuryr-demo", 350)],
                        ..row(vdu2, State::Waiting, 0, "1 new starting")
                    },
                    row(vdu3, State::Waiting, 0, "ContainerCreating"),
                ],
            ),
        ),
        (
            1_400,
            tree(
                State::Done,
                2,
                vec![
                    rolling(
                        pod(&new_pod, State::Done, "Running", 300),
                        Some(pod(&old_pod, State::Leaving, "Terminating", -360_000)),
                        "1 new, 1 old leaving",
                    ),
                    took(1_300, row(vdu2, State::Done, 1, "1 of 1 new")),
                    took(1_200, row(vdu3, State::Done, 1, "restarts 0 -> 1")),
                ],
            ),
        ),
        (
            2_600,
            tree(
                State::Done,
                2,
                vec![
                    took(2_500, row(vdu1, State::Done, 1, "1 of 1 new")),
                    took(1_300, row(vdu2, State::Done, 1, "1 of 1 new")),
                    took(1_200, row(vdu3, State::Done, 1, "restarts 0 -> 1")),
                ],
            ),
        ),
    ]
}

fn frame(after: u64, tree: &Tree, size: Size) -> String {
    let now = BEGIN + SignedDuration::from_millis(i64::try_from(after).expect("a short while"));
    let screen = Screen { width: size.columns.min(120), symbols: Symbols::Unicode, now, namespace_flag: String::new() };
    let head = Head {
        verb: Verb::Update,
        rolling_back: false,
        name: "sample-vnf".into(),
        operation_id: "7c1e03b9-2d6c-4f0e-9a57-6f0c9a3e81d2".into(),
        elapsed: Duration::from_millis(after),
        timeout: Some(Duration::from_secs(600)),
    };
    let (head, hint) = (tree_view::head(&head, tree, &screen), tree_view::hint("sample-vnf", &screen));
    framed(&head, &hint, size.rows - 1, |height| tree_view::render(tree, &screen, Some(height)))
}

/// All that the terminal has shown, a line under the part that has scrolled away.
fn shown(terminal: &avt::Terminal, title: &str) -> String {
    let scrolled = terminal.screen().all_lines().count() - terminal.size().1;
    let mut text = format!("==== {title}\n");
    for (number, line) in terminal.screen().all_lines().enumerate() {
        if number == scrolled && scrolled > 0 {
            text.push_str("---- screen\n");
        }
        text.push_str(line.text().trim_end());
        text.push('\n');
    }
    let cursor = terminal.cursor();
    let seen = if cursor.visible { "shown" } else { "hidden" };
    format!("{}\n---- cursor in row {}, {seen}\n", text.trim_end(), cursor.row)
}

fn story(mut size: Size, smaller: Size) -> String {
    let mut terminal = avt::Terminal::with_scrollback(size.columns, size.rows, None).expect("a size");
    let mut painter = Painter::new(true);
    terminal.feed("$ kubectl vnf update sample-vnf --package after --yes\r\n");
    for line in 1..=6 {
        terminal.feed(&*format!("line {line} of the plan\r\n"));
    }
    terminal.feed("\r\n");
    let mut story = String::new();
    for (number, (after, tree)) in recorded().iter().enumerate() {
        let above = if number == 2 { "! a warning that comes in between\n" } else { "" };
        if number == 3 {
            size = smaller;
            terminal.resize(size.columns, size.rows);
        }
        let bytes = painter.paint(above, Some(&frame(*after, tree, size)), size);
        assert!(bytes.len() < 4096, "{} bytes", bytes.len());
        terminal.feed(&*bytes);
        story += &shown(&terminal, &format!("{after} ms, {}x{}", size.columns, size.rows));
        // A moment later only the clock has moved.
        let bytes = painter.paint("", Some(&frame(after + 10, tree, size)), size);
        assert!(bytes.len() < 400, "{} bytes for nothing", bytes.len());
        terminal.feed(&*bytes);
    }
    terminal.feed(&*painter.leave(Last::Goes, size));
    terminal.feed("vnfinstance/sample-vnf updated in 2.6s\r\n");
    story + &shown(&terminal, "the result")
}

#[test]
fn an_update_on_a_small_and_on_a_large_terminal() {
    let size = |columns, rows| Size { columns, rows };
    insta::assert_snapshot!("update-80x24", story(size(80, 24), size(64, 18)));
    insta::assert_snapshot!("update-200x50", story(size(200, 50), size(100, 20)));
}
