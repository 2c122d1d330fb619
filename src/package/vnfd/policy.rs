//! The policies of a flavour: scaling aspects, instantiation levels, and what they mean for each VDU (rules V7, V8, V9).

use super::super::problem::Problem;
use super::definitions::Definition;
use super::types::Types;
use super::vdu::whole;
use super::{Aspect, Level, Vdu, VduAspect};
use crate::yaml::{Content, Node};
use std::collections::BTreeMap;

/// What holds for the flavour as a whole.
#[derive(Default)]
pub(super) struct Scaling {
    pub aspects: Vec<Aspect>,
    pub levels: Vec<Level>,
    pub default_level: Option<String>,
}

/// One policy of the file.
struct Policy<'a> {
    name: &'a str,
    node: &'a Node,
    line: usize,
}

/// Reads all policies and completes the VDUs with theirs.
pub(super) fn read(
    definition: &Definition,
    types: &Types<'_>,
    vdus: &mut [Vdu],
    problems: &mut Vec<Problem>,
) -> Scaling {
    let mut reader = Reader { definition, problems, scaling: Scaling::default(), lines: Lines::default() };
    let policies = policies(definition);
    let of = |kind: &str| {
        let base = format!("tosca.policies.nfv.{kind}");
        policies.iter().filter(move |policy| types.instance(policy.node, &base)).collect::<Vec<_>>()
    };
    for policy in of("ScalingAspects") {
        reader.aspects(policy);
    }
    for policy in of("InstantiationLevels") {
        reader.levels(policy);
    }
    for policy in of("VduInstantiationLevels") {
        reader.instances(policy, vdus);
    }
    for policy in of("VduScalingAspectDeltas") {
        reader.deltas(policy, vdus);
    }
    for policy in of("VduInitialDelta") {
        reader.initial(policy, vdus);
    }
    reader.arithmetic(vdus);
    reader.scaling
}

/// `policies` is a list of one-key mappings in the standard, and one mapping in some files.
fn policies(definition: &Definition) -> Vec<Policy<'_>> {
    let Some(policies) = definition.topology().and_then(|topology| topology.get("policies")) else { return Vec::new() };
    let entries: Vec<_> = match &policies.content {
        Content::Sequence(items) => items.iter().flat_map(Node::entries).collect(),
        _ => policies.entries().iter().collect(),
    };
    entries.into_iter().map(|entry| Policy { name: &entry.key, node: &entry.value, line: entry.line }).collect()
}

struct Reader<'a, 'p> {
    definition: &'a Definition,
    problems: &'p mut Vec<Problem>,
    scaling: Scaling,
    lines: Lines,
}

/// Where the numbers of each VDU stand, which is told by its place among them.
#[derive(Default)]
struct Lines {
    /// Its number of instances at each level.
    instances: BTreeMap<(usize, String), usize>,
    /// What a step adds.
    deltas: BTreeMap<usize, usize>,
}

