//! Completion, as shells and kubectl ask for it: from the cluster, quick, and silent when there is none.

use crate::support::manifests::{config_map, container, spec, workload, yaml};
use crate::support::sample::{BEFORE, instantiated, shipped};
use crate::support::{Draft, Namespace, Package, Run, Terminal, cluster};
use serde_json::json;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const OLD: &str = "97018ca2-bf29-4715-9e2b-6e432dd1f414";
/// A record that is not instantiated, and whose name a shell would take apart.
const RECORDED: &str = "lab's vnf";

/// The candidates of a run, without descriptions and directive.
#[track_caller]
fn values(run: &Run) -> Vec<String> {
    assert_eq!(run.stderr, "", "completion is silent\n{run}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    let (directive, candidates) = lines.split_last().unwrap_or_else(|| panic!("no directive\n{run}"));
    assert!(directive.strip_prefix(':').is_some_and(|number| number.parse::<u32>().is_ok()), "{run}");
    candidates.iter().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

/// What is offered after these words, the last of which is being typed.
#[track_caller]
fn offered(ns: &Namespace, words: &[&str]) -> Vec<String> {
    let mut command = ns.command(env!("CARGO_BIN_EXE_kubectl-vnf"));
    command.args(["__complete", "--", "-n", &ns.name]).args(words);
    values(&Run::of(command, ""))
}

#[test]
fn what_the_cluster_has_is_offered() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "complete");
    ns.vnf(&["create", RECORDED, "--package", &shipped("before")]).succeeds();

    assert_eq!(offered(&ns, &["show", ""]), [RECORDED, BEFORE]);
    assert_eq!(offered(&ns, &["show", "sam"]), [BEFORE]);
    assert_eq!(offered(&ns, &["show", "nosuch"]), [""; 0]);
    assert_eq!(offered(&ns, &["instantiate", ""]), [RECORDED]);
    assert_eq!(offered(&ns, &["delete", ""]), [RECORDED]);
    assert_eq!(offered(&ns, &["delete", RECORDED, ""]), [""; 0]);
    assert_eq!(offered(&ns, &["op", "retry", ""]), [""; 0]);
    assert_eq!(offered(&ns, &["create", ""]), [""; 0]);
    assert_eq!(offered(&ns, &["heal", BEFORE, "--vnfc", "VDU3"]), ["VDU3-env-test"]);
    assert_eq!(offered(&ns, &["heal", BEFORE, "--dry-run", "--vdu", "VDU"]).len(), 8);
    assert_eq!(offered(&ns, &["scale", BEFORE, "--aspect="]), ["--aspect=vdu1_aspect", "--aspect=vdu2_aspect"]);
    assert_eq!(offered(&ns, &["package", "show", ""]), [OLD]);
    let packages = offered(&ns, &["update", BEFORE, "--package", ""]);
    assert!(packages.contains(&OLD.to_owned()) && packages.contains(&"samples/".to_owned()), "{packages:?}");
    let operations = offered(&ns, &["op", "show", ""]);
    assert!(operations.len() == 3 && operations.iter().any(|id| id.len() == 8), "{operations:?}");
    let package = shipped("before");
    assert_eq!(offered(&ns, &["instantiate", "new", "--package", &package, "--flavour", ""]), ["simple"]);
    assert_eq!(offered(&ns, &["instantiate", "new", "--package", &package, "--level", "i"]).len(), 2);
    assert!(offered(&ns, &["list", "--namespace", "vnf-test-complete"]).contains(&ns.name));
    let context = ns.command("kubectl").args(["config", "current-context"]).output().expect("kubectl runs");
    let context = String::from_utf8_lossy(&context.stdout).trim().to_owned();
    assert!(offered(&ns, &["list", "--context", ""]).contains(&context));

    through_kubectl(&ns);
    in_bash(&ns);
    in_zsh(&ns);
    in_fish(&ns);
}

/// kubectl finds the completer on PATH, as the script that it was told to take, or as a link to the plugin.
fn through_kubectl(ns: &Namespace) {
    let script = ns.vnf(&["completion", "kubectl"]).succeeds().stdout;
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-vnf"));
    for linked in [false, true] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let completer = folder.path().join("kubectl_complete-vnf");
        if linked {
            symlink(plugin, &completer).expect("a new link");
        } else {
            fs::write(&completer, &script).expect("a new file");
            fs::set_permissions(&completer, fs::Permissions::from_mode(0o755)).expect("a file of ours");
        }
        let asked = |words: &[&str]| {
            let mut command = ns.command("kubectl");
            let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
            let path = format!("{}:{}", folder.path().display(), path.expect("a PATH").to_string_lossy());
            command.env("PATH", path).args(["__complete", "vnf", "-n", &ns.name]).args(words);
            let mut run = Run::of(command, "");
            // kubectl itself tells the directive's name there.
            run.stderr.clear();
            run
        };
        assert_eq!(values(&asked(&["show", "sam"])), [BEFORE]);
        assert_eq!(values(&asked(&["upd"])), ["update"]);
        assert_eq!(values(&asked(&["update", "x", "--dry-run=s"])), ["--dry-run=server"]);
        let path = asked(&["package", "inspect", "samp"]);
        assert_eq!(path.stdout, "samples/\n:6\n");
    }
}

