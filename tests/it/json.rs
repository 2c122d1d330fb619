//! What machines read: every JSON output of the commands has the shape that `docs/json.md` says, and every shape there
//! is one that something has.

use crate::support::sample::{AFTER, BEFORE, after_with, shipped, update_request};
use crate::support::{Namespace, cluster, sample_request};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The shapes of the documentation, and which of their fields were seen.
struct Shapes {
    shapes: BTreeMap<String, Value>,
    seen: BTreeSet<String>,
}

impl Shapes {
    fn documented() -> Self {
        let text = include_str!("../../docs/json.md");
        let blocks = text.split("```json ").skip(1).map(|block| block.split("```").next().unwrap_or(block));
        let shapes = blocks.map(|block| {
            let (name, shape) = block.split_once('\n').expect("a block has a name");
            let shape = serde_json::from_str(shape).unwrap_or_else(|error| panic!("shape {name}: {error}"));
            (name.trim().to_owned(), shape)
        });
        Self { shapes: shapes.collect(), seen: BTreeSet::new() }
    }

    /// Asserts that a value has a shape.
    #[track_caller]
    fn fits(&mut self, name: &str, value: &Value) {
        if let Err(why) = self.check(&Value::String(format!("@{name}")), value, name) {
            panic!("{why}\n{value:#}");
        }
    }

    fn check(&mut self, shape: &Value, value: &Value, at: &str) -> Result<(), String> {
        match (shape, value) {
            (Value::String(words), _) => words
                .split('|')
                .map(|word| self.check_word(word.trim(), value, at))
                .reduce(|one, other| one.or(other))
                .unwrap_or(Ok(())),
            (Value::Array(shapes), Value::Array(values)) if shapes.len() == 1 => {
                values.iter().try_for_each(|value| self.check(&shapes[0], value, &format!("{at}[]")))
            }
            (Value::Array(shapes), Value::Array(values)) if shapes.len() == values.len() => {
                shapes.iter().zip(values).try_for_each(|(shape, value)| self.check(shape, value, at))
            }
            (Value::Object(fields), Value::Object(values)) => {
                for (name, shape) in fields.iter().filter(|(name, _)| *name != "*") {
                    let (name, optional) = name.strip_suffix('?').map_or((name.as_str(), false), |name| (name, true));
                    match values.get(name) {
                        Some(value) => {
                            self.seen.insert(format!("{at}.{name}"));
                            self.check(shape, value, &format!("{at}.{name}"))?;
                        }
                        None if optional => {}
                        None => return Err(format!("{at} has no {name}")),
                    }
                }
                let known = |name: &str| fields.contains_key(name) || fields.contains_key(&format!("{name}?"));
                for (name, value) in values.iter().filter(|(name, _)| !known(name)) {
                    let any = fields.get("*").ok_or_else(|| format!("{at}.{name} is not documented"))?;
                    self.check(any, value, &format!("{at}.*"))?;
                }
                Ok(())
            }
            _ => Err(format!("{at} is {value}, not {shape}")),
        }
    }

