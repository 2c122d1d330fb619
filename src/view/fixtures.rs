//! Values behind the screens that the tests render: the sample VNF, with fixed ids, clock and sizes.

use super::{Screen, Symbols};
use crate::object::ObjectRef;
use crate::object::config::KeyChange;
use crate::plan::ahead::{Ahead, Consequence};
use crate::plan::compare::FieldChange;
use crate::plan::derive::scale::AspectMove;
use crate::plan::derive::update::Deferred;
use crate::plan::drift::Drift;
use crate::plan::order::phase;
use crate::plan::sheet::{ConfigRule, RecordLine, Sheet, Untouched};
use crate::plan::{Item, ItemState, Step};
use crate::record::{Instance, PackageId, Reason, Verb};
use jiff::{Span, Timestamp};
use serde_json::json;

pub const INSTANCE_ID: &str = "dec67077-b67c-46ff-b5bf-3b8d34b4ed79";
pub const OPERATION_ID: &str = "7c1e03b9-2d6c-4f0e-9a57-6f0c9a3e81d2";
pub const BECAUSE: &str = "it has no controller, and without a new image nothing restarts its containers";

/// VDU, kind, name, Pod.
pub const WORKLOADS: [(&str, &str, &str, &str); 8] = [
    ("VDU1", "Deployment", "vdu1-update", "vdu1-update-6fcf66b5dd-nngts"),
    ("VDU2", "ReplicaSet", "vdu2-update", "vdu2-update-2wvxj"),
    ("VDU3", "Pod", "env-test", "env-test"),
    ("VDU4", "Pod", "volume-test", "volume-test"),
    ("VDU5", "DaemonSet", "daemonset-vdu5", "daemonset-vdu5-jgjq9"),
    ("VDU6", "Deployment", "deployment2-vdu6", "deployment2-vdu6-86579d6868-6mbsl"),
    ("VDU7", "Pod", "env-test2", "env-test2"),
    ("VDU8", "Pod", "volume-test2", "volume-test2"),
];

pub fn screen(width: usize) -> Screen {
    Screen { width, symbols: Symbols::Unicode, now: now(), namespace_flag: String::new() }
}

pub fn ascii(width: usize) -> Screen {
    Screen { symbols: Symbols::Ascii, ..screen(width) }
}

pub fn now() -> Timestamp {
    "2026-11-22T03:14:41Z".parse().unwrap_or_default()
}

pub fn ago(span: Span) -> Timestamp {
    now().checked_sub(span).unwrap_or_default()
}

pub fn object(kind: &str, name: &str) -> ObjectRef {
    let version = match kind {
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" => "apps/v1",
        _ => "v1",
    };
    ObjectRef::new(version, kind, Some("default"), name)
}

/// A workload of the sample, by its number from 1.
pub fn workload(number: usize) -> ObjectRef {
    let (_, kind, name, _) = WORKLOADS[number - 1];
    object(kind, name)
}

pub fn vdu(number: usize) -> Option<String> {
    Some(WORKLOADS[number - 1].0.to_owned())
}

pub fn package(vnfd_id: &str, digest: &str) -> PackageId {
    PackageId {
        digest: format!("{digest}{}", "0".repeat(52)),
        vnfd_id: vnfd_id.into(),
        provider: "Company".into(),
        product_name: "Sample VNF".into(),
        software_version: "1.0".into(),
        vnfd_version: "1.0".into(),
    }
}

pub fn before() -> PackageId {
    package("97018ca2-bf29-4715-9e2b-6e432dd1f414", "3be1c07a44f0")
}

pub fn after() -> PackageId {
    package("58bcc1c6-1400-46ec-b7fb-e508bf7e00e9", "9f20d1b7aa31")
}

pub fn item(object: ObjectRef, vdu: Option<String>, step: Step) -> Item {
    let phase = phase(&object);
    Item { object, vdu, step, state: ItemState::ToDo, reasons: Vec::new(), pods: Vec::new(), phase }
}

fn restart(number: usize, step: Step, reasons: Vec<Reason>) -> Item {
    Item { reasons, pods: vec![WORKLOADS[number - 1].3.into()], ..item(workload(number), vdu(number), step) }
}

