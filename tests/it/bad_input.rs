//! What a user can get wrong, and what can be wrong around them. Every case ends with exit code 1 (2: the command line
//! itself is wrong) and a message that names object, file and line where there are such; and the namespace holds the
//! same objects in the same versions as before: no record, no name claim, no stored package, no object of the VNF.

use crate::support::manifests::{config_map, container, env_of, secret, spec, workload, yaml};
use crate::support::rbac::{role, rule};
use crate::support::{Cluster, Draft, Namespace, Objects, Run, cluster};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

const NAME: &str = "small";

/// `[]` as a record holds its revisions: gzip in base64.
const NO_REVISIONS: &str = "H4sIAAAAAAACA4uOBQApu0wNAgAAAA==";

/// A ConfigMap, a Secret, a Service, a Deployment `web` (VDU1) and a ReplicaSet `set` (VDU2).
fn small() -> Draft {
    let key = json!({"name": "SEC", "valueFrom": {"secretKeyRef": {"name": "access", "key": "password"}}});
    let web = container("nginx", &json!({"env": [env_of("CM", "config", "key"), key]}));
    let set = container("nginx", &json!({"env": [env_of("CM", "config", "key")]}));
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    Draft::of(
        "Small",
        &[
            ("config.yaml", &yaml(&[config_map("config", &[("key", "old value")])])),
            ("access.yaml", &yaml(&[secret("access", &[("password", "old secret"), ("other", "one")])])),
            ("service.yaml", &yaml(&[service])),
            ("web.yaml", &yaml(&[workload("Deployment", "web", "web", Some(1), &spec(&web, &json!({})))])),
            ("set.yaml", &yaml(&[workload("ReplicaSet", "set", "set", Some(1), &spec(&set, &json!({})))])),
        ],
        &["web", "set"],
    )
}

/// As [`small`], of which both workloads would restart.
fn changed() -> Draft {
    small_as_installed().edit("config.yaml", "old value", "new value")
}

/// One descriptor id for all of this file, as the packages of one product have.
fn small_as_installed() -> Draft {
    static DRAFT: std::sync::LazyLock<Draft> = std::sync::LazyLock::new(small);
    DRAFT.clone()
}

/// A file that lives as long as its test.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a new file");
        Self { _folder: folder, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().expect("temporary folders have names in UTF-8")
    }
}

/// A namespace in which [`small`] runs.
fn installed(cluster: &'static Cluster, purpose: &str) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    ns.vnf(&["instantiate", NAME, "--package", &small_as_installed().write().path()]).succeeds();
    ns.at_rest();
    ns
}

fn instantiate(ns: &Namespace, package: &str, more: &[&str]) -> Run {
    ns.vnf(&[&["instantiate", NAME, "--package", package], more].concat())
}

fn update(ns: &Namespace, draft: &Draft, more: &[&str]) -> Run {
    ns.vnf(&[&["update", NAME, "--yes", "--package", &draft.write().path()], more].concat())
}

const WORKLOADS: [&str; 2] = ["deployments", "replicasets"];

/// Runs a plugin with another kubeconfig or environment than the tests' own.
fn elsewhere(cluster: &Cluster, kubeconfig: &str, args: &[&str]) -> Run {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut command = cluster.plugin();
    command.env("KUBECONFIG", kubeconfig).env("HOME", home.path()).args(args);
    Run::of(command, "")
}

