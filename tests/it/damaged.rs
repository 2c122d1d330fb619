//! Records damaged by hand, packages that lost a part, records of a newer version: a clear error, and ways out.

use crate::support::gated::{NAME, draft};
use crate::support::{Cluster, Draft, Namespace, Object, Run, cluster, written};
use serde_json::{Value, json};

/// A namespace in which the VNF runs.
fn running(cluster: &'static Cluster, purpose: &str) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    ns.vnf(&["instantiate", NAME, "--package", &draft("old value").write().path()]).succeeds();
    ns
}

fn id(record: &Object) -> String {
    record.text("/metadata/labels/kubectl-vnf~1instance").to_owned()
}

/// Changes a ConfigMap of the plugin's by hand.
fn patch(ns: &Namespace, name: &str, patch: &Value) {
    ns.kubectl(&["patch", "configmap", name, "--type=merge", "-p", &patch.to_string()]).succeeds();
}

/// Asserts an error that was made and not a program that fell over.
#[track_caller]
fn refused(run: Run) -> Run {
    let run = run.exits(1).never_says(["panicked", "RUST_BACKTRACE"]);
    assert!(run.stderr.contains("error: "), "{run}");
    run
}

#[test]
fn every_way_to_damage_a_record_is_a_clear_error() {
    let Some(cluster) = cluster() else { return };
    let ns = running(cluster, "damage");
    let whole = ns.objects().instance().clone();
    let record = whole.name().to_owned();
    let mut torn = whole.record();
    torn["id"] = "00000000-0000-4000-8000-000000000000".into();
    let mut typed = whole.record();
    typed["kubectlVnf"]["lastRevision"] = (-1).into();
    let mut huge = whole.record();
    huge["kubectlVnf"]["lastRevision"] = u64::MAX.into();
    let document = |value: &Value| json!({"data": {"vnfInstance": value.to_string()}});
    for damage in [
        json!({"data": null}),
        json!({"data": {"vnfInstance": "{"}}),
        json!({"data": {"vnfInstance": "[]"}}),
        document(&json!({})),
        document(&torn),
        document(&typed),
        document(&huge),
        json!({"binaryData": null}),
        json!({"binaryData": {"revisions": "AAAA"}}),
        json!({"binaryData": {"revisions": whole.text("/binaryData/revisions").get(..40)}}),
    ] {
        patch(&ns, &record, &damage);
        let before = ns.objects();
        for command in [
            &["show", NAME][..],
            &["update", NAME, "--package", &draft("new value").write().path(), "--yes"],
            &["heal", NAME, "--all", "--yes"],
            &["terminate", NAME, "--yes"],
            &["delete", NAME],
            &["op", "retry", NAME],
            &["instantiate", NAME, "--package", &draft("old value").write().path()],
        ] {
            let run = refused(ns.vnf(command));
            run.says([&*format!("ConfigMap {record} is damaged"), "--by-label"]);
        }
        // Its annotations are whole: the list is, too.
        ns.vnf(&["list"]).succeeds().says([NAME]).never_says(["panicked"]);
        ns.vnf(&["op", "list"]).succeeds();
        assert_eq!(written(&before, &ns.objects()), [""; 0], "with {damage} something was written");
        ns.kubectl_reading(&["replace", "-f", "-"], &as_it_was(&whole)).succeeds();
    }
    ns.vnf(&["show", NAME]).succeeds();
}

/// To put an object back as it was.
fn as_it_was(object: &Object) -> String {
    let mut object = object.0.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    object.to_string()
}

#[test]
fn one_damaged_record_does_not_end_a_list() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "damage-list");
    let package = draft("old value").write();
    for name in ["whole", "torn"] {
        ns.vnf(&["create", name, "--package", &package.path()]).succeeds();
    }
    let records = ns.objects();
    let torn = records.of_kind("ConfigMap").find(|map| map.record()["vnfInstanceName"] == "torn").expect("its record");
    patch(&ns, torn.name(), &json!({"metadata": {"annotations": null}, "data": {"vnfInstance": "torn"}}));
    for list in [&["list"][..], &["list", "-A"], &["list", "-o", "json"], &["list", "-o", "name"]] {
        let run = ns.vnf(list).succeeds();
        assert!(run.stdout.contains("whole") && !run.stdout.contains("torn"), "{run}");
        assert!(run.stderr.contains("left out: ConfigMap ") && run.stderr.contains(torn.name()), "{run}");
    }
    // Nobody knows which packages it refers to: none is collected.
    ns.vnf(&["delete", "whole"]).succeeds();
    assert_eq!(ns.objects().of_kind("Secret").filter(|secret| secret.is_record("package")).count(), 1);

    // An operation's record is left out likewise.
    let ns = running(cluster, "damage-op");
    let operations = ns.objects();
    let operation = operations.of_kind("ConfigMap").find(|map| map.is_record("operation")).expect("an operation");
    patch(&ns, operation.name(), &json!({"binaryData": {"journal": "AAAA"}}));
    ns.vnf(&["heal", NAME, "--all", "--yes"]).succeeds();
    let list = ns.vnf(&["op", "list"]).succeeds().says(["heal", "left out: ConfigMap vnf-op-"]);
    assert!(!list.stdout.contains("instantiate"), "{list}");
    refused(ns.vnf(&["op", "show", operation.name().trim_start_matches("vnf-op-")])).says(["is damaged"]);
}

