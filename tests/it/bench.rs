//! How long operations take, and what they cost, beside what people use else: `helm --wait`, and `kubectl apply` with
//! the waits that a script would have.
//!
//! One run, one cluster, in turns, each in a namespace of its own; medians. Nothing is asserted, for times are the
//! machine's: `tests/bench/run.sh` starts the clusters, builds what is compared and prints the tables. What each
//! operation takes is held against what no program can make faster, the cluster's own time: from the first change
//! of an object until the last Pod is Ready, seen by somebody else.
//!
//! The others do less: they leave Pods alone that the new configuration concerns, and do not wait for bare Pods that
//! restart. How many Pods became ready, and when the command ended, is in the tables.

#![allow(clippy::print_stdout, reason = "its tables are what it is for")]

use crate::large;
use crate::support::{Cluster, Draft, Namespace, Object, Package, Proxy, Run, Traffic, Witness, cluster, eventually};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{read::GzDecoder, write::GzEncoder};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program that is measured: an optimised build of the plugin.
const PLUGIN: &str = "VNF_BENCH_PLUGIN";
/// How often each is run, unless it says otherwise.
const ROUNDS: &str = "VNF_BENCH_ROUNDS";
/// Instances, or releases, in the list.
const LISTED: usize = 5_000;
const NAME: &str = "bench";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Vnf,
    Helm,
    Kubectl,
}

const TOOLS: [Tool; 3] = [Tool::Vnf, Tool::Helm, Tool::Kubectl];

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Vnf => "kubectl vnf",
            Self::Helm => "helm --wait",
            Self::Kubectl => "kubectl apply + waits",
        }
    }
}

/// Two versions of a VNF, as each tool wants them.
struct Subject {
    title: &'static str,
    versions: [Package; 2],
    charts: [TempDir; 2],
    /// `Deployment/web` and replicas of each workload.
    workloads: Vec<(String, u64)>,
}

impl Subject {
    fn of(title: &'static str, before: &Draft, after: &Draft) -> Self {
        let versions = [before.write(), after.write()];
        let charts = [0, 1].map(|version: usize| {
            let chart = tempfile::tempdir().expect("a temporary folder");
            let text = format!("apiVersion: v2\nname: bench\nversion: {version}.0.0\n");
            fs::write(chart.path().join("Chart.yaml"), text).expect("a new file");
            let templates = chart.path().join("templates");
            fs::create_dir(&templates).expect("a new folder");
            for entry in fs::read_dir(manifests(&versions[version])).expect("the package has manifests") {
                let entry = entry.expect("the folder can be read");
                fs::copy(entry.path(), templates.join(entry.file_name())).expect("a copy");
            }
            chart
        });
        Self { title, versions, charts, workloads: Vec::new() }
    }

    /// The commands of an operation, one after the other: 0 installs, 1 updates.
    fn commands(&self, tool: Tool, operation: usize, ns: &Namespace) -> Vec<Command> {
        let package = self.versions[operation].path();
        let chart = self.charts[operation].path().display().to_string();
        match (tool, operation) {
            (Tool::Vnf, 0) => vec![vnf(ns, &["instantiate", NAME, "--package", &package])],
            (Tool::Vnf, _) => vec![vnf(ns, &["update", NAME, "--package", &package, "--yes"])],
            (Tool::Helm, 0) => vec![helm(ns, &["install", NAME, &chart, "--wait", "--timeout", "10m"])],
            (Tool::Helm, _) => vec![helm(ns, &["upgrade", NAME, &chart, "--wait", "--timeout", "10m"])],
            (Tool::Kubectl, _) => {
                let manifests = manifests(&self.versions[operation]);
                let mut commands = vec![ns.kubectl_command(&["apply", "-f", &manifests])];
                commands.extend(self.waits(ns));
                commands
            }
        }
    }

