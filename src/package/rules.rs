//! The rules that packages and requests are held to, by their ids: what each is about, and where it is judged.
//!
//! This is the list, for readers and for the headings of a report. The rules themselves stand where the thing they
//! judge is read.

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `A4`: one letter for what is judged, and a number.
    pub id: &'static str,
    /// What is wrong where it is broken.
    pub title: &'static str,
    /// Where it is judged.
    pub judged: Judged,
}

/// Where a rule is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// In a package, without a cluster.
    Package,
    /// Against the cluster, before the first write of an operation.
    Cluster,
    /// In a request.
    Request,
    /// In an update, between two packages.
    Update,
}

use Judged::{Cluster, Package, Request, Update};

const fn rule(id: &'static str, title: &'static str, judged: Judged) -> Rule {
    Rule { id, title, judged }
}

/// All rules, in the order of the layers.
pub const RULES: &[Rule] = &[
    rule("C1", "not a readable archive", Package),
    rule("C2", "unsafe or duplicate entry", Package),
    rule("C3", "the package does not say what is in it", Package),
    rule("M1", "not 'key: value'", Package),
    rule("M2", "the descriptor is not to be found", Package),
    rule("M3", "unusual TOSCA.meta", Package),
    rule("M4", "an entry of TOSCA.meta leads nowhere", Package),
    rule("A1", "incomplete artifact block", Package),
    rule("A2", "unknown algorithm or impossible hash", Package),
    rule("A3", "artifact is not in the package", Package),
    rule("A4", "digest does not match", Package),
    rule("A5", "artifact lies elsewhere", Package),
    rule("A6", "listed twice, or not at all", Package),
    rule("F1", "manifest file is not well-formed", Package),
    rule("F2", "manifest and VNFD differ", Package),
    rule("F3", "signature", Package),
    rule("V1", "not a TOSCA definition", Package),
    rule("V2", "import or type is not in the package", Package),
    rule("V3", "property has no value, or a wrong one", Package),
    rule("V4", "deployment flavours are not told apart", Package),
    rule("V5", "bounds of a VDU are wrong", Package),
    rule("V6", "name of a VDU cannot be used", Package),
    rule("V7", "policy does not fit the flavour", Package),
    rule("V8", "instantiation level does not fit", Package),
    rule("V9", "scaling arithmetic", Package),
    rule("V10", "file is not in the package", Package),
    rule("V11", "container types do not fit", Package),
    rule("K1", "not a Kubernetes object", Package),
    rule("K2", "kind is not served", Cluster),
    rule("K3", "several namespaces", Package),
    rule("K4", "object is defined twice", Package),
    rule("K5", "VDU and workload do not match", Package),
    rule("K6", "will not work as it is", Package),
    rule("K7", "object belongs to somebody else", Cluster),
    rule("K8", "refused by the API server", Cluster),
    rule("R1", "request", Request),
    rule("U1", "more than images differ", Update),
    rule("U2", "config cannot change so", Update),
    rule("U3", "change is not applied", Update),
];

/// What is wrong where a rule is broken.
pub fn title(id: &str) -> &'static str {
    RULES.iter().find(|rule| rule.id == id).map_or("", |rule| rule.title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Every id that the code of this module reports is in the list.
    #[test]
    fn the_list_is_what_is_judged() {
        fn read(path: &Path, found: &mut BTreeSet<String>) {
            for entry in std::fs::read_dir(path).expect("a folder of the crate") {
                let path = entry.expect("an entry").path();
                if path.is_dir() && !path.ends_with("tests") {
                    read(&path, found);
                } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("rules.rs") {
                    let text = std::fs::read_to_string(&path).expect("a source file");
                    let quoted = text.split('"').skip(1);
                    let id = |word: &&str| {
                        let mut letters = word.chars();
                        letters.next().is_some_and(|c| "CMAFVKRU".contains(c))
                            && (2..4).contains(&word.len())
                            && letters.all(|c| c.is_ascii_digit())
                    };
                    found.extend(quoted.filter(id).map(ToOwned::to_owned));
                }
            }
        }
        let mut reported = BTreeSet::new();
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/package"), &mut reported);
        for id in &reported {
            assert!(!title(id).is_empty(), "{id} is not in the list");
        }
    }
}