pub fn image(before: &str, after: &str) -> Reason {
    Reason::Image { container: "nginx".into(), before: before.into(), after: after.into() }
}

pub fn key(kind: &str, name: &str, key: &str, fields: &[&str]) -> Reason {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    Reason::Key { config: object(kind, name), key: key.into(), fields }
}

pub fn in_environment() -> Vec<Reason> {
    vec![
        key("ConfigMap", "cm-data", "cmKey1.txt", &["env CMENV", "envFrom CM_"]),
        key("Secret", "secret-data", "password", &["env SECENV", "envFrom SEC_"]),
        key("Secret", "secret-data", "secKey1.txt", &["envFrom SEC_"]),
    ]
}

fn in_volumes() -> Vec<Reason> {
    vec![
        key("ConfigMap", "cm-data", "cmKey1.txt", &["volume cm-volume"]),
        key("Secret", "secret-data", "secKey1.txt", &["volume sec-volume"]),
    ]
}

fn with_image(after: &str, keys: Vec<Reason>) -> Vec<Reason> {
    std::iter::once(image("nginx", after)).chain(keys).collect()
}

pub fn changed(key: &str, before: usize, after: usize) -> KeyChange {
    KeyChange { key: key.into(), before: Some(before), after: Some(after), binary: false }
}

pub fn config_items() -> Vec<Item> {
    let step =
        |keys: Vec<KeyChange>| Step::Config { keys, replace: None, whole: false, patch: vec![json!("never shown")] };
    vec![
        item(object("ConfigMap", "cm-data"), None, step(vec![changed("cmKey1.txt", 22, 26)])),
        item(
            object("Secret", "secret-data"),
            None,
            step(vec![changed("password", 15, 16), changed("secKey1.txt", 15, 18)]),
        ),
    ]
}

pub fn update_items() -> Vec<Item> {
    let roll = || Step::RollOut { patch: Vec::new(), whole: false, strays: Vec::new() };
    let place = |refresh_mounts| Step::InPlace { mark: Vec::new(), patch: Vec::new(), refresh_mounts };
    let mut items = config_items();
    items.extend([
        restart(1, roll(), with_image("cirros", in_environment())),
        restart(
            2,
            Step::ReplacePods { patch: Vec::new(), whole: false, strays: Vec::new() },
            with_image("celebdor/kuryr-demo", in_volumes()),
        ),
        restart(3, place(false), with_image("tomcat", in_environment())),
        restart(4, place(true), with_image("cirros", in_volumes())),
        restart(5, roll(), with_image("cirros", in_environment())),
    ]);
    items
}

pub fn deferred() -> Vec<Deferred> {
    vec![Deferred {
        object: workload(2),
        vdu: vdu(2),
        field: "containers[nginx].ports[0].containerPort".into(),
        change: "80 -> 180".into(),
        values: Some(FieldChange {
            path: "spec.template.spec.containers[nginx].ports[0].containerPort".into(),
            before: Some(json!(80)),
            after: Some(json!(180)),
        }),
    }]
}

pub fn drift() -> Vec<Drift> {
    let entry = |object: ObjectRef, field: &str, change: &str, manager: &str, time| Drift {
        object,
        field: field.into(),
        change: change.into(),
        manager: Some(manager.into()),
        time: Some(time),
    };
    let (seconds, minutes) = (ago(Span::new().seconds(20)), ago(Span::new().minutes(12)));
    vec![
        entry(workload(1), "image of nginx", "nginx -> nginx:1.27", "kubectl-set", seconds),
        entry(object("ConfigMap", "cm-data"), "cmKey1.txt", "22 -> 31 bytes", "kubectl-edit", minutes),
    ]
}

pub fn untouched() -> Vec<Untouched> {
    let mut untouched: Vec<Untouched> =
        (6..=8).map(|number| Untouched { object: workload(number), vdu: vdu(number) }).collect();
    untouched.extend(
        [("ConfigMap", "cm-data3"), ("Secret", "secret-data3")]
            .map(|(kind, name)| Untouched { object: object(kind, name), vdu: None }),
    );
    untouched
}

