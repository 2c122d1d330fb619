//! Whatever something is called: no control character gets to a terminal, and columns stay straight, under wide,
//! combining and joined characters too.

use crate::object::ObjectRef;
use crate::plan::drift::Drift;
use crate::plan::drift::fields::{Departure, Remedy};
use crate::record::instance::InstantiationState;
use crate::record::{Instance, OperationState, Verb};
use crate::report::event::{Event, EventKind};
use crate::report::evidence::{EventLine, Evidence};
use crate::report::outcome::{FailureLine, Outcome, PodOf, Restarted, Standing, WaysOut};
use crate::report::status::Status;
use crate::report::tree::{Head, PodLine, Role, Row, Set, State, Tree};
use crate::view::diff::{self, KeyDiff, ObjectDiff, Shown};
use crate::view::fixtures::{INSTANCE_ID, OPERATION_ID, before, now, screen, update_sheet};
use crate::view::show::{self, ShowRow, ShowSheet};
use crate::view::tables::{self, ListRow};
use crate::view::{Screen, Symbols, plan, progress, result, status, tree};
use proptest::prelude::*;
use std::time::Duration;
use unicode_width::UnicodeWidthStr as _;

/// Texts as a cluster or a package might hold them, and as somebody might who means harm.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-z0-9.-]{1,9}",
        1 => Just("日本語".to_owned()),
        1 => Just("e\u{301}a\u{308}".to_owned()),
        1 => Just("\u{1f469}\u{200d}\u{1f4bb}".to_owned()),
        1 => Just("\u{1b}[2J\u{1b}]0;title\u{7}".to_owned()),
        1 => Just("\u{9b}31m\u{90}x\u{9c}".to_owned()),
        1 => Just("\u{202e}\u{2066}\u{200f}".to_owned()),
        1 => Just("\r\n\t\u{b}\u{2028}\u{85}".to_owned()),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
}

fn screens() -> impl Strategy<Value = Screen> {
    (60..=200usize, prop_oneof![Just(Symbols::Unicode), Just(Symbols::Ascii)])
        .prop_map(|(width, symbols)| Screen { symbols, ..screen(width) })
}

/// A tree in which everything is called something of `texts`.
fn tree_of(texts: &[String]) -> Tree {
    let at = |index: usize| texts[index % texts.len()].clone();
    let states = [State::Waiting, State::Done, State::Failed, State::ToDo];
    let pod = |index: usize| PodLine {
        name: at(index),
        state: states[index % states.len()],
        ready: (1, 1),
        reason: at(index + 1),
        restarts: index as u64,
        created: Some(now()),
    };
    let rows = (0..texts.len()).map(|index| Row {
        state: states[index % states.len()],
        vdu: (index % 3 != 0).then(|| at(index + 2)),
        object: ObjectRef::new("v1", "Pod", None, &at(index)),
        ready: Some((1, 2)),
        words: at(index + 3),
        since: (index % 2 == 0).then(now),
        took: None,
        sets: vec![Set {
            name: at(index + 4),
            role: Role::New,
            ready: (0, 1),
            words: at(index + 5),
            pods: vec![pod(index)],
        }],
        pods: (0..index).map(pod).collect(),
        open: true,
    });
    Tree { rows: rows.collect(), ..Tree::default() }
}

fn status_of(texts: &[String]) -> Status {
    let at = |index: usize| texts[index % texts.len()].clone();
    let drift = Drift {
        object: ObjectRef::new("v1", "ConfigMap", None, &at(0)),
        field: at(1),
        change: at(2),
        manager: Some(at(3)),
        time: Some(now()),
    };
    Status {
        name: at(0),
        id: INSTANCE_ID.into(),
        namespace: at(1),
        instantiation_state: InstantiationState::Instantiated,
        revision: Some(1),
        ready: (1, 2),
        operation: None,
        tree: tree_of(texts),
        drift: vec![Departure { drift, remedy: Remedy::Update }],
        deferred: Vec::new(),
        unknown: Vec::new(),
    }
}

fn outcome_of(texts: &[String]) -> Outcome {
    let at = |index: usize| texts[index % texts.len()].clone();
    let object = ObjectRef::new("v1", "Pod", None, &at(0));
    let evidence = Evidence {
        summary: at(1),
        pod: Some(at(2)),
        node: Some(at(3)),
        container: Some(at(4)),
        image: Some(at(0)),
        reason: at(1),
        message: at(2),
        events: vec![EventLine { time: Some(now()), reason: at(3), message: at(4) }],
        log: texts.to_vec(),
    };
    let failure = FailureLine {
        object: object.clone(),
        vdu: Some(at(1)),
        defined_at: Some(at(2)),
        what: at(3),
        consequence: false,
        evidence: Some(evidence),
    };
    let restarted = Restarted {
        vdu: Some(at(1)),
        workload: object.clone(),
        before: Some(at(2)),
        after: Some(at(3)),
        restarts: None,
        images: texts.to_vec(),
    };
    Outcome {
        verb: Verb::Update,
        name: at(0),
        id: at(1),
        operation_id: OPERATION_ID.into(),
        state: OperationState::FailedTemp,
        revision: Some(2),
        took: Duration::from_secs(1),
        scale: Vec::new(),
        restarted: vec![restarted],
        added: Vec::new(),
        removed: Vec::new(),
        untouched: vec![PodOf { vdu: Some(at(1)), workload: object.clone(), pod: at(2) }],
        disturbed: Vec::new(),
        ready: (1, 1),
        deferred: Vec::new(),
        renamed_from: Some(at(3)),
        failures: vec![failure],
        standing: vec![Standing { object, vdu: Some(at(4)), state: crate::plan::ItemState::Waiting }],
        ways: Some(WaysOut { verb: Verb::Update, rolling_back: false, back: None }),
        deleted: Vec::new(),
        notes: texts.to_vec(),
    }
}

