//! The VDUs of a flavour (rules V5 and V6).

use super::super::problem::Problem;
use super::Vdu;
use super::definitions::Definition;
use super::types::{Types, VDUS};
use crate::yaml::Node;
use std::collections::{BTreeMap, HashMap};

/// Reads the VDUs of a flavour's file, without what policies say of them.
pub(super) fn read(definition: &Definition, types: &Types<'_>, problems: &mut Vec<Problem>) -> Vec<Vdu> {
    let mut vdus: Vec<Vdu> = Vec::new();
    for (id, line, node) in definition.templates() {
        if !VDUS.iter().any(|base| types.instance(node, base)) {
            continue;
        }
        let property = |name| types.property(definition, node, name);
        let text = |name| property(name).and_then(Node::text);
        let workload = |name| {
            property("mcio_identification_data")
                .and_then(|data| definition.resolve(data.get(name)?))
                .and_then(Node::text)
        };
        let given = workload("name").or_else(|| text("name"));
        let name = given.clone().unwrap_or_else(|| id.to_owned());
        let mut wrong = |problem: Problem| problems.push(problem.at(&definition.file, line));
        match given {
            Some(name) if is_subdomain(&name) => {}
            Some(name) => {
                let message = format!("VDU {id}: name {name:?} cannot be that of a Kubernetes object");
                // Another flavour may do without this VDU, and whether its workload exists is another question.
                wrong(Problem::error("V6", message).bearable());
            }
            None => {
                let input = node.at(&["properties", "name"]).and_then(|value| definition.open_input(value));
                let why = match input {
                    Some(input) => format!("the name of VDU {id} is input {input:?}, which has no default"),
                    None => format!("VDU {id} has no name"),
                };
                if is_subdomain(id) {
                    wrong(Problem::warning("V6", format!("{why}, so its workload is taken to be named {id:?}")));
                } else {
                    let message = format!("{why}, and {id:?} cannot be that of a Kubernetes object");
                    wrong(Problem::error("V6", message).bearable());
                }
            }
        }
        let (min, max) = profile(id, line, property("vdu_profile"), definition, problems);
        vdus.push(Vdu {
            id: id.into(),
            name,
            kind: workload("type"),
            description: text("description").unwrap_or_default(),
            line,
            min,
            max,
            instances: BTreeMap::new(),
            aspect: None,
        });
    }
    let mut names: HashMap<&str, &Vdu> = HashMap::new();
    for vdu in &vdus {
        if let Some(other) = names.insert(&vdu.name, vdu) {
            let message = format!("VDU {} has the name {:?} of VDU {}", vdu.id, vdu.name, other.id);
            problems.push(Problem::error("V6", message).at(&definition.file, vdu.line));
        }
    }
    vdus
}

/// `vdu_profile`: the bounds of the number of instances.
fn profile(
    id: &str,
    line: usize,
    profile: Option<&Node>,
    definition: &Definition,
    problems: &mut Vec<Problem>,
) -> (u32, u32) {
    let Some(profile) = profile.filter(|profile| profile.is_mapping()) else {
        problems.push(Problem::error("V5", format!("VDU {id} has no vdu_profile")).at(&definition.file, line));
        return (0, 0);
    };
    let mut bound = |name: &str| {
        let value = profile.get(name).and_then(|value| definition.resolve(value));
        whole(value).or_else(|| {
            let message = match profile.get(name).and_then(|value| definition.open_input(value)) {
                Some(input) => format!("VDU {id}: {name} is input {input:?}, which has no default"),
                None => format!("VDU {id}: {name} is not a whole number"),
            };
            problems.push(Problem::error("V5", message).at(&definition.file, value.map_or(profile.line, |v| v.line)));
            None
        })
    };
    let (min, max) = (bound("min_number_of_instances"), bound("max_number_of_instances"));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        problems
            .push(Problem::error("V5", format!("VDU {id}: min {min} > max {max}")).at(&definition.file, profile.line));
    }
    (min.unwrap_or(0), max.unwrap_or(0))
}

/// A number that is whole and not negative, in YAML's spellings or as text.
pub(super) fn whole(node: Option<&Node>) -> Option<u32> {
    let value = node?.to_value();
    value.as_u64().and_then(|number| u32::try_from(number).ok()).or_else(|| value.as_str()?.parse().ok())
}

/// RFC 1123 subdomain, as names of most Kubernetes objects must be.
fn is_subdomain(name: &str) -> bool {
    let label = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
