//! kubectl-vnf: the life of a containerised VNF, straight from a kube context.
//!
//! The map, from what a user types to what moves:
//!
//! - [`cli`]: flags, exit codes, errors as text, the terminal.
//! - [`commands`]: one file per verb; parse, call the engine, hand the result to a view.
//! - [`view`]: everything a user reads, as pure functions of values.
//! - [`engine`]: the only code that moves anything: pre-checks, lock, execution, waiting, verification.
//! - [`plan`]: what is to be done and why, decided without I/O; one derivation per operation.
//! - [`report`]: what an operation, and a VNF, tell of themselves, as values: events, outcome, evidence; how it is.
//! - [`record`]: what is kept about an instance, its revisions and its operations; versioned, pure.
//! - [`package`]: CSAR archives and the VNFD in them.
//! - [`object`]: Kubernetes objects as data.
//! - [`cluster`]: the API server: connection, verbs, watches, and the store made of them.
//! - [`yaml`]: the only place that reads or prints YAML.
//! - [`apart`]: threads for work that would hold up requests, or wants a deep stack.
//!
//! Arrows: commands -> engine, view; engine -> report, cluster; report -> plan; plan -> package, object, record;
//! view -> values only.

pub mod apart;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod engine;
pub mod object;
pub mod package;
pub mod plan;
pub mod record;
pub mod report;
pub mod view;
pub mod yaml;

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What decides and what renders stays free of I/O: it can be read, and tested, without a cluster.
    #[test]
    fn pure_modules_name_neither_a_runtime_nor_a_client() {
        fn visit(path: &Path) {
            for entry in std::fs::read_dir(path).expect("a folder of the crate") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    visit(&path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).expect("a source file");
                    for word in
                        ["tokio::", "kube::", "crate::cluster", "crate::engine", "crate::cli", "crate::commands"]
                    {
                        let found = text.contains(word);
                        assert!(!found, "{} names {word}", path.display());
                    }
                }
            }
        }
        for module in ["plan", "package", "object", "record", "report", "view"] {
            visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module));
        }
    }
}
