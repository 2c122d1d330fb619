//! What one Kubernetes file holds: its documents, as objects or as what is wrong with them (rule K1).

use crate::object::config;
use crate::object::{Manifest, ObjectRef, Source};
use crate::package::Problem;
use crate::yaml::{Content, Node, YamlError};
use serde_json::Value;

/// The objects of one file, lists taken apart, and what was found on the way.
#[derive(Debug, Default)]
pub struct ObjectFile {
    /// In the order of the text.
    pub manifests: Vec<Manifest>,
    /// Documents that are no objects, values that the API server would refuse, objects that are passed over.
    pub problems: Vec<Problem>,
}

impl ObjectFile {
    /// Makes objects of the documents of a text, or says why it has none.
    pub fn of(path: &str, nodes: Result<&[Node], &YamlError>) -> Self {
        let nodes = match nodes {
            Ok(nodes) => nodes,
            Err(error) => return Self::unread(Problem::error("K1", &error.message).at(path, error.line)),
        };
        let (mut file, mut count) = (Self::default(), 0);
        for node in nodes {
            file.document(node, path, &mut count, None);
        }
        file
    }

    /// A file that nothing could be read of.
    pub fn unread(problem: Problem) -> Self {
        Self { manifests: Vec::new(), problems: vec![problem] }
    }

    /// One document, or one item of a list; `count` numbers them in the file.
    fn document(&mut self, node: &Node, path: &str, count: &mut usize, inherited: Option<(&str, &str)>) {
        let text = |key: &str| node.get(key).and_then(Node::text).filter(|text| !text.is_empty());
        let (of_list_version, of_list_kind) = inherited.unzip();
        let version = text("apiVersion").or(of_list_version.map(str::to_owned));
        let kind = text("kind").or(of_list_kind.map(str::to_owned));
        if let (Some(version), Some(kind), Some(items)) = (&version, &kind, node.get("items"))
            && let Some(of) = kind.strip_suffix("List")
            && (items.is_null() || matches!(items.content, Content::Sequence(_)))
        {
            // Items of a ConfigMapList need not say again what they are; those of a plain List must.
            let inherited = (!of.is_empty()).then_some((version.as_str(), of));
            for item in items.items() {
                self.document(item, path, count, inherited);
            }
            return;
        }
        let document = *count;
        *count += 1;
        let mut wrong = |message: &str, help: Option<&str>| {
            let problem = Problem::error("K1", format!("document {} {message}", document + 1)).at(path, node.line);
            self.problems.push(Problem { help: help.map(Into::into), ..problem });
        };
        if !node.is_mapping() {
            return wrong("is not a Kubernetes object", None);
        }
        let (Some(version), Some(kind)) = (version, kind) else {
            let missing = match (text("apiVersion"), text("kind")) {
                (None, None) => "has no apiVersion and no kind",
                (None, _) => "has no apiVersion",
                _ => "has no kind",
            };
            return wrong(missing, None);
        };
        if is_review(&version, &kind) {
            let message = format!("{kind} only asks the API server a question, and is passed over");
            self.problems.push(Problem::note("K1", message).at(path, node.line));
            return;
        }
        let metadata = |key| node.at(&["metadata", key]);
        let name = metadata("name").and_then(Node::text).filter(|name| !name.is_empty());
        let Some(name) = name else {
            if metadata("generateName").is_some_and(|node| !node.is_null()) {
                return wrong(
                    &format!("({kind}) has generateName instead of a name"),
                    Some("an object of a VNF needs a name of its own"),
                );
            }
            return wrong(&format!("({kind}) has no metadata.name"), None);
        };
        let namespace = metadata("namespace").and_then(Node::text).filter(|namespace| !namespace.is_empty());
        let mut object = node.to_value();
        if let (Some(_), Value::Object(fields)) = (inherited, &mut object) {
            fields.entry("apiVersion").or_insert_with(|| version.clone().into());
            fields.entry("kind").or_insert_with(|| kind.clone().into());
        }
        let reference = ObjectRef::new(&version, &kind, namespace.as_deref(), &name);
        if config::is_config(&reference) {
            self.config(node, path, &reference);
        }
        self.manifests.push(Manifest {
            reference,
            object,
            source: Source { file: path.into(), document },
            line: node.line,
        });
    }

    /// Reports values of a ConfigMap or Secret that the API server would refuse: text must be text, and binary data
    /// base64. Values are never quoted.
    fn config(&mut self, node: &Node, path: &str, reference: &ObjectRef) {
        use base64::Engine as _;
        let secret = reference.kind == "Secret";
        for (field, binary) in [("data", secret), ("binaryData", true), ("stringData", false)] {
            for entry in node.get(field).map_or(&[][..], Node::entries) {
                let value = entry.value.to_value();
                let wrong = match &value {
                    Value::Null => continue,
                    Value::String(text) if binary => {
                        let packed: String = text.split_ascii_whitespace().collect();
                        let decoded = base64::engine::general_purpose::STANDARD.decode(packed);
                        decoded.is_err().then_some("is not base64")
                    }
                    Value::String(_) => None,
                    Value::Number(_) | Value::Bool(_) => Some("must be a string, put it in quotes"),
                    _ => Some("must be a string"),
                };
                if let Some(wrong) = wrong {
                    let problem = Problem::error("K1", format!("{reference}: {field}.{} {wrong}", entry.key));
                    self.problems.push(problem.at(path, entry.line).bearable());
                }
            }
        }
    }
}

/// Objects that are questions to the API server (`SubjectAccessReview`, `TokenReview`, ...): nothing exists afterwards.
fn is_review(version: &str, kind: &str) -> bool {
    let group = version.split('/').next().unwrap_or_default();
    ["authorization.k8s.io", "authentication.k8s.io"].contains(&group) && kind.ends_with("Review")
}