fn sheet(verb: Verb, items: Vec<Item>) -> Sheet {
    let instance = Instance::create(INSTANCE_ID.into(), "sample-vnf".into(), before());
    Sheet {
        package_before: Some(before()),
        package_after: Some(after()),
        digests_checked: Some(12),
        ..Sheet::new(verb, &instance, "lab", "default", items)
    }
}

pub fn update_sheet() -> Sheet {
    Sheet {
        record: vec![RecordLine {
            attribute: "vnfInstanceName".into(),
            before: "sample-vnf".into(),
            after: "modify_vnf_after".into(),
        }],
        config_rule: Some(ConfigRule::Listed),
        deferred: deferred(),
        untouched: untouched(),
        down: ["VDU2", "VDU3", "VDU4", "VDU5"].map(Into::into).to_vec(),
        ..sheet(Verb::Update, update_items())
    }
}

/// Back to the revision before the update.
pub fn undo_sheet() -> Sheet {
    let back = update_items().into_iter().map(|mut item| {
        for reason in &mut item.reasons {
            if let Reason::Image { before, after, .. } = reason {
                std::mem::swap(before, after);
            }
        }
        item
    });
    Sheet {
        name: "modify_vnf_after".into(),
        package_before: Some(after()),
        package_after: Some(before()),
        digests_checked: None,
        revisions: Some((2, 1)),
        untouched: untouched(),
        down: ["VDU2", "VDU3", "VDU4", "VDU5"].map(Into::into).to_vec(),
        ..sheet(Verb::Undo, back.collect())
    }
}

/// A new password alone: bare Pods are made anew.
pub fn password_sheet() -> Sheet {
    let keys = vec![changed("password", 15, 16)];
    let mut items = vec![item(
        object("Secret", "secret-data"),
        None,
        Step::Config { keys, replace: Some("immutable".into()), whole: false, patch: Vec::new() },
    )];
    let reason = || vec![key("Secret", "secret-data", "password", &["env SECENV", "envFrom SEC_"])];
    items.push(restart(1, Step::RollOut { patch: Vec::new(), whole: false, strays: Vec::new() }, reason()));
    items.push(restart(3, Step::Recreate { uid: "u".into(), because: BECAUSE.into() }, reason()));
    Sheet {
        package_before: Some(before()),
        package_after: Some(before()),
        digests_checked: None,
        config_rule: Some(ConfigRule::AllChanged),
        drift: drift(),
        down: vec!["VDU3".into()],
        ..sheet(Verb::Update, items)
    }
}

/// Everything that may follow from a plan.
pub fn ahead_sheet() -> Sheet {
    let follows = |object: ObjectRef, what| Consequence { object, what };
    let budget = |name: &str, bound: &str, never| Ahead::Budget {
        by: name.into(),
        bound: bound.into(),
        healthy: 2,
        needed: 2,
        never,
    };
    let ahead = vec![
        follows(workload(1), Ahead::Autoscaled { by: "web".into(), min: 1, max: 5 }),
        follows(workload(2), budget("all-of-them", "minAvailable 100%", true)),
        follows(workload(2), budget("most", "maxUnavailable 1", false)),
        follows(
            workload(2),
            Ahead::Held {
                pod: WORKLOADS[1].3.into(),
                words: "The disruption budget db needs 2 healthy pods and has 2 currently".into(),
            },
        ),
        follows(workload(5), Ahead::OnDelete),
        follows(workload(5), Ahead::HeldBack { partition: 2, pods: vec!["db-0".into(), "db-1".into()] }),
        follows(
            object("Secret", "secret-data"),
            Ahead::Gap { readers: vec!["VDU1".into(), "VDU2".into()], stale: true },
        ),
    ];
    let mut sheet = Sheet { ahead, ..update_sheet() };
    if let Step::Config { replace, .. } = &mut sheet.items[1].step {
        *replace = Some("immutable".into());
    }
    sheet
}

