//! Screens before the first write: plans, questions, refusals, differences.

use super::{assert_coloured, assert_screen, assert_widths};
use crate::object::ObjectRef;
use crate::plan::derive::update::RefusedChange;
use crate::plan::drift::Drift;
use crate::plan::sheet::{ConfigRule, Sheet};
use crate::report::checked::Checked;
use crate::view::diff::{self, KeyDiff, ObjectDiff, Shown};
use crate::view::fixtures::{
    ahead_sheet, ascii, drift, heal_all_sheet, heal_sheet, instantiate_sheet, many_sheet, object, password_sheet,
    retry_sheet, scale_sheet, screen, terminate_sheet, undo_sheet, update_sheet, vdu, workload,
};
use crate::view::plan::{self, MissingKeyLine, PermissionLine};

#[test]
fn update() {
    let sheet = update_sheet();
    assert_screen("s03-update", &plan::sheet(&sheet, &screen(90)));
    assert_screen("s03-update-60", &plan::sheet(&sheet, &screen(60)));
    assert_screen("s03-update-ascii", &plan::sheet(&sheet, &ascii(80)));
    assert_widths("s03", |screen| plan::sheet(&sheet, screen));
}

#[test]
fn update_of_configuration_only() {
    assert_screen("s03-update-recreates", &plan::sheet(&password_sheet(), &screen(90)));
    assert_screen("s03-update-recreates-60", &plan::sheet(&password_sheet(), &screen(60)));
}

#[test]
fn what_follows_is_said() {
    for width in [60, 90, 120] {
        assert_screen(&format!("s03-ahead-{width}"), &plan::sheet(&ahead_sheet(), &screen(width)));
    }
    let ahead = ahead_sheet().ahead;
    let sheet = Sheet { ahead: ahead.into_iter().take(2).collect(), ..heal_all_sheet() };
    assert_screen("s17-ahead", &plan::sheet(&sheet, &screen(90)));
}

#[test]
fn somebody_was_faster() {
    let gone = Drift { field: String::new(), change: "deleted".into(), manager: None, time: None, ..drift().remove(0) };
    let changes = [drift(), vec![gone]].concat();
    for width in [60, 90] {
        assert_screen(&format!("s11-changed-{width}"), &plan::changed(&changes, &screen(width)));
    }
    assert_widths("s11", |screen| plan::changed(&changes, screen));
}

#[test]
fn scale() {
    for width in [60, 90] {
        assert_screen(&format!("s21-scale-{width}"), &plan::sheet(&scale_sheet(), &screen(width)));
    }
}

#[test]
fn update_of_many_workloads() {
    assert_screen("s03-update-many", &plan::sheet(&many_sheet(), &screen(90)));
    assert_widths("s03-many", |screen| plan::sheet(&many_sheet(), screen));
}

#[test]
fn update_of_the_record_only() {
    let sheet = Sheet {
        items: Vec::new(),
        deferred: Vec::new(),
        down: Vec::new(),
        config_rule: Some(ConfigRule::NoneListed),
        ..update_sheet()
    };
    assert_screen("s03-update-renames", &plan::sheet(&sheet, &screen(90)));
}

#[test]
fn other_plans() {
    assert_screen("s02-instantiate-head", &plan::head(&instantiate_sheet(), &screen(90)));
    assert_screen("s02-instantiate", &plan::sheet(&instantiate_sheet(), &screen(90)));
    assert_screen("s17-heal-all", &plan::sheet(&heal_all_sheet(), &screen(90)));
    assert_screen("s17-heal-all-60", &plan::sheet(&heal_all_sheet(), &screen(60)));
    assert_screen("s17-heal-chosen", &plan::sheet(&heal_sheet(), &screen(90)));
    assert_screen("s19-terminate", &plan::sheet(&terminate_sheet(), &screen(90)));
    assert_widths("s02", |screen| plan::head(&instantiate_sheet(), screen));
    assert_widths("s17", |screen| plan::sheet(&heal_all_sheet(), screen));
    assert_widths("s18", |screen| plan::sheet(&undo_sheet(), screen));
    assert_widths("s19", |screen| plan::sheet(&terminate_sheet(), screen));
}

#[test]
fn retry() {
    assert_screen("s10-retry", &plan::retry(&retry_sheet(), &screen(90)));
    assert_screen("s10-retry-ascii", &plan::retry(&retry_sheet(), &ascii(60)));
    assert_widths("s10", |screen| plan::retry(&retry_sheet(), screen));
}

#[test]
fn questions() {
    let with_drift = Sheet { drift: drift(), ..update_sheet() };
    let renamed = Sheet { items: Vec::new(), ..update_sheet() };
    let expected = [
        (update_sheet(), "Change 2 config objects and restart 5 workloads (5 Pods) in lab/default? [y/N] "),
        (
            with_drift,
            "Change 2 config objects and restart 5 workloads (5 Pods) in lab/default, overwriting 2 changes of others? [y/N] ",
        ),
        (renamed, "Change the record of sample-vnf? [y/N] "),
        (
            password_sheet(),
            "Change 1 config object, restart 1 workload (1 Pod) and delete and recreate 1 Pod in lab/default, \
             overwriting 2 changes of others? [y/N] ",
        ),
        (instantiate_sheet(), "Create 12 objects in lab/default? [y/N] "),
        (heal_all_sheet(), "Delete and recreate 8 workloads (8 Pods) in lab/default? [y/N] "),
        (heal_sheet(), "Replace 3 Pods in lab/default? [y/N] "),
        (terminate_sheet(), "Delete 12 objects in lab/default? [y/N] "),
    ];
    for (sheet, question) in expected {
        assert_eq!(plan::question(&sheet), question);
    }
}

