//! The files of a VNFD: the entry and what it imports, inside the package (rules V1 and V2).

use super::super::archive::Files;
use super::super::problem::Problem;
use crate::yaml::{Content, Node};
use std::collections::BTreeSet;

/// Most definition files of one package.
const MAX_DEFINITIONS: usize = 200;
/// Most values in all of them together. ETSI's own types, which are among the largest, have some thousands.
const MAX_VALUES: usize = 500_000;

/// One definition file.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// Its path in the package.
    pub file: String,
    /// What it says.
    pub root: Node,
}

impl Definition {
    /// `topology_template`.
    pub fn topology(&self) -> Option<&Node> {
        self.root.get("topology_template")
    }

    /// Name and body of each node template.
    pub fn templates(&self) -> impl Iterator<Item = (&str, usize, &Node)> {
        let templates = self.root.at(&["topology_template", "node_templates"]);
        templates.map_or(&[][..], Node::entries).iter().map(|entry| (entry.key.as_str(), entry.line, &entry.value))
    }

    /// A value, or the default of the input that it names with `get_input`. `None` when the input has no default: its
    /// value comes with a request, and none is at hand.
    pub fn resolve<'a>(&'a self, node: &'a Node) -> Option<&'a Node> {
        let mut node = node;
        // Inputs whose defaults name inputs are pointless; a loop of them must end.
        for _ in 0..8 {
            let [entry] = node.entries() else { return Some(node) };
            if entry.key != "get_input" {
                // get_property and the other functions need a deployed topology.
                return if entry.key.starts_with("get_") { None } else { Some(node) };
            }
            let name = input_name(node)?;
            node = self.topology()?.at(&["inputs", &name, "default"])?;
        }
        None
    }

    /// The input that a value names, if nothing is to be had from it without a request.
    pub fn open_input(&self, node: &Node) -> Option<String> {
        if self.resolve(node).is_some() { None } else { input_name(node) }
    }
}

/// The name of the input of which a value is taken.
fn input_name(node: &Node) -> Option<String> {
    let value = node.get("get_input")?;
    value.text().or_else(|| value.items().first().and_then(Node::text))
}

/// All definition files, the entry first, each once.
pub(super) fn load(entry: &str, files: &Files, problems: &mut Vec<Problem>) -> Vec<Definition> {
    let mut definitions = Vec::new();
    let mut seen = BTreeSet::from([entry.to_owned()]);
    let mut pending = vec![entry.to_owned()];
    let mut values = 0;
    while let Some(file) = pending.pop() {
        if definitions.len() == MAX_DEFINITIONS {
            problems.push(Problem::error("V2", format!("more than {MAX_DEFINITIONS} definition files")).file(entry));
            break;
        }
        let Some(definition) = parse(&file, files, problems) else { continue };
        values += definition.root.count();
        if values > MAX_VALUES {
            problems.push(Problem::error("V2", format!("definitions of more than {MAX_VALUES} values")).file(entry));
            break;
        }
        let mut found = Vec::new();
        for (name, line) in imports(&definition.root) {
            if is_standard(&name) {
                continue;
            }
            match locate(&name, &file, files) {
                Some(path) if seen.insert(path.clone()) => found.push(path),
                Some(_) => {}
                None => problems.push(import_problem(&name, &file, line)),
            }
        }
        pending.extend(found.into_iter().rev());
        definitions.push(definition);
    }
    definitions
}

fn parse(file: &str, files: &Files, problems: &mut Vec<Problem>) -> Option<Definition> {
    let Some(text) = files.bytes(file) else {
        // That the entry is not there at all is said where TOSCA.meta is judged.
        if let Some(known) = files.0.get(file) {
            let why = if known.readable { "too large for a definition" } else { "cannot be read" };
            problems.push(Problem::error("V1", why).file(file));
        }
        return None;
    };
    let root = match crate::yaml::node(text) {
        Ok(root) => root,
        Err(error) => {
            problems.push(Problem::error("V1", error.message).at(file, error.line));
            return None;
        }
    };
    let version = root.get("tosca_definitions_version");
    match version.and_then(Node::text) {
        Some(text)
            if ["tosca_simple_yaml_1_0", "tosca_simple_yaml_1_1", "tosca_simple_yaml_1_2", "tosca_simple_yaml_1_3"]
                .contains(&text.as_str()) => {}
        Some(text) => {
            let line = version.map_or(1, |node| node.line);
            let message = format!("tosca_definitions_version is {text}, known are tosca_simple_yaml_1_0 to 1_3");
            problems.push(Problem::error("V1", message).at(file, line));
        }
        None => problems.push(
            Problem::error("V1", "no tosca_definitions_version, so this is no TOSCA definition").at(file, root.line),
        ),
    }
    Some(Definition { file: file.into(), root })
}

/// Names of the imported files with their lines, in all forms of TOSCA Simple Profile 1.0 to 1.3.
fn imports(root: &Node) -> Vec<(String, usize)> {
    let Some(imports) = root.get("imports") else { return Vec::new() };
    let mut found = Vec::new();
    let mut one = |node: &Node| {
        if let Some(file) = node.text().or_else(|| node.get("file").and_then(Node::text)) {
            found.push((file, node.line));
        } else {
            for entry in node.entries() {
                let file = entry.value.text().or_else(|| entry.value.get("file").and_then(Node::text));
                found.extend(file.map(|file| (file, entry.line)));
            }
        }
    };
    match &imports.content {
        Content::Sequence(items) => items.iter().for_each(one),
        _ => one(imports),
    }
    found
}

