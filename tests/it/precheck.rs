//! What is told before the first write: everything that will not go, all at once, and what will follow from the rest.

use crate::support::manifests::{config_map, container, env_of, pod, secret, spec, workload, yaml};
use crate::support::rbac::{role, rule, service_account};
use crate::support::{Cluster, Draft, Namespace, Run, Terminal, cluster, eventually};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

const NAME: &str = "checked";

/// A pod spec whose container reads `key` of the ConfigMap `config`.
fn reader() -> Value {
    spec(&container("nginx", &json!({"env": [env_of("CM", "config", "key")]})), &json!({}))
}

/// A package of these workloads (`VDU1`, ...) and a ConfigMap `config` that they read.
fn package(workloads: &[Value]) -> Draft {
    let names: Vec<&str> = workloads.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
    let config = yaml(&[config_map("config", &[("key", "old value")])]);
    Draft::of("Checked", &[("config.yaml", &config), ("workloads.yaml", &yaml(workloads))], &names)
}

fn installed(cluster: &'static Cluster, purpose: &str, draft: &Draft) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    ns.vnf(&["instantiate", NAME, "--package", &draft.write().path()]).succeeds();
    ns.at_rest();
    ns
}

/// The package with another value, so that all readers restart.
fn changed(draft: &Draft) -> Draft {
    draft.clone().edit("config.yaml", "old value", "new value")
}

fn update(ns: &Namespace, draft: &Draft, more: &[&str]) -> Run {
    ns.vnf(&[&["update", NAME, "--package", &draft.write().path()], more].concat())
}

/// A quota of so many Pods, once the server has counted those that run.
fn quota(ns: &Namespace, pods: u32) {
    let hard = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"},
        "spec": {"hard": {"pods": pods.to_string()}}});
    ns.kubectl_reading(&["apply", "-f", "-"], &hard.to_string()).succeeds();
    let used = ns.objects().of_kind("Pod").count().to_string();
    eventually("the quota is counted", Duration::from_secs(30), || {
        let quota = ns.object("resourcequota/full");
        let counted = quota.text("/status/hard/pods") == pods.to_string() && quota.text("/status/used/pods") == used;
        counted.then_some(())
    });
}

/// A budget over the Pods labelled `app: APP`, once its controller has looked at `pods` of them.
fn budget(ns: &Namespace, name: &str, app: &str, bound: &Value, pods: i64) {
    let mut object = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": app}}}});
    object["spec"].as_object_mut().expect("a map").extend(bound.as_object().expect("a map").clone());
    ns.create(&object.to_string());
    eventually("the budget is counted", Duration::from_secs(30), || {
        let found = ns.object(&format!("poddisruptionbudget/{name}"));
        let counted = found.number("/status/expectedPods") == pods && found.number("/status/currentHealthy") == pods;
        (counted && found.number("/status/observedGeneration") > 0).then_some(())
    });
}

#[test]
fn a_full_quota_is_told_where_one_pod_more_is_needed() {
    let Some(cluster) = cluster() else { return };
    let draft = package(&[
        workload("Deployment", "surging", "surging", Some(1), &reader()),
        workload("ReplicaSet", "set", "set", Some(1), &reader()),
        pod("bare", &reader()),
    ]);
    let ns = installed(cluster, "quota", &draft);
    quota(&ns, 3);
    ns.unwritten(|| {
        let run = update(&ns, &changed(&draft), &[]).exits(1).says([
            "Deployment surging ResourceQuota full has no room for its next Pod: pods: 1 needed, 3 of 3 in use",
            "1 problem, nothing was written",
        ]);
        run.never_says(["Pod bare\n", "ReplicaSet set\n"]);
        // What goes before its successor comes frees its share; here that is not enough.
        quota(&ns, 2);
        update(&ns, &changed(&draft), &["--dry-run=server"]).exits(1).says([
            "Deployment surging ResourceQuota full has no room for its next Pod: pods: 1 needed, 3 of 2 in use",
            "ReplicaSet set ResourceQuota full has no room for its next Pod: pods: 1 needed, 2 of 2 in use",
            "Pod bare ResourceQuota full has no room for it: pods: 1 needed, 2 of 2 in use",
            "3 problems, nothing was written",
        ]);
    });
    // Without a surge none is needed.
    quota(&ns, 3);
    let gently = json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}}).to_string();
    ns.kubectl(&["patch", "deployment/surging", "-p", &gently]).succeeds();
    update(&ns, &changed(&draft), &[]).succeeds().says(["Pod quotas"]);
}

