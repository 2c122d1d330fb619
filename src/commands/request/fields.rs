//! The fields of request files: which there are, of what type, and what is wrong with those of a file (rule R1), each
//! by its name and line.
//!
//! Reading a file, and what its fields mean, stand in the module above. Values are never shown.

use crate::object::reference::closest;
use crate::yaml::{Content, Node};
use serde_json::Value;
use std::collections::BTreeMap;

/// One field of a request.
pub(super) struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
}

/// What a field may be. Null is as good as leaving a field out, or has a meaning of its own, except for [`Kind::Given`].
pub(super) enum Kind {
    /// A string.
    Text,
    /// A string, never null.
    Given,
    /// A list of strings.
    Texts,
    /// An object with these fields; others are ignored.
    Object(&'static [Field]),
    /// A list of such objects.
    Objects(&'static [Field]),
    /// An object whose fields are the user's own, but for these.
    Free(&'static [Field]),
    /// Part of the standards or of Tacker, and without effect here, for this reason.
    Ignored(&'static str),
}

/// What is told of a file.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Line of each field, by its path: `additionalParams.namespace`.
    pub lines: BTreeMap<String, usize>,
    /// What is wrong, each with its place.
    pub errors: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Judges the object of a file, whose `path` stands before each line.
pub(super) fn check(root: &Node, fields: &[Field], path: &str) -> Checked {
    let mut reader = Reader { path, checked: Checked::default() };
    reader.object(root, fields, "", false);
    reader.checked
}

struct Reader<'a> {
    path: &'a str,
    checked: Checked,
}

impl Reader<'_> {
    fn object(&mut self, node: &Node, fields: &[Field], prefix: &str, free: bool) {
        let names: Vec<String> = fields.iter().map(|field| field.name.to_owned()).collect();
        for entry in node.entries() {
            let name = format!("{prefix}{}", entry.key);
            let Some(field) = fields.iter().find(|field| field.name == entry.key) else {
                let place = format!("{}:{}", self.path, entry.line);
                let meant = closest(&entry.key, &names).map(|name| format!("did you mean {name}?"));
                self.checked.notes.extend(match (free, meant) {
                    (false, None) => Some(format!("{place}: {name} is not known here and ignored")),
                    (false, Some(meant)) => Some(format!("{place}: {name} is not known here and ignored, {meant}")),
                    (true, Some(meant)) => Some(format!("{place}: {name}: {meant}")),
                    (true, None) => None,
                });
                continue;
            };
            self.checked.lines.insert(name.clone(), entry.line);
            self.value(&entry.value, entry.line, &field.kind, &name);
        }
    }

    fn value(&mut self, node: &Node, line: usize, kind: &Kind, name: &str) {
        let is_text = |node: &Node| matches!(node.content, Content::Scalar(Value::String(_), _));
        match kind {
            Kind::Given if node.is_null() => self.wrong(line, name, "a string", node),
            Kind::Ignored(why) => self.checked.notes.push(format!("{name} is ignored, {why}")),
            _ if node.is_null() => {}
            Kind::Text | Kind::Given if !is_text(node) => self.wrong(line, name, "a string", node),
            Kind::Text | Kind::Given => {}
            Kind::Texts => {
                let Content::Sequence(items) = &node.content else {
                    return self.wrong(line, name, "a list of strings", node);
                };
                for (index, item) in items.iter().enumerate() {
                    let name = format!("{name}[{index}]");
                    if !is_text(item) {
                        self.wrong(item.line, &name, "a string", item);
                    }
                    self.checked.lines.insert(name, item.line);
                }
            }
            Kind::Objects(fields) => {
                let Content::Sequence(items) = &node.content else {
                    return self.wrong(line, name, "a list of objects", node);
                };
                for (index, item) in items.iter().enumerate() {
                    self.value(item, item.line, &Kind::Object(fields), &format!("{name}[{index}]"));
                }
            }
            Kind::Object(_) | Kind::Free(_) if !node.is_mapping() => self.wrong(line, name, "an object", node),
            Kind::Object(fields) => self.object(node, fields, &format!("{name}."), false),
            Kind::Free(fields) => self.object(node, fields, &format!("{name}."), true),
        }
    }

    fn wrong(&mut self, line: usize, name: &str, wanted: &str, node: &Node) {
        let message = format!("{}:{line}: field {name}: must be {wanted}, not {}", self.path, type_of(node));
        self.checked.errors.push(message);
    }
}

/// What a value is, in the words of JSON.
fn type_of(node: &Node) -> &'static str {
    match &node.content {
        Content::Scalar(Value::Null, _) => "null",
        Content::Scalar(Value::Bool(_), _) => "a boolean",
        Content::Scalar(Value::Number(_), _) => "a number",
        Content::Scalar(..) => "a string",
        Content::Sequence(_) => "a list",
        Content::Mapping(_) => "an object",
    }
}