    /// What a script waits for after `kubectl apply`: as few commands as kubectl allows.
    fn waits(&self, ns: &Namespace) -> Vec<Command> {
        let of = |kinds: &[&str]| -> Vec<&str> {
            let is = |name: &&str| kinds.iter().any(|kind| name.starts_with(&format!("{kind}/")));
            self.workloads.iter().map(|(name, _)| name.as_str()).filter(is).collect()
        };
        let mut commands = Vec::new();
        for workload in of(&["Deployment", "DaemonSet", "StatefulSet"]) {
            commands.push(ns.kubectl_command(&["rollout", "status", workload, "--timeout=10m"]));
        }
        for (name, replicas) in self.workloads.iter().filter(|(name, _)| name.starts_with("ReplicaSet/")) {
            let ready = format!("--for=jsonpath={{.status.readyReplicas}}={replicas}");
            commands.push(ns.kubectl_command(&["wait", name, &ready, "--timeout=10m"]));
        }
        let pods = of(&["Pod"]);
        if !pods.is_empty() {
            let wait = ["wait", "--for=condition=Ready", "--timeout=10m"];
            commands.push(ns.kubectl_command(&[&wait, pods.as_slice()].concat()));
        }
        commands
    }
}

fn manifests(package: &Package) -> String {
    Path::new(&package.path()).join("Files/kubernetes").display().to_string()
}

fn vnf(ns: &Namespace, args: &[&str]) -> Command {
    let plugin = std::env::var(PLUGIN).expect("tests/bench/run.sh names the plugin that is measured");
    let mut command = ns.command(&plugin);
    command.args(args).args(["-n", &ns.name]);
    command
}

fn helm(ns: &Namespace, args: &[&str]) -> Command {
    let mut command = ns.command("helm");
    // It writes nothing there; elsewhere it might find somebody's own settings.
    let nowhere = std::env::temp_dir().join("kubectl-vnf-bench-helm");
    for place in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(place, &nowhere);
    }
    command.args(args).args(["-n", &ns.name]);
    command
}

/// One run of an operation.
#[derive(Clone, Copy, Default)]
struct Measured {
    took: Duration,
    /// From the first change to the last Pod that became Ready.
    floor: Duration,
    /// From the last Pod Ready to the end of the command; negative when it ended before, in seconds.
    after: f64,
    ready: usize,
    /// The most memory that a process was given, in kB.
    memory: u64,
}

/// The medians of several runs, and what passed between program and server in another one.
struct Row {
    runs: Vec<Measured>,
    traffic: Traffic,
}