impl<'a> Reader<'a, '_> {
    fn error(&mut self, rule: &'static str, line: usize, message: String) {
        self.problems.push(Problem::error(rule, message).at(&self.definition.file, line));
    }

    fn property(&self, node: &'a Node, name: &str) -> Option<&'a Node> {
        node.get(name).and_then(|value| self.definition.resolve(value)).filter(|value| !value.is_null())
    }

    fn text(&self, node: &'a Node, name: &str) -> String {
        self.property(node, name).and_then(Node::text).unwrap_or_default()
    }

    fn number(&mut self, rule: &'static str, what: &str, node: &'a Node, name: &str) -> Option<u32> {
        let value = self.property(node, name);
        let number = whole(value);
        if number.is_none() {
            self.error(
                rule,
                value.map_or(node.line, |value| value.line),
                format!("{what}: {name} is not a whole number"),
            );
        }
        number
    }

    /// The property of a policy, which must be there.
    fn body(&mut self, policy: &Policy<'a>, name: &str) -> Option<&'a Node> {
        let found = policy.node.get("properties").and_then(|properties| self.property(properties, name));
        if found.is_none() {
            self.error("V7", policy.line, format!("policy {} has no {name}", policy.name));
        }
        found
    }

    fn aspects(&mut self, policy: &Policy<'a>) {
        let Some(aspects) = self.body(policy, "aspects") else { return };
        for entry in aspects.entries() {
            let what = format!("aspect {}", entry.key);
            let Some(max_scale_level) = self.number("V7", &what, &entry.value, "max_scale_level") else { continue };
            let steps = self.property(&entry.value, "step_deltas").map_or(&[][..], Node::items);
            self.scaling.aspects.push(Aspect {
                id: entry.key.clone(),
                name: self.text(&entry.value, "name"),
                description: self.text(&entry.value, "description"),
                max_scale_level,
                step_deltas: steps.iter().filter_map(Node::text).collect(),
            });
        }
    }

    fn levels(&mut self, policy: &Policy<'a>) {
        let Some(levels) = self.body(policy, "levels") else { return };
        for entry in levels.entries() {
            let mut scale = BTreeMap::new();
            for info in self.property(&entry.value, "scale_info").map_or(&[][..], Node::entries) {
                let what = format!("level {}, aspect {}", entry.key, info.key);
                let Some(aspect) = self.scaling.aspects.iter().find(|aspect| aspect.id == info.key) else {
                    let known = list(self.scaling.aspects.iter().map(|aspect| &aspect.id));
                    let message =
                        format!("level {}: aspect {:?} is not in ScalingAspects ({known})", entry.key, info.key);
                    self.error("V7", info.line, message);
                    continue;
                };
                let max = aspect.max_scale_level;
                if let Some(level) = self.number("V8", &what, &info.value, "scale_level") {
                    if level > max {
                        self.error("V8", info.line, format!("{what}: scale_level {level} > max_scale_level {max}"));
                    }
                    scale.insert(info.key.clone(), level);
                }
            }
            let description = self.text(&entry.value, "description");
            self.scaling.levels.push(Level { id: entry.key.clone(), description, scale });
        }
        let default = policy.node.get("properties").and_then(|properties| self.property(properties, "default_level"));
        if let Some((id, line)) = default.and_then(|node| node.text().map(|id| (id, node.line))) {
            if self.scaling.levels.iter().any(|level| level.id == id) {
                self.scaling.default_level = Some(id);
            } else {
                let known = self.level_names();
                self.error("V8", line, format!("default_level {id:?} is not in InstantiationLevels ({known})"));
            }
        } else if self.scaling.levels.len() > 1 {
            let problem = Problem::error("V8", "several instantiation levels and no default_level");
            let problem = problem.help("name one, or choose one with --level each time");
            self.problems.push(problem.at(&self.definition.file, policy.line).bearable());
        }
    }

    fn level_names(&self) -> String {
        list(self.scaling.levels.iter().map(|level| &level.id))
    }

    fn instances(&mut self, policy: &Policy<'a>, vdus: &mut [Vdu]) {
        let targets = self.targets(policy, vdus);
        let Some(levels) = self.body(policy, "levels") else { return };
        for entry in levels.entries() {
            if !self.scaling.levels.iter().any(|level| level.id == entry.key) {
                let known = self.level_names();
                let message =
                    format!("policy {}: level {:?} is not in InstantiationLevels ({known})", policy.name, entry.key);
                self.error("V8", entry.line, message);
            }
            let what = format!("policy {}, level {}", policy.name, entry.key);
            let Some(count) = self.number("V7", &what, &entry.value, "number_of_instances") else { continue };
            for index in &targets {
                vdus[*index].instances.insert(entry.key.clone(), count);
                self.lines.instances.insert((*index, entry.key.clone()), entry.line);
            }
        }
    }

    fn deltas(&mut self, policy: &Policy<'a>, vdus: &mut [Vdu]) {
        let targets = self.targets(policy, vdus);
        let (Some(aspect), Some(deltas)) = (self.body(policy, "aspect"), self.body(policy, "deltas")) else { return };
        let id = aspect.text().unwrap_or_default();
        let Some(known) = self.scaling.aspects.iter().find(|aspect| aspect.id == id) else {
            let known = list(self.scaling.aspects.iter().map(|aspect| &aspect.id));
            let message = format!("policy {}: aspect {id:?} is not in ScalingAspects ({known})", policy.name);
            self.error("V7", aspect.line, message);
            return;
        };
        let mut steps = known.step_deltas.clone();
        if steps.is_empty() {
            steps = deltas.entries().iter().map(|entry| entry.key.clone()).collect();
        }
        let mut counts = Vec::new();
        for step in &steps {
            let Some(delta) = deltas.get(step) else {
                self.error(
                    "V7",
                    deltas.line,
                    format!("policy {}: delta {step:?} of aspect {id} is not defined", policy.name),
                );
                return;
            };
            let what = format!("policy {}, delta {step}", policy.name);
            let Some(count) = self.number("V7", &what, delta, "number_of_instances") else { return };
            counts.push(count);
        }
        if counts.is_empty() {
            self.error("V7", deltas.line, format!("policy {} has no deltas", policy.name));
            return;
        }
        for index in targets {
            let vdu = &mut vdus[index];
            if let Some(other) = vdu.aspect.as_ref().filter(|other| other.id != id) {
                let message = format!("VDU {} scales with aspect {} already", vdu.id, other.id);
                self.error("V7", policy.line, message);
                continue;
            }
            vdu.aspect = Some(VduAspect { id: id.clone(), initial: None, deltas: counts.clone() });
            let first = deltas.entries().first().map_or(deltas.line, |entry| entry.line);
            self.lines.deltas.insert(index, first);
        }
    }

    fn initial(&mut self, policy: &Policy<'a>, vdus: &mut [Vdu]) {
        let targets = self.targets(policy, vdus);
        let Some(delta) = self.body(policy, "initial_delta") else { return };
        let what = format!("policy {}", policy.name);
        let Some(count) = self.number("V7", &what, delta, "number_of_instances") else { return };
        for index in targets {
            if let Some(aspect) = &mut vdus[index].aspect {
                aspect.initial = Some(count);
            }
        }
    }

    /// The VDUs that a policy is for: named, or through a group of the topology.
    fn targets(&mut self, policy: &Policy<'a>, vdus: &[Vdu]) -> Vec<usize> {
        let mut found = Vec::new();
        let Some(targets) = policy.node.get("targets") else {
            self.error("V7", policy.line, format!("policy {} has no targets", policy.name));
            return found;
        };
        for target in targets.items() {
            let name = target.text().unwrap_or_default();
            let group = self.definition.topology().and_then(|topology| topology.at(&["groups", &name, "members"]));
            let names = group.map_or(vec![name.clone()], |group| group.items().iter().filter_map(Node::text).collect());
            let indices: Vec<usize> = (0..vdus.len()).filter(|index| names.contains(&vdus[*index].id)).collect();
            if indices.is_empty() {
                let known = list(vdus.iter().map(|vdu| &vdu.id));
                let message = format!("policy {}: target {name:?} is no VDU of this flavour ({known})", policy.name);
                self.error("V7", target.line, message);
            }
            found.extend(indices);
        }
        found
    }

    /// Warns where numbers that should follow from each other do not: packages in the field break this, so nothing
    /// depends on it.
    fn arithmetic(&mut self, vdus: &[Vdu]) {
        let mut warn = |vdu: &Vdu, line: Option<&usize>, message: String| {
            let message = format!("VDU {}{message}", vdu.id);
            let line = line.copied().unwrap_or(vdu.line);
            self.problems.push(Problem::warning("V9", message).at(&self.definition.file, line));
        };
        for (index, vdu) in vdus.iter().enumerate() {
            let at_level = |level: &String| self.lines.instances.get(&(index, level.clone()));
            for (level, count) in &vdu.instances {
                if *count < vdu.min || *count > vdu.max {
                    let message = format!(", level {level}: {count} instances, not within {}..{}", vdu.min, vdu.max);
                    warn(vdu, at_level(level), message);
                }
            }
            let Some((aspect, initial)) = vdu.aspect.as_ref().and_then(|aspect| Some((aspect, aspect.initial?))) else {
                continue;
            };
            for level in &self.scaling.levels {
                let (Some(declared), Some(scale)) = (vdu.instances.get(&level.id), level.scale.get(&aspect.id)) else {
                    continue;
                };
                let given = initial.saturating_add(aspect.added(*scale));
                if given != *declared {
                    let message = format!(", level {}: declares {declared}, deltas give {given}", level.id);
                    warn(vdu, at_level(&level.id), message);
                }
            }
            let top = self
                .scaling
                .aspects
                .iter()
                .find(|known| known.id == aspect.id)
                .map_or(0, |known| known.max_scale_level);
            let most = initial.saturating_add(aspect.added(top));
            if most > vdu.max {
                let message = format!(": scale level {top} of {} gives {most}, more than max {}", aspect.id, vdu.max);
                warn(vdu, self.lines.deltas.get(&index), message);
            }
        }
    }
}

fn list<'s>(names: impl Iterator<Item = &'s String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "there is none".into() } else { names.join(", ") }
}
