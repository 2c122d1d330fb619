//! The tree of a VNF: an operation under way, and how a VNF is.

use super::{assert_coloured, assert_screen};
use crate::object::ObjectRef;
use crate::plan::drift::Drift;
use crate::plan::drift::fields::{Departure, Remedy};
use crate::record::instance::InstantiationState;
use crate::record::{OperationState, Verb};
use crate::report::status::{OpenOperation, Status};
use crate::report::tree::{ConfigRow, Head, PodLine, Role, Row, Set, State, Tree, Untouched};
use crate::view::fixtures::{INSTANCE_ID, OPERATION_ID, ago, ascii, deferred, object, screen, vdu, workload};
use crate::view::{Screen, status, tree};
use jiff::Span;
use std::time::Duration;

fn head(millis: u64) -> Head {
    Head {
        verb: Verb::Update,
        rolling_back: false,
        name: "sample-vnf".into(),
        operation_id: OPERATION_ID.into(),
        elapsed: Duration::from_millis(millis),
        timeout: Some(Duration::from_secs(600)),
    }
}

fn row(number: usize, state: State, ready: (u64, u64), words: &str) -> Row {
    Row {
        state,
        vdu: vdu(number),
        object: workload(number),
        ready: Some(ready),
        words: words.into(),
        since: None,
        took: None,
        sets: Vec::new(),
        pods: Vec::new(),
        open: true,
    }
}

fn pod(name: &str, state: State, reason: &str, age: Span) -> PodLine {
    let ready = (usize::from(matches!(state, State::Done | State::Leaving)), 1);
    PodLine { name: name.into(), state, ready, reason: reason.into(), restarts: 0, created: Some(ago(age)) }
}

fn set(name: &str, role: Role, ready: (u64, u64), pods: Vec<PodLine>) -> Set {
    Set { name: name.into(), role, ready, words: String::new(), pods }
}

fn seconds(number: i64) -> Span {
    Span::new().seconds(number)
}

/// The update of the sample, two seconds after it began.
fn updating() -> Tree {
    let new = pod("vdu1-update-5d87858fc6-tfgts", State::Done, "Running", seconds(1));
    let old = pod("vdu1-update-6fcf66b5dd-nngts", State::Leaving, "Terminating", Span::new().minutes(14));
    let pulling = pod("vdu2-update-tk7qp", State::Waiting, "Pulling celebdor/kuryr-demo", seconds(0));
    Tree {
        config: Some(config(State::Done, "written")),
        rows: vec![
            Row {
                sets: vec![
                    set("vdu1-update-5d87858fc6", Role::New, (1, 1), vec![new]),
                    set("vdu1-update-6fcf66b5dd", Role::Old, (0, 0), vec![old]),
                ],
                ..row(1, State::Waiting, (1, 1), "1 new, 1 old leaving")
            },
            Row { pods: vec![pulling], ..row(2, State::Waiting, (0, 1), "1 new starting") },
            Row { took: Some(Duration::from_millis(1_950)), ..row(3, State::Done, (1, 1), "restarts 0 -> 1") },
            Row { since: Some(ago(seconds(1))), ..row(4, State::Waiting, (0, 1), "ContainerCreating") },
            Row {
                took: Some(Duration::from_millis(1_800)),
                pods: vec![pod("daemonset-vdu5-whd4s", State::Done, "Running", seconds(2))],
                ..row(5, State::Done, (1, 1), "1 of 1 new")
            },
        ],
        others: Vec::new(),
        untouched: Some(Untouched { vdus: 3, others: 0, ready: (3, 3) }),
    }
}

fn config(state: State, what: &'static str) -> ConfigRow {
    let objects = vec![object("ConfigMap", "cm-data"), object("Secret", "secret-data")];
    ConfigRow { state, done: 2, objects, what, took: None }
}