#[test]
fn a_package_that_cannot_be_read_is_refused() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "archive");
    ns.unwritten(|| {
        let text = File::new("notes.csar", "this is no archive\n");
        instantiate(&ns, text.path(), &[]).exits(1).says([text.path(), "not a zip archive"]);
        ns.vnf(&["create", NAME, "--package", text.path()]).exits(1).says([text.path(), "not a zip archive"]);
        ns.vnf(&["package", "inspect", text.path()]).exits(1).says([text.path(), "not a zip archive"]);

        let archive = small().zip();
        let bytes = fs::read(archive.path()).expect("the archive");
        let half = File::new("half.csar", &bytes[..bytes.len() / 2]);
        instantiate(&ns, half.path(), &[]).exits(1).says([half.path(), "not a zip archive"]);

        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options: zip::write::SimpleFileOptions = zip::write::FileOptions::default();
        writer.start_file("../../escaped.yaml", options).expect("an entry can be added");
        writer.write_all(b"kind: Pod\n").expect("an entry can be written");
        let bytes = writer.finish().expect("the archive can be ended").into_inner();
        let escaping = File::new("escaping.csar", bytes);
        instantiate(&ns, escaping.path(), &[]).exits(1).says([escaping.path(), "unsafe entry \"../../escaped.yaml\""]);

        let package = small().write();
        package.remove("TOSCA-Metadata/TOSCA.meta");
        instantiate(&ns, &package.path(), &[]).exits(1).says([&*package.path(), "no TOSCA-Metadata/TOSCA.meta"]);

        instantiate(&ns, "/nonexistent.csar", &[]).exits(1).says(["/nonexistent.csar", "no such file"]);
    });
}

#[test]
fn a_digest_that_does_not_match_is_refused_unless_allowed() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "digest");
    let package = small().write();
    package.put("Files/kubernetes/config.yaml", &yaml(&[config_map("config", &[("key", "tampered")])]));
    ns.unwritten(|| {
        instantiate(&ns, &package.path(), &[]).exits(1).says([
            "Files/kubernetes/config.yaml: SHA-256 is",
            "TOSCA-Metadata/TOSCA.meta:",
            "--allow-hash-mismatch",
        ]);
    });
    ns.vnf(&["create", NAME, "--package", &package.path(), "--allow-hash-mismatch"]).succeeds();
    assert!(ns.objects().instance().text("/metadata/annotations/kubectl-vnf~1name") == NAME);
}

#[test]
fn a_broken_manifest_is_named_by_file_and_line() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "manifest");
    let config = config_map("config", &[("key", "value")]);
    let without = |pointer: &str| {
        let mut object = config_map("second", &[]);
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        object.pointer_mut(parent).and_then(Value::as_object_mut).expect("the parent").remove(field);
        yaml(&[config.clone(), object])
    };
    // The first document has the lines 2 to 11.
    let cases: [(String, &[&str]); 6] = [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [a, b\n".into(), &["config.yaml:", "[K1]"]),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n bad: b\n".into(), &["config.yaml:5:"]),
        (without("/kind"), &["config.yaml:13: document 2 has no kind"]),
        (without("/metadata/name"), &["config.yaml:13: document 2 (ConfigMap) has no metadata.name"]),
        (yaml(&[config.clone(), config.clone()]), &["config.yaml:13: ConfigMap config is defined here and in line 2"]),
        (
            yaml(&[
                config.clone(),
                json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}}),
            ]),
            &["config.yaml:13: Gadget g", "the cluster does not serve kind Gadget of example.com/v1"],
        ),
    ];
    ns.unwritten(|| {
        for (text, parts) in &cases {
            let package = small().manifest("config.yaml", text).write();
            instantiate(&ns, &package.path(), &[]).exits(1).says(parts.iter().copied());
        }
        let twice = small().manifest("again.yaml", &yaml(&[config_map("config", &[])])).write();
        instantiate(&ns, &twice.path(), &[]).exits(1).says([
            "ConfigMap config is defined in",
            "Files/kubernetes/again.yaml",
            "Files/kubernetes/config.yaml",
        ]);
    });
}

#[test]
fn a_json_manifest_that_does_not_parse_is_not_passed_over() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "json");
    let config = config_map("config", &[("key", "value")]);
    for text in [format!("{config:#}"), config.to_string()] {
        let package = small().manifest("config.yaml", &text[..text.len() - 1]).write();
        ns.unwritten(|| {
            instantiate(&ns, &package.path(), &["--dry-run=client"]).exits(1).says(["Files/kubernetes/config.yaml:"]);
        });
    }
}

