//! The operations that are broken on purpose: what leads up to each, how it is called, and how the namespace comes back
//! to where it began, so that one instance serves many cases.

use crate::support::manifests::{config_map, container, env_of, mounting, pod, secret, spec, workload, yaml};
use crate::support::sample::{AFTER, BEFORE, shipped, update_request};
use crate::support::{Draft, Package, sample_request};
use serde_json::{Value, json};

/// An operation on a VNF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// The shipped sample's update.
    Update,
    /// An update that changes configuration only.
    Config,
    /// Back to before such an update.
    Undo,
    /// Pods of each kind respawned.
    Heal,
    /// A Pod more of each kind that can have more.
    Scale,
    /// All of another package: of each way to change an object one.
    ChangePackage,
    /// A small VNF instantiated.
    Instantiate,
    /// And all of it deleted.
    Terminate,
}

/// The packages of a small VNF, whose second version differs in configuration.
pub struct Packages {
    old: Package,
    new: Package,
    first: Package,
    second: Package,
}

impl Packages {
    pub fn write() -> Self {
        let env = |key: &str| spec(&container("nginx", &json!({"env": [env_of("CM", "config", key)]})), &json!({}));
        let hidden = mounting("nginx", &json!({"secret": {"secretName": "hidden"}}));
        let manifest = yaml(&[
            config_map("config", &[("used", "used, old"), ("other", "other")]),
            secret("hidden", &[("token", "token, old")]),
            workload("Deployment", "web", "web", Some(1), &env("used")),
            workload("ReplicaSet", "set", "set", Some(1), &env("used")),
            workload("StatefulSet", "state", "state", Some(1), &hidden),
            pod("bare", &env("used")),
            workload("Deployment", "other", "other", Some(1), &env("other")),
        ]);
        let old = Draft::of("Small", &[("all.yaml", &manifest)], &["web", "set", "state", "bare", "other"]);
        let topology = "topology_template:\n";
        let old = old.edit_file("Definitions/vnfd.yaml", topology, &format!("{topology}{POLICIES}"));
        let new = old.clone().edit("all.yaml", ", old", ", new");
        let first = Draft::of("Moving", &[("all.yaml", &moving(false))], &["web", "set", "state", "bare", "calm"]);
        let second = first.clone().manifest("all.yaml", &moving(true));
        Self { old: old.write(), new: new.write(), first: first.write(), second: second.write() }
    }
}

/// A manifest and the one after it: a key, fields in and beside templates, what has to be made anew, what comes and what
/// goes.
fn moving(moved: bool) -> String {
    let port = if moved { 8080 } else { 80 };
    let served = |more: &Value| spec(&container("nginx", more), &json!({}));
    let with_port = served(&json!({"env": [env_of("CM", "config", "used")], "ports": [{"containerPort": port}]}));
    let calm = served(&json!({}));
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": port}]}});
    let mut labelled = workload("Deployment", "calm", "calm", Some(1), &calm);
    labelled["metadata"]["labels"] = json!({"stage": if moved { "two" } else { "one" }});
    let mut state = workload("StatefulSet", "state", "state", Some(1), &calm);
    state["spec"]["serviceName"] = (if moved { "front" } else { "back" }).into();
    let mut all = vec![
        config_map("config", &[("used", if moved { "used, new" } else { "used, old" })]),
        service,
        workload("Deployment", "web", "web", Some(1), &with_port),
        workload("ReplicaSet", "set", "set", Some(1), &served(&json!({"ports": [{"containerPort": port}]}))),
        state,
        pod("bare", &served(&json!({"ports": [{"containerPort": port}]}))),
        labelled,
    ];
    all.push(match moved {
        true => workload("Deployment", "comes", "comes", Some(1), &calm),
        false => config_map("goes", &[("key", "value")]),
    });
    yaml(&all)
}

