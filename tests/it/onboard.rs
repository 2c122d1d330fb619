//! Packages in the cluster: onboarded once, named by their vnfdId from then on, and kept while somebody uses them.

use crate::support::sample::{AFTER, BEFORE, shipped};
use crate::support::{Namespace, cluster, sample_request};
use serde_json::json;

const OLD: &str = "97018ca2-bf29-4715-9e2b-6e432dd1f414";
const NEW: &str = "58bcc1c6-1400-46ec-b7fb-e508bf7e00e9";

/// `vnfdId` and number of users of each package.
fn packages(ns: &Namespace) -> Vec<(String, usize)> {
    let listed = ns.vnf(&["package", "list", "-o", "json"]).succeeds().json();
    let of = |package: &serde_json::Value| {
        (package["vnfdId"].as_str().unwrap_or("").to_owned(), package["usedBy"].as_array().map_or(0, Vec::len))
    };
    listed.as_array().expect("a list").iter().map(of).collect()
}

#[test]
fn onboarded_packages_are_named_by_their_id_and_kept_while_in_use() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "onboard");
    ns.vnf(&["package", "list"]).succeeds().says(["No packages found"]);
    for version in ["before", "after"] {
        ns.vnf(&["package", "onboard", &shipped(version)]).succeeds();
    }
    // Again: nothing changes.
    ns.vnf(&["package", "onboard", &shipped("before")]).succeeds();
    assert_eq!(packages(&ns), [(NEW.to_owned(), 0), (OLD.to_owned(), 0)]);
    ns.vnf(&["package", "show", OLD]).succeeds().says(["VDU1", "Deployment vdu1-update", "Used by", "nobody"]);

    ns.vnf(&["create", "recorded", "--package", "nosuch"]).exits(1).says(["no package nosuch", OLD, NEW, "onboard"]);
    ns.vnf(&["create", "recorded", "--package", OLD, "--require-signature"]).exits(2);
    let request = json!({"vnfdId": OLD, "vnfInstanceDescription": "from a request", "metadata": {"site": "east"}});
    ns.vnf_reading(&["create", "recorded", "-f", "-"], &request.to_string()).succeeds();
    let record = ns.objects().instance().record();
    assert_eq!((&record["vnfdId"], &record["metadata"]["site"]), (&json!(OLD), &json!("east")));
    assert_eq!(record["vnfInstanceDescription"], "from a request");

    let instantiate = ["instantiate", BEFORE, "--package", OLD, "-f", &sample_request("instance_kubernetes.json")];
    ns.vnf(&instantiate).succeeds().says(["stored in the cluster"]);
    // The request alone names the new package.
    let request = json!({"vnfdId": NEW, "vnfInstanceName": AFTER});
    ns.vnf_reading(&["update", BEFORE, "-f", "-", "--yes"], &request.to_string()).succeeds();
    assert_eq!(ns.objects().image("Deployment/vdu1-update"), "cirros");
    assert_eq!(packages(&ns), [(NEW.to_owned(), 1), (OLD.to_owned(), 2)]);

    ns.unwritten(|| {
        ns.vnf(&["package", "delete", OLD]).exits(1).says(["in use by", "recorded", AFTER]);
    });
    ns.vnf(&["terminate", AFTER, "--delete", "--force", "--yes"]).succeeds();
    ns.vnf(&["delete", "recorded"]).succeeds();
    // Onboarded, they stay although nobody uses them.
    assert_eq!(packages(&ns), [(NEW.to_owned(), 0), (OLD.to_owned(), 0)]);
    for id in [OLD, NEW] {
        ns.vnf(&["package", "delete", id]).succeeds();
    }
    assert_eq!(ns.objects().of_kind("Secret").filter(|secret| secret.is_record("package")).count(), 0);
}
