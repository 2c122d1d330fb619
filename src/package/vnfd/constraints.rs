//! Constraints: whether values keep to what types and inputs allow (rule V3; TOSCA Simple Profile 1.3, 3.6.3).
//!
//! Only what the package itself writes is judged: its node types' properties and its inputs' defaults. What ETSI's own
//! types demand is judged where it is used.

use super::super::problem::Problem;
use super::definitions::Definition;
use super::read::IDENTITY;
use super::types::{Types, VDUS, VNF};
use crate::yaml::Node;
use std::cmp::Ordering;

/// Judges the inputs, the VNF and the VDUs of one file.
pub(super) fn check(definition: &Definition, types: &Types<'_>, problems: &mut Vec<Problem>) {
    let mut wrong = |line: usize, identity: bool, message: String| {
        let problem = Problem::error("V3", message).at(&definition.file, line);
        // With a wrong identity nobody would know what runs; with anything else a package can still be used.
        problems.push(if identity { problem } else { problem.bearable() });
    };
    for input in definition.topology().and_then(|t| t.get("inputs")).map_or(&[][..], Node::entries) {
        if let Some(default) = input.value.get("default").filter(|default| !default.is_null()) {
            for reason in broken(input.value.get("constraints"), default) {
                wrong(default.line, false, format!("input {}: the default {reason}", input.key));
            }
        }
    }
    let mapped = definition.topology().and_then(|topology| topology.get("substitution_mappings"));
    let mapped = mapped.and_then(|mapped| Some((mapped.get("node_type")?.text()?, mapped.get("properties")?)));
    let templates = definition.templates().filter_map(|(name, _, node)| {
        let vnf = types.instance(node, VNF);
        let vdu = VDUS.iter().any(|base| types.instance(node, base));
        let what = if vnf { "VNF".to_owned() } else { format!("VDU {name}:") };
        (vnf || vdu).then_some(())?;
        Some((what, node.get("type")?.text()?, node.get("properties")?))
    });
    for (what, kind, properties) in
        templates.chain(mapped.map(|(kind, properties)| ("VNF".to_owned(), kind, properties)))
    {
        for property in properties.entries() {
            let Some(value) = definition.resolve(&property.value).filter(|value| !value.is_null()) else { continue };
            for (_, owner) in types.chain(&kind) {
                for reason in broken(owner.at(&["properties", &property.key, "constraints"]), value) {
                    let identity = IDENTITY.contains(&property.key.as_str());
                    wrong(value.line, identity, format!("{what} property {} {reason}", property.key));
                }
            }
        }
    }
}

/// Why a value breaks constraints: `is "x", its type allows a, b`.
fn broken(constraints: Option<&Node>, value: &Node) -> Vec<String> {
    let entries = constraints.map_or(&[][..], Node::items).iter().flat_map(Node::entries);
    entries.filter_map(|constraint| breaks(&constraint.key, &constraint.value, value)).collect()
}

fn breaks(name: &str, bound: &Node, value: &Node) -> Option<String> {
    let text = value.text();
    let shown = text.clone().unwrap_or_else(|| "no plain value".into());
    let count = || match &text {
        Some(text) => text.chars().count(),
        None => value.items().len().max(value.entries().len()),
    };
    let number = |node: &Node| node.text().and_then(|text| text.parse::<usize>().ok());
    let against = |node: &Node| Some(compare(text.as_deref()?, &node.text()?));
    let wrong = |broken: bool, rule: String| broken.then(|| format!("is {shown:?}, {rule}"));
    let limit = || bound.text().unwrap_or_default();
    match name {
        "valid_values" => {
            let allowed: Vec<String> = bound.items().iter().filter_map(Node::text).collect();
            let fine = text.as_ref().is_none_or(|text| allowed.contains(text));
            wrong(!fine, format!("its type allows {}", allowed.join(", ")))
        }
        "equal" => wrong(against(bound)? != Ordering::Equal, format!("it must be {}", limit())),
        "greater_than" => wrong(against(bound)? != Ordering::Greater, format!("it must be more than {}", limit())),
        "greater_or_equal" => wrong(against(bound)? == Ordering::Less, format!("it must be at least {}", limit())),
        "less_than" => wrong(against(bound)? != Ordering::Less, format!("it must be less than {}", limit())),
        "less_or_equal" => wrong(against(bound)? == Ordering::Greater, format!("it must be at most {}", limit())),
        "in_range" => {
            let [low, high] = bound.items() else { return None };
            let unbounded = |node: &Node| node.text().as_deref() == Some("UNBOUNDED");
            let low_broken = !unbounded(low) && against(low)? == Ordering::Less;
            let broken = low_broken || (!unbounded(high) && against(high)? == Ordering::Greater);
            wrong(broken, format!("it must be within {} and {}", low.text()?, high.text()?))
        }
        "length" => wrong(count() != number(bound)?, format!("its length must be {}", limit())),
        "min_length" => wrong(count() < number(bound)?, format!("its length must be at least {}", limit())),
        "max_length" => wrong(count() > number(bound)?, format!("its length must be at most {}", limit())),
        // `pattern` and `schema` are left to whoever runs what they describe.
        _ => None,
    }
}

/// Numbers as numbers, versions part by part, everything else as text.
fn compare(a: &str, b: &str) -> Ordering {
    if let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) {
        return a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    }
    let parts = |text: &str| text.split('.').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>();
    match (parts(a), parts(b)) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_constraint() {
        for (constraint, value, expected) in [
            ("valid_values: [ a, b ]", "a", None),
            ("valid_values: [ a, b ]", "c", Some("is \"c\", its type allows a, b")),
            ("valid_values: [ 1.10 ]", "1.1", Some("is \"1.1\", its type allows 1.10")),
            ("equal: 3", "4", Some("is \"4\", it must be 3")),
            ("greater_than: 1", "1", Some("is \"1\", it must be more than 1")),
            ("greater_or_equal: 10", "9", Some("is \"9\", it must be at least 10")),
            ("greater_or_equal: 1.9.0", "1.10.0", None),
            ("less_than: 5", "5", Some("is \"5\", it must be less than 5")),
            ("less_or_equal: 5", "5", None),
            ("less_or_equal: 5", "6", Some("is \"6\", it must be at most 5")),
            ("in_range: [ 1, UNBOUNDED ]", "0", Some("is \"0\", it must be within 1 and UNBOUNDED")),
            ("in_range: [ 1, 4 ]", "4", None),
            ("min_length: 2", "a", Some("is \"a\", its length must be at least 2")),
            ("max_length: 2", "[ 1, 2, 3 ]", Some("is \"no plain value\", its length must be at most 2")),
            ("length: 2", "ab", None),
            ("pattern: '[a-z]+'", "1", None),
            ("in_range: 4", "1", None),
        ] {
            let constraints = crate::yaml::node(format!("- {constraint}").as_bytes()).unwrap();
            let value = crate::yaml::node(value.as_bytes()).unwrap();
            let found = broken(Some(&constraints), &value);
            assert_eq!(found.first().map(String::as_str), expected, "{constraint}");
        }
    }
}