/// Twenty Deployments that one ConfigMap restarts.
pub fn many_sheet() -> Sheet {
    let mut items = config_items();
    items.extend((1..=20).map(|number| Item {
        reasons: with_image("cirros", in_environment()),
        pods: (0..number).map(|pod| format!("worker-{number}-{pod}")).collect(),
        ..item(
            object("Deployment", &format!("worker-{number}")),
            Some(format!("VDU{number}")),
            Step::RollOut { patch: Vec::new(), whole: false, strays: Vec::new() },
        )
    }));
    sheet(Verb::Update, items)
}

pub fn all_objects() -> Vec<(ObjectRef, Option<String>)> {
    let config =
        [("ConfigMap", "cm-data"), ("ConfigMap", "cm-data3"), ("Secret", "secret-data"), ("Secret", "secret-data3")];
    let config = config.into_iter().map(|(kind, name)| (object(kind, name), None));
    config.chain((1..=8).map(|number| (workload(number), vdu(number)))).collect()
}

pub fn instantiate_sheet() -> Sheet {
    let items = all_objects().into_iter().map(|(object, vdu)| item(object, vdu, Step::Create)).collect();
    Sheet {
        package_before: None,
        package_after: Some(before()),
        notes: vec![
            "vimConnectionInfo is ignored, the kube context is used".into(),
            "script mgmt-container-update is never run, the container update is built in".into(),
        ],
        ..sheet(Verb::Instantiate, items)
    }
}

pub fn heal_all_sheet() -> Sheet {
    let because = "it is made anew from the package";
    let items = (1..=8)
        .map(|number| restart(number, Step::Recreate { uid: "u".into(), because: because.into() }, vec![Reason::Anew]))
        .collect();
    let config = all_objects().into_iter().take(4).map(|(object, vdu)| Untouched { object, vdu });
    Sheet {
        name: "modify_vnf_after".into(),
        deferred: deferred(),
        untouched: config.collect(),
        ..sheet(Verb::Heal, items)
    }
}

pub fn heal_sheet() -> Sheet {
    let because = "it is healed";
    let items = vec![
        restart(1, Step::Respawn { pods: vec!["u".into()] }, vec![Reason::Asked]),
        restart(3, Step::Recreate { uid: "u".into(), because: because.into() }, vec![Reason::Asked]),
        Item {
            pods: Vec::new(),
            ..restart(7, Step::Recreate { uid: String::new(), because: "it is gone".into() }, vec![Reason::Missing])
        },
    ];
    Sheet { down: vec!["VDU3".into(), "VDU7".into()], ..sheet(Verb::Heal, items) }
}

pub fn aspect_moves() -> Vec<AspectMove> {
    vec![AspectMove { aspect_id: "vdu1_aspect".into(), before: 0, after: 1, max: 2 }]
}

pub fn scale_sheet() -> Sheet {
    let step = |before, after| Step::Scale { before, after, patch: vec![json!("never shown")] };
    let items = vec![item(workload(1), vdu(1), step(2, 4)), item(workload(2), vdu(2), step(1, 2))];
    let contested = Ahead::Contested { by: "scaler".into(), min: 1, max: 3 };
    Sheet {
        scale: aspect_moves(),
        untouched: untouched(),
        ahead: vec![Consequence { object: workload(1), what: contested }],
        notes: vec![
            "VDU1 Deployment vdu1-update is counted from the 2 replicas that are live, set by kubectl; revision 1 has 1"
                .into(),
        ],
        ..sheet(Verb::Scale, items)
    }
}

pub fn terminate_sheet() -> Sheet {
    let items = all_objects().into_iter().map(|(object, vdu)| item(object, vdu, Step::Delete)).collect();
    Sheet {
        name: "modify_vnf_after".into(),
        package_after: None,
        notes: vec!["the record, 3 operations and 2 packages that nobody else uses are removed too".into()],
        ..sheet(Verb::Terminate, items)
    }
}

pub fn retry_sheet() -> Sheet {
    let mut items = update_items();
    let states = [ItemState::Done, ItemState::Done, ItemState::Done, ItemState::ToDo, ItemState::Waiting];
    for (item, state) in items.iter_mut().zip(states) {
        item.state = state;
    }
    sheet(Verb::Update, items)
}
