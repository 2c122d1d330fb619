//! Screens of what happened: results, failures, progress.

use super::{assert_coloured, assert_screen, assert_widths};
use crate::object::ObjectRef;
use crate::plan::ItemState;
use crate::record::{OperationState, Verb};
use crate::report::event::{Event, EventKind};
use crate::report::evidence::{EventLine, Evidence};
use crate::report::outcome::{Disturbed, FailureLine, Outcome, PodOf, Restarted, Standing, WayBack, WaysOut};
use crate::view::fixtures::{
    INSTANCE_ID, OPERATION_ID, WORKLOADS, ago, all_objects, ascii, aspect_moves, deferred, object, screen,
    update_items, vdu, workload,
};
use crate::view::{progress, result};
use jiff::Span;
use std::time::Duration;

fn outcome(verb: Verb, millis: u64) -> Outcome {
    Outcome {
        verb,
        name: "sample-vnf".into(),
        id: INSTANCE_ID.into(),
        operation_id: OPERATION_ID.into(),
        state: OperationState::Completed,
        revision: Some(2),
        took: Duration::from_millis(millis),
        scale: Vec::new(),
        restarted: Vec::new(),
        added: Vec::new(),
        removed: Vec::new(),
        untouched: Vec::new(),
        disturbed: Vec::new(),
        ready: (8, 8),
        deferred: Vec::new(),
        renamed_from: None,
        failures: Vec::new(),
        standing: Vec::new(),
        deleted: Vec::new(),
        ways: None,
        notes: Vec::new(),
    }
}

fn restarted(number: usize, after: Option<&str>, image: &str) -> Restarted {
    let before = WORKLOADS[number - 1].3;
    Restarted {
        vdu: vdu(number),
        workload: workload(number),
        before: Some(before.into()),
        after: Some(after.unwrap_or(before).into()),
        restarts: after.is_none().then_some((0, 1)),
        images: vec![image.into()],
    }
}

fn pod(number: usize) -> PodOf {
    PodOf { vdu: vdu(number), workload: workload(number), pod: WORKLOADS[number - 1].3.into() }
}

fn updated() -> Outcome {
    Outcome {
        name: "modify_vnf_after".into(),
        renamed_from: Some("sample-vnf".into()),
        restarted: vec![
            restarted(1, Some("vdu1-update-5d87858fc6-tfgts"), "cirros"),
            restarted(2, Some("vdu2-update-tk7qp"), "celebdor/kuryr-demo"),
            restarted(3, None, "tomcat"),
            restarted(4, None, "cirros"),
            restarted(5, Some("daemonset-vdu5-whd4s"), "cirros"),
        ],
        untouched: vec![pod(6), pod(7), pod(8)],
        deferred: deferred(),
        ..outcome(Verb::Update, 2912)
    }
}

#[test]
fn scaled() {
    let came = |name: &str| PodOf { pod: name.into(), ..pod(1) };
    let out = Outcome {
        scale: aspect_moves(),
        added: vec![came("vdu1-update-6fcf66b5dd-x2x9k"), came("vdu1-update-6fcf66b5dd-k8d2m")],
        untouched: (1..=8).map(pod).collect(),
        ..outcome(Verb::Scale, 1312)
    };
    assert_screen("s21-scaled", &result::done(&out, &screen(90)));
    let back = Outcome {
        state: OperationState::RolledBack,
        revision: Some(1),
        scale: Vec::new(),
        removed: out.added.clone(),
        added: Vec::new(),
        ..out
    };
    assert_screen("s21-rolled-back", &result::done(&back, &screen(90)));
}