impl Row {
    fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        median(self.runs.iter().map(of).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs one operation of a tool while a witness looks on.
fn measure(cluster: &'static Cluster, ns: &Namespace, commands: Vec<Command>) -> Measured {
    ns.at_rest();
    let witness = Witness::of(cluster, ns);
    let begin = Instant::now();
    let mut memory = 0;
    for command in commands {
        let (run, most) = Run::measured(command);
        run.succeeds();
        memory = memory.max(most.resident);
    }
    let end = Instant::now();
    // What a command did not wait for is still to come.
    ns.at_rest();
    let account = witness.account();
    let first = account.first_change.unwrap_or(begin);
    let last = account.last_ready.unwrap_or(first);
    let after = if end >= last { (end - last).as_secs_f64() } else { -(last - end).as_secs_f64() };
    Measured {
        took: end - begin,
        floor: last.saturating_duration_since(first),
        after,
        ready: account.became_ready,
        memory,
    }
}

/// Both operations of a tool in a namespace of its own: how long they take, or what passes through the proxy.
fn life(cluster: &'static Cluster, subject: &Subject, tool: Tool, proxy: Option<&Proxy>) -> [(Measured, Traffic); 2] {
    let ns = Namespace::new(cluster, "bench");
    let results = [0, 1].map(|operation| {
        let commands = subject.commands(tool, operation, &ns);
        let Some(proxy) = proxy else { return (measure(cluster, &ns, commands), Traffic::default()) };
        proxy.begin(None);
        for command in commands {
            Run::of(proxy.through(command), "").succeeds();
        }
        (Measured::default(), proxy.traffic())
    });
    leave(&ns);
    results
}

/// Removes what a namespace holds, and waits for it: the end of one round must not be in the way of the next.
fn leave(ns: &Namespace) {
    ns.kubectl(&["delete", "namespace", &ns.name, "--timeout=5m"]).succeeds();
}

fn rounds() -> usize {
    std::env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

/// All tools with one VNF, in turns.
fn compare(cluster: &'static Cluster, mut subject: Subject) {
    subject.workloads = workloads(&subject.versions[0]);
    let proxy = Proxy::start(cluster);
    let mut rows: Vec<[Row; 2]> = TOOLS
        .iter()
        .map(|tool| {
            // Not measured: it also warms up what all use.
            life(cluster, &subject, *tool, Some(&proxy)).map(|(_, traffic)| Row { runs: Vec::new(), traffic })
        })
        .collect();
    for round in 0..rounds() {
        for turn in 0..TOOLS.len() {
            let nth = (round + turn) % TOOLS.len();
            eprintln!("{}: round {} of {}, {}", subject.title, round + 1, rounds(), TOOLS[nth].name());
            for (row, (measured, _)) in rows[nth].iter_mut().zip(life(cluster, &subject, TOOLS[nth], None)) {
                row.runs.push(measured);
            }
        }
    }
    let mut text = String::new();
    for (operation, name) in ["instantiate", "update"].into_iter().enumerate() {
        let first = rows[0][operation].median(|run| run.took.as_secs_f64());
        let _ = writeln!(
            text,
            "\n| {}: {name} | takes | ours is | cluster's own | over it | after last Ready | Pods | requests | sent | received | memory |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            subject.title
        );
        for (tool, row) in TOOLS.iter().zip(&rows) {
            let row = &row[operation];
            let took = row.median(|run| run.took.as_secs_f64());
            let over = row.median(|run| run.took.as_secs_f64() - run.floor.as_secs_f64());
            let _ = writeln!(
                text,
                "| {} | {took:.2} s | {:.2} | {:.2} s | {over:.2} s | {:.2} s | {} | {} | {} kB | {} kB | {:.0} MB |",
                tool.name(),
                first / took,
                row.median(|run| run.floor.as_secs_f64()),
                row.median(|run| run.after),
                row.median(|run| run.ready as f64),
                row.traffic.requests,
                row.traffic.sent / 1000,
                row.traffic.received / 1000,
                row.median(|run| run.memory as f64) / 1000.0,
            );
        }
    }
    println!("{text}");
}

/// Kind, name and replicas of what runs Pods in a package.
fn workloads(package: &Package) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(manifests(package)).expect("the package has manifests") {
        let text = fs::read_to_string(entry.expect("the folder can be read").path()).expect("a text file");
        for document in text.split("\n---") {
            let object: Value = serde_saphyr::from_str(document).unwrap_or_default();
            let kind = object["kind"].as_str().unwrap_or_default();
            if ["Deployment", "DaemonSet", "ReplicaSet", "StatefulSet", "Pod"].contains(&kind) {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                found.push((format!("{kind}/{name}"), object["spec"]["replicas"].as_u64().unwrap_or(1)));
            }
        }
    }
    found
}

#[test]
#[ignore = "tests/bench/run.sh has the cluster for it"]
fn the_sample() {
    let Some(cluster) = cluster() else { return };
    compare(cluster, Subject::of("sample, 8 Pods", &Draft::sample("before"), &Draft::sample("after")));
}

#[test]
#[ignore = "tests/bench/run.sh has the cluster for it"]
fn a_thousand_pods() {
    let Some(cluster) = cluster() else { return };
    compare(cluster, Subject::of("100 workloads, 1,000 Pods", &large::draft("nginx"), &large::draft("nginx:1.27")));
}

/// The wall time of a command that is started and ended often, in milliseconds.
fn quick(rounds: usize, command: impl Fn() -> Command) -> f64 {
    let once = |_| {
        let mut command = command();
        let begin = Instant::now();
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        begin.elapsed().as_secs_f64() * 1000.0
    };
    median((0..rounds).map(once).collect())
}

#[test]
#[ignore = "tests/bench/run.sh has the cluster for it"]
fn start_and_list() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "list");
    println!("\n| start | takes |\n|---|---|");
    println!("| kubectl vnf version --client | {:.0} ms |", quick(21, || vnf(&ns, &["version", "--client"])));
    println!("| helm version | {:.0} ms |", quick(21, || helm(&ns, &["version"])));
    println!("| kubectl version --client | {:.0} ms |", quick(21, || ns.kubectl_command(&["version", "--client"])));