#[test]
fn a_record_of_a_newer_version_is_listed_and_not_written() {
    let Some(cluster) = cluster() else { return };
    let ns = running(cluster, "newer");
    let record = ns.objects().instance().clone();
    let mut newer = record.record();
    newer["kubectlVnf"]["schemaVersion"] = 9.into();
    newer["somethingNew"] = json!({"of": "a later time"});
    let annotations = json!({"kubectl-vnf/written-by": "7.1.0"});
    patch(
        &ns,
        record.name(),
        &json!({"metadata": {"annotations": annotations}, "data": {"vnfInstance": newer.to_string()}}),
    );
    let before = ns.at_rest();
    ns.vnf(&["list"]).succeeds().says([&*format!("{NAME} INSTANTIATED Gated 1.0 1 instantiate COMPLETED")]);
    for command in [
        &["show", NAME][..],
        &["update", NAME, "--name", "other", "--yes"],
        &["terminate", NAME, "--yes"],
        &["terminate", NAME, "--yes", "--by-label"],
        &["delete", NAME],
    ] {
        let says = ["was written by kubectl-vnf 7.1.0, with schema version 9", "Use that version of kubectl-vnf"];
        refused(ns.vnf(command)).says(says);
    }
    assert_eq!(written(&before, &ns.at_rest()), [""; 0]);
}

#[test]
fn a_package_that_lost_a_part_is_named_and_can_be_stored_again() {
    let Some(cluster) = cluster() else { return };
    let ns = running(cluster, "lost-part");
    let (old, new) = (draft("old value").write(), draft("new value").write());
    let lose = || {
        let objects = ns.objects();
        let part =
            objects.of_kind("Secret").find(|secret| secret.is_record("package")).expect("a part").name().to_owned();
        ns.kubectl(&["delete", "secret", &part]).succeeds();
        part
    };
    let part = lose();
    let before = ns.at_rest();
    for command in [&["update", NAME, "--package", &new.path(), "--yes"][..], &["heal", NAME, "--all", "--yes"]] {
        refused(ns.vnf(command))
            .says([&*format!("Secret {part} is missing"), "Store it anew: kubectl vnf update NAME"]);
    }
    ns.vnf(&["list"]).succeeds().says([NAME]);
    ns.vnf(&["show", NAME]).succeeds();
    assert_eq!(written(&before, &ns.at_rest()), [""; 0]);

    ns.vnf(&["update", NAME, "--package", &old.path(), "--yes"]).succeeds().says(["stored anew", "unchanged"]);
    assert!(ns.objects().has(&format!("Secret/{part}")));
    ns.vnf(&["update", NAME, "--package", &new.path(), "--yes"]).succeeds();
    lose();
    lose();
    ns.vnf(&["terminate", NAME, "--delete", "--yes"]).succeeds();
    assert_eq!(ns.objects().of_kind("Pod").count(), 0);
}

