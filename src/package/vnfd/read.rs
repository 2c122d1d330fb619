//! From definitions to a [`Vnfd`]: the VNF's identity, its flavours and its scripts (rules V3, V4 and V10).

use super::super::archive::Files;
use super::super::problem::Problem;
use super::definitions::{self, Definition, candidates};
use super::types::{Types, VDUS, VNF};
use super::{Flavour, Script, Vnfd, artifacts, constraints, containers, policy, vdu};
use crate::yaml::Node;
use std::collections::BTreeSet;

/// The properties that say whose VNF this is, in the order of [`Vnfd`]'s fields.
pub(super) const IDENTITY: [&str; 5] =
    ["descriptor_id", "provider", "product_name", "software_version", "descriptor_version"];

/// What came of reading a VNFD.
#[derive(Default)]
pub(in super::super) struct Reading {
    /// The descriptor, as far as it could be read: what the problems miss is empty in it.
    pub vnfd: Vnfd,
    /// The version of SOL001 whose types it uses, where it says so.
    pub standard: Option<String>,
    /// The scripts that it names.
    pub scripts: Vec<Script>,
    /// What was found.
    pub problems: Vec<Problem>,
    /// Paths of all definition files.
    pub files: BTreeSet<String>,
}

/// Reads the VNFD whose top file is `entry`.
pub(in super::super) fn read(entry: &str, files: &Files) -> Reading {
    let mut problems = Vec::new();
    let definitions = definitions::load(entry, files, &mut problems);
    let standard = definitions::standard(&definitions, files);
    let paths = definitions.iter().map(|definition| definition.file.clone()).collect();
    let complete = !problems.iter().any(Problem::is_error) && !definitions.is_empty();
    let types = Types::new(&definitions);
    let reader = Reader { definitions: &definitions, types: &types };
    let mut found = Vec::new();
    let [descriptor_id, provider, product_name, software_version, descriptor_version] =
        reader.identity(entry, &mut found);
    let flavours = reader.flavours(entry, &mut found);
    let scripts = reader.scripts(files, &mut found);
    let strange = types.unknown(&definitions);
    if complete {
        problems.extend(strange);
    } else {
        // With a file missing, much of what is missed is a consequence.
        let consequences: &[&str] = if strange.is_empty() { &["V3", "V4"] } else { &["V3", "V4", "V7", "V8"] };
        found.retain(|problem| !consequences.contains(&problem.rule));
    }
    problems.extend(found);
    for definition in &definitions {
        constraints::check(definition, &types, &mut problems);
        artifacts::check(definition, files, &types, &mut problems);
    }
    let vnfd = Vnfd { descriptor_id, provider, product_name, software_version, descriptor_version, flavours };
    Reading { vnfd, standard, scripts, problems, files: paths }
}

struct Reader<'a> {
    definitions: &'a [Definition],
    types: &'a Types<'a>,
}

impl<'a> Reader<'a> {
    /// All node templates of the VNF itself: one in the top file and one in each flavour's file, as a rule.
    fn vnf_nodes(&self) -> impl Iterator<Item = (&'a Definition, &'a Node)> {
        self.definitions.iter().flat_map(|definition| {
            let vnf = definition.templates().filter(|(_, _, node)| self.types.instance(node, VNF));
            vnf.map(move |(_, _, node)| (definition, node)).collect::<Vec<_>>()
        })
    }

    /// The values of [`IDENTITY`]; empty where there is none.
    fn identity(&self, entry: &str, problems: &mut Vec<Problem>) -> [String; 5] {
        let Some((first, node)) = self.vnf_nodes().next() else {
            let problem = Problem::error("V3", format!("no node template of a type that derives from {VNF}"));
            problems
                .push(problem.file(entry).help("the type and what it derives from must be defined in imported files"));
            return Default::default();
        };
        let values = IDENTITY.map(|name| {
            let value = self.identity_property(name);
            let Some((definition, value)) = value else {
                problems
                    .push(Problem::error("V3", format!("VNF property {name} has no value")).at(&first.file, node.line));
                return String::new();
            };
            let text = value.text().filter(|text| !text.is_empty());
            let Some(text) = text else {
                problems.push(
                    Problem::error("V3", format!("VNF property {name} is not a text")).at(&definition.file, value.line),
                );
                return String::new();
            };
            text
        });
        let id = &values[0];
        if !id.is_empty() && !is_uuid(id) {
            problems
                .push(Problem::warning("V3", format!("descriptor_id {id:?} is not a UUID")).at(&first.file, node.line));
        }
        values
    }