#[test]
fn done() {
    assert_screen("s05-updated", &result::done(&updated(), &screen(90)));
    assert_screen("s05-updated-60", &result::done(&updated(), &screen(60)));
    assert_widths("s05", |screen| result::done(&updated(), screen));
    assert_coloured("s05-coloured", &result::done(&updated(), &ascii(80)));
    assert_eq!(
        anstream::adapter::strip_str(&result::unchanged("sample-vnf", &screen(90))).to_string(),
        "vnfinstance/sample-vnf unchanged: runs this package, nothing drifted\n"
    );
    let instantiated = Outcome { revision: Some(1), ..outcome(Verb::Instantiate, 1640) };
    assert_screen("s02-instantiated", &result::done(&instantiated, &screen(90)));
    let healed = Outcome {
        restarted: vec![
            restarted(1, Some("vdu1-update-6fcf66b5dd-x2x9k"), "nginx"),
            restarted(3, Some("env-test"), "nginx"),
            Restarted { before: None, ..restarted(7, Some("env-test2"), "nginx") },
            Restarted { after: None, ..restarted(8, Some(""), "nginx") },
        ],
        disturbed: vec![Disturbed { pod: pod(6), how: "restarted once".into() }],
        ..outcome(Verb::Heal, 62_400)
    };
    assert_screen("s17-healed", &result::done(&healed, &screen(90)));
    let terminated = Outcome {
        revision: None,
        deleted: all_objects().into_iter().map(|(object, _)| object).collect(),
        notes: vec!["the record, 3 operations and 2 packages are removed".into()],
        ..outcome(Verb::Terminate, 31_000)
    };
    assert_screen("s19-terminated", &result::done(&terminated, &screen(90)));
    let given_up = Outcome { state: OperationState::Failed, ..outcome(Verb::Update, 0) };
    assert_screen("s08-given-up", &result::done(&given_up, &screen(90)));
    let renamed = Outcome { renamed_from: Some("old".into()), ..outcome(Verb::Update, 312) };
    assert_screen("s05-renamed", &result::done(&renamed, &screen(90)));
}

#[test]
fn done_with_many_pods() {
    let pod = |number: usize| Restarted {
        before: Some(format!("worker-{number}")),
        after: Some(format!("worker-{}", number + 100)),
        ..restarted(if number < 20 { 1 } else { 5 }, Some("x"), "cirros")
    };
    let many = Outcome { restarted: (0..30).map(pod).collect(), ..updated() };
    assert_screen("s05-updated-many", &result::done(&many, &screen(90)));
}

fn evidence() -> Evidence {
    let event = |seconds: i64, reason: &str, message: &str| EventLine {
        time: Some(ago(Span::new().seconds(seconds))),
        reason: reason.into(),
        message: message.into(),
    };
    Evidence {
        summary: "the image cannot be pulled".into(),
        pod: Some("vdu1-update-7f9c6d5b8-x2x9k".into()),
        node: Some("node-1".into()),
        container: Some("nginx".into()),
        image: Some("cirros:nosuch".into()),
        reason: "ImagePullBackOff".into(),
        message: "Back-off pulling image \"cirros:nosuch\": ErrImagePull: failed to resolve reference \
                  \"docker.io/library/cirros:nosuch\": docker.io/library/cirros:nosuch: not found"
            .into(),
        events: vec![
            event(13, "Failed", "Failed to pull image \"cirros:nosuch\": docker.io/library/cirros:nosuch: not found"),
            event(2, "BackOff", "Back-off pulling image \"cirros:nosuch\""),
        ],
        log: Vec::new(),
    }
}

fn failure(number: usize, what: &str, evidence: Option<Evidence>) -> FailureLine {
    FailureLine {
        object: workload(number),
        vdu: vdu(number),
        defined_at: Some("Files/kubernetes/deployment.yaml:17".into()),
        what: what.into(),
        consequence: false,
        evidence,
    }
}

/// How the objects of the update stand: the states of the workloads, in order.
fn standing(states: [ItemState; 5]) -> Vec<Standing> {
    let config = [ItemState::Done; 2];
    let states = config.into_iter().chain(states);
    update_items()
        .into_iter()
        .zip(states)
        .map(|(item, state)| Standing { object: item.object, vdu: item.vdu, state })
        .collect()
}

fn ways_out() -> WaysOut {
    let back = WayBack { revision: Some(1), config: 2, workloads: 5, scaled: 0, restarts: 4, deleted: 0 };
    WaysOut { verb: Verb::Update, rolling_back: false, back: Some(back) }
}

fn failed() -> Outcome {
    use ItemState::{Done, Waiting};
    Outcome {
        state: OperationState::FailedTemp,
        failures: vec![
            failure(1, "the image cannot be pulled", Some(evidence())),
            FailureLine { consequence: true, ..failure(4, "still under way: 0 of 1 new", None) },
        ],
        standing: standing([Waiting, Done, Done, Waiting, Done]),
        ways: Some(ways_out()),
        ..outcome(Verb::Update, 13_400)
    }
}