#[test]
fn what_the_package_does_not_have_is_told_with_what_it_has() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "unknown");
    let sample = Draft::sample("before").write();
    let sample = sample.path();
    ns.unwritten(|| {
        instantiate(&ns, &sample, &["--flavour", "large"]).exits(1).says(["no flavour \"large\"", "it has: simple"]);
        instantiate(&ns, &sample, &["--level", "level_9"]).exits(1).says([
            "no instantiation level \"level_9\"",
            "simple",
            "instantiation_level_1",
            "instantiation_level_2",
        ]);
        let request = |value: &Value| File::new("request.json", value.to_string());
        let flavour = request(&json!({"flavourId": "huge"}));
        let place = format!("{}:1: field flavourId: no flavour \"huge\"", flavour.path());
        instantiate(&ns, &sample, &["-f", flavour.path()]).exits(1).says([&*place, "it has: simple"]);
        let text = "flavourId: simple\ninstantiationLevelId: huge\nadditionalParams:\n  lcm-kubernetes-def-files:\n  - Files/kubernetes/pod_evn.yaml\n  - deployment.yaml\n";
        let files = File::new("request.yaml", text);
        let at = |line: u32, field: &str| format!("{}:{line}: field {field}: no ", files.path());
        let file = |index: u32| at(5 + index, &format!("additionalParams.lcm-kubernetes-def-files[{index}]"));
        instantiate(&ns, &sample, &["-f", files.path()]).exits(1).says([
            &*format!("{}instantiation level \"huge\" in flavour simple", at(2, "instantiationLevelId")),
            &format!("{}Files/kubernetes/pod_evn.yaml in the package", file(0)),
            &format!("{}deployment.yaml in the package", file(1)),
            "did you mean Files/kubernetes/deployment.yaml?",
        ]);
        let broken = File::new("request.json", "{\"flavourId\": \"simple\",\n \"additionalParams\": [}\n");
        instantiate(&ns, &sample, &["-f", broken.path()]).exits(1).says([&*format!("{}:2:", broken.path())]);
        let odd = request(&json!({"flavourId": 7}));
        let place = format!("{}:1: field flavourId: must be a string", odd.path());
        instantiate(&ns, &sample, &["-f", odd.path()]).exits(1).says([&*place]);
        let slip = request(&json!({"flavorId": "simple"}));
        let dry = ["--dry-run=client", "-f", slip.path()];
        instantiate(&ns, &sample, &dry).succeeds().says(["flavorId is not known here", "did you mean flavourId?"]);
        instantiate(&ns, &sample, &["-f", "/nonexistent.json"]).exits(1).says(["/nonexistent.json"]);
        ns.vnf(&["instantiate", NAME]).exits(2).says(["name its package"]);
        let mut nowhere = cluster.plugin();
        nowhere.args(["instantiate", NAME, "--package", &sample, "-n", "no-such-namespace"]);
        Run::of(nowhere, "").exits(1).says(["namespaces \"no-such-namespace\" not found"]);
        ns.vnf(&["show", NAME]).exits(1).says([&*format!("no VNF instance \"{NAME}\" in namespace {}", ns.name)]);
    });
}

#[test]
fn instantiate_never_touches_an_object_of_somebody_else() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "foreign");
    let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}});
    service["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
    service["spec"] = json!({"ports": [{"port": 8080}]});
    ns.create(&yaml(&[config_map("config", &[("key", "mine")]), service]));
    ns.unwritten(|| {
        instantiate(&ns, &small().write().path(), &[]).exits(1).says([
            "ConfigMap config",
            "it exists and is not this instance's",
            "Service web",
            "it belongs to Helm",
            "nothing was written",
        ]);
    });
}