/// Every screen, with these texts in it.
fn all_screens(texts: &[String], screen: &Screen) -> Vec<String> {
    let at = |index: usize| texts[index % texts.len()].clone();
    let object = ObjectRef::new("v1", "Pod", None, &at(0));
    let mut sheet = update_sheet();
    (sheet.name, sheet.context, sheet.namespace) = (at(0), at(1), at(2));
    sheet.notes = texts.to_vec();
    sheet.deferred[0].change = at(3);
    sheet.items[2].object.name = at(4);
    sheet.items[3].vdu = Some(at(0));
    let mut instance = Instance::create(INSTANCE_ID.into(), at(0), before());
    instance.vnf_instance_description = Some(at(1));
    instance.metadata = serde_json::json!({ at(2): texts });
    let rows = [ShowRow { vdu: Some(at(1)), workload: object.clone(), images: texts.to_vec(), vnfcs: texts.to_vec() }];
    let shown = ShowSheet {
        interrupted: false,
        instance: &instance,
        namespace: &at(3),
        rows: &rows,
        deferred: &sheet.deferred,
    };
    let key = KeyDiff { key: at(1), before: Some(Shown::Text(at(2))), after: Some(Shown::Text(at(3))) };
    let differing = [ObjectDiff { object: object.clone(), vdu: Some(at(4)), keys: vec![key] }];
    let head = Head {
        verb: Verb::Update,
        rolling_back: false,
        name: at(0),
        operation_id: at(1),
        elapsed: Duration::ZERO,
        timeout: None,
    };
    let outcome = outcome_of(texts);
    let event = Event { after: Duration::ZERO, object, vdu: Some(at(1)), kind: EventKind::Failed(at(2)) };
    vec![
        plan::sheet(&sheet, screen),
        plan::retry(&sheet, screen),
        plan::question(&sheet),
        diff::sheet(&sheet, &differing, screen),
        show::instance(&shown, screen),
        progress::line(&event),
        result::done(&Outcome { state: OperationState::Completed, ..outcome.clone() }, screen),
        result::failed(&outcome, screen),
        result::evidence(&outcome, screen),
        status::status(&status_of(texts), screen, None),
        status::all(&[status_of(texts)], true, true, true),
        tree::head(&head, &tree_of(texts), screen) + &tree::hint(&at(0), screen),
        tables::list(
            &[ListRow { name: at(0), operation: Some(at(1)), ..ListRow::default() }],
            true,
            true,
            true,
            screen,
        ),
    ]
}

/// What a terminal shows, colours taken out. Fails on anything else that a terminal would act upon.
#[track_caller]
fn shown(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            let code: String = rest.by_ref().take_while(|c| *c != 'm').collect();
            assert!(
                code.strip_prefix('[').is_some_and(|code| code.chars().all(|c| c.is_ascii_digit())),
                "{code:?}: {text:?}"
            );
            continue;
        }
        assert!(c == '\n' || !c.is_control(), "{c:?} in {text:?}");
        assert!(
            !"\u{202a}\u{202b}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{200f}\u{2028}".contains(c),
            "{c:?} in {text:?}"
        );
        plain.push(c);
    }
    plain
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn only_colours_get_to_a_terminal(texts in proptest::collection::vec(texts(), 5), screen in screens()) {
        for text in all_screens(&texts, &screen) {
            shown(&text);
        }
    }

    #[test]
    fn no_line_of_a_tree_is_wider_than_the_screen(
        texts in proptest::collection::vec(texts(), 5..9), screen in screens(), height in 0..40usize,
    ) {
        let tree = tree_of(&texts);
        for height in [None, Some(height)] {
            let text = shown(&tree::render(&tree, &screen, height));
            for line in text.lines() {
                prop_assert!(line.width() <= screen.width, "{} of {}: {line}\n{text}", line.width(), screen.width);
            }
            prop_assert!(height.is_none_or(|height| text.lines().count() <= height));
        }
    }

    #[test]
    fn columns_are_straight(names in proptest::collection::vec("[a-z]{1,6}", 3), wide in 0..3usize) {
        let mut names = names;
        names[wide].push_str("日本e\u{301}");
        let row = |name: &String| ListRow { name: name.clone(), state: "STATE".into(), ..ListRow::default() };
        let rows: Vec<ListRow> = names.iter().map(row).collect();
        let table = shown(&tables::list(&rows, false, false, true, &screen(80)));
        let pods: Vec<PodLine> = names.iter().map(|name| PodLine {
            name: name.clone(), state: State::Done, ready: (1, 1), reason: "STATE".into(), restarts: 0, created: None,
        }).collect();
        let object = ObjectRef::new("apps/v1", "ReplicaSet", None, &names[0]);
        let row = Row { state: State::Waiting, vdu: None, object, ready: Some((3, 3)), words: "STATE".into(), since: None,
            took: None, sets: Vec::new(), pods, open: true };
        let tree = shown(&tree::render(&Tree { rows: vec![row], ..Tree::default() }, &screen(80), None));
        for text in [table, tree] {
            let at = |line: &str| line.find("STATE").map(|at| line[..at].width());
            let columns: std::collections::BTreeSet<_> = text.lines().map(at).collect();
            prop_assert_eq!(columns.len(), 1, "{}", text);
        }
    }
}
