//! What is large: five thousand instances, a VNF of a hundred workloads and a thousand Pods.
//!
//! On a cluster without a kubelet, whose Pods only pretend to run: `tests/large.sh` starts one and asks for these
//! tests, which are passed over otherwise. Times are the machine's and never asserted; requests and memory are.

use crate::support::manifests::{config_map, container, spec, workload, yaml};
use crate::support::{Cluster, Draft, Life, Namespace, Objects, Point, Proxy, Run, cluster};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a run may hold at most, in kB.
const MEMORY: u64 = 60_000;

/// Objects per page of a list.
const PAGE: usize = 500;
const RECORDS: usize = 5_000;

#[test]
#[ignore = "tests/large.sh has the cluster for it"]
fn five_thousand_instances_are_listed_by_their_metadata_alone() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::start(cluster);
    let ns = Namespace::new(cluster, "list");
    fill(cluster, &ns, RECORDS);
    proxy.begin(None);
    let (run, memory) = Run::measured(proxy.through(ns.vnf_command(&["list", "-o", "name"])));
    let run = run.succeeds();
    let names: BTreeSet<&str> = run.stdout.lines().collect();
    let wanted: Vec<String> = (0..RECORDS).map(|number| format!("vnfinstance/number-{number:04}")).collect();
    assert_eq!(names, wanted.iter().map(String::as_str).collect(), "all of them, once");
    // Other ConfigMaps come after the records: only one more page shows that no record is among them.
    let pages = u32::try_from(RECORDS / PAGE + 1).expect("few");
    let calls: Vec<Point> = (1..=pages).map(|nth| Point { call: "list configmaps".into(), nth }).collect();
    assert_eq!(proxy.seen(), calls);
    assert!(memory.own < MEMORY, "{} kB", memory.own);

    let (run, memory) = Run::measured(proxy.through(ns.vnf_command(&["list", "-A"])));
    assert_eq!(run.succeeds().stdout.lines().filter(|line| line.contains("number-")).count(), RECORDS);
    assert!(memory.own < MEMORY, "{} kB", memory.own);
}

/// Puts as many records of instances into a namespace, `number-0000` and so on: copies of one that the plugin made.
pub fn fill(cluster: &'static Cluster, ns: &Namespace, count: usize) {
    let package = Draft::of("Listed", &[("all.yaml", &yaml(&[config_map("cm", &[("k", "v")])]))], &[]).write();
    ns.vnf(&["create", "number-0000", "--package", &package.path()]).succeeds();
    let original = ns.objects().instance().0.clone();
    let copies = (1..count).map(|number| {
        let id = uuid::Uuid::new_v4().to_string();
        let mut copy = original.clone();
        let former = copy["metadata"]["labels"]["kubectl-vnf/instance"].as_str().expect("an id").to_owned();
        copy = serde_json::from_str(&copy.to_string().replace(&former, &id)).expect("JSON");
        let name = format!("number-{number:04}");
        for value in copy["metadata"]["annotations"].as_object_mut().expect("the columns").values_mut() {
            if *value == "number-0000" {
                *value = name.clone().into();
            }
        }
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            copy["metadata"].as_object_mut().expect("metadata").remove(field);
        }
        copy
    });
    Proxy::start(cluster).create_all(&format!("/api/v1/namespaces/{}/configmaps", ns.name), copies);
}

const WORKLOADS: usize = 100;
/// Of each workload.
const PODS: usize = 10;
/// So many workloads get a new image.
const UPDATED: usize = 21;
const NAME: &str = "large";
const ASPECT: &str = "users";

/// Kind and name of each workload: those with a new image come first, and are of every kind.
fn workloads() -> Vec<(&'static str, String)> {
    let kind = |number: usize| match number {
        0..18 => "Deployment",
        18 => "ReplicaSet",
        19 => "StatefulSet",
        20 => "DaemonSet",
        21..80 => "Deployment",
        80..90 => "StatefulSet",
        90..95 => "ReplicaSet",
        _ => "DaemonSet",
    };
    (0..WORKLOADS).map(|number| (kind(number), format!("w{number:02}"))).collect()
}