    /// A property of the VNF: from its node templates, the top file's first; from a flavour's substitution mappings;
    /// from its type.
    fn identity_property(&self, name: &str) -> Option<(&'a Definition, &'a Node)> {
        let nodes: Vec<_> = self.vnf_nodes().collect();
        let written = |definition: &'a Definition, value: Option<&'a Node>| {
            let value = value.and_then(|value| definition.resolve(value)).filter(|value| !value.is_null());
            value.map(|value| (definition, value))
        };
        let own = nodes.iter().find_map(|(definition, node)| written(definition, node.at(&["properties", name])));
        let mapped = || {
            let path = ["topology_template", "substitution_mappings", "properties", name];
            self.definitions.iter().find_map(|definition| written(definition, definition.root.at(&path)))
        };
        let default = || nodes.iter().find_map(|(d, node)| self.types.default(node, name).map(|value| (*d, value)));
        own.or_else(mapped).or_else(default)
    }

    /// A flavour for each file that stands in for the VNF with an inside of its own.
    fn flavours(&self, entry: &str, problems: &mut Vec<Problem>) -> Vec<Flavour> {
        let mapped =
            |definition: &&Definition| definition.topology().is_some_and(|t| t.get("substitution_mappings").is_some());
        let has_vdus = |definition: &&Definition| {
            let mut templates = definition.templates();
            templates.any(|(_, _, node)| VDUS.iter().any(|base| self.types.instance(node, base)))
        };
        let mut candidates: Vec<&Definition> = self.definitions.iter().filter(mapped).collect();
        if candidates.len() > 1 && candidates.iter().any(has_vdus) {
            candidates.retain(|definition| has_vdus(definition) || self.written_id(definition).is_some());
        }
        if candidates.is_empty() {
            candidates = self.definitions.iter().filter(has_vdus).collect();
        }
        let mut flavours: Vec<Flavour> = Vec::new();
        for definition in candidates {
            let Some(id) = self.flavour_id(definition) else {
                problems.push(
                    Problem::error("V4", "this deployment flavour has no flavour_id")
                        .at(&definition.file, mapping_line(definition))
                        .help("it stands in topology_template.substitution_mappings.properties"),
                );
                continue;
            };
            if let Some(other) = flavours.iter().find(|flavour| flavour.id == id) {
                let message = format!("flavour {id} is here and in {}", other.file);
                problems.push(Problem::error("V4", message).at(&definition.file, mapping_line(definition)));
                continue;
            }
            let mut vdus = vdu::read(definition, self.types, problems);
            containers::check(definition, self.types, problems);
            let scaling = policy::read(definition, self.types, &mut vdus, problems);
            flavours.push(Flavour {
                description: self.flavour_description(definition).unwrap_or_default(),
                id,
                file: definition.file.clone(),
                vdus,
                aspects: scaling.aspects,
                levels: scaling.levels,
                default_level: scaling.default_level,
            });
        }
        if flavours.is_empty() && !problems.iter().any(|problem| problem.rule == "V4") {
            problems.push(Problem::error("V4", "no deployment flavour").file(entry));
        }
        flavours
    }

    fn written_id(&self, definition: &Definition) -> Option<String> {
        let mapped = definition.topology()?.at(&["substitution_mappings", "properties", "flavour_id"]);
        mapped.and_then(|value| definition.resolve(value)).and_then(Node::text)
    }

