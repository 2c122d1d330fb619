//! What we may do on the server.

use super::{
    Cluster, ClusterError,
    request::{Ask, JSON},
};
use futures::future::try_join_all;
use http::Method;
use serde_json::{Value, json};

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

impl Cluster {
    /// Which of these rights we have, in their order. One request per right, several at a time.
    ///
    /// # Errors
    /// The first failure of a request.
    pub async fn allowed(&self, rules: &[Access]) -> Result<Vec<bool>, ClusterError> {
        try_join_all(rules.iter().map(|rule| async {
            let url = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned();
            let ask = Ask::new(Method::POST, url, "check", "access rights").body(JSON, &rule.review()).repeatable();
            let answer = self.ask(ask).await?;
            Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false))
        }))
        .await
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
}