/// The VNF with this image in the workloads that are updated.
pub fn draft(image: &str) -> Draft {
    let config = config_map("config", &[("key", "value")]);
    let objects = workloads().into_iter().enumerate().map(|(number, (kind, name))| {
        let image = if number < UPDATED { image } else { "nginx" };
        let env = json!({"env": [{"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "key"}}}]});
        // One on each of the cluster's ten nodes.
        let replicas = (kind != "DaemonSet").then_some(PODS.try_into().expect("few"));
        let mut object = workload(kind, &name, &name, replicas, &spec(&container(image, &env), &json!({})));
        if kind == "StatefulSet" {
            object["spec"]["podManagementPolicy"] = "Parallel".into();
        }
        object
    });
    let objects: Vec<Value> = objects.collect();
    let names: Vec<String> = workloads().into_iter().map(|(_, name)| name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let topology = "topology_template:\n";
    let policies = format!(
        "{topology}
  policies:
  - aspects:
      type: tosca.policies.nfv.ScalingAspects
      properties:
        aspects:
          {ASPECT}: {{ name: {ASPECT}, description: {ASPECT}, max_scale_level: 1, step_deltas: [ all ] }}
  - deltas:
      type: tosca.policies.nfv.VduScalingAspectDeltas
      properties:
        aspect: {ASPECT}
        deltas: {{ all: {{ number_of_instances: 5 }} }}
      targets: [ VDU1, VDU2 ]
"
    );
    let manifests = [("config.yaml", &*yaml(&[config])), ("workloads.yaml", &*yaml(&objects))];
    Draft::of("Large", &manifests, &names).edit_file("Definitions/vnfd.yaml", topology, &policies).edit_file(
        "Definitions/vnfd.yaml",
        "max_number_of_instances: 3",
        "max_number_of_instances: 15",
    )
}

#[test]
#[ignore = "tests/large.sh has the cluster for it"]
fn a_vnf_of_a_thousand_pods_lives_its_life() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::start(cluster);
    let ns = Namespace::new(cluster, "large");
    let (before, after) = (draft("nginx").write(), draft("nginx:1.27").write());
    let vnf = |args: &[&str]| {
        proxy.begin(None);
        let (run, memory) = Run::measured(proxy.through(ns.vnf_command(args)));
        let run = run.succeeds();
        let calls = Calls::of(&proxy);
        eprintln!("{} {memory:?} {:?} {calls:?}", args[0], run.took);
        assert!(memory.own < MEMORY, "{}: {} kB", args[0], memory.own);
        calls.assert_watches();
        (run, calls)
    };
    let pods = |count: usize| format!("{count} of {count}");

    vnf(&["instantiate", NAME, "--package", &before.path()]).0.says([&*pods(WORKLOADS * PODS)]);
    let old = ns.objects();
    assert_eq!(old.of_kind("Pod").filter(|pod| pod.is_ready()).count(), WORKLOADS * PODS);

    let (run, calls) = vnf(&["update", NAME, "--package", &after.path(), "--yes"]);
    assert_eq!(calls.count("get deployments"), 0, "many are read again by asking in which state they are");
    if calls.count("watch pods") == 1 {
        let pages = WORKLOADS * PODS / PAGE;
        assert_eq!(calls.count("list pods"), pages + 1, "in the end it is asked in which state they are");
    }
    let new = ns.objects();
    run.says([&*format!("Untouched: {} Pods", (WORKLOADS - UPDATED) * PODS)]);
    let (updated, others): (Vec<_>, Vec<_>) = workloads().into_iter().enumerate().partition(|(n, _)| *n < UPDATED);
    for (_, (kind, name)) in &updated {
        let workload = format!("{kind}/{name}");
        assert_eq!(new.image(&workload), "nginx:1.27", "{workload}");
        let (then, now) = (lives(&old, &workload), lives(&new, &workload));
        assert_eq!(now.len(), PODS, "{workload}");
        assert!(
            now.values().all(|life| then.values().all(|old| old.uid != life.uid)),
            "all Pods of {workload} are new"
        );
    }
    for (_, (kind, name)) in &others {
        let workload = format!("{kind}/{name}");
        assert_eq!(lives(&new, &workload), lives(&old, &workload), "{workload} is as it was");
        assert_eq!(new.get(&workload).as_written(), old.get(&workload).as_written(), "nobody wrote {workload}");
    }

    vnf(&["scale", NAME, "--aspect", ASPECT, "--out"]).0.says([&*format!("Untouched: {} Pods", WORKLOADS * PODS)]);
    let scaled = ns.objects();
    assert_eq!(scaled.of_kind("Pod").count(), WORKLOADS * PODS + 2 * 5);

    vnf(&["terminate", NAME, "--delete", "--yes"]);
    let left = ns.objects().without("Lease");
    let left: Vec<&str> = left.names().into_iter().filter(|name| !name.ends_with("/kube-root-ca.crt")).collect();
    assert_eq!(left, ["ServiceAccount/default"], "nothing is left but what every namespace has");
}

fn lives(objects: &Objects, workload: &str) -> BTreeMap<String, Life> {
    objects.pods_of(workload).into_iter().map(|pod| (pod.name().to_owned(), pod.life())).collect()
}

/// How often each verb was asked for each resource.
#[derive(Debug)]
struct Calls(BTreeMap<String, usize>);

impl Calls {
    fn of(proxy: &Proxy) -> Self {
        let mut counts = BTreeMap::new();
        for point in proxy.seen() {
            let call: Vec<&str> = point.call.split(' ').take(2).collect();
            *counts.entry(call.join(" ")).or_default() += 1;
        }
        Self(counts)
    }

    fn count(&self, call: &str) -> usize {
        self.0.get(call).copied().unwrap_or_default()
    }

    /// Each kind is watched as a whole, and not workload by workload. A watch that the server ends, for its reader was
    /// too slow for it, is begun again: on a busy machine that of the Pods may be.
    fn assert_watches(&self) {
        let mut watches: BTreeMap<&str, usize> =
            self.0.iter().filter_map(|(call, count)| Some((call.strip_prefix("watch ")?, *count))).collect();
        let pods = watches.remove("pods").unwrap_or(0);
        assert!((1..WORKLOADS / 10).contains(&pods), "{pods} watches of Pods");
        let kinds = ["daemonsets", "deployments", "replicasets", "statefulsets"];
        assert_eq!(watches, kinds.into_iter().map(|kind| (kind, 1)).collect(), "one watch of each kind");
    }
}
