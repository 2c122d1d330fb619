//! The container types of Release 4: deployable units, their containers, and what deploys them (rule V11; SOL001 5.4.1,
//! 6.8.12 to 6.8.14).
//!
//! Only judged, never used: what runs comes from the Kubernetes manifests.

use super::super::problem::Problem;
use super::definitions::Definition;
use super::types::{CONTAINER, MCIOP, Types, VDUS};
use crate::yaml::{Content, Node};
use std::collections::BTreeSet;

/// Judges the containers, units and Mciops of a flavour's file.
pub(super) fn check(definition: &Definition, types: &Types<'_>, problems: &mut Vec<Problem>) {
    let of = |base: &str| -> Vec<(&str, usize, &Node)> {
        definition.templates().filter(|(_, _, node)| types.instance(node, base)).collect()
    };
    let names = |nodes: &[(&str, usize, &Node)]| nodes.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let (units, containers, mciops) = (of(VDUS[1]), of(CONTAINER), of(MCIOP));
    let known_containers: BTreeSet<String> = names(&containers);
    let mut known_vdus: BTreeSet<String> = names(&units);
    known_vdus.extend(names(&of(VDUS[0])));
    let mut wrong = |line: usize, message: String| {
        problems.push(Problem::error("V11", message).at(&definition.file, line).bearable());
    };
    for (name, line, node) in units {
        let required = required(node, "container");
        if required.is_empty() && mciops.is_empty() {
            wrong(line, format!("VDU {name} has no container, and no Mciop makes one"));
        }
        for (target, line) in required {
            if !known_containers.contains(&target) {
                wrong(line, format!("VDU {name}: container {target:?} is no node of type {CONTAINER}"));
            }
        }
    }
    for (name, line, node) in containers {
        match artifacts(node, "SwImage") {
            1 => {}
            0 => wrong(line, format!("container {name} has no SwImage artifact")),
            images => wrong(line, format!("container {name} has {images} SwImage artifacts, one is allowed")),
        }
    }
    for (name, line, node) in mciops {
        let vdus = required(node, "associatedVdu");
        if vdus.is_empty() {
            wrong(line, format!("Mciop {name} has no associatedVdu"));
        }
        for (target, line) in vdus {
            if !known_vdus.contains(&target) {
                wrong(line, format!("Mciop {name}: associatedVdu {target:?} is no VDU of this flavour"));
            }
        }
        for kind in ["HelmChart", "HelmParamMappingScript", "HelmParamMappingRule"] {
            let count = artifacts(node, kind);
            if count > 1 {
                wrong(line, format!("Mciop {name} has {count} {kind} artifacts, one is allowed"));
            }
        }
        if artifacts(node, "HelmParamMappingRule") > 0 && artifacts(node, "HelmParamMappingScript") == 0 {
            wrong(line, format!("Mciop {name} has a HelmParamMappingRule, but no HelmParamMappingScript for it"));
        }
    }
}

/// The nodes that a requirement names, with their lines. It may stand several times, and name a node in two forms.
fn required(node: &Node, name: &str) -> Vec<(String, usize)> {
    let Some(requirements) = node.get("requirements") else { return Vec::new() };
    let entries: Vec<_> = match &requirements.content {
        Content::Sequence(items) => items.iter().flat_map(Node::entries).collect(),
        _ => requirements.entries().iter().collect(),
    };
    let targets = entries.into_iter().filter(|entry| entry.key == name).flat_map(|entry| match &entry.value.content {
        Content::Sequence(items) => items.iter().collect(),
        _ => vec![&entry.value],
    });
    targets.filter_map(|target| Some((target.text().or_else(|| target.get("node")?.text())?, target.line))).collect()
}

/// How many artifacts of a node are of a type with this last name.
fn artifacts(node: &Node, kind: &str) -> usize {
    let of_kind = |artifact: &Node| {
        let name = artifact.get("type").and_then(Node::text);
        name.is_some_and(|name| name.rsplit('.').next() == Some(kind))
    };
    super::artifacts::of(node).into_iter().filter(|(_, _, artifact)| of_kind(artifact)).count()
}