#[test]
fn a_name_is_given_once() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "names");
    let package = small_as_installed().write();
    let run = || instantiate(&ns, &package.path(), &[]);
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(run);
        (run(), other.join().expect("the other run ends"))
    });
    let (won, lost) = if one.code == Some(0) { (one, two) } else { (two, one) };
    won.succeeds();
    lost.exits(1).says([NAME]);
    let records = |objects: &Objects| -> Vec<usize> {
        ["instance", "operation", "package"]
            .iter()
            .map(|kind| {
                let all = objects.of_kind("ConfigMap").chain(objects.of_kind("Secret"));
                all.filter(|object| object.is_record(kind)).count()
            })
            .collect()
    };
    let now = ns.at_rest();
    assert_eq!(records(&now), [1, 1, 1], "of the loser nothing is left in {:?}", now.names());

    ns.vnf(&["create", "other", "--package", &package.path()]).succeeds();
    ns.unwritten(|| {
        let exists = format!("a VNF instance \"{NAME}\" exists in namespace {}", ns.name);
        run().exits(1).says([&*exists, "kubectl vnf show"]);
        ns.vnf(&["create", NAME, "--package", &package.path()]).exits(1).says([&*exists]);
        ns.vnf(&["update", NAME, "--name", "other"]).exits(1).says(["a VNF instance \"other\" exists"]);
        ns.vnf(&["update", "other", "--name", NAME]).exits(1).says([&*exists]);
        update(&ns, &changed(), &["--name", "other"]).exits(1).says(["a VNF instance \"other\" exists"]);
        ns.vnf(&["create", "a\nb", "--package", &package.path()]).exits(2).says(["control characters"]);
        ns.vnf(&["delete", NAME]).exits(1).says([NAME, "INSTANTIATED"]);
    });
}

#[test]
fn an_update_that_cannot_be_is_refused_before_the_first_write() {
    let Some(cluster) = cluster() else { return };
    let ns = installed(cluster, "refused");
    let request = |value: &Value| File::new("request.json", format!("{value:#}\n"));
    let paths = |paths: Value| request(&json!({"metadata": {"configmap_secret_paths": paths}}));
    ns.unwritten(|| {
        let other = Draft::of("Other", &[("config.yaml", &yaml(&[config_map("config", &[])]))], &[]);
        update(&ns, &other, &[]).exits(1).says(["is another product", "Company / Small 1.0", "Company / Other 1.0"]);

        let draft = changed()
            .edit("service.yaml", "80", "8080")
            .without("set.yaml")
            .edit("config.yaml", "\"config\"", "\"config-2\"")
            .manifest("more.yaml", &yaml(&[secret("more", &[("a", "b")])]));
        update(&ns, &draft, &[]).exits(1).says([
            "Service web changed spec.ports[",
            "80 -> 8080",
            "ReplicaSet set removed VDU2, not in the new package",
            "ConfigMap config renamed? config-2 is new and has the same keys",
            "Secret more added",
            "more.yaml:2",
            "4 changes of the package cannot be made, nothing was written",
        ]);

        let wrong = request(&json!({"vnfInstanceName": "new", "vnfdId": "11111111-1111-4111-8111-111111111111"}));
        update(&ns, &changed(), &["-f", wrong.path()])
            .exits(1)
            .says([&*format!("{}:3: vnfdId is 11111111-", wrong.path()), "the package's is"]);
        ns.vnf(&["update", NAME, "--yes", "-f", wrong.path()]).exits(1).says([wrong.path(), "no package of that id"]);

        let absent = paths(json!(["Files/kubernetes/absent.yaml", "Files/kubernetes/web.yaml"]));
        update(&ns, &changed(), &["-f", absent.path()]).exits(1).says([
            &*format!(
                "{}:4: field metadata.configmap_secret_paths[0]: Files/kubernetes/absent.yaml is not a Kubernetes file of the package",
                absent.path()
            ),
            &format!(
                "{}:5: field metadata.configmap_secret_paths[1]: Files/kubernetes/web.yaml defines Deployment web, not a ConfigMap or Secret",
                absent.path()
            ),
            "Nothing was written",
        ]);
        let new = changed().manifest("extra.yaml", &yaml(&[config_map("extra", &[])]));
        let extra = paths(json!(["Files/kubernetes/extra.yaml"]));
        update(&ns, &new, &["-f", extra.path()])
            .exits(1)
            .says(["Files/kubernetes/extra.yaml defines ConfigMap extra, which the instance does not have"]);
        let text = paths(json!("Files/kubernetes/config.yaml"));
        let place = format!("{}:3: field metadata.configmap_secret_paths", text.path());
        update(&ns, &changed(), &["-f", text.path()]).exits(1).says([&*place, "must be a list of strings"]);

        let typo = changed().edit("access.yaml", "\"password\"", "\"passwd\"");
        update(&ns, &typo, &[]).exits(1).says([
            "Secret access will have no key \"password\"",
            "VDU1 Deployment web containers[main].env[SEC].secretKeyRef",
            "keys in Files/kubernetes/access.yaml: other, passwd",
            "(did you mean passwd?)",
            "1 problem, nothing was written",
        ]);
        let broken = changed().manifest("config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: [\n");
        update(&ns, &broken, &[]).exits(1).says(["Files/kubernetes/config.yaml:"]);
        let image = changed().edit("web.yaml", "\"nginx\"", "\"\"");
        update(&ns, &image, &[]).exits(1).says(["Deployment web", "image"]);
    });
}

