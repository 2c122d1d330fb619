//! Words and phrases that more than one screen uses: counts, what an object is called, commands to type.

use super::Screen;
use super::style::{Text, clean, cyan, plain};
use crate::object::ObjectRef;
use crate::object::config::{KeyChange, is_config};
use crate::object::workload::WorkloadKind;
use crate::plan::Item;

/// `1 Pod`, `2 Pods`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {}", plural(noun)),
    }
}

fn plural(noun: &str) -> String {
    match noun {
        _ if noun.ends_with('s') || noun.ends_with('x') || noun.ends_with("ch") => format!("{noun}es"),
        _ if noun.ends_with('y') && !noun.ends_with("ay") && !noun.ends_with("ey") => {
            format!("{}ies", &noun[..noun.len() - 1])
        }
        _ => format!("{noun}s"),
    }
}

/// `2 ConfigMaps`, `2 Secrets`, `1 Service`: how many of each kind, in the order of appearance.
pub fn kinds<'a>(objects: impl IntoIterator<Item = &'a ObjectRef>) -> Vec<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for object in objects {
        match counts.iter_mut().find(|(kind, _)| *kind == object.kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((&object.kind, 1)),
        }
    }
    counts.into_iter().map(|(kind, number)| count(number, kind)).collect()
}

/// `8 workloads`, `2 ConfigMaps`, `1 Service`: workloads as one, everything else by kind.
pub fn workloads_and_kinds<'a>(objects: impl IntoIterator<Item = &'a ObjectRef>) -> Vec<String> {
    let (workloads, others): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|object| WorkloadKind::of(object).is_some());
    let mut parts = Vec::new();
    if !workloads.is_empty() {
        parts.push(count(workloads.len(), "workload"));
    }
    parts.extend(kinds(others));
    parts
}

/// Parts with commas between them.
pub fn sentence(parts: &[String]) -> String {
    parts.join(", ")
}

/// What a workload is called for short: its VDU, or kind and name.
pub fn label(vdu: Option<&str>, object: &ObjectRef) -> String {
    vdu.map_or_else(|| object.to_string(), ToOwned::to_owned)
}

/// `VDU1 Deployment vdu1-update`, or kind and name alone.
pub fn full_label(vdu: Option<&str>, object: &ObjectRef) -> String {
    vdu.map_or_else(|| object.to_string(), |vdu| format!("{vdu} {object}"))
}

/// Pods that the items restart or replace.
pub fn pods<'a>(items: impl IntoIterator<Item = &'a Item>) -> usize {
    items.into_iter().map(|item| item.pods.len()).sum()
}

/// Whether an object is neither a workload nor configuration.
pub fn is_other(object: &ObjectRef) -> bool {
    WorkloadKind::of(object).is_none() && !is_config(object)
}

/// `22 -> 26 bytes`, `new, 26 bytes`, `removed`. Sizes only.
pub fn sizes(change: &KeyChange) -> String {
    match (change.before, change.after) {
        (Some(before), Some(after)) if before == after => format!("{before} bytes, other content"),
        (Some(before), Some(after)) => format!("{before} -> {after} bytes"),
        (None, Some(after)) => format!("new, {}", count(after, "byte")),
        (Some(before), None) => format!("removed, {}", count(before, "byte")),
        (None, None) => String::new(),
    }
}

/// A command to type, coloured as one; see [`command_line`].
pub fn command(screen: &Screen, verb: &str, arguments: &[&str]) -> Text {
    cyan(&command_line(screen, verb, arguments))
}

/// A command to type: the verb and its arguments, quoted for a shell, with `-n` where it is needed.
pub fn command_line(screen: &Screen, verb: &str, arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|argument| format!(" {}", quote(argument))).collect::<String>();
    format!("kubectl vnf {verb}{quoted}{}", screen.namespace_flag)
}

/// Quoted for a POSIX shell, where it must be.
pub fn quote(argument: &str) -> String {
    let argument = clean(argument);
    let safe = |c: char| c.is_alphanumeric() || "_-./:@%+=,".contains(c);
    if !argument.is_empty() && argument.chars().all(safe) {
        argument
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// The first 8 characters of a UUID, as screens show ids.
pub fn short_id(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// `before -> after` in two pieces that a line may break between.
pub fn arrow(before: &str, after: &str) -> [Text; 2] {
    [plain(&format!("{} ->", clean(before))), plain(after)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_things() {
        for (number, noun, expected) in [
            (1, "Pod", "1 Pod"),
            (0, "Pod", "0 Pods"),
            (2, "Ingress", "2 Ingresses"),
            (3, "NetworkPolicy", "3 NetworkPolicies"),
            (2, "Gateway", "2 Gateways"),
            (2, "config object", "2 config objects"),
        ] {
            assert_eq!(count(number, noun), expected);
        }
    }

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        for (argument, quoted) in [
            ("modify_vnf_after", "modify_vnf_after"),
            ("my vnf", "'my vnf'"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("", "''"),
            ("a\u{1b}[31mb", "ab"),
        ] {
            assert_eq!(quote(argument), quoted);
        }
    }
}
