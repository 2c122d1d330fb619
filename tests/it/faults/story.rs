//! The operations that are broken on purpose: what leads up to each, how it is called, and how the namespace comes back
//! to where it began, so that one instance serves many cases.

use crate::support::manifests::{config_map, container, env_of, mounting, pod, secret, spec, workload, yaml};
use crate::support::sample::{AFTER, BEFORE, shipped, update_request};
use crate::support::{Draft, Package, sample_request};
use serde_json::json;

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
    /// A small VNF instantiated.
    Instantiate,
}

/// The packages of a small VNF, whose second version differs in configuration.
pub struct Packages {
    old: Package,
    new: Package,
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
        Self { old: old.write(), new: new.write() }
    }
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
            Self::Instantiate => "instantiate",
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
            Self::Config | Self::Heal => vec![Self::Instantiate.operation(packages)],
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
            Self::Instantiate => args(&["instantiate", "small", "--package", &packages.old.path()]),
        }
    }

    /// Whether the operation can be rolled back once it has stopped half way.
    pub fn can_be_taken_back(self) -> bool {
        self != Self::Heal
    }

    /// From after the operation back to before it, for the instance of this id.
    pub fn way_back(self, id: &str, packages: &Packages) -> Vec<Args> {
        let away = args(&["terminate", id, "--delete", "--force", "--yes"]);
        match self {
            // The kubelet restarts a container that was restarted before only after a while, and longer each time: an
            // instance serves once.
            Self::Update => std::iter::once(away).chain(self.lead_up(packages)).collect(),
            Self::Config => vec![args(&["update", id, "--package", &packages.old.path()])],
            Self::Undo => vec![args(&["update", id, "--package", &packages.new.path()])],
            Self::Heal => Vec::new(),
            Self::Scale => vec![scaled(id, "--in")],
            Self::Instantiate => vec![away],
        }
    }
}