/// The update whose new image cannot be pulled.
fn failing() -> Tree {
    let mut tree = updating();
    let new = pod("vdu1-update-7f9c6d5b8-x2x9k", State::Failed, "ImagePullBackOff", seconds(13));
    let old = pod("vdu1-update-6fcf66b5dd-nngts", State::Done, "Running", Span::new().minutes(14));
    let old = set("vdu1-update-6fcf66b5dd", Role::Old, (1, 1), vec![old]);
    tree.rows[0] = Row {
        sets: vec![
            set("vdu1-update-7f9c6d5b8", Role::New, (0, 1), vec![new]),
            Set { words: "still serving".into(), ..old },
        ],
        ..row(1, State::Failed, (1, 1), "ImagePullBackOff")
    };
    tree.rows[1] = row(2, State::Done, (1, 1), "1 of 1 new");
    tree.rows[3] = row(4, State::Done, (1, 1), "restarts 0 -> 1");
    tree
}

/// A VNF that is not well.
fn standing() -> Tree {
    let mut rows: Vec<Row> = (1..=8).map(|number| row(number, State::Done, (1, 1), "")).collect();
    rows[0] = Row {
        sets: vec![set(
            "vdu1-update-5d87858fc6",
            Role::Current,
            (1, 2),
            vec![
                PodLine {
                    restarts: 3,
                    ..pod("vdu1-update-5d87858fc6-tfgts", State::Done, "Running", Span::new().hours(2))
                },
                pod("vdu1-update-5d87858fc6-k8d2m", State::Failed, "Unschedulable: Insufficient cpu", seconds(300)),
            ],
        )],
        ..row(1, State::Failed, (1, 2), "")
    };
    rows[2].words = "restarts 1".into();
    rows[7] = row(8, State::Failed, (0, 1), "gone");
    let claim = ObjectRef::new("networking.k8s.io/v1", "Ingress", Some("default"), "web");
    rows.push(Row { object: claim, vdu: None, ready: None, ..row(1, State::Waiting, (0, 0), "no address yet") });
    let others = [("ConfigMap", "cm-data"), ("ConfigMap", "cm-data3"), ("Secret", "secret-data")];
    Tree { rows, others: others.map(|(kind, name)| object(kind, name)).to_vec(), ..Tree::default() }
}

/// A hundred Deployments: eighty done, ten to do, nine on their way, one that failed, with sixteen Pods each.
fn large() -> Tree {
    let rows = (0..100).map(|number| {
        let name = format!("worker-{number}");
        let (state, words) = match number {
            17 => (State::Failed, "CrashLoopBackOff"),
            0..80 => (State::Done, "16 of 16 new"),
            80..90 => (State::Waiting, "12 new, 4 starting"),
            _ => (State::ToDo, "to do"),
        };
        let ready = if matches!(state, State::Waiting | State::Failed) { 12 } else { 16 };
        let pods = (0..16).map(|index| {
            let name = format!("{name}-5d87858fc6-x{index:04}");
            match state {
                State::Failed if index >= ready => pod(&name, State::Failed, "CrashLoopBackOff", seconds(40)),
                _ if index >= ready => pod(&name, State::Waiting, "ContainerCreating", seconds(2)),
                _ => pod(&name, State::Done, "Running", seconds(30)),
            }
        });
        Row {
            vdu: Some(format!("VDU{number}")),
            object: object("Deployment", &name),
            sets: vec![set(&format!("{name}-5d87858fc6"), Role::New, (ready, 16), pods.collect())],
            ..row(1, state, (ready, 16), words)
        }
    });
    let untouched = Some(Untouched { vdus: 2, others: 1, ready: (5, 5) });
    Tree { config: Some(config(State::Done, "written")), rows: rows.collect(), others: Vec::new(), untouched }
}

fn whole(head: &Head, tree: &Tree, screen: &Screen, height: Option<usize>) -> String {
    let rest = height.map(|height| height.saturating_sub(2));
    tree::head(head, tree, screen) + "\n" + &tree::render(tree, screen, rest)
}

