//! An update that changes configuration and no image: who restarts, found through every way in which a pod spec can
//! use a ConfigMap or a Secret, and who does not.

use crate::support::manifests::{config_map, container, env_of, mounting, pod, secret, spec, workload, yaml};
use crate::support::{Draft, Namespace, Objects, cluster};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every user by its workload; who uses what is said beside each.
const WORKLOADS: [&str; 12] = [
    "Deployment/by-env",
    "DaemonSet/by-env-from",
    "ReplicaSet/by-items",
    "StatefulSet/by-secret",
    "Pod/pod-env",
    "Pod/pod-env-from",
    "Pod/pod-items",
    "Pod/pod-projected",
    "Pod/pod-sub-path",
    "Pod/pod-init",
    "Pod/pod-none",
    "Deployment/other",
];

fn package() -> Draft {
    let literal = json!({"name": "LITERAL", "value": "as it is"});
    // `env` of `keys`, and all of `whole`, both beside a literal entry.
    let env = spec(&container("nginx", &json!({"env": [literal, env_of("CM_ENV", "keys", "env")]})), &json!({}));
    let from = json!({"env": [literal], "envFrom": [{"prefix": "CM_", "configMapRef": {"name": "whole"}}]});
    let env_from = spec(&container("nginx", &from), &json!({}));
    // `file` of `keys`.
    let item = |key: &str| json!([{"key": key, "path": format!("{key}.txt")}]);
    let items = mounting("nginx", &json!({"configMap": {"name": "keys", "items": item("file")}}));
    // All of `hidden`.
    let all = mounting("nginx", &json!({"secret": {"secretName": "hidden"}}));
    // `joined` of `keys`, `token` of `hidden`.
    let sources = json!([
        {"configMap": {"name": "keys", "items": item("joined")}},
        {"secret": {"name": "hidden", "items": item("token")}},
    ]);
    let projected = mounting("nginx", &json!({"projected": {"sources": sources}}));
    // `single` of `keys`.
    let mount =
        json!({"volumeMounts": [{"name": "config", "mountPath": "/config/single.txt", "subPath": "single.txt"}]});
    let volume = json!({"name": "config", "configMap": {"name": "keys", "items": item("single")}});
    let sub_path = spec(&container("nginx", &mount), &json!({"volumes": [volume]}));
    // `first` of `keys`.
    let mut first = container("busybox", &json!({"command": ["/bin/sh", "-c", "echo CM_FIRST=$CM_FIRST"]}));
    first["name"] = "first".into();
    first["env"] = json!([env_of("CM_FIRST", "keys", "first")]);
    let init = spec(&container("nginx", &json!({})), &json!({"initContainers": [first]}));
    // Nothing; and a ConfigMap that does not change.
    let none = spec(&container("nginx", &json!({})), &json!({}));
    let other = spec(&container("nginx", &json!({"env": [env_of("CM_OTHER", "other", "env")]})), &json!({}));

    let keys = ["env", "file", "joined", "single", "first", "free"].map(|key| (key, key));
    let config = yaml(&[
        config_map(
            "keys",
            &keys.map(|(key, value)| (key, [value, " old"].concat())).each_ref().map(|(k, v)| (*k, v.as_str())),
        ),
        config_map("whole", &[("value", "whole old")]),
        config_map("other", &[("env", "other")]),
        secret("hidden", &[("password", "password old"), ("token", "token old")]),
    ]);
    let workloads = yaml(&[
        workload("Deployment", "by-env", "by-env", Some(1), &env),
        workload("DaemonSet", "by-env-from", "by-env-from", None, &env_from),
        workload("ReplicaSet", "by-items", "by-items", Some(1), &items),
        workload("StatefulSet", "by-secret", "by-secret", Some(1), &all),
        pod("pod-env", &env),
        pod("pod-env-from", &env_from),
        pod("pod-items", &items),
        pod("pod-projected", &projected),
        pod("pod-sub-path", &sub_path),
        pod("pod-init", &init),
        pod("pod-none", &none),
        workload("Deployment", "other", "other", Some(1), &other),
    ]);
    let names = WORKLOADS.map(|workload| workload.split_once('/').expect("Kind/name").1);
    Draft::of("Configured", &[("config.yaml", &config), ("workloads.yaml", &workloads)], &names)
}