#[test]
fn by_its_label_an_instance_goes_whatever_became_of_its_record() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "by-label");
    let bystander = ns.at_rest();
    // A second instance and a stranger's object stay.
    let other = Draft::of(
        "Other",
        &[(
            "all.yaml",
            &crate::support::manifests::yaml(&[crate::support::manifests::config_map("theirs", &[("key", "value")])]),
        )],
        &[],
    );
    for damage in ["data", "gone", "operation"] {
        ns.vnf(&["instantiate", NAME, "--package", &draft("old value").write().path()]).succeeds();
        let objects = ns.objects();
        let record =
            objects.of_kind("ConfigMap").find(|map| map.record()["vnfInstanceName"] == NAME).expect("a record");
        let id = id(record);
        let name = match damage {
            "data" => {
                patch(&ns, record.name(), &json!({"data": {"vnfInstance": "{"}}));
                NAME
            }
            "gone" => {
                // With it go, by and by, those that it owns.
                ns.kubectl(&["delete", "configmap", record.name(), "--cascade=orphan"]).succeeds();
                ns.vnf(&["instantiate", "other", "--package", &other.write().path()]).succeeds();
                &id
            }
            _ => {
                let mut open = record.record();
                open["kubectlVnf"]["operation"]["state"] = "FAILED_TEMP".into();
                patch(&ns, record.name(), &json!({"data": {"vnfInstance": open.to_string()}}));
                let operation = format!("vnf-op-{}", open["kubectlVnf"]["operation"]["id"].as_str().expect("an id"));
                patch(&ns, &operation, &json!({"data": null}));
                refused(ns.vnf(&["terminate", NAME, "--yes"])).says(["is damaged", "--by-label"]);
                NAME
            }
        };
        let before = ns.at_rest();
        ns.vnf(&["terminate", name, "--by-label", "--dry-run=client"]).succeeds().says(["2 workloads", "1 ConfigMap"]);
        assert_eq!(written(&before, &ns.at_rest()), [""; 0], "{damage}: a dry run wrote");
        ns.vnf(&["terminate", name, "--by-label", "--yes", "--force"])
            .succeeds()
            .says(["deleted by its label: 3 objects"]);
        let left = ns.at_rest();
        let of_it = |object: &&str| left.get(object).text("/metadata/labels/kubectl-vnf~1instance") == id;
        let names = left.names();
        let of_it: Vec<&&str> = names.iter().filter(|name| of_it(name)).collect();
        assert!(of_it.is_empty(), "{damage}: {of_it:?} are left");
        if damage == "gone" {
            assert!(left.has("ConfigMap/theirs"));
            ns.vnf(&["terminate", "other", "--delete", "--yes"]).succeeds();
        }
    }
    refused(ns.vnf(&["terminate", "nobody", "--by-label", "--yes"])).says(["no VNF instance"]);
    let left: Vec<String> = written(&bystander, &ns.at_rest());
    assert!(left.iter().all(|name| name.starts_with("Secret/vnf-package-")), "{left:?}");
}

#[test]
fn by_its_label_namespaces_with_others_in_them_and_data_are_kept() {
    let Some(cluster) = cluster() else { return };
    let ns = running(cluster, "by-label-keeps");
    let id = id(ns.objects().instance());
    let inner = format!("{}-inner", ns.name);
    let label = json!({"kubectl-vnf/instance": id});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": label},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}});
    ns.create(&claim.to_string());
    let owned = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": inner, "labels": label}});
    let tenant = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": inner}});
    let in_cluster = |args: &[&str], stdin: &str| {
        Run::of(
            {
                let mut command = cluster.kubectl();
                command.args(args);
                command
            },
            stdin,
        )
    };
    for object in [&owned, &tenant] {
        in_cluster(&["create", "-f", "-"], &object.to_string()).succeeds();
    }
    let record = ns.objects().instance().name().to_owned();
    patch(&ns, &record, &json!({"data": null}));

    ns.vnf(&["terminate", NAME, "--by-label", "--yes", "--force"]).succeeds().says(["left alone: ConfigMap theirs"]);
    in_cluster(&["get", "-n", &inner, "configmap", "theirs"], "").succeeds();
    assert!(ns.objects().has("PersistentVolumeClaim/data"));

    in_cluster(&["delete", "-n", &inner, "configmap", "theirs"], "").succeeds();
    ns.vnf(&["terminate", &id, "--by-label", "--yes", "--delete-pvc"]).succeeds();
    assert!(!ns.objects().has("PersistentVolumeClaim/data"));
    in_cluster(&["get", "namespace", &inner], "").exits(1);
}

#[test]
fn a_missing_right_is_named_with_what_it_is_for() {
    let Some(cluster) = cluster() else { return };
    let ns = running(cluster, "rights");
    let user = ["--as", "somebody-without-rights"];
    let run = |args: &[&str]| refused(ns.vnf(&[args, &user].concat()));
    run(&["list"]).says(["not allowed to list configmaps", "needed to read the records of VNF instances"]);
    run(&["show", NAME]).says([
        "not allowed to get configmaps",
        "needed to read the records of VNF instances",
        "permissions.md",
    ]);
}