#[test]
fn checks() {
    let namespace = ObjectRef::new("v1", "Namespace", None, "core");
    let all = Checked { accepted: 7, admitted: 3, ..Checked::default() };
    let some = Checked {
        accepted: 1,
        admitted: 0,
        not_checkable: vec![namespace, workload(1)],
        unknown: vec!["room in quotas for all Pods together: no right to list resourcequotas".into()],
    };
    let text = plan::checked(&all, &screen(90)) + &plan::checked(&some, &screen(60));
    assert_screen("s03-checked", &text);
}

fn missing(number: usize, container: &str) -> MissingKeyLine {
    MissingKeyLine {
        vdu: vdu(number),
        object: workload(number),
        path: format!("containers[{container}].env[SECENV].secretKeyRef"),
        config: object("Secret", "secret-data"),
        key: Some("password".into()),
        present: vec!["passwd".into(), "secKey1.txt".into()],
        did_you_mean: Some("passwd".into()),
        file: Some("Files/kubernetes/secret_2.yaml".into()),
    }
}

#[test]
fn missing_keys_and_permissions() {
    let lost =
        MissingKeyLine { key: None, config: object("ConfigMap", "gone"), present: Vec::new(), ..missing(6, "web") };
    let lines = [missing(1, "nginx"), missing(3, "nginx"), lost, missing(5, "nginx")];
    let rules = [PermissionLine {
        rule: "create pods/eviction in default".into(),
        why: "to replace the Pods of VDU2 ReplicaSet vdu2-update".into(),
    }];
    for (name, screen) in [("s09-missing", screen(90)), ("s09-missing-60", screen(60))] {
        let (text, groups) = plan::missing_keys(&lines, &screen);
        assert_eq!(groups, 2);
        let text = text + &plan::missing_permissions(&rules, &screen) + &plan::drift_refused(&drift(), &screen);
        assert_screen(name, &text);
    }
    let both = |screen: &_| plan::missing_keys(&lines, screen).0 + &plan::missing_permissions(&rules, screen);
    assert_widths("s09", both);
    assert_coloured("s09-coloured", &both(&ascii(80)));
    assert_eq!(plan::missing_keys(&[], &screen(90)), (String::new(), 0));
    assert_eq!(plan::missing_permissions(&[], &screen(90)), "");
}

#[test]
fn refused() {
    let change = |object, change, detail: &str| RefusedChange { object, change, detail: detail.into() };
    let changes = [
        change(object("Service", "web"), "changed", "spec.ports[0].port 80 -> 8080, spec.type ClusterIP -> NodePort"),
        change(workload(8), "removed", "VDU8, not in the new package"),
        change(object("ConfigMap", "cm-data3"), "renamed?", "cm-data4 is new and has the same keys"),
    ];
    assert_screen("s12-refused", &plan::refused(&changes, "after-with-service", "sample-vnf", &screen(90)));
    assert_widths("s12", |screen| plan::refused(&changes, "after-with-service", "sample-vnf", screen));
    let mut elsewhere = screen(60);
    elsewhere.namespace_flag = " -n core".into();
    assert_screen("s12-refused-60", &plan::refused(&changes, "after with service", "sample-vnf", &elsewhere));
}

fn text(text: &str) -> Option<Shown> {
    Some(Shown::Text(text.into()))
}

fn diffs() -> Vec<ObjectDiff> {
    let key = |key: &str, before, after| KeyDiff { key: key.into(), before, after };
    let secret = |bytes| Some(Shown::Secret(bytes));
    let image = |number: usize, after: &str| {
        let way = if workload(number).kind == "Pod" { "spec" } else { "spec.template.spec" };
        ObjectDiff {
            object: workload(number),
            vdu: vdu(number),
            keys: vec![key(&format!("{way}.containers[nginx].image"), text("nginx"), text(after))],
        }
    };
    vec![
        ObjectDiff {
            object: object("ConfigMap", "cm-data"),
            vdu: None,
            keys: vec![
                key("cmKey1.txt", text("configmap data\nfoo\nbar"), text("configmap2 data2\nfoo2\nbar2")),
                key("long.conf", text("1\n2\n3\n4\n5\n6\n7\n8\n9\n"), text("1\nzwei\n3\n4\n5\n6\n7\n8\n9\n10")),
                key("new.txt", None, text("first\nsecond\n")),
                key("logo.png", Some(Shown::Binary(1)), Some(Shown::Binary(1024))),
            ],
        },
        ObjectDiff {
            object: object("Secret", "secret-data"),
            vdu: None,
            keys: vec![key("password", secret(15), secret(16)), key("secKey1.txt", secret(15), secret(18))],
        },
        image(1, "cirros"),
        image(2, "celebdor/kuryr-demo"),
        image(3, "tomcat"),
        image(4, "cirros"),
        image(5, "cirros"),
    ]
}

#[test]
fn differences() {
    assert_screen("s14-diff", &diff::sheet(&update_sheet(), &diffs(), &screen(90)));
    assert_widths("s14", |screen| diff::sheet(&update_sheet(), &diffs(), screen));
    assert_coloured("s14-coloured", &diff::sheet(&update_sheet(), &diffs()[..2], &screen(80)));
    assert_screen("s14-diff-60", &diff::sheet(&password_sheet(), &diffs()[1..2], &screen(60)));
    let nothing = Sheet { items: Vec::new(), deferred: Vec::new(), ..update_sheet() };
    assert_screen("s14-diff-nothing", &diff::sheet(&nothing, &[], &screen(90)));
}
