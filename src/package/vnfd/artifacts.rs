//! Artifacts that node templates name: whether their files are there (rule V10).
//!
//! Scripts of the VNF's life-cycle interfaces are read in `read`; software images may come from a registry, so what
//! they name is not looked for.

use super::super::archive::Files;
use super::super::problem::Problem;
use super::definitions::{Definition, locate};
use super::types::{Types, VNF};
use crate::yaml::{Content, Node};

/// Judges the artifacts of one file's node templates.
pub(super) fn check(definition: &Definition, files: &Files, types: &Types<'_>, problems: &mut Vec<Problem>) {
    for (name, _, node) in definition.templates().filter(|(_, _, node)| !types.instance(node, VNF)) {
        for (artifact, line, value) in of(node) {
            let kind = value.get("type").and_then(Node::text).unwrap_or_default();
            let named = value.text().or_else(|| value.get("file").and_then(Node::text));
            let Some(file) =
                named.filter(|file| !kind.ends_with("SwImage") && !kind.is_empty() && !file.contains("://"))
            else {
                continue;
            };
            // A chart may lie there unpacked.
            let directory = || {
                let inside = super::definitions::candidates(&file, &definition.file);
                inside.iter().any(|path| {
                    let prefix = format!("{}/", path.trim_end_matches('/'));
                    files.0.range(prefix.clone()..).next().is_some_and(|(known, _)| known.starts_with(&prefix))
                })
            };
            if locate(&file, &definition.file, files).is_none() && !directory() {
                let message = format!("node {name}: {file}, the file of artifact {artifact}, is not in the package");
                problems.push(Problem::error("V10", message).at(&definition.file, line).bearable());
            }
        }
    }
}

/// Name, line and body of each artifact of a node: a mapping in the standard, a list of one-key mappings in some files.
pub(super) fn of(node: &Node) -> Vec<(&str, usize, &Node)> {
    let Some(artifacts) = node.get("artifacts") else { return Vec::new() };
    let entries: Vec<_> = match &artifacts.content {
        Content::Sequence(items) => items.iter().flat_map(Node::entries).collect(),
        _ => artifacts.entries().iter().collect(),
    };
    entries.into_iter().map(|entry| (entry.key.as_str(), entry.line, &entry.value)).collect()
}
