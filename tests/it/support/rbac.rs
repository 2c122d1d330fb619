//! Users who may do less than everything.

use super::manifests::yaml;
use super::namespace::Namespace;
use super::wait::eventually;
use serde_json::{Value, json};
use std::time::Duration;

const GROUP: &str = "rbac.authorization.k8s.io";

/// All verbs on these resources.
pub fn rule(group: &str, resources: &[&str]) -> Value {
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete"];
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

/// A user who may do this in the namespace, and nothing else.
pub fn role(ns: &Namespace, user: &str, rules: &[Value]) {
    bind(ns, user, &json!({"apiGroup": GROUP, "kind": "User", "name": user}), rules);
    in_force(ns, user);
}

/// A service account that may do this in the namespace, and nothing else: its token.
pub fn service_account(ns: &Namespace, name: &str, rules: &[Value]) -> String {
    ns.kubectl(&["create", "serviceaccount", name]).succeeds();
    bind(ns, name, &json!({"kind": "ServiceAccount", "name": name, "namespace": ns.name}), rules);
    in_force(ns, &format!("system:serviceaccount:{}:{name}", ns.name));
    ns.kubectl(&["create", "token", name]).succeeds().stdout.trim().to_owned()
}

fn bind(ns: &Namespace, name: &str, subject: &Value, rules: &[Value]) {
    let version = format!("{GROUP}/v1");
    let bound = json!({"apiGroup": GROUP, "kind": "Role", "name": name});
    ns.create(&yaml(&[
        json!({"apiVersion": version, "kind": "Role", "metadata": {"name": name}, "rules": rules}),
        json!({"apiVersion": version, "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": bound, "subjects": [subject]}),
    ]));
}

fn in_force(ns: &Namespace, user: &str) {
    eventually("the role is in force", Duration::from_secs(10), || {
        (ns.kubectl(&["auth", "can-i", "list", "configmaps", "--as", user]).code == Some(0)).then_some(())
    });
}