#[test]
fn updating_live() {
    let screen_of = |width| {
        whole(&head(2_100), &updating(), &screen(width), Some(24)) + "\n" + &tree::hint("sample-vnf", &screen(width))
    };
    assert_screen("s04-tree", &screen_of(90));
    assert_screen("s04-tree-80", &screen_of(80));
    assert_screen("s04-tree-60", &screen_of(60));
    assert_screen("s04-tree-200", &screen_of(200));
    assert_screen("s04-tree-ascii", &whole(&head(2_100), &updating(), &ascii(80), Some(24)));
    assert_coloured("s04-tree-coloured", &whole(&head(2_100), &failing(), &screen(80), Some(24)));
}

#[test]
fn failing_live() {
    assert_screen("s08-tree", &whole(&head(13_400), &failing(), &screen(80), None));
    let back = Tree { config: Some(config(State::Done, "restored")), ..failing() };
    assert_screen("s08-tree-back", &whole(&Head { rolling_back: true, ..head(1_000) }, &back, &screen(80), Some(50)));
}

#[test]
fn standing_tree() {
    assert_screen("s15-tree-80", &tree::render(&standing(), &screen(80), None));
    assert_screen("s15-tree-200", &tree::render(&standing(), &screen(200), None));
}

fn departure(object: ObjectRef, field: &str, change: &str, by: Option<(&str, i64)>, remedy: Remedy) -> Departure {
    let drift = Drift {
        object,
        field: field.into(),
        change: change.into(),
        manager: by.map(|(manager, _)| manager.into()),
        time: by.map(|(_, minutes)| ago(Span::new().minutes(minutes))),
    };
    Departure { drift, remedy }
}

/// A VNF that is not well, as `status` says it.
fn unwell() -> Status {
    Status {
        name: "modify_vnf_after".into(),
        id: INSTANCE_ID.into(),
        namespace: "default".into(),
        instantiation_state: InstantiationState::Instantiated,
        revision: Some(2),
        ready: (7, 9),
        operation: None,
        tree: standing(),
        drift: vec![
            departure(
                object("ConfigMap", "cm-data3"),
                "cmKey1.txt",
                "22 -> 31 bytes",
                Some(("kubectl-edit", 12)),
                Remedy::Update,
            ),
            departure(workload(8), "", "deleted", None, Remedy::Update),
            departure(workload(1), "spec.replicas", "1 -> 2", Some(("kubectl-scale", 5)), Remedy::Scale),
        ],
        deferred: deferred(),
        unknown: Vec::new(),
    }
}

/// One that is, and one that is not there.
fn well(name: &str) -> Status {
    let rows = (1..=8).map(|number| Row { open: false, ..row(number, State::Done, (1, 1), "") }).collect();
    let tree = Tree { rows, others: standing().others, ..Tree::default() };
    Status { name: name.into(), ready: (8, 8), tree, drift: Vec::new(), deferred: Vec::new(), ..unwell() }
}

fn stopped(interrupted: bool) -> Status {
    let mut tree = failing();
    tree.rows[2] = row(3, State::ToDo, (1, 1), "to do");
    let open = OpenOperation {
        id: OPERATION_ID.into(),
        verb: Verb::Update,
        state: OperationState::FailedTemp,
        interrupted,
        started: ago(Span::new().minutes(3)),
        since: ago(Span::new().minutes(2)),
        by: Some("admin@jump1 (pid 4711)".into()),
    };
    Status { ready: (8, 8), operation: Some(open), tree, ..well("sample-vnf") }
}