#[test]
fn heal_names_what_it_could_heal() {
    let Some(cluster) = cluster() else { return };
    let ns = installed(cluster, "heal");
    let pod = ns.objects().pod_of("Deployment/web").name().to_owned();
    let vnfc = format!("VDU1-{pod}");
    ns.unwritten(|| {
        ns.vnf(&["heal", NAME]).exits(2).says(["--vnfc", "--vdu", "--all", &vnfc, "VDU2-set-"]);
        ns.vnf(&["heal", NAME, "--vnfc", "VDU9-nosuch"]).exits(1).says(["no VNFC VDU9-nosuch", &vnfc]);
        ns.vnf(&["heal", NAME, "--vnfc", &vnfc, "VDU9-nosuch"]).exits(1).says(["no VNFC VDU9-nosuch"]);
        ns.vnf(&["heal", NAME, "--vdu", "VDU9"]).exits(1).says(["no VDU VDU9", "VDU1", "VDU2"]);
        ns.vnf(&["heal", "nosuch", "--all"]).exits(1).says(["no VNF instance \"nosuch\""]);
        let typo = ns.vnf(&["udpate", NAME]).exits(2);
        typo.says(["udpate", "update"]);
        ns.vnf(&["op", "retry", NAME]).exits(1).says([NAME]);
    });
}

#[test]
fn update_refuses_workloads_that_are_not_its_own_or_will_not_move() {
    let Some(cluster) = cluster() else { return };
    let ns = installed(cluster, "standing");
    let refused = |parts: &[&str]| {
        ns.at_rest();
        ns.unwritten(|| {
            update(&ns, &changed(), &[]).exits(1).says(parts.iter().copied()).says(["nothing was written"]);
        });
    };
    ns.kubectl(&["rollout", "pause", "deployment/web"]).succeeds();
    let resume = format!("kubectl rollout resume deployment/web -n {}", ns.name);
    refused(&["Deployment web", "paused", &resume]);
    ns.kubectl(&["rollout", "resume", "deployment/web"]).succeeds();

    let label = |value: &str| ns.kubectl(&["label", "replicaset/set", "--overwrite", value]).succeeds();
    let id = ns.objects().instance().text("/metadata/labels/kubectl-vnf~1instance").to_owned();
    label("kubectl-vnf/instance-");
    refused(&["ReplicaSet set", "it exists and is not this instance's"]);
    label(&format!("kubectl-vnf/instance={id}"));

    ns.kubectl(&["delete", "deployment/web", "--wait=true"]).succeeds();
    let user = container("nginx", &json!({"env": [env_of("CM", "config", "key")]}));
    ns.create(&yaml(&[workload("Deployment", "web", "web", Some(1), &spec(&user, &json!({})))]));
    refused(&["Deployment web", "it exists and is not this instance's"]);
}