#[test]
fn all_pods_of_an_instantiation_are_held_against_the_quotas_together() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "quota-all");
    let draft = package(&[workload("Deployment", "web", "web", Some(3), &reader()), pod("bare", &reader())]);
    let package = draft.write();
    let instantiate = |more: &[&str]| ns.vnf(&[&["instantiate", NAME, "--package", &package.path()], more].concat());
    quota(&ns, 3);
    ns.unwritten(|| {
        instantiate(&[]).exits(1).says([
            "ResourceQuota full it has no room for all Pods that are to run: pods: 4 needed, 0 of 3 in use",
            "nothing was written",
        ]);
        quota(&ns, 0);
        instantiate(&[])
            .exits(1)
            .says(["Deployment web ResourceQuota full has no room for its next Pod: pods: 1 needed, 0 of 0 in use"])
            .says(["Pod bare ResourceQuota full has no room for it"]);
    });
    // Who may not read quotas is told that they were not looked at.
    quota(&ns, 3);
    let workloads = rule("apps", &["deployments", "replicasets"]);
    let leases = rule("coordination.k8s.io", &["leases"]);
    let core = rule("", &["pods", "configmaps", "secrets"]);
    role(&ns, "no-quotas", &[core, workloads, leases]);
    let run = instantiate(&["--dry-run=server", "--as", "no-quotas"]).succeeds();
    run.says(["not checked", "no right to list resourcequotas"]);
    quota(&ns, 4);
    instantiate(&[]).succeeds();
}

#[test]
fn pods_that_the_namespace_does_not_admit_are_told() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "admitted");
    let label = "pod-security.kubernetes.io/enforce=restricted";
    ns.kubectl(&["label", "namespace", &ns.name, label]).succeeds();
    let package = package(&[workload("Deployment", "web", "web", Some(1), &reader())]).write();
    ns.unwritten(|| {
        ns.vnf(&["instantiate", NAME, "--package", &package.path()]).exits(1).says([
            "Deployment web Files/kubernetes/workloads.yaml",
            "its Pods would be refused: violates PodSecurity",
            "nothing was written",
        ]);
    });
}