    large::fill(cluster, &ns, LISTED);
    releases(cluster, &ns, LISTED);
    println!("\n| list of {LISTED} | takes | memory | requests | received |\n|---|---|---|---|---|");
    let proxy = Proxy::start(cluster);
    let select = ["get", "configmaps", "-l", "kubectl-vnf/record=instance"];
    let lists: [(&str, &dyn Fn() -> Command); 3] = [
        ("kubectl vnf list", &|| vnf(&ns, &["list"])),
        ("helm list", &|| helm(&ns, &["list", "--max", "0"])),
        ("kubectl get configmaps", &|| ns.kubectl_command(&select)),
    ];
    for (name, command) in lists {
        let took = quick(rounds(), command);
        let (run, memory) = Run::measured(command());
        assert!(run.succeeds().stdout.lines().count() >= LISTED, "{name} lists all");
        proxy.begin(None);
        Run::of(proxy.through(command()), "").succeeds();
        let traffic = proxy.traffic();
        println!(
            "| {name} | {:.2} s | {} MB | {} | {} kB |",
            took / 1000.0,
            memory.resident / 1000,
            traffic.requests,
            traffic.received / 1000
        );
    }
    leave(&ns);
}

/// As many releases of a chart with one ConfigMap.
fn releases(cluster: &'static Cluster, ns: &Namespace, count: usize) {
    let draft = Draft::of("Listed", &[("all.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cm\n")], &[]);
    let subject = Subject::of("list", &draft, &draft);
    Run::of(subject.commands(Tool::Helm, 0, ns).remove(0), "").succeeds();
    let original = eventually("the release is there", Duration::from_secs(10), || {
        let objects = ns.objects();
        let mut secrets = objects.of_kind("Secret");
        secrets.find(|secret| secret.text("/metadata/labels/owner") == "helm").map(|secret| Object(secret.0.clone()))
    });
    let copies = (1..count).map(|number| {
        let mut copy = original.0.clone();
        let name = format!("{NAME}-{number:04}");
        copy["metadata"]["name"] = format!("sh.helm.release.v1.{name}.v1").into();
        copy["data"]["release"] = renamed(copy["data"]["release"].as_str().expect("a release"), &name).into();
        copy["metadata"]["labels"]["name"] = name.into();
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            copy["metadata"].as_object_mut().expect("metadata").remove(field);
        }
        copy
    });
    Proxy::start(cluster).create_all(&format!("/api/v1/namespaces/{}/secrets", ns.name), copies);
}

/// A release as Helm keeps it, JSON that is zipped and twice in base64, under another name: of one name it lists the last
/// revision alone.
fn renamed(release: &str, name: &str) -> String {
    let inner = STANDARD.decode(STANDARD.decode(release).expect("base64 of a Secret")).expect("base64 of Helm's");
    let mut release: Value = serde_json::from_reader(GzDecoder::new(inner.as_slice())).expect("a zipped release");
    release["name"] = name.into();
    let mut zipped = GzEncoder::new(Vec::new(), flate2::Compression::default());
    zipped.write_all(release.to_string().as_bytes()).expect("room in memory");
    STANDARD.encode(STANDARD.encode(zipped.finish().expect("room in memory")))
}