    fn check_word(&mut self, word: &str, value: &Value, at: &str) -> Result<(), String> {
        let fits = match word {
            "any" => true,
            "string" => value.is_string(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "time" => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
            _ if word.starts_with('@') => {
                let name = &word[1..];
                let shape = self.shapes.get(name).unwrap_or_else(|| panic!("no shape is called {name}")).clone();
                return self.check(&shape, value, name);
            }
            literal => value.as_str() == Some(literal),
        };
        fits.then_some(()).ok_or_else(|| format!("{at} is {value}, not {word}"))
    }

    /// Fields of the documentation that nothing has had.
    fn unseen(&self) -> Vec<String> {
        fn walk(shape: &Value, at: &str, all: &mut Vec<String>) {
            match shape {
                Value::Array(shapes) => shapes.iter().for_each(|shape| {
                    let at = if shapes.len() == 1 { format!("{at}[]") } else { at.to_owned() };
                    walk(shape, &at, all);
                }),
                Value::Object(fields) => {
                    for (name, shape) in fields.iter().filter(|(name, _)| *name != "*") {
                        let field = format!("{at}.{}", name.trim_end_matches('?'));
                        all.push(field.clone());
                        walk(shape, &field, all);
                    }
                }
                _ => {}
            }
        }
        let mut all = Vec::new();
        self.shapes.iter().for_each(|(name, shape)| walk(shape, name, &mut all));
        all.retain(|field| !self.seen.contains(field));
        all
    }
}

/// Fields that need more than the operations below to be seen.
const RARE: &[&str] = &[
    "instance.extensions",
    "instance.vnfConfigurableProperties",
    "instance.vnfInstanceDescription",
    "instance.kubectlVnf.incomingPackage",
    "operation.kubectlVnf.rollingBack",
    "operation.error.title",
    "outcome.disturbed[]",
    "plan.ahead",
    "step.keys[].binary",
    "tree.rows[].since",
];

#[test]
fn every_output_has_the_documented_shape_and_every_shape_is_some_output_s() {
    let Some(cluster) = cluster() else { return };
    let mut shapes = Shapes::documented();
    let ns = Namespace::new(cluster, "json");
    let (before, after, request) = (shipped("before"), shipped("after"), update_request());
    let bad = after_with("deployment.yaml", "image: cirros", "image: cirros:nosuch");
    let bad = bad.path();
    let wrong = after_with("deployment.yaml", "kind: Deployment", "kind:");

    let mut run = |shape: &str, args: &[&str], code: i32| {
        let run = ns.vnf(&[args, &["-o", "json"]].concat()).exits(code);
        shapes.fits(shape, &run.json());
        for line in run.stderr.lines().filter(|line| line.starts_with('{')) {
            shapes.fits("progress", &serde_json::from_str(line).expect("a line of JSON"));
        }
    };
    let instantiate = ["instantiate", BEFORE, "--package", &before, "-f", &sample_request("instance_kubernetes.json")];
    run("plan", &[&instantiate[..], &["--dry-run=server"]].concat(), 0);
    run("outcome", &[&instantiate[..], &["--progress=json"]].concat(), 0);
    let failing = ["update", BEFORE, "--package", &bad, "-f", &request, "--yes"];
    run("plan", &[&failing[..], &["--dry-run=client"]].concat(), 0);
    run("outcome", &[&failing[..], &["--progress=json"]].concat(), 3);
    run("operation", &["op", "show", BEFORE], 0);
    run("status", &["status", BEFORE], 1);
    run("outcome", &["op", "rollback", BEFORE, "--yes", "--progress=json"], 0);
    ns.kubectl(&["patch", "configmap", "cm-data", "-p", r#"{"data":{"cmKey1.txt":"edited"}}"#]).succeeds();
    run("status", &["status", BEFORE], 1);
    let update = ["update", BEFORE, "--package", &after, "-f", &request, "--yes", "--overwrite-drift"];
    run("plan", &[&update[..], &["--dry-run=client"]].concat(), 0);
    run("outcome", &update, 0);
    run("instance", &["show", AFTER], 0);
    run("status", &["status", AFTER], 0);
    run("instances", &["list"], 0);
    for way in ["--out", "--in"] {
        let scale = ["scale", AFTER, "--aspect", "vdu1_aspect", way];
        run("plan", &[&scale[..], &["--dry-run"]].concat(), 0);
        run("outcome", &scale, 0);
    }
    run("plan", &["undo", AFTER, "--dry-run=client"], 0);
    run("plan", &["heal", AFTER, "--all", "--dry-run=client"], 0);
    let other = after_with("replicaset.yaml", "containerPort: 180", "containerPort: 181");
    run("plan", &["change-package", AFTER, "--package", &other.path(), "--dry-run=client"], 0);
    run("outcome", &["terminate", AFTER, "--yes", "--force"], 0);
    run("operations", &["op", "list", AFTER], 0);
    run("packageSheet", &["package", "inspect", &after], 0);
    run("validation", &["package", "validate", &wrong.path()], 1);
    run("packages", &["package", "list"], 0);
    run("version", &["version"], 0);
    let unseen = shapes.unseen();
    let unseen: Vec<&String> = unseen.iter().filter(|field| !RARE.iter().any(|rare| field.starts_with(rare))).collect();
    assert!(unseen.is_empty(), "documented, but never seen: {unseen:#?}");
}