    fn flavour_id(&self, definition: &Definition) -> Option<String> {
        self.written_id(definition).or_else(|| self.flavour_property(definition, "flavour_id"))
    }

    fn flavour_description(&self, definition: &Definition) -> Option<String> {
        self.flavour_property(definition, "flavour_description")
    }

    /// A property of the VNF node in a flavour's file, or else of the type that the file substitutes.
    fn flavour_property(&self, definition: &Definition, name: &str) -> Option<String> {
        let mut templates = definition.templates();
        let vnf = templates.find(|(_, _, node)| self.types.instance(node, VNF));
        let own = vnf.and_then(|(_, _, node)| self.types.property(definition, node, name));
        let mapped = || {
            let kind = definition.topology()?.at(&["substitution_mappings", "node_type"])?.text()?;
            let chain = self.types.chain(&kind);
            chain.into_iter().find_map(|(file, node)| file.resolve(node.at(&["properties", name, "default"])?))
        };
        own.or_else(mapped).and_then(Node::text)
    }

    /// What the VNF's life-cycle interfaces name as implementations, each once.
    fn scripts(&self, files: &Files, problems: &mut Vec<Problem>) -> Vec<Script> {
        let mut scripts = Vec::new();
        let mut reported = BTreeSet::new();
        for (definition, node) in self.vnf_nodes() {
            let kind = node.get("type").and_then(Node::text).unwrap_or_default();
            let places = std::iter::once((definition, node)).chain(self.types.chain(&kind));
            for (place, owner) in places {
                for (operation, implementation, line) in implementations(owner) {
                    let artifact =
                        node.at(&["artifacts", &implementation]).or_else(|| owner.at(&["artifacts", &implementation]));
                    let named = artifact.and_then(|a| a.text().or_else(|| a.get("file").and_then(Node::text)));
                    let file = named.as_deref().unwrap_or(&implementation);
                    let places = candidates(file, &place.file);
                    let found = places.iter().find(|path| files.contains(path));
                    let script = Script {
                        name: implementation.clone(),
                        operation,
                        present: found.is_some(),
                        file: found.or_else(|| likely(file, &places)).cloned().unwrap_or_else(|| file.to_owned()),
                    };
                    if !script.present && reported.insert(script.file.clone()) {
                        let message = format!("script {} is missing (it is never run)", script.file);
                        problems.push(Problem::warning("V10", message).at(&place.file, line));
                    }
                    if !scripts.contains(&script) {
                        scripts.push(script);
                    }
                }
            }
        }
        scripts
    }
}

/// Where a flavour's file says what it stands in for.
fn mapping_line(definition: &Definition) -> usize {
    let topology = definition.topology();
    let mapping = topology.and_then(|topology| topology.get("substitution_mappings")).or(topology);
    mapping.map_or(definition.root.line, |node| node.line)
}

/// Where a missing file was meant to be. `../Scripts/x` is seen from the definition; older packages write `Scripts/x`
/// and mean the root.
fn likely<'a>(name: &str, places: &'a [String]) -> Option<&'a String> {
    if name.contains('/') { places.last() } else { places.first() }
}

/// Operation, implementation and line of what a template or type implements of its interfaces. An operation may be
/// nothing, a list, the bare name of an artifact, or a mapping with `implementation`.
fn implementations(owner: &Node) -> Vec<(String, String, usize)> {
    let mut found = Vec::new();
    for interface in owner.get("interfaces").map_or(&[][..], Node::entries) {
        // TOSCA 1.3 puts the operations one level deeper.
        let operations = interface.value.get("operations").unwrap_or(&interface.value);
        for operation in operations.entries() {
            if ["type", "inputs", "notifications", "description"].contains(&operation.key.as_str()) {
                continue;
            }
            let implementation = operation.value.get("implementation").unwrap_or(&operation.value);
            let name = implementation.text().or_else(|| implementation.get("primary").and_then(Node::text));
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                found.push((operation.key.clone(), name, operation.line));
            }
        }
    }
    found
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