fn in_bash(ns: &Namespace) {
    let mut bash = Terminal::shell(ns, "exec bash --norc --noprofile -i");
    bash.types("bind 'set enable-bracketed-paste off'; PS1='> '; source <(kubectl-vnf completion bash)");
    let vnf = format!("kubectl-vnf -n {}", ns.name);
    for (typed, completed) in [
        ("show sam\t", "show sample-vnf "),
        ("show lab\t", r"show lab\'s\ vnf "),
        ("heal sample-vnf --vnfc=VDU3\t", "--vnfc=VDU3-env-test "),
        ("package inspect --ca=samples/cont\t", "--ca=samples/container-update/"),
        ("package show 97018\t", OLD),
        ("upd\t", "update "),
    ] {
        bash.presses(&format!("\x15{vnf} {typed}"));
        bash.reads(completed);
    }
    bash.presses("\x15exit\n");
}

fn in_zsh(ns: &Namespace) {
    let mut zsh = Terminal::shell(ns, "exec zsh -f -i");
    zsh.types("PS1='> '; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -D -u; source <(kubectl-vnf completion zsh); echo re''ady");
    zsh.reads("ready");
    let vnf = format!("kubectl-vnf -n {}", ns.name);
    for (typed, completed) in [("show sam\t", "ple-vnf"), ("heal sample-vnf --vnfc=VDU3\t", "-env-test")] {
        zsh.presses(&format!("\x15{vnf} {typed}"));
        zsh.reads(completed);
    }
    zsh.presses("\x15exit\n");
}

fn in_fish(ns: &Namespace) {
    let fish = |line: &str| {
        let mut command = ns.command("fish");
        let script = "kubectl-vnf completion fish | source; complete --do-complete $argv[1]";
        command.args(["--no-config", "-c", script, &format!("kubectl-vnf -n {} {line}", ns.name)]);
        Run::of(command, "").succeeds().stdout
    };
    assert_eq!(fish("show sam"), "sample-vnf\tSample VNF 1.0, INSTANTIATED\n");
    assert!(fish("upd").starts_with("update\t"));
    assert!(fish("show ").contains("lab's vnf\t"));
}

/// A cluster that does not answer, or refuses, is no reason to make anybody wait, or to say a word.
#[test]
fn a_cluster_that_is_away_offers_nothing_and_soon() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("an address").to_string();
    let asked = |server: &str, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-vnf"));
        command.env("KUBECONFIG", "/nonexistent").current_dir(env!("CARGO_MANIFEST_DIR"));
        command.args(["__complete", "--", "--server", server]).args(words);
        Run::of(command, "").succeeds()
    };
    for server in ["http://127.0.0.1:1", &format!("https://{address}"), "https://nosuch.invalid", "http://[", ""] {
        let run = asked(server, &["show", ""]);
        assert_eq!(values(&run), [""; 0], "{server}");
        assert!(run.took < Duration::from_secs(5), "{server}: {run}");
    }
    // What needs no cluster is there all the same.
    let paths = values(&asked(&format!("https://{address}"), &["update", "x", "--package", "samp"]));
    assert_eq!(paths, ["samples/"]);
}

/// A credential plugin that asks a question, or never comes back, does not hold a shell up.
#[test]
fn a_credential_plugin_that_hangs_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kubeconfig = folder.path().join("config");
    let config = "
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}, {name: other, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: sleep, args: ['60'], interactiveMode: Never}}}]
";
    fs::write(&kubeconfig, config).expect("a new file");
    let asked = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-vnf"));
        command.env("KUBECONFIG", &kubeconfig).args(["__complete", "--"]).args(words);
        Run::of(command, "").succeeds()
    };
    let run = asked(&["show", ""]);
    assert_eq!(values(&run), [""; 0]);
    assert!(run.took < Duration::from_secs(5), "{run}");
    assert_eq!(values(&asked(&["list", "--context", "o"])), ["other"]);
}

/// The operation that an id or a name is asked for is one that can still be finished.
#[test]
fn unfinished_operations_are_offered_to_those_who_finish_them() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "complete-op");
    let package: Package = {
        let pods = spec(&container("nosuch/image", &json!({})), &json!({}));
        let manifest =
            yaml(&[config_map("config", &[("k", "v")]), workload("Deployment", "web", "web", Some(1), &pods)]);
        Draft::of("Broken", &[("all.yaml", &manifest)], &["web"]).write()
    };
    ns.vnf(&["instantiate", "broken", "--package", &package.path(), "--timeout", "20s"]).exits(3);
    ns.vnf(&["create", "other", "--package", &package.path()]).succeeds();
    for verb in ["retry", "rollback", "fail"] {
        assert_eq!(offered(&ns, &["op", verb, ""]), ["broken"]);
    }
}