#[test]
fn a_missing_right_is_named_before_the_first_write() {
    let Some(cluster) = cluster() else { return };
    let ns = installed(cluster, "rights");
    let core = ["pods", "configmaps", "secrets", "services", "events", "pods/log"];
    role(&ns, "no-eviction", &[rule("", &core), rule("apps", &WORKLOADS), rule("coordination.k8s.io", &["leases"])]);
    role(&ns, "no-workloads", &[rule("", &core), rule("coordination.k8s.io", &["leases"])]);
    let delete_only =
        json!({"apiGroups": ["apps"], "resources": WORKLOADS, "verbs": ["get", "list", "watch", "delete"]});
    role(&ns, "no-patch", &[rule("", &core), delete_only, rule("coordination.k8s.io", &["leases"])]);
    let package = small().write();
    let of = |user: &str, args: &[&str]| ns.vnf(&[args, &["--as", user]].concat());
    ns.unwritten(|| {
        update(&ns, &changed(), &["--as", "no-eviction"]).exits(1).says([
            "1 permission is missing",
            &*format!("create pods/eviction in {}", ns.name),
            "to replace the Pods of VDU2 ReplicaSet set",
            "nothing was written",
        ]);
        let denied = format!("configmaps in namespace {}", ns.name);
        for args in [&["list"][..], &["show", NAME], &["heal", NAME, "--all"], &["terminate", NAME, "--yes"]] {
            of("nobody-at-all", args).exits(1).says(["not allowed to ", &*denied, "nobody-at-all"]);
        }
        of("nobody-at-all", &["instantiate", "second", "--package", &package.path()]).exits(1).says([
            "configmaps",
            &*ns.name,
            "nobody-at-all",
        ]);
        of("no-workloads", &["instantiate", "second", "--package", &package.path()])
            .exits(1)
            .says(["deployments", &*ns.name]);
        // What makes Pods is held for as long as they take to end.
        of("no-patch", &["terminate", NAME, "--force", "--yes"]).exits(1).says([
            &*format!("patch deployments in {}", ns.name),
            "to hold, until its Pods have ended, VDU1 Deployment",
        ]);
    });
    of("no-patch", &["terminate", NAME, "--dry-run=server"]).succeeds();
}

#[test]
fn an_instantiate_that_may_not_store_its_package_leaves_nothing() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "no-store");
    let leases = rule("coordination.k8s.io", &["leases"]);
    let core = rule("", &["pods", "configmaps", "services", "events"]);
    role(&ns, "no-secrets", &[core, rule("apps", &WORKLOADS), leases]);
    ns.unwritten(|| {
        let run = instantiate(&ns, &small().write().path(), &["--as", "no-secrets"]).exits(1);
        run.says(["not allowed to", &*format!("secrets in namespace {}", ns.name)]);
        let run = ns.vnf(&["create", NAME, "--package", &small().write().path(), "--as", "no-secrets"]).exits(1);
        run.says(["not allowed to", &*format!("secrets in namespace {}", ns.name)]);
    });
}

