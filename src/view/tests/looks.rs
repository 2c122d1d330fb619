//! Screens to look things up: packages, lists, records, operations; and what holds for all screens.

use super::{assert_coloured, assert_screen, assert_widths};
use crate::object::Source;
use crate::plan::ItemState;
use crate::plan::sheet::Sheet;
use crate::record::instance::{FormerName, InstantiatedVnfInfo, InstantiationState, LastOperation, ScaleInfo};
use crate::record::operation::{By, ProblemDetails, RecordChange};
use crate::record::{Instance, Journal, ObjectState, Operation, OperationState, PackageId, Revision, Scope, Verb};
use crate::report::event::{Event, EventKind};
use crate::report::outcome::FailureLine;
use crate::view::fixtures::{
    INSTANCE_ID, OPERATION_ID, WORKLOADS, after, ago, all_objects, ascii, before, deferred, heal_all_sheet, object,
    password_sheet, retry_sheet, screen, terminate_sheet, untouched, update_items, update_sheet, vdu, workload,
};
use crate::view::inspect::{
    self, AspectLine, ConfigLine, DigestCount, FlavourSheet, PackageSheet, ScriptLine, SignatureLine, VduLine,
};
use crate::view::show::{self, OperationLine, OperationSheet, ShowRow, ShowSheet};
use crate::view::tables::{self, ListRow, OperationRow, age, seconds};
use crate::view::{plan, progress};
use jiff::{Span, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

fn package_sheet() -> PackageSheet {
    let vdu_line = |number: usize| {
        let scalable = number <= 2;
        VduLine {
            id: WORKLOADS[number - 1].0.into(),
            workload: Some(workload(number)),
            images: vec!["nginx".into()],
            instances: if scalable {
                BTreeMap::from([("instantiation_level_1".into(), 1), ("instantiation_level_2".into(), 3)])
            } else {
                BTreeMap::new()
            },
            min: 1,
            max: if scalable { 3 } else { 1 },
            aspect: scalable.then(|| AspectLine { id: format!("vdu{number}_aspect"), max_scale_level: 2 }),
        }
    };
    let users = |vdus: &[&str]| vdus.iter().map(|vdu| (*vdu).to_owned()).collect::<Vec<_>>();
    let config = |kind: &str, name: &str, used_by: &Vec<String>| ConfigLine {
        object: object(kind, name),
        used_by: used_by.clone(),
    };
    let (first, second) = (users(&["VDU1", "VDU2", "VDU3", "VDU4", "VDU5"]), users(&["VDU6", "VDU7", "VDU8"]));
    PackageSheet {
        id: before(),
        digests: DigestCount { matching: 12, listed: 12 },
        signature: SignatureLine { text: "not signed".into(), verified: false },
        flavours: vec![FlavourSheet {
            id: "simple".into(),
            description: "A simple flavour".into(),
            levels: users(&["instantiation_level_1", "instantiation_level_2"]),
            default_level: Some("instantiation_level_1".into()),
            vdus: (1..=8).map(vdu_line).collect(),
        }],
        objects: all_objects().into_iter().map(|(object, _)| object).collect(),
        config: vec![
            config("ConfigMap", "cm-data", &first),
            config("ConfigMap", "cm-data3", &second),
            config("Secret", "secret-data", &first),
            config("Secret", "secret-data3", &second),
        ],
        scripts: vec![ScriptLine {
            name: "mgmt-container-update".into(),
            event: "modify_information_end".into(),
            present: false,
        }],
    }
}

#[test]
fn inspected() {
    assert_screen("s01-inspect", &inspect::package(&package_sheet(), &screen(90)));
    assert_screen("s01-inspect-60", &inspect::package(&package_sheet(), &screen(60)));
    assert_widths("s01", |screen| inspect::package(&package_sheet(), screen));
    let mut odd = package_sheet();
    odd.digests = DigestCount { matching: 0, listed: 0 };
    odd.signature = SignatureLine { text: "signed by CN=Company".into(), verified: true };
    odd.config.push(ConfigLine { object: object("ConfigMap", "stray"), used_by: Vec::new() });
    odd.flavours[0].levels.clear();
    odd.flavours[0].vdus.truncate(1);
    odd.flavours[0].vdus[0].workload = None;
    odd.flavours[0].vdus[0].images.clear();
    odd.scripts.clear();
    assert_screen("s01-inspect-odd", &inspect::package(&odd, &screen(90)));
}

fn minutes(number: i64) -> Timestamp {
    ago(Span::new().minutes(number))
}

fn list_rows() -> Vec<ListRow> {
    let row = |name: &str, product: &str, revision: Option<&str>, operation: Option<&str>, created| ListRow {
        namespace: "default".into(),
        name: name.into(),
        state: if revision.is_some() { "INSTANTIATED" } else { "NOT_INSTANTIATED" }.into(),
        product: product.into(),
        revision: revision.map(Into::into),
        operation: operation.map(Into::into),
        operation_time: operation.map(|_| minutes(3)),
        created: Some(created),
        id: INSTANCE_ID.into(),
        provider: "Company".into(),
        vnfd_id: after().vnfd_id,
        flavour: revision.map(|_| "simple".into()),
        target_namespace: revision.map(|_| "default".into()),
    };
    vec![
        row("modify_vnf_after", "Sample VNF 1.0", Some("2"), Some("update COMPLETED"), minutes(14)),
        row("upf-east", "UPF 4.2.1", Some("7"), Some("update FAILED_TEMP"), ago(Span::new().hours(63 * 24 + 5))),
        row("lab-smf", "SMF 4.2.0", None, None, minutes(120)),
    ]
}

#[test]
fn listed() {
    let screen = screen(90);
    assert_screen("s06-list", &tables::list(&list_rows(), false, false, true, &screen));
    assert_screen("s06-list-wide", &tables::list(&list_rows(), true, true, true, &screen));
    assert_widths("s06", |screen| tables::list(&list_rows(), true, true, true, screen));
    assert_coloured("s06-coloured", &tables::list(&list_rows(), false, false, true, &screen));
    assert_screen("s06-list-no-headers", &tables::list(&list_rows(), false, true, false, &screen));
    let row = |id: &str, verb: &str, state: &str, source, target, started, took| OperationRow {
        id: id.into(),
        instance: None,
        verb: verb.into(),
        state: state.into(),
        source_revision: source,
        target_revision: target,
        started,
        took,
        by: "admin@jump1".into(),
    };
    let took = |millis| Some(Duration::from_millis(millis));
    let mut rows = vec![
        row(OPERATION_ID, "update", "FAILED_TEMP", Some(1), Some(2), minutes(2), took(13_400)),
        row("4b1f02ce-1", "instantiate", "COMPLETED", None, Some(1), minutes(14), took(1_640)),
    ];
    assert_screen("s13-operations", &tables::operations(&rows, true, &screen));
    rows[0].instance = Some("sample-vnf".into());
    rows[1].took = None;
    rows[1].target_revision = None;
    assert_screen("s13-operations-all", &tables::operations(&rows, true, &screen));
}

#[test]
fn ages_as_kubectl_says_them() {
    for (seconds, expected) in [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_000, "3h3m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (180_000, "2d2h"),
        (691_200, "8d"),
        (63_072_000, "2y"),
        (64_000_000, "2y10d"),
        (300_000_000, "9y"),
    ] {
        let now = screen(90).now;
        assert_eq!(age(now - jiff::SignedDuration::from_secs(seconds), now), expected, "{seconds}");
    }
}

#[test]
fn durations() {
    for (millis, expected) in [
        (0, "0.0s"),
        (49, "0.0s"),
        (50, "0.1s"),
        (13_400, "13.4s"),
        (59_949, "59.9s"),
        (59_950, "1m"),
        (125_000, "2m5s"),
        (3_600_000, "1h"),
        (3_725_000, "1h2m"),
    ] {
        assert_eq!(seconds(Duration::from_millis(millis)), expected, "{millis}");
    }
}

fn revision(number: u64, package: PackageId, verb: Verb, operation_id: &str, time: Timestamp) -> Revision {
    let state = |(reference, _)| ObjectState {
        reference,
        package: package.digest.clone(),
        source: Source { file: "Files/kubernetes/all.yaml".into(), document: 0 },
        images: BTreeMap::new(),
        became: BTreeMap::new(),
        replicas: None,
        marker: None,
        applied: None,
        pending: Vec::new(),
    };
    Revision {
        number,
        flavour_id: "simple".into(),
        instantiation_level_id: Some("instantiation_level_1".into()),
        scale: Vec::new(),
        namespace: "default".into(),
        files: Vec::new(),
        objects: all_objects().into_iter().map(state).collect(),
        operation_id: operation_id.into(),
        verb,
        time,
        package,
    }
}

fn revisions() -> [Revision; 2] {
    let first = revision(1, before(), Verb::Instantiate, "4b1f02ce-0000-4000-8000-000000000000", minutes(14));
    [first, revision(2, after(), Verb::Update, OPERATION_ID, minutes(3))]
}

fn instance() -> Instance {
    let mut instance = Instance::create(INSTANCE_ID.into(), "modify_vnf_after".into(), after());
    let level = |aspect: &str, scale_level| ScaleInfo { aspect_id: aspect.into(), scale_level };
    instance.instantiation_state = InstantiationState::Instantiated;
    instance.instantiated_vnf_info = Some(InstantiatedVnfInfo {
        flavour_id: "simple".into(),
        vnf_state: "STARTED".into(),
        scale_status: vec![level("vdu1_aspect", 0), level("vdu2_aspect", 0)],
        max_scale_levels: vec![level("vdu1_aspect", 2), level("vdu2_aspect", 2)],
    });
    let paths = ["Files/kubernetes/configmap_2.yaml", "Files/kubernetes/secret_2.yaml"];
    instance.metadata = json!({ "configmap_secret_paths": paths });
    instance.kubectl_vnf.former_names = vec![FormerName { name: "sample-vnf".into(), until: minutes(3) }];
    instance.revisions = revisions().to_vec();
    instance
}

fn show_rows() -> Vec<ShowRow> {
    let images = ["cirros", "celebdor/kuryr-demo", "tomcat", "cirros", "cirros", "nginx", "nginx", "nginx"];
    let row = |(number, image): (usize, &str)| {
        let (vdu_id, .., pod) = WORKLOADS[number - 1];
        ShowRow {
            vdu: vdu(number),
            workload: workload(number),
            images: vec![image.into()],
            vnfcs: vec![format!("{vdu_id}-{pod}")],
        }
    };
    let mut rows: Vec<ShowRow> = (1..).zip(images).map(row).collect();
    rows[0].vnfcs.push("VDU1-vdu1-update-6fcf66b5dd-x2x9k".into());
    rows
}

#[test]
fn shown() {
    let (instance, rows, deferred) = (instance(), show_rows(), deferred());
    let sheet =
        ShowSheet { interrupted: false, instance: &instance, namespace: "default", rows: &rows, deferred: &deferred };
    assert_screen("s07-show", &show::instance(&sheet, &screen(90)));
    assert_screen("s07-show-120", &show::instance(&sheet, &screen(120)));
    assert_screen("s07-show-60", &show::instance(&sheet, &screen(60)));
    assert_widths("s07", |screen| show::instance(&sheet, screen));
    assert_coloured("s07-coloured", &show::instance(&sheet, &ascii(80)));
    let mut new = Instance::create(INSTANCE_ID.into(), "lab-smf".into(), before());
    new.vnf_instance_description = Some("The SMF of the lab".into());
    new.kubectl_vnf.operation = Some(LastOperation {
        id: OPERATION_ID.into(),
        verb: Verb::Instantiate,
        state: OperationState::FailedTemp,
        time: minutes(2),
    });
    let sheet = ShowSheet { interrupted: false, instance: &new, namespace: "records", rows: &[], deferred: &[] };
    assert_screen("s07-show-new", &show::instance(&sheet, &screen(90)));
}

#[test]
fn operation_report() {
    let [source, target] = revisions();
    let journal = Journal {
        source: Some(source),
        target: Some(target),
        scope: Scope::default(),
        snapshot: BTreeMap::new(),
        record: RecordChange::default(),
    };
    let by = By { user: "admin".into(), host: "jump1".into(), pid: 4711, version: "0.1.0".into() };
    let params = json!({
        "vnfdId": after().vnfd_id,
        "vnfInstanceName": "modify_vnf_after",
        "metadata": {"configmap_secret_paths": ["a", "b"]},
    });
    let mut operation =
        Operation::begin(OPERATION_ID.into(), INSTANCE_ID, Verb::Update, by, params, &journal, minutes(2));
    operation.enter(OperationState::FailedTemp, operation.start_time + Span::new().milliseconds(13_400));
    operation.kubectl_vnf.took_millis = Some(13_400);
    let detail = "VDU1 Deployment vdu1-update: the image cannot be pulled: cirros:nosuch";
    operation.error = Some(ProblemDetails { status: 500, title: None, detail: detail.into() });
    let mut items = update_items();
    items.iter_mut().for_each(|item| item.state = ItemState::Done);
    items[3].state = ItemState::Waiting;
    let lines: Vec<OperationLine> =
        items.iter().map(|item| OperationLine::of(item, item.vdu.as_deref() == Some("VDU1"))).collect();
    let (untouched, deferred) = (untouched(), deferred());
    let ways_out = [
        ("kubectl vnf op retry sample-vnf".to_owned(), "finishes what is left".to_owned()),
        ("kubectl vnf op fail sample-vnf".to_owned(), "keeps everything as it is now".to_owned()),
    ];
    let mut sheet = OperationSheet {
        interrupted: false,
        operation: &operation,
        journal: &journal,
        instance: "sample-vnf",
        namespace: "default",
        lines: &lines,
        untouched: &untouched,
        deferred: &deferred,
        failures: &[],
        ways_out: &ways_out,
    };
    assert_screen("s13-operation", &show::operation(&sheet, &screen(90)));
    assert_screen("s13-operation-60", &show::operation(&sheet, &screen(60)));
    assert_widths("s13", |screen| show::operation(&sheet, screen));
    assert_coloured("s13-coloured", &show::operation(&sheet, &screen(80)));
    assert_screen("s13-ascii", &show::operation(&sheet, &ascii(80)));
    let failures = [FailureLine {
        object: workload(1),
        vdu: vdu(1),
        defined_at: None,
        what: "the image cannot be pulled".into(),
        consequence: false,
        evidence: None,
    }];
    sheet.failures = &failures;
    sheet.lines = &[];
    assert_screen("s13-operation-evidence", &show::operation(&sheet, &screen(90)));
}

/// Narrow or wide, the same words: nothing but reasons and log lines is ever cut.
#[test]
fn nothing_is_cut() {
    let words = |text: String| text.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
    let screens: [fn(usize) -> String; 6] = [
        |width| plan::sheet(&update_sheet(), &screen(width)),
        |width| plan::sheet(&password_sheet(), &screen(width)),
        |width| plan::sheet(&heal_all_sheet(), &screen(width)),
        |width| plan::sheet(&terminate_sheet(), &screen(width)),
        |width| plan::retry(&retry_sheet(), &screen(width)),
        |width| inspect::package(&package_sheet(), &screen(width)),
    ];
    for render in screens {
        let wide = words(render(200));
        for width in 60..120 {
            assert_eq!(words(render(width)), wide, "{width}");
        }
    }
}

#[test]
fn coloured() {
    let text = plan::sheet(&update_sheet(), &ascii(90)).replace('\u{1b}', "^");
    assert!(text.contains("^[33m!^[39m"), "{text}");
    assert_screen("coloured", &text);
}

/// Whatever a cluster or a package calls something, only the view's own colours get to the terminal.
#[test]
fn hostile_names() {
    const EVIL: &str = "x\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\r\n\u{202e}y";
    let mut sheet = update_sheet();
    sheet.name = EVIL.into();
    sheet.context = EVIL.into();
    sheet.namespace = EVIL.into();
    sheet.notes = vec![EVIL.into()];
    sheet.record[0].after = EVIL.into();
    sheet.deferred[0].change = EVIL.into();
    sheet.items[2].object.name = EVIL.into();
    sheet.items[2].vdu = Some(EVIL.into());
    if let Some(package) = &mut sheet.package_after {
        package.product_name = EVIL.into();
        package.vnfd_id = EVIL.into();
    }
    let mut instance = instance();
    instance.vnf_instance_name = EVIL.into();
    instance.metadata = json!({ EVIL: [EVIL] });
    let rows =
        [ShowRow { vdu: None, workload: object(EVIL, EVIL), images: vec![EVIL.into()], vnfcs: vec![EVIL.into()] }];
    let shown =
        ShowSheet { interrupted: false, instance: &instance, namespace: EVIL, rows: &rows, deferred: &sheet.deferred };
    let kind = EventKind::Failed(EVIL.into());
    let event = Event { after: Duration::ZERO, object: object("Pod", EVIL), vdu: Some(EVIL.into()), kind };
    let listed = ListRow { name: EVIL.into(), operation: Some(EVIL.into()), ..ListRow::default() };
    for text in [
        plan::sheet(&sheet, &screen(90)),
        plan::retry(&sheet, &screen(90)),
        plan::question(&Sheet { items: Vec::new(), ..sheet.clone() }),
        plan::question(&sheet),
        show::instance(&shown, &screen(90)),
        progress::line(&event),
        tables::list(&[listed], true, true, true, &screen(90)),
    ] {
        let mut rest = text.as_str();
        while let Some(at) = rest.find('\u{1b}') {
            rest = &rest[at + 1..];
            let code: String = rest.chars().take_while(|c| *c != 'm').collect();
            assert!(
                ["[0", "[1", "[2", "[22", "[31", "[32", "[33", "[36", "[39"].contains(&code.as_str()),
                "{code:?} in {text:?}"
            );
        }
        assert!(!text.contains(['\u{7}', '\u{9b}', '\r', '\u{202e}']), "{text:?}");
        assert!(!text.contains("title"), "{text:?}");
        assert!(text.contains("x y"), "{text:?}");
    }
}