/// The version of SOL001 whose types are imported: as the types' own file says, else as the address of the import does.
pub(super) fn standard(definitions: &[Definition], files: &Files) -> Option<String> {
    let imported = |definition: &Definition| {
        let standard: Vec<_> = imports(&definition.root).into_iter().filter(|(name, _)| is_standard(name)).collect();
        standard.into_iter().find_map(|(name, _)| {
            let shipped = locate(&name, &definition.file, files).and_then(|path| files.bytes(&path));
            let stated = shipped.and_then(|text| crate::yaml::node(text).ok());
            let stated = stated.as_ref().and_then(|root| root.at(&["metadata", "template_version"])?.text());
            stated.or_else(|| version_in(&name))
        })
    };
    definitions.iter().find_map(imported)
}

/// `2.6.1` of `https://forge.etsi.org/rep/nfv/SOL001/raw/v2.6.1/etsi_nfv_sol001_vnfd_types.yaml`, and of
/// `etsi_nfv_sol001_vnfd_2_6_1_types.yaml`.
fn version_in(name: &str) -> Option<String> {
    let parts = name.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '_');
    let numbers = parts.map(|part| part.trim_matches(['.', '_']).replace('_', "."));
    let version = |text: &String| text.split('.').count() == 3 && text.split('.').all(|n| !n.is_empty() && n.len() < 4);
    numbers.into_iter().find(version)
}

/// Whether it is one of ETSI's own type files, which packages import but need not ship: what matters of them is known.
fn is_standard(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or(name);
    base.starts_with("etsi_nfv_sol001_") && (base.ends_with("_types.yaml") || base.ends_with("_types.yml"))
}

/// The path in the package of a file named in a definition: relative to the definition, else to the package.
pub(super) fn locate(name: &str, from: &str, files: &Files) -> Option<String> {
    candidates(name, from).into_iter().find(|path| files.contains(path))
}

/// Where a file named in a definition may lie, the likelier place first.
pub(super) fn candidates(name: &str, from: &str) -> Vec<String> {
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    [join(directory, name), join("", name)].into_iter().flatten().collect()
}

/// Joins and cleans a path; `None` if it leaves the package.
fn join(directory: &str, name: &str) -> Option<String> {
    if name.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn import_problem(name: &str, file: &str, line: usize) -> Problem {
    if name.contains("://") {
        return Problem::error("V2", format!("imports the URL {name}, which is not fetched"))
            .at(file, line)
            .help("put the file into the package's Definitions and import it by name");
    }
    Problem::error("V2", format!("imports {name}, which is not in the package")).at(file, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_inside_the_package() {
        assert_eq!(candidates("a.yaml", "Definitions/v.yaml"), ["Definitions/a.yaml", "a.yaml"]);
        assert_eq!(candidates("../Scripts/x.py", "Definitions/v.yaml"), ["Scripts/x.py"]);
        assert_eq!(candidates("./a.yaml", "v.yaml"), ["a.yaml", "a.yaml"]);
        assert_eq!(candidates("../../x", "Definitions/v.yaml"), [""; 0]);
        assert_eq!(candidates("/etc/passwd", "v.yaml"), [""; 0]);
    }

    #[test]
    fn imports_of_every_form() {
        for text in [
            "imports: [a.yaml]",
            "imports:\n- file: a.yaml\n",
            "imports:\n- some: a.yaml\n",
            "imports:\n- some: {file: a.yaml}\n",
            "imports: {some: a.yaml}",
            "imports: a.yaml",
        ] {
            let root = crate::yaml::node(text.as_bytes())
                .map(|root| imports(&root).into_iter().map(|i| i.0).collect::<Vec<_>>());
            assert_eq!(root, Ok(vec!["a.yaml".to_owned()]), "{text}");
        }
        assert_eq!(crate::yaml::node(b"imports: ~").map(|root| imports(&root)), Ok(vec![]));
    }

    #[test]
    fn the_standards_version_in_an_import() {
        for (name, version) in [
            ("https://forge.etsi.org/rep/nfv/SOL001/raw/v4.4.1/etsi_nfv_sol001_vnfd_types.yaml", Some("4.4.1")),
            ("etsi_nfv_sol001_vnfd_2_5_1_types.yaml", Some("2.5.1")),
            ("etsi_nfv_sol001_vnfd_types.yaml", None),
        ] {
            assert_eq!(version_in(name).as_deref(), version, "{name}");
        }
    }

    #[test]
    fn the_standard_type_files_need_not_be_shipped() {
        assert!(is_standard("etsi_nfv_sol001_vnfd_types.yaml"));
        assert!(is_standard("https://forge.etsi.org/x/etsi_nfv_sol001_vnfd_2_5_1_types.yaml"));
        assert!(!is_standard("my_types.yaml"));
    }
}
