//! What we may do on the server.
//!
//! One review of all rules answers for a whole namespace. It only ever says yes: what it does not list, or cannot
//! tell because an authorizer does not enumerate its rules, is asked for right by right.

use super::{
    Cluster, ClusterError,
    request::{Ask, JSON},
};
use futures::future::{join_all, try_join_all};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One right to ask about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// `get`, `create`, ...
    pub verb: String,
    /// API group, `""` for core.
    pub group: String,
    /// Plural, `pods`.
    pub resource: String,
    /// `eviction`, `scale`, ...
    pub subresource: Option<String>,
    /// `None` for cluster-wide kinds, and to ask for all namespaces.
    pub namespace: Option<String>,
    /// `None` to ask for any name.
    pub name: Option<String>,
}

impl Access {
    fn review(&self) -> Value {
        let mut attributes = json!({"verb": self.verb, "group": self.group, "resource": self.resource});
        let optional = [("subresource", &self.subresource), ("namespace", &self.namespace), ("name", &self.name)];
        for (key, value) in optional {
            if let Some(value) = value {
                attributes[key] = value.as_str().into();
            }
        }
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        })
    }
}

/// Whether a rule of the server grants a right, as its RBAC authorizer reads rules. A rule for named objects grants
/// nothing to who asks for any name.
fn grants(rule: &Value, access: &Access) -> bool {
    let listed = |field: &str, fits: &dyn Fn(&str) -> bool| {
        rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).any(fits)
    };
    let resource = |listed: &str| match &access.subresource {
        None => listed == "*" || listed == access.resource,
        Some(sub) => {
            let any_of = listed.strip_prefix("*/") == Some(sub);
            listed == "*" || any_of || listed.split_once('/') == Some((&access.resource, sub))
        }
    };
    let all_names = rule["resourceNames"].as_array().is_none_or(Vec::is_empty);
    let named = || access.name.as_ref().is_some_and(|name| listed("resourceNames", &|listed| listed == name));
    listed("verbs", &|listed| listed == "*" || listed == access.verb)
        && listed("apiGroups", &|listed| listed == "*" || listed == access.group)
        && listed("resources", &resource)
        && (all_names || named())
}

impl Cluster {
    /// Which of these rights we have, in their order: one request per namespace, and one for each right that it
    /// leaves open.
    ///
    /// # Errors
    /// The first failure of a request.
    pub async fn allowed(&self, rights: &[Access]) -> Result<Vec<bool>, ClusterError> {
        let mut rules: BTreeMap<&str, Vec<Value>> =
            rights.iter().filter_map(|right| Some((right.namespace.as_deref()?, Vec::new()))).collect();
        let namespaces: Vec<&str> = rules.keys().copied().collect();
        let reviews = namespaces.iter().map(|namespace| self.rules(namespace));
        for (namespace, found) in namespaces.iter().zip(join_all(reviews).await) {
            rules.insert(namespace, found);
        }
        let granted = |right: &Access| {
            let rules = right.namespace.as_deref().and_then(|namespace| rules.get(namespace));
            rules.into_iter().flatten().any(|rule| grants(rule, right))
        };
        try_join_all(rights.iter().map(async |right| {
            if granted(right) {
                return Ok(true);
            }
            let url = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned();
            let ask = Ask::new(Method::POST, url, "check", "access rights").body(JSON, &right.review()).repeatable();
            let answer = self.ask(ask).await?;
            Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false))
        }))
        .await
    }

    /// The rules that hold for us in a namespace; none where the server does not tell all of them, for an authorizer
    /// that lists nothing may also be one that forbids.
    async fn rules(&self, namespace: &str) -> Vec<Value> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        });
        let url = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews".to_owned();
        let ask = Ask::new(Method::POST, url, "check", "access rules").body(JSON, &review).repeatable();
        // Whatever is wrong with it, the single reviews will say so.
        let mut answer = self.ask(ask).await.unwrap_or_default();
        match answer.pointer("/status/incomplete").and_then(Value::as_bool) {
            Some(false) => match answer.pointer_mut("/status/resourceRules").map(Value::take) {
                Some(Value::Array(rules)) => rules,
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_names_only_what_is_asked() {
        let access = Access {
            verb: "create".into(),
            resource: "pods".into(),
            subresource: Some("eviction".into()),
            namespace: Some("x".into()),
            ..Access::default()
        };
        assert_eq!(
            access.review()["spec"]["resourceAttributes"],
            json!({"verb": "create", "group": "", "resource": "pods", "subresource": "eviction", "namespace": "x"})
        );
    }

    #[test]
    fn rules_grant_as_the_server_reads_them() {
        let right = |verb: &str, group: &str, resource: &str, subresource: Option<&str>, name: Option<&str>| Access {
            verb: verb.into(),
            group: group.into(),
            resource: resource.into(),
            subresource: subresource.map(Into::into),
            namespace: Some("x".into()),
            name: name.map(Into::into),
        };
        let get = |name| right("get", "", "pods", None, name);
        let evict = right("create", "", "pods", Some("eviction"), None);
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs, "resourceNames": names});
        for (what, rule, right, granted) in [
            ("as written", rule(&[""], &["configmaps", "pods"], &["list", "get"], &[]), get(None), true),
            ("no names at all", json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}), get(None), true),
            ("another verb", rule(&[""], &["pods"], &["list"], &[]), get(None), false),
            ("another group", rule(&["apps"], &["pods"], &["get"], &[]), get(None), false),
            ("everything", rule(&["*"], &["*"], &["*"], &[]), get(None), true),
            ("everything, subresources too", rule(&["*"], &["*"], &["*"], &[]), evict.clone(), true),
            ("named objects for any", rule(&[""], &["pods"], &["get"], &["a"]), get(None), false),
            ("named objects for one", rule(&[""], &["pods"], &["get"], &["a"]), get(Some("a")), true),
            ("named objects for another", rule(&[""], &["pods"], &["get"], &["a"]), get(Some("b")), false),
            ("a subresource", rule(&[""], &["pods/eviction"], &["create"], &[]), evict.clone(), true),
            ("a subresource of all", rule(&[""], &["*/eviction"], &["create"], &[]), evict.clone(), true),
            ("the resource alone", rule(&[""], &["pods"], &["create"], &[]), evict.clone(), false),
            ("all subresources is nothing", rule(&[""], &["pods/*"], &["create"], &[]), evict, false),
            ("a subresource alone", rule(&[""], &["pods/log"], &["get"], &[]), get(None), false),
        ] {
            assert_eq!(grants(&rule, &right), granted, "{what}");
        }
    }
}