#[test]
fn how_a_vnf_is() {
    for width in [60, 80, 200] {
        assert_screen(&format!("s15-status-{width}"), &status::status(&unwell(), &screen(width), None));
    }
    assert_screen("s15-status-ascii", &status::status(&unwell(), &ascii(80), None));
    assert_coloured("s15-status-coloured", &status::status(&unwell(), &screen(80), None));
    assert_screen("s15-status-well", &status::status(&well("sample-vnf"), &screen(80), None));
    assert_screen("s15-status-stopped", &status::status(&stopped(true), &screen(80), None));
    let other = Status {
        drift: vec![
            departure(workload(1), "containers[nginx].env[A].value", "changed", Some(("kubectl-set", 1)), Remedy::Heal),
            departure(
                object("PersistentVolumeClaim", "data"),
                "metadata.labels.app",
                "db -> web",
                Some(("kubectl-edit", 1)),
                Remedy::Hand,
            ),
            departure(workload(2), "spec.replicas", "1 -> 3", Some(("kubectl", 1)), Remedy::Scale),
        ],
        ..well("sample-vnf")
    };
    assert_screen("s15-status-other", &status::status(&other, &screen(80), None));
}

#[test]
fn how_all_are() {
    let absent = Status {
        instantiation_state: InstantiationState::NotInstantiated,
        revision: None,
        ready: (0, 0),
        tree: Tree::default(),
        ..well("lab-smf")
    };
    let all = [unwell(), Status { name: "upf-east".into(), ..stopped(false) }, stopped(true), absent];
    assert_screen("s15-all", &status::all(&all, false, true, false));
    assert_screen("s15-all-wide", &status::all(&all, true, true, true));
    assert_coloured("s15-all-coloured", &status::all(&all, false, true, false));
}

#[test]
fn folded_to_a_height() {
    for height in [24, 50] {
        let text = whole(&head(61_000), &large(), &screen(80), Some(height));
        assert_screen(&format!("s04-large-{height}"), &text);
    }
    assert_screen("s04-folded-12", &tree::render(&updating(), &screen(80), Some(8)));
    assert!(tree::render(&large(), &screen(80), None).lines().count() > 1000);
    for (tree, least) in [(large(), 4), (updating(), 3), (failing(), 4), (standing(), 4)] {
        for height in 0..60 {
            let text = tree::render(&tree, &screen(80), Some(height));
            assert!(text.lines().count() <= height, "{height}:\n{text}");
            let failed = tree.rows.iter().filter(|row| row.state == State::Failed);
            for row in failed.filter(|_| height >= least) {
                assert!(text.contains(&row.object.name), "{height}: {} is missing:\n{text}", row.object);
            }
        }
    }
}

#[test]
fn names_are_never_cut() {
    let mut tree = updating();
    let long = format!("{}-end", "a-very-long-name-of-a-pod".repeat(3));
    tree.rows[0].sets[0].pods[0].name.clone_from(&long);
    tree.rows[0].sets[0].name = format!("{}-5d87858fc6", "vdu1-update-with-a-longish-name");
    tree.rows[3].object.name = "an-interface-function-of-the-very-old-kind".into();
    tree.rows[3].words = "FailedMount: MountVolume.SetUp failed for volume \"v\" : configmap \"c\" not found".into();
    assert_screen("s04-names-80", &tree::render(&tree, &screen(80), None));
    assert_screen("s04-names-60", &tree::render(&tree, &screen(60), None));
    for width in [40, 60, 80, 120, 200] {
        let shown = tree::render(&tree, &screen(width), None);
        let shown = anstream::adapter::strip_str(&shown).to_string();
        assert!(shown.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= width), "{width}:\n{shown}");
        let joined: String = shown.split_whitespace().filter(|part| !part.contains(['├', '│', '└'])).collect();
        for name in tree.rows.iter().map(|row| &row.object.name).chain([&long]) {
            assert!(joined.contains(name.as_str()), "{width}: {name}\n{shown}");
        }
    }
}

#[test]
fn other_operations_have_their_words() {
    let of = |verb, rolling_back| {
        let head = Head { verb, rolling_back, timeout: None, ..head(1_000) };
        tree::head(&head, &Tree::default(), &screen(90))
    };
    let heads = [Verb::Instantiate, Verb::Undo, Verb::ChangePackage, Verb::Heal, Verb::Scale, Verb::Terminate];
    let text: String = heads.map(|verb| of(verb, false)).concat() + &of(Verb::Update, true);
    assert_screen("s04-heads", &text);
}