#[test]
fn a_changed_key_restarts_exactly_its_users() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "config");
    let mut draft = package();
    ns.vnf(&["instantiate", "cfg", "--package", &draft.write().path()]).succeeds();
    let mut old = ns.at_rest();

    let mut update = |changed: &[&str], users: &[&str]| {
        for value in changed {
            draft = draft.clone().edit("config.yaml", &format!("{value} old"), &format!("{value} new"));
        }
        ns.vnf(&["update", "cfg", "--package", &draft.write().path()]).succeeds();
        let new = ns.at_rest();
        assert_moved(&old, &new, changed, users);
        old = new;
    };
    // A controller of each kind, and bare Pods that use the same.
    update(
        &["env", "file", "whole", "password"],
        &[
            "Deployment/by-env",
            "DaemonSet/by-env-from",
            "ReplicaSet/by-items",
            "StatefulSet/by-secret",
            "Pod/pod-env",
            "Pod/pod-env-from",
            "Pod/pod-items",
        ],
    );
    update(&["free"], &[]);
    update(&["joined"], &["Pod/pod-projected"]);
    update(&["single", "first"], &["Pod/pod-sub-path", "Pod/pod-init"]);
    update(&["token"], &["StatefulSet/by-secret", "Pod/pod-projected"]);

    let log = |workload: &str| ns.log(old.pod_of(workload).name());
    for workload in ["Deployment/by-env", "Pod/pod-env"] {
        assert!(log(workload).contains("CM_ENV=env new\n"), "{workload}: {}", log(workload));
    }
    for workload in ["DaemonSet/by-env-from", "Pod/pod-env-from"] {
        assert!(log(workload).contains("CM_value=whole new\n"), "{workload}: {}", log(workload));
    }
    for (workload, content) in [
        ("ReplicaSet/by-items", "/config/file.txt: file new\n"),
        ("Pod/pod-items", "/config/file.txt: file new\n"),
        ("StatefulSet/by-secret", "/config/password: password new\n/config/token: token new\n"),
        ("Pod/pod-projected", "/config/joined.txt: joined new\n/config/token.txt: token new\n"),
        ("Pod/pod-sub-path", "/config/single.txt: single new\n"),
    ] {
        assert!(log(workload).contains(content), "{workload}: {}", log(workload));
    }
    assert!(ns.kubectl(&["logs", "pod-init", "-c", "first"]).succeeds().stdout.contains("CM_FIRST=first new\n"));
}

#[test]
fn another_spelling_of_the_same_configuration_restarts_nobody() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "spelling");
    let user = spec(
        &container(
            "nginx",
            &json!({"env": [{"name": "SEC", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
        ),
        &json!({}),
    );
    let manifest = |secret: &Value| yaml(&[secret.clone(), pod("user", &user)]);
    let draft = Draft::of("Spelled", &[("all.yaml", &manifest(&secret("s", &[("k", "value")])))], &["user"]);
    ns.vnf(&["instantiate", "spelled", "--package", &draft.write().path()]).succeeds();
    let old = ns.at_rest();

    let encoded = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "dmFsdWU="}, "stringData": {}});
    let draft = draft.manifest("all.yaml", &manifest(&encoded));
    ns.vnf(&["update", "spelled", "--package", &draft.write().path()]).succeeds();
    let new = ns.at_rest();
    assert_eq!(new.get("Pod/user").life(), old.get("Pod/user").life());
    assert_eq!(new.get("Secret/s").version(), old.get("Secret/s").version());
}

#[test]
fn any_text_can_be_changed() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "text");
    let texts = ["a && b <c> 'd'", "\u{2028}\u{2029}\u{1}\u{8}\u{c}\t\r\n\\ \"é\" \u{1f600}", "plain"];
    let manifest = |text: &str| yaml(&[config_map("c", &[("k", text)]), secret("s", &[("k", text)])]);
    let draft = Draft::of("Texts", &[("all.yaml", &manifest("first"))], &[]);
    ns.vnf(&["instantiate", "texts", "--package", &draft.write().path()]).succeeds();
    // Each is written, and each is what the next one finds.
    for text in texts {
        let draft = draft.clone().manifest("all.yaml", &manifest(text));
        ns.vnf(&["update", "texts", "--package", &draft.write().path()]).succeeds();
        assert_eq!(ns.object("configmap/c").text("/data/k"), text);
    }
}

/// Asserts that `users` have new Pods, bare ones under their names, and that no other Pod has noticed anything.
fn assert_moved(old: &Objects, new: &Objects, changed: &[&str], users: &[&str]) {
    let moved: BTreeSet<_> =
        WORKLOADS.into_iter().filter(|workload| new.pod_of(workload).life() != old.pod_of(workload).life()).collect();
    assert_eq!(moved, users.iter().copied().collect(), "after {changed:?} changed");
    for workload in users {
        let (new, old) = (new.pod_of(workload), old.pod_of(workload));
        assert!(new.uid() != old.uid() && new.is_ready(), "{workload} has a new Pod that is ready");
        assert_eq!(new.life().restarts, 0, "{workload}");
    }
}