#[test]
fn budgets_are_reckoned_with_before_anything_is_evicted() {
    let Some(cluster) = cluster() else { return };
    let draft = package(&[
        workload("ReplicaSet", "set", "set", Some(1), &reader()),
        workload("Deployment", "web", "web", Some(1), &reader()),
    ]);
    let ns = installed(cluster, "pdbs", &draft);
    budget(&ns, "of-set", "set", &json!({"maxUnavailable": 1}), 1);
    budget(&ns, "of-all-sets", "set", &json!({"maxUnavailable": 1}), 1);
    let one = |name: &str, rules: &[Value]| role(&ns, name, rules);
    let evict = json!({"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]});
    let all = [
        rule("apps", &["deployments", "replicasets"]),
        rule("coordination.k8s.io", &["leases"]),
        rule("", &["pods", "configmaps", "secrets"]),
        evict,
    ];
    one("no-budgets", &all);
    let pod = ns.objects().pod_of("ReplicaSet/set").name().to_owned();
    ns.unwritten(|| {
        let cannot = format!("ReplicaSet set Pod {pod} can never be evicted:");
        update(&ns, &changed(&draft), &[]).exits(1).says([
            &*cannot,
            "PodDisruptionBudgets of-all-sets, of-set all cover it",
            "1 problem, nothing was written",
        ]);
        // Who may not read budgets is told all the same.
        update(&ns, &changed(&draft), &["--as", "no-budgets"]).exits(1).says([
            "no right to list poddisruptionbudgets and horizontalpodautoscalers",
            &*cannot,
            "several PodDisruptionBudgets cover it",
        ]);
    });
    ns.kubectl(&["delete", "pdb", "of-all-sets", "of-set"]).succeeds();

    budget(&ns, "strict", "set", &json!({"minAvailable": 1}), 1);
    budget(&ns, "of-web", "web", &json!({"minAvailable": 1}), 1);
    let plan = update(&ns, &changed(&draft), &["--dry-run=client"]).succeeds();
    let plan = plan.says(["PodDisruptionBudget strict (minAvailable 1) can never allow an eviction", "--timeout"]);
    // A Deployment rolls without asking a budget.
    plan.never_says(["of-web"]);
    let plan = update(&ns, &changed(&draft), &["--dry-run=client", "--as", "no-budgets"]).succeeds();
    plan.says([&*format!("a disruption budget holds Pod {pod} now"), "budget strict needs 1 healthy pods"]);
    let json = update(&ns, &changed(&draft), &["--dry-run=client", "-o", "json"]).succeeds().json();
    assert_eq!(json["ahead"][0]["what"]["by"], "strict", "{json:#}");
    assert_eq!(json["ahead"][0]["what"]["never"], true);

    // It is as was said: the eviction waits, and the time runs out.
    let run = update(&ns, &changed(&draft), &["--timeout", "3s"]).exits(3);
    run.says(["a disruption budget holds Pod"]);
    assert_eq!(ns.objects().pod_of("ReplicaSet/set").name(), pod);
    ns.kubectl(&["delete", "pdb", "strict"]).succeeds();
    ns.vnf(&["op", "retry", NAME]).succeeds();
    assert_ne!(ns.at_rest().pod_of("ReplicaSet/set").name(), pod);
}

#[test]
fn everything_that_is_wrong_is_told_in_one_run() {
    let Some(cluster) = cluster() else { return };
    let key = |name: &str| json!({"name": "SEC", "valueFrom": {"secretKeyRef": {"name": "access", "key": name}}});
    let user = spec(&container("nginx", &json!({"env": [key("password"), env_of("CM", "config", "key")]})), &json!({}));
    let draft = package(&[
        workload("Deployment", "web", "web", Some(1), &user),
        workload("Deployment", "other", "other", Some(1), &reader()),
        workload("ReplicaSet", "set", "set", Some(1), &user),
    ])
    .manifest("access.yaml", &yaml(&[secret("access", &[("password", "one"), ("user", "two")])]))
    .manifest("large.yaml", &yaml(&[config_map("large", &[("key", "small")])]));
    let ns = installed(cluster, "all", &draft);
    ns.kubectl(&["rollout", "pause", "deployment/other"]).succeeds();
    ns.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"key":"edited"}}"#]).succeeds();
    let token = service_account(
        &ns,
        "operator",
        &[
            rule("apps", &["deployments", "replicasets"]),
            rule("coordination.k8s.io", &["leases"]),
            rule("", &["pods", "configmaps", "secrets"]),
            rule("policy", &["poddisruptionbudgets"]),
            rule("autoscaling", &["horizontalpodautoscalers"]),
        ],
    );
    let kubeconfig = kubeconfig_with(&ns, &token);
    let wrong = changed(&draft).edit("access.yaml", "\"password\"", "\"passwd\"").edit(
        "large.yaml",
        "\"small\"",
        &format!("\"{}\"", "x".repeat(1_200_000)),
    );
    ns.unwritten(|| {
        let path = kubeconfig.path().to_str().expect("a path in UTF-8");
        let run = update(&ns, &wrong, &["--kubeconfig", path]).exits(1).says([
            "Pods of 2 workloads would not start: Secret access will have no key \"password\"",
            "VDU1 Deployment web containers[main].env[SEC].secretKeyRef",
            "VDU3 ReplicaSet set containers[main].env[SEC].secretKeyRef",
            "keys in Files/kubernetes/access.yaml: passwd, user (did you mean passwd?)",
            "1 permission is missing",
            &*format!("create pods/eviction in {}", ns.name),
            "to replace the Pods of VDU3 ReplicaSet set",
            "Deployment other it is paused and would not roll out; resume it first:",
            "kubectl rollout resume deployment/other",
            "ConfigMap large Files/kubernetes/large.yaml",
            "too large: 1.2 MiB of data, 1 MiB are the most that the API server takes",
            "1 change of others would be overwritten: --overwrite-drift allows it",
            "update of checked refused: 5 problems, nothing was written",
        ]);
        run.never_says(["Too long", "forbidden"]);
    });
    ns.vnf(&["instantiate", "another", "--package", &wrong.write().path(), "--dry-run=server"])
        .exits(1)
        .says(["ConfigMap large", "too large: 1.2 MiB of data"]);
}

/// The test cluster's kubeconfig with another user.
fn kubeconfig_with(ns: &Namespace, token: &str) -> tempfile::NamedTempFile {
    let mut config = ns.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]).succeeds().json();
    config["users"][0]["user"] = json!({"token": token});
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(config.to_string().as_bytes()).expect("it can be written");
    file
}