/// The first three workloads follow one aspect.
const POLICIES: &str = "
  policies:
  - aspects:
      type: tosca.policies.nfv.ScalingAspects
      properties:
        aspects:
          size: { name: size, description: size, max_scale_level: 1, step_deltas: [ one ] }
  - deltas:
      type: tosca.policies.nfv.VduScalingAspectDeltas
      properties:
        aspect: size
        deltas: { one: { number_of_instances: 1 } }
      targets: [ VDU1, VDU2, VDU3 ]
";

/// Arguments of the plugin.
pub type Args = Vec<String>;

fn args(words: &[&str]) -> Args {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn scaled(instance: &str, way: &str) -> Args {
    args(&["scale", instance, "--aspect", "size", way])
}

impl Story {
    pub fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Config => "config",
            Self::Undo => "undo",
            Self::Heal => "heal",
            Self::Scale => "scale",
            Self::ChangePackage => "changepackage",
            Self::Instantiate => "instantiate",
            Self::Terminate => "terminate",
        }
    }

    /// The instance's name before and after.
    pub fn names(self) -> [&'static str; 2] {
        match self {
            Self::Update => [BEFORE, AFTER],
            _ => ["small", "small"],
        }
    }

    /// What has to be done first in an empty namespace.
    pub fn lead_up(self, packages: &Packages) -> Vec<Args> {
        match self {
            Self::Update => {
                let request = sample_request("instance_kubernetes.json");
                vec![args(&["instantiate", BEFORE, "--package", &shipped("before"), "-f", &request])]
            }
            Self::Config | Self::Heal | Self::Terminate => vec![Self::Instantiate.operation(packages)],
            Self::ChangePackage => vec![args(&["instantiate", "small", "--package", &packages.first.path()])],
            // There and back, so that the record says of all replicas where they come from.
            Self::Scale => {
                vec![Self::Instantiate.operation(packages), Self::Scale.operation(packages), scaled("small", "--in")]
            }
            Self::Undo => vec![Self::Instantiate.operation(packages), Self::Config.operation(packages)],
            Self::Instantiate => Vec::new(),
        }
    }

    /// The operation.
    pub fn operation(self, packages: &Packages) -> Args {
        match self {
            Self::Update => args(&["update", BEFORE, "--package", &shipped("after"), "-f", &update_request()]),
            Self::Config => args(&["update", "small", "--package", &packages.new.path()]),
            Self::Undo => args(&["undo", "small", "--yes"]),
            Self::Heal => args(&["heal", "small", "--vdu", "VDU1", "--vdu", "VDU2", "--vdu", "VDU3", "--vdu", "VDU4"]),
            Self::Scale => scaled("small", "--out"),
            Self::ChangePackage => args(&["change-package", "small", "--package", &packages.second.path()]),
            Self::Terminate => args(&["terminate", "small", "--yes"]),
            Self::Instantiate => args(&["instantiate", "small", "--package", &packages.old.path()]),
        }
    }

    /// Whether the operation can be rolled back once it has stopped half way.
    pub fn can_be_taken_back(self) -> bool {
        !matches!(self, Self::Heal | Self::Terminate)
    }

    /// From after the operation back to before it, for the instance of this id.
    pub fn way_back(self, id: &str, packages: &Packages) -> Vec<Args> {
        let away = args(&["terminate", id, "--delete", "--force", "--yes"]);
        match self {
            // The kubelet restarts a container that was restarted before only after a while, and longer each time; an
            // object that was once applied says so for ever: an instance serves once.
            Self::Update | Self::ChangePackage => std::iter::once(away).chain(self.lead_up(packages)).collect(),
            Self::Config => vec![args(&["update", id, "--package", &packages.old.path()])],
            Self::Undo => vec![args(&["update", id, "--package", &packages.new.path()])],
            Self::Heal => Vec::new(),
            Self::Scale => vec![scaled(id, "--in")],
            Self::Instantiate => vec![away],
            // From the record alone.
            Self::Terminate => vec![args(&["instantiate", "small"])],
        }
    }
}