#[test]
fn a_refused_instantiate_leaves_nothing_even_without_the_right_to_delete() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "no-delete");
    let others =
        [rule("", &["pods", "services", "events"]), rule("apps", &WORKLOADS), rule("coordination.k8s.io", &["leases"])];
    let package = small().write();
    for (user, kept, free) in [("no-tidying", "secrets", "configmaps"), ("no-dropping", "configmaps", "secrets")] {
        let verbs = ["get", "list", "watch", "create", "update", "patch"];
        let kept_rule = json!({"apiGroups": [""], "resources": [kept], "verbs": verbs});
        role(&ns, user, &[&others[..], &[kept_rule, rule("", &[free])]].concat());
        ns.unwritten(|| {
            let run = instantiate(&ns, &package.path(), &["--as", user]).exits(1);
            run.says([&*format!("delete {kept} in {}", ns.name), "nothing was written"]);
        });
    }
}

#[test]
fn a_damaged_or_newer_record_is_an_error_and_list_still_works() {
    let Some(cluster) = cluster() else { return };
    let ns = installed(cluster, "damaged");
    let record = ns.objects().instance().clone();
    let file = format!("configmap/{}", record.name());
    let patch = |patch: &Value| {
        ns.kubectl(&["patch", &file, "--type=merge", "-p", &patch.to_string()]).succeeds();
    };
    let good = json!({"data": record.0["data"], "binaryData": record.0["binaryData"]});
    let document = record.0["data"]["vnfInstance"].as_str().expect("the record's document");
    let newer = document.replace("\"schemaVersion\": 1", "\"schemaVersion\": 99");
    assert_ne!(newer, document);
    let without_id = document.replace("\"id\":", "\"was-id\":");
    let damages = [
        (json!({"data": {"vnfInstance": newer}}), "schema version 99"),
        (json!({"data": {"vnfInstance": "{\"id\": "}}), "is damaged"),
        (json!({"data": {"vnfInstance": "[]"}}), "is damaged"),
        (json!({"data": {"vnfInstance": without_id}}), "is damaged"),
        (json!({"data": null}), "is damaged"),
        (json!({"binaryData": {"revisions": "AAAA"}}), "is damaged"),
        (json!({"binaryData": null}), "is damaged"),
        (json!({"binaryData": {"revisions": NO_REVISIONS}}), "is damaged: INSTANTIATED without a revision"),
    ];
    let package = changed().write();
    let package = package.path();
    for (number, (damage, words)) in damages.iter().enumerate() {
        patch(damage);
        let commands: &[&[&str]] = &[
            &["show", NAME],
            &["update", NAME, "--yes", "--package", &package],
            &["heal", NAME, "--all", "--yes"],
            &["terminate", NAME, "--yes"],
            &["diff", NAME, "--package", &package],
            &["op", "list", NAME],
            &["op", "retry", NAME],
            &["instantiate", NAME, "--package", &package],
        ];
        // All commands on two of them, two commands on the others: it is one place that reads a record.
        let commands = if number < 2 { commands } else { &commands[..2] };
        ns.unwritten(|| {
            for command in commands {
                let run = ns.vnf(command);
                // 1 is what `diff` says of differences.
                let code = if command[0] == "diff" { 2 } else { 1 };
                run.exits(code).says([record.name(), words]).never_says(["panicked"]);
            }
            ns.vnf(&["list"]).succeeds().says([NAME]).never_says(["panicked"]);
        });
        patch(&json!({"data": null, "binaryData": null}));
        patch(&good);
    }
    ns.vnf(&["show", NAME]).succeeds();

    let operation = ns.objects();
    let operation = operation.of_kind("ConfigMap").find(|map| map.is_record("operation")).expect("one operation");
    let file = format!("configmap/{}", operation.name());
    ns.kubectl(&["patch", &file, "--type=merge", "-p", "{\"data\": null}"]).succeeds();
    ns.unwritten(|| {
        ns.vnf(&["op", "list", NAME]).succeeds().says([operation.name(), "is damaged"]).never_says(["panicked"]);
        let run = ns.vnf(&["op", "show", NAME]);
        assert_ne!(run.code, Some(0), "{run}");
        run.never_says(["panicked"]);
        ns.vnf(&["list"]).succeeds().says([NAME]);
    });

    ns.kubectl(&["delete", "secrets", "-l", "kubectl-vnf/record=package"]).succeeds();
    ns.unwritten(|| {
        for command in [&["heal", NAME, "--all", "--yes"][..], &["update", NAME, "--yes", "--package", &package]] {
            ns.vnf(command).exits(1).says(["the package sha256:", &*ns.name, "is damaged"]).never_says(["panicked"]);
        }
    });
}