#[test]
fn failures() {
    assert_screen("s08-failed", &result::failed(&failed(), &screen(90)));
    assert_screen("s08-failed-60", &result::failed(&failed(), &screen(60)));
    assert_screen("s08-failed-ascii", &result::failed(&failed(), &ascii(80)));
    assert_widths("s08", |screen| result::failed(&failed(), screen));
    assert_coloured("s08-coloured", &result::failed(&failed(), &screen(80)));
    let crash = Evidence {
        summary: "the container ends again and again".into(),
        reason: "CrashLoopBackOff".into(),
        message: String::new(),
        image: None,
        events: Vec::new(),
        log: vec!["loading /etc/app.conf".into(), format!("panic: {}", "no such key ".repeat(10))],
        ..evidence()
    };
    let several = Outcome {
        failures: vec![
            failure(2, "the container ends again and again", Some(crash)),
            FailureLine { defined_at: None, ..failure(5, "not ready after 600 s: 0 of 3 new", None) },
            FailureLine {
                object: object("ConfigMap", "cm-data"),
                vdu: None,
                ..failure(1, "it exists and belongs to nobody", None)
            },
        ],
        standing: Vec::new(),
        ..failed()
    };
    assert_screen("s08-failed-several", &result::failed(&several, &screen(90)));
}

#[test]
fn interrupted() {
    use ItemState::{Done, ToDo, Waiting};
    let interrupted = Outcome {
        failures: vec![FailureLine { consequence: true, ..failure(2, "interrupted", None) }],
        standing: standing([Waiting, ToDo, Done, ToDo, ToDo]),
        ..failed()
    };
    assert_screen("s10-interrupted", &result::failed(&interrupted, &screen(90)));
    assert_widths("s10-stopped", |screen| result::failed(&interrupted, screen));
    let states = [Done, Waiting, ToDo, ToDo].into_iter().cycle();
    let standing = |(((object, vdu), state), _): (((ObjectRef, Option<String>), ItemState), usize)| Standing {
        object,
        vdu,
        state,
    };
    let early = Outcome {
        verb: Verb::Instantiate,
        ways: Some(WaysOut {
            verb: Verb::Instantiate,
            back: Some(WayBack { revision: None, config: 0, workloads: 0, scaled: 0, restarts: 0, deleted: 7 }),
            ..ways_out()
        }),
        standing: all_objects().into_iter().zip(states).zip(0..).map(standing).collect(),
        ..interrupted
    };
    assert_screen("s10-interrupted-instantiate", &result::failed(&early, &screen(90)));
}

#[test]
fn rollbacks() {
    use ItemState::{Done, ToDo};
    let back = Outcome {
        state: OperationState::RolledBack,
        revision: Some(1),
        ways: None,
        failures: Vec::new(),
        ..outcome(Verb::Update, 3_200)
    };
    assert_screen("s08-rolled-back", &result::done(&back, &screen(90)));
    let command =
        result::evidence(&failed(), &screen(90)) + &result::failed_and_rolled_back(&failed(), &back, &screen(90));
    assert_screen("s08-rollback-on-failure", &command);
    let stuck = Outcome {
        failures: vec![FailureLine { consequence: true, ..failure(2, "interrupted", None) }],
        standing: standing([Done, ToDo, Done, ToDo, ToDo]),
        ways: Some(WaysOut { rolling_back: true, ..ways_out() }),
        ..failed()
    };
    assert_screen("s10-rollback-interrupted", &result::failed(&stuck, &screen(90)));
    let removed = Outcome {
        verb: Verb::Instantiate,
        revision: None,
        deleted: all_objects().into_iter().map(|(object, _)| object).collect(),
        ..back
    };
    assert_screen("s08-rolled-back-instantiate", &result::done(&removed, &screen(90)));
}

#[test]
fn progress_lines() {
    let event = |millis, object: ObjectRef, vdu, kind| {
        let after = Duration::from_millis(millis);
        progress::line(&Event { after, object, vdu, kind })
    };
    let text = [
        event(230, object("ConfigMap", "cm-data"), None, EventKind::Written("written: cmKey1.txt".into())),
        event(240, object("Service", "web"), None, EventKind::Written("created".into())),
        event(312, workload(3), vdu(3), EventKind::Written("image nginx -> tomcat".into())),
        event(1_950, workload(3), vdu(3), EventKind::Done("ready 1/1, restarts 0 -> 1".into())),
        event(2_000, workload(2), vdu(2), EventKind::Waiting("0 of 1 new".into())),
        event(61_000, workload(1), vdu(1), EventKind::Failed("the image cannot be pulled".into())),
        event(3_725_000, workload(8), vdu(8), EventKind::Done("deleted".into())),
    ]
    .concat();
    assert_screen("s04-progress", &text);
}