#[test]
fn one_review_answers_for_the_rights_of_a_namespace() {
    let Some(cluster) = cluster() else { return };
    let draft = package(&[workload("ReplicaSet", "set", "set", Some(1), &reader())]);
    let ns = installed(cluster, "reviews", &draft);
    let run = update(&ns, &changed(&draft), &["--dry-run=server", "-v=6"]).succeeds();
    assert_eq!(run.stderr.matches("/selfsubjectrulesreviews").count(), 1, "{run}");
    assert_eq!(run.stderr.matches("/selfsubjectaccessreviews").count(), 0, "{run}");
    // Rights to objects of certain names are no rights to any; what is not listed is asked for by itself.
    let named = json!({"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"], "resourceNames": ["x"]});
    let core = rule("", &["pods", "configmaps", "secrets"]);
    let all = json!({"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]});
    role(&ns, "named", &[core, all, rule("coordination.k8s.io", &["leases"]), named]);
    let run = update(&ns, &changed(&draft), &["--dry-run=server", "-v=6", "--as", "named"]).exits(1);
    let run = run.says(["1 permission is missing", &*format!("create pods/eviction in {}", ns.name)]);
    assert_eq!(run.stderr.matches("/selfsubjectaccessreviews").count(), 1, "{run}");
}

#[test]
fn config_that_cannot_be_changed_is_made_again_as_was_said() {
    let Some(cluster) = cluster() else { return };
    let mut fixed = config_map("fixed", &[("key", "old fixed")]);
    fixed["immutable"] = json!(true);
    let mut typed = secret("typed", &[("key", "secret")]);
    typed["type"] = json!("example.com/one");
    let user = spec(&container("nginx", &json!({"env": [env_of("CM", "fixed", "key")]})), &json!({}));
    // A node gives the old content to new Pods while an old one is there: a bare Pod is gone before it is made again.
    let draft = package(&[pod("bare", &user)]).manifest("more.yaml", &yaml(&[fixed, typed]));
    let ns = installed(cluster, "replaced", &draft);
    let old = ns.objects();
    let new = draft.clone().edit("more.yaml", "old fixed", "new fixed").edit("more.yaml", "com/one", "com/two");
    update(&ns, &new, &["--dry-run=client"]).succeeds().says([
        "ConfigMap fixed is DELETED and created again (immutable): Pods of VDU1 that start in between wait for it; and a \
         node gives its OLD content to new Pods until all Pods on it that read it have left",
        "Secret typed is DELETED and created again (the type of a Secret cannot change)",
    ]);
    update(&ns, &new, &[]).succeeds();
    let now = ns.at_rest();
    for name in ["ConfigMap/fixed", "Secret/typed"] {
        assert_ne!(now.get(name).uid(), old.get(name).uid(), "{name}");
    }
    assert_eq!(now.get("ConfigMap/fixed").text("/data/key"), "new fixed");
    assert_eq!(now.get("ConfigMap/fixed").0["immutable"], true);
    assert_eq!(now.get("Secret/typed").text("/type"), "example.com/two");
    eventually("its Pod has told what it saw", Duration::from_secs(30), || {
        ns.log("bare").contains("CM=new fixed\n").then_some(())
    });
}

#[test]
fn who_holds_pods_back_or_scales_them_is_said() {
    let Some(cluster) = cluster() else { return };
    let mut held = workload("StatefulSet", "held", "held", Some(2), &reader());
    held["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    let mut lazy = workload("DaemonSet", "lazy", "lazy", None, &reader());
    lazy["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    let draft = package(&[held, lazy, workload("Deployment", "web", "web", Some(1), &reader())]);
    let ns = installed(cluster, "held", &draft);
    ns.kubectl(&["autoscale", "deployment/web", "--name", "scaler", "--min", "1", "--max", "3"]).succeeds();
    let old = ns.at_rest();
    update(&ns, &changed(&draft), &["--dry-run=client"]).succeeds().says([
        "VDU1 StatefulSet held",
        "partition 1: Pods below 1 keep the old template: held-0",
        "VDU2 DaemonSet lazy",
        "updateStrategy OnDelete: its controller replaces no Pod, kubectl vnf does",
        "VDU3 Deployment web",
        "HorizontalPodAutoscaler scaler (1 to 3): the replicas are left to it",
    ]);
    ns.vnf(&["heal", NAME, "--all", "--dry-run=client"])
        .succeeds()
        .says(["VDU3: HorizontalPodAutoscaler scaler (1 to 3): the replicas are left to it"]);
    update(&ns, &changed(&draft), &[]).succeeds();
    let new = ns.at_rest();
    assert_eq!(new.get("Pod/held-0").life(), old.get("Pod/held-0").life(), "below the partition");
    assert_ne!(new.get("Pod/held-1").uid(), old.get("Pod/held-1").uid());
    assert_ne!(new.pod_of("DaemonSet/lazy").uid(), old.pod_of("DaemonSet/lazy").uid());
}

/// Without colours, and with single spaces.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for part in text.split("\u{1b}[") {
        let text = if plain.is_empty() { part } else { part.split_once('m').map_or(part, |(_, text)| text) };
        plain.push_str(text);
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A Deployment `web`, which an update moves to another image.
fn imaged() -> (Draft, Draft) {
    let plain = spec(&container("nginx", &json!({})), &json!({}));
    let draft = package(&[workload("Deployment", "web", "web", Some(1), &plain)]);
    (draft.clone(), draft.edit("workloads.yaml", "\"nginx\"", "\"tomcat\""))
}

#[test]
fn what_changed_while_the_question_stood_open_is_said_and_asked_again() {
    let Some(cluster) = cluster() else { return };
    let (draft, new) = imaged();
    let ns = installed(cluster, "asked", &draft);
    let package = new.write();
    let mut terminal = Terminal::start(&ns, &["update", NAME, "--package", &package.path()]);
    let question = "Restart 1 workload (1 Pod) in ";
    terminal.reads(question);
    terminal.reads("[y/N]");
    ns.kubectl(&["set", "image", "deployment/web", "main=cirros"]).succeeds();
    ns.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).succeeds();
    let before = ns.at_rest();
    terminal.types("y");
    let said = plain(&terminal.reads(question));
    for words in [
        "the cluster has changed since this plan was shown:",
        "Deployment web image of main nginx -> cirros kubectl-set, ",
        "The new plan:",
        "image main: cirros -> tomcat",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    let said = terminal.reads("[y/N]");
    assert!(said.contains("overwriting 1 change of others"), "{said}");
    terminal.types("n");
    let (code, said) = terminal.ends();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Nothing was changed."), "{said}");
    let after = ns.objects();
    let deployment = |objects: &crate::support::Objects| objects.get("Deployment/web").0["spec"].clone();
    assert_eq!(deployment(&before), deployment(&after));
    assert!(after.of_kind("Lease").next().is_none(), "the lock was given back");

    // Consent to what is shown holds for what is shown.
    let mut terminal = Terminal::start(&ns, &["update", NAME, "--package", &package.path()]);
    terminal.reads("[y/N]");
    terminal.types("y");
    let (code, said) = terminal.ends();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(ns.objects().image("Deployment/web"), "tomcat");
}

#[test]
fn off_a_terminal_a_plan_that_is_another_one_by_now_is_not_carried_out() {
    let Some(cluster) = cluster() else { return };
    let (draft, new) = imaged();
    let ns = installed(cluster, "raced", &draft);
    let package = new.write();
    // A pipe that is full: the plugin stands still when it shows its plan, which it has made by then.
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(&[b'.'; 65536]).expect("a pipe takes 64 KiB");
    let mut command = ns.command(env!("CARGO_BIN_EXE_kubectl-vnf"));
    command.args(["update", NAME, "--yes", "--package", &package.path(), "-n", &ns.name]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer).spawn().expect("it starts");
    drop(command);
    eventually("it shows its plan", Duration::from_secs(30), || {
        // Number of the system call `write`, and the stream.
        let call = fs::read_to_string(format!("/proc/{}/syscall", child.id())).expect("it runs");
        let mut words = call.split_whitespace().skip(1);
        (words.next() == Some("0x2") && call.starts_with(WRITE)).then_some(())
    });
    ns.kubectl(&["set", "image", "deployment/web", "main=cirros"]).succeeds();
    let before = ns.objects();
    let mut said = String::new();
    reader.read_to_string(&mut said).expect("its stderr");
    let said = said.trim_start_matches('.');
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{said}");
    let joined = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "the cluster has changed since this plan was shown: Deployment web image of main nginx -> cirros kubectl-set,",
        "nothing was written",
        "Run the command again",
    ] {
        assert!(joined.contains(words), "{words:?} is not in\n{said}");
    }
    let after = ns.objects();
    assert_eq!(before.instance().version(), after.instance().version());
    assert_eq!(before.get("Deployment/web").0["spec"], after.get("Deployment/web").0["spec"]);
}

/// The number of the system call `write`, with the space after it.
const WRITE: &str = if cfg!(target_arch = "x86_64") { "1 " } else { "64 " };