#[test]
fn op_show_says_that_a_record_is_damaged() {
    let Some(cluster) = cluster() else { return };
    let ns = installed(cluster, "op-damaged");
    let objects = ns.objects();
    let operation = objects.of_kind("ConfigMap").find(|map| map.is_record("operation")).expect("one operation");
    let id = operation.record()["id"].as_str().expect("its id").to_owned();
    let file = format!("configmap/{}", operation.name());
    ns.kubectl(&["patch", &file, "--type=merge", "-p", "{\"data\": null}"]).succeeds();
    ns.unwritten(|| {
        for which in [NAME, &id] {
            ns.vnf(&["op", "show", which]).exits(1).says([operation.name(), "is damaged"]);
        }
    });
}

#[test]
fn a_kubeconfig_that_is_not_there_or_lacks_the_context_is_told() {
    let Some(cluster) = cluster() else { return };
    let run = elsewhere(cluster, "/nonexistent/kubeconfig", &["list"]);
    run.exits(1).says(["no kubeconfig found", "/nonexistent/kubeconfig", "--kubeconfig"]);
    let run = elsewhere(cluster, "/dev/null", &["list", "--kubeconfig", "/nonexistent/file"]);
    run.exits(1).says(["/nonexistent/file"]);
    let broken = File::new("kubeconfig", "clusters: [\n");
    elsewhere(cluster, broken.path(), &["list"]).exits(1).says([broken.path()]);

    let mut command = cluster.plugin();
    command.args(["list", "--context", "nosuch"]);
    let mut contexts = cluster.kubectl();
    contexts.args(["config", "get-contexts", "-o", "name"]);
    let known = Run::of(contexts, "").succeeds().stdout.trim().replace('\n', ", ");
    Run::of(command, "").exits(1).says(["context nosuch does not exist", &*format!("known: {known}")]);
}

#[test]
fn a_server_that_does_not_answer_is_told_within_seconds() {
    let Some(cluster) = cluster() else { return };
    let kubeconfig = |port: u16| {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "lost",
            "clusters": [{"name": "lost", "cluster": {"server": format!("https://127.0.0.1:{port}")}}],
            "users": [{"name": "lost", "user": {}}],
            "contexts": [{"name": "lost", "context": {"cluster": "lost", "user": "lost"}}],
        });
        File::new("kubeconfig", config.to_string())
    };
    let package = small().write();
    let package = package.path();
    let commands: [&[&str]; 2] = [&["list"], &["instantiate", NAME, "--package", &package]];

    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let closed = kubeconfig(free);
    for command in commands {
        let run = elsewhere(cluster, closed.path(), command).exits(1);
        let run = run.says([&*format!("127.0.0.1:{free}"), "refused"]);
        assert!(run.took < Duration::from_secs(6), "{run}");
    }

    // Connections come up, and nobody ever says anything.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("its address").port();
    let black_hole = kubeconfig(port);
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let runs = commands.map(|command| scope.spawn(|| elsewhere(cluster, black_hole.path(), command)));
        runs.into_iter().map(|run| run.join().expect("the run ends")).collect()
    });
    for run in runs {
        let run = run.exits(1).says([&*format!("127.0.0.1:{port}")]);
        assert!(run.took < Duration::from_millis(6500), "{run}");
    }
}
