//! The record of an instance: what kubectl shows of it, its name, and that a rename is nothing but a record.

use crate::support::sample::{AFTER, BEFORE, instantiated, shipped, update_request};
use crate::support::{Draft, Namespace, cluster, written};
use serde_json::json;

#[test]
fn kubectl_lists_the_records_with_readable_annotations() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "record");
    ns.vnf(&["update", BEFORE, "--package", &shipped("after"), "-f", &update_request()]).succeeds();

    let list = ns.kubectl(&["get", "configmap", "-l", "kubectl-vnf/record=instance", "-o", "json"]).succeeds().json();
    let records = list["items"].as_array().expect("a list");
    assert_eq!(records.len(), 1, "one record for one instance, and no ConfigMap of the VNF among them");
    let annotations = &records[0]["metadata"]["annotations"];
    for (key, value) in [
        ("name", AFTER),
        ("state", "INSTANTIATED"),
        ("operation", "update COMPLETED"),
        ("provider", "Company"),
        ("product", "Sample VNF 1.0"),
        ("vnfd-id", "58bcc1c6-1400-46ec-b7fb-e508bf7e00e9"),
        ("flavour", "simple"),
        ("revision-in-force", "2"),
        ("target-namespace", &ns.name),
    ] {
        assert_eq!(annotations[format!("kubectl-vnf/{key}")], json!(value), "{key}");
    }
    let size = records[0].to_string().len();
    assert!(size < 8 * 1024, "the record has {size} bytes");

    // The same as a table.
    ns.vnf(&["list"]).succeeds().says(["modify_vnf_after INSTANTIATED Sample VNF 1.0 2 update COMPLETED"]);
}

#[test]
fn a_rename_touches_no_workload() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "rename");
    let before = ns.at_rest();
    let new_name = "the VNF in Łódź, 2nd floor";

    ns.vnf(&["update", BEFORE, "--name", new_name]).succeeds();
    let after = ns.at_rest();
    for name in written(&before, &after) {
        assert!(name.starts_with("ConfigMap/vnf-") || name.starts_with("Lease/vnf-"), "the rename wrote {name}");
    }
    for (name, version) in before.versions() {
        if !name.contains("/vnf-") {
            assert_eq!(after.versions().get(name), Some(&version), "{name}");
        }
    }
    assert_eq!(after.instance().record()["vnfInstanceName"], new_name);
    ns.vnf(&["show", new_name]).succeeds().says([new_name]);
    ns.vnf(&["show", BEFORE]).exits(1).says([r#"no VNF instance "sample-vnf""#, "it was renamed to", new_name]);

    // The old name is free, and the instance is found by its id as well.
    let id = after.instance().record()["id"].as_str().expect("an id").to_owned();
    ns.vnf(&["update", &id, "--name", BEFORE]).succeeds();
    ns.vnf(&["show", BEFORE]).succeeds();
}

#[test]
fn an_archive_is_the_same_package_as_its_directory() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "archive");
    let draft = Draft::sample("before");
    let request = crate::support::sample_request("instance_kubernetes.json");
    ns.vnf(&["instantiate", BEFORE, "--package", &draft.zip().path(), "-f", &request]).succeeds();
    ns.vnf(&["update", BEFORE, "--package", &draft.write().path()]).succeeds().says(["unchanged"]);
    ns.vnf(&["update", BEFORE, "--package", &draft.zip().path()]).succeeds().says(["unchanged"]);
    ns.vnf(&["diff", BEFORE, "--package", &draft.zip().path()]).succeeds();

    let after = Draft::sample("after").zip();
    ns.vnf(&["update", BEFORE, "--package", &after.path(), "-f", &update_request()]).succeeds();
    assert_eq!(ns.objects().image("Pod/env-test"), "tomcat");
}
