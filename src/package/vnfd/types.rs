//! Which type derives from which, and what a type says for the templates made of it.

use super::super::problem::Problem;
use super::definitions::Definition;
use crate::yaml::Node;
use std::collections::HashMap;

/// ETSI's types that this program looks for (SOL001 6); all else is found through `derived_from`.
pub(super) const VNF: &str = "tosca.nodes.nfv.VNF";
/// The types of VDUs: a virtual machine's, which Tacker uses for workloads too, and that of Release 4 for containers.
pub(super) const VDUS: [&str; 2] = ["tosca.nodes.nfv.Vdu.Compute", "tosca.nodes.nfv.Vdu.OsContainerDeployableUnit"];

/// A container of a deployable unit, and a package of manifests or a chart that makes workloads (Release 4).
pub(super) const CONTAINER: &str = "tosca.nodes.nfv.Vdu.OsContainer";
pub(super) const MCIOP: &str = "tosca.nodes.nfv.Mciop";

/// Longest chain of derivation that is followed.
const MAX_CHAIN: usize = 32;

/// The types that a package defines, by name.
pub(super) struct Types<'a>(HashMap<&'a str, (&'a Definition, &'a Node)>);

impl<'a> Types<'a> {
    /// Collects node types and policy types; names of the two kinds do not meet.
    pub fn new(definitions: &'a [Definition]) -> Self {
        let mut types = HashMap::new();
        for definition in definitions {
            for section in ["node_types", "policy_types"] {
                let entries = definition.root.get(section).map_or(&[][..], Node::entries);
                for entry in entries {
                    types.entry(entry.key.as_str()).or_insert((definition, &entry.value));
                }
            }
        }
        Self(types)
    }

    /// The type itself and those it derives from, as far as the package defines them, nearest first.
    pub fn chain(&self, name: &str) -> Vec<(&'a Definition, &'a Node)> {
        let mut found = Vec::new();
        let mut next = Some(name.to_owned());
        while let Some((definition, node)) = next.and_then(|name| self.0.get(bare(&name)).copied()) {
            if found.len() == MAX_CHAIN {
                break;
            }
            found.push((definition, node));
            next = node.get("derived_from").and_then(Node::text);
        }
        found
    }

    /// Whether `name` is `base` or derives from it.
    pub fn is(&self, name: &str, base: &str) -> bool {
        bare(name) == base
            || self.chain(name).iter().any(|(_, node)| {
                node.get("derived_from").and_then(Node::text).is_some_and(|parent| bare(&parent) == base)
            })
    }

    /// Whether a node template or policy is of the type `base`.
    pub fn instance(&self, template: &Node, base: &str) -> bool {
        template.get("type").and_then(Node::text).is_some_and(|name| self.is(&name, base))
    }

    /// Types of node templates that neither the standards nor the package define. What such a node is cannot be told.
    pub fn unknown(&self, definitions: &[Definition]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for definition in definitions {
            for (name, line, node) in definition.templates() {
                let Some(kind) = node.get("type").and_then(Node::text) else { continue };
                let last = self.chain(&kind).last().and_then(|(_, node)| node.get("derived_from").and_then(Node::text));
                let top = if self.0.contains_key(bare(&kind)) { last } else { Some(kind) };
                if let Some(top) = top.filter(|top| !bare(top).starts_with("tosca.")) {
                    let message = format!("node {name}: its type {top} is not defined in the package");
                    problems.push(Problem::warning("V2", message).at(&definition.file, line));
                }
            }
        }
        problems
    }

    /// A property of a template: its own value, else the default of its type; inputs resolved.
    pub fn property<'b>(&self, definition: &'b Definition, template: &'b Node, name: &str) -> Option<&'b Node>
    where
        'a: 'b,
    {
        let own = template.at(&["properties", name]).and_then(|value| definition.resolve(value));
        own.filter(|value| !value.is_null()).or_else(|| self.default(template, name))
    }

    /// What the type of a template gives as a property's default.
    pub fn default(&self, template: &Node, name: &str) -> Option<&'a Node> {
        let kind = template.get("type").and_then(Node::text)?;
        self.chain(&kind).into_iter().find_map(|(definition, node)| {
            definition.resolve(node.at(&["properties", name, "default"])?).filter(|value| !value.is_null())
        })
    }
}

/// A type's name without the prefix that an import may give (TOSCA 1.3).
fn bare(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn derivation_is_followed_and_ends() {
        let text = "node_types:\n  a: {derived_from: b, properties: {p: {default: 1}}}\n  b: {derived_from: tosca.nodes.nfv.VNF, properties: {p: {default: 2}, q: {default: 3}}}\n  x: {derived_from: y}\n  y: {derived_from: x}\n";
        let definitions = [Definition { file: "t.yaml".into(), root: crate::yaml::node(text.as_bytes()).unwrap() }];
        let types = Types::new(&definitions);
        assert!(types.is("a", VNF) && types.is("b", VNF) && types.is(VNF, VNF));
        assert!(!types.is("x", VNF) && !types.is("unknown", VNF));
        let template = crate::yaml::node(b"type: a\nproperties: {q: ~}").unwrap();
        let of = |name| types.property(&definitions[0], &template, name).and_then(Node::text);
        assert_eq!((of("p"), of("q"), of("r")), (Some("1".into()), Some("3".into()), None));
    }
}
