//! What can go wrong between this program and an API server, and how a kubectl user is told.
//!
//! `ClusterError` is the only error that leaves this module; `transport` sorts the HTTP client's into it.
//! What to do about an error (try again, plan anew, give up) is the caller's decision; the `is_*` functions tell
//! apart what callers have to tell apart.

use super::status::{Cause, Status};
use crate::object::ObjectRef;
use std::{fmt::Write as _, path::PathBuf, time::Duration};

/// Why something asked of a cluster did not happen.
///
/// `Display` is one or more lines for a person, without a trailing newline.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClusterError {
    /// No kubeconfig file exists at any of the places where one is looked for.
    #[error("{}", no_kubeconfig(.looked))]
    NoKubeconfig {
        /// The files looked for, in order.
        looked: Vec<PathBuf>,
    },
    /// A kubeconfig file, or what it points at, cannot be read or understood.
    #[error("{why}")]
    Kubeconfig {
        /// What is wrong, with the file's name.
        why: String,
    },
    /// The kubeconfig names no current context, and none was asked for.
    #[error("the kubeconfig has no current context; choose one with --context{}", known_names(.known))]
    NoCurrentContext {
        /// The contexts that exist.
        known: Vec<String>,
    },
    /// The context asked for does not exist.
    #[error("context {name} does not exist in the kubeconfig{}", known_names(.known))]
    NoContext {
        /// The name asked for.
        name: String,
        /// The contexts that exist.
        known: Vec<String>,
    },
    /// The cluster or user that a context or flag names does not exist.
    #[error("{what} {name} does not exist in the kubeconfig{}", known_names(.known))]
    NoEntry {
        /// `cluster` or `user`.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// The entries of that sort that exist.
        known: Vec<String>,
    },
    /// Credentials could not be had: a plugin failed, a token file is missing.
    #[error("{why}{}", .hint.as_ref().map(|h| format!("\n{h}")).unwrap_or_default())]
    Credentials {
        /// What failed.
        why: String,
        /// The plugin's own install hint, from the kubeconfig.
        hint: Option<String>,
    },
    /// Nothing listens at the server's address. Nothing was sent.
    #[error("the connection to the server {server} was refused - did you specify the right host or port?")]
    Refused {
        /// `host:port`.
        server: String,
    },
    /// No connection could be made (name, route, TLS, time). Nothing was sent.
    #[error("unable to connect to the server {server}: {why}")]
    Unreachable {
        /// `host:port`.
        server: String,
        /// The reason.
        why: String,
    },
    /// The connection broke before the answer was complete: the server may or may not have done what was asked.
    #[error("the connection to the server {server} broke while trying to {action}: {why}")]
    Broken {
        /// `host:port`.
        server: String,
        /// Verb and object.
        action: String,
        /// The reason.
        why: String,
    },
    /// The answer did not come in time: the server may or may not have done what was asked.
    #[error("the server {server} did not answer within {} s while trying to {action}", .after.as_secs_f64())]
    Timeout {
        /// `host:port`.
        server: String,
        /// Verb and object.
        action: String,
        /// How long was waited.
        after: Duration,
    },
    /// A write that came to its turn when its fence had shut. Nothing was sent.
    #[error("did not {action}: it had waited for so long that the lock may have run out")]
    Held {
        /// Verb and object.
        action: String,
    },
    /// The server does not know who we are.
    #[error("you must be logged in to the server {server} ({message})")]
    Unauthorized {
        /// `host:port`.
        server: String,
        /// The server's words.
        message: String,
    },
    /// A kind that the cluster does not serve.
    #[error("the cluster does not serve kind {kind} of {api_version}")]
    NotServed {
        /// `v1`, `apps/v1`, ...
        api_version: String,
        /// The kind.
        kind: String,
    },
    /// A namespaced object was named without its namespace: a mistake of the caller, never guessed at.
    #[error("{0} has no namespace")]
    NoNamespace(ObjectRef),
    /// The object to be written lacks apiVersion, kind or name.
    #[error("an object without apiVersion, kind or metadata.name cannot be written")]
    NoIdentity,
    /// The server refused.
    #[error("{}", refusal(.verb, .what, .status))]
    Api {
        /// `create`, `patch`, `evict`, ...
        verb: String,
        /// `Deployment web in namespace x`.
        what: String,
        /// The server's answer.
        status: Box<Status>,
    },
    /// The answer is not what the Kubernetes API promises.
    #[error("the server's answer to {action} is not understood: {why}")]
    Garbled {
        /// Verb and object.
        action: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ClusterError {
    /// The server's answer, when there was one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Api { status, .. } => Some(status),
            _ => None,
        }
    }

    fn reason(&self) -> &str {
        self.status().map_or("", |s| s.reason.as_str())
    }

    fn code(&self) -> u16 {
        self.status().map_or(0, |s| s.code)
    }

    /// The object (or its namespace) does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == 404
    }

    /// Another writer was first: a stale resourceVersion, a failed precondition, another field manager.
    pub fn is_conflict(&self) -> bool {
        self.code() == 409 && !self.is_already_exists()
    }

    /// The field managers in whose way an apply would be, each with a field.
    pub fn owners(&self) -> Vec<&Cause> {
        let Self::Api { status, .. } = self else { return Vec::new() };
        status.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict").collect()
    }

    /// An object of that name exists, also while it is being deleted.
    pub fn is_already_exists(&self) -> bool {
        self.reason() == "AlreadyExists"
    }

    /// Refused by authorization, quota or an admission check.
    pub fn is_forbidden(&self) -> bool {
        self.code() == 403
    }

    /// Refused by authorization: this user may not do this.
    pub fn is_not_allowed(&self) -> bool {
        self.code() == 403 && self.status().is_some_and(|s| denial(&s.message).is_some())
    }

    /// The object is not valid (422); also a JSON Patch whose `test` failed, which comes without causes.
    pub fn is_invalid(&self) -> bool {
        self.code() == 422
    }

    /// 429: the server is busy, or a disruption budget blocks an eviction.
    pub fn is_too_many_requests(&self) -> bool {
        self.code() == 429
    }

    /// The answer did not come in time.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. }) || self.reason() == "Timeout"
    }

    /// Nothing was sent to the server, so that even a write can be tried again without a look.
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreachable { .. } | Self::Credentials { .. } | Self::Held { .. })
    }

    /// There was no answer: the server is restarting or the network is gone.
    pub fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::Unreachable { .. }
                | Self::Broken { .. }
                | Self::Timeout { .. }
                | Self::Held { .. }
        )
    }

    /// Likely to pass by itself: the network, a busy or restarting server. Not: a budget that blocks an eviction.
    pub fn is_transient(&self) -> bool {
        match self {
            _ if self.is_outage() => true,
            Self::Api { status, .. } => {
                matches!(status.code, 500 | 502 | 503 | 504)
                    || (status.code == 429 && status.cause("DisruptionBudget").is_none())
            }
            _ => false,
        }
    }

    /// The object (or its namespace) exists, but is on its way out: wait until it is gone, then try again.
    pub fn being_deleted(&self) -> bool {
        self.status()
            .is_some_and(|s| s.message.contains("object is being deleted") || s.cause("NamespaceTerminating").is_some())
    }
}

fn no_kubeconfig(looked: &[PathBuf]) -> String {
    let mut text = String::from("no kubeconfig found; name one with --kubeconfig or KUBECONFIG (looked for ");
    if looked.is_empty() {
        text.push_str("~/.kube/config, but there is no home directory");
    }
    for (index, path) in looked.iter().enumerate() {
        let _ = write!(text, "{}{}", if index == 0 { "" } else { ", " }, path.display());
    }
    text + ")"
}

fn known_names(known: &[String]) -> String {
    if known.is_empty() { "; it has none".into() } else { format!("; known: {}", known.join(", ")) }
}

/// What kubectl would say to a refusal, in our words where the server's are long.
fn refusal(verb: &str, what: &str, status: &Status) -> String {
    if status.code == 403
        && let Some(text) = denial(&status.message)
    {
        return text;
    }
    if status.code == 422 && !status.causes.is_empty() {
        let mut text = format!("{what} is invalid:");
        for cause in &status.causes {
            let _ = match cause.field.as_str() {
                "" => write!(text, "\n  * {}", cause.message),
                field => write!(text, "\n  * {field}: {}", cause.message),
            };
        }
        return text;
    }
    let foreign: Vec<_> = status.causes.iter().filter(|c| c.reason == "FieldManagerConflict").collect();
    if !foreign.is_empty() {
        let mut text = format!("cannot {verb} {what}: fields are managed by others:");
        for cause in foreign {
            let _ = write!(text, "\n  * {}: {}", cause.field, cause.message);
        }
        return text;
    }
    match status.message.as_str() {
        "" if status.reason.is_empty() => format!("cannot {verb} {what}: the server answered {}", status.code),
        "" => format!("cannot {verb} {what}: {} ({})", status.reason, status.code),
        message => format!("cannot {verb} {what}: {message}"),
    }
}

/// Turns an authorizer's message into `not allowed to create pods/eviction in namespace default (user "ann")`.
/// `None` for the other sorts of 403: quota, admission, a terminating namespace.
fn denial(message: &str) -> Option<String> {
    // pods "x" is forbidden: User "ann" cannot create resource "pods/eviction" in API group "" in the namespace "default": reason
    let (before, rest) = message.split_once(" cannot ")?;
    let (verb, rest) = rest.split_once(" resource ")?;
    let mut quoted = rest.split('"').skip(1).step_by(2);
    let resource = quoted.next()?;
    let group = quoted.next()?;
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let place = match rest.split_once(" in the namespace \"").and_then(|(_, r)| r.split_once('"')) {
        Some((namespace, _)) => format!(" in namespace {namespace}"),
        None => " cluster-wide".to_owned(),
    };
    // `deployments.apps/scale`: the group belongs to the resource, not to the subresource.
    let resource = match resource.split_once('/') {
        Some((plural, sub)) => format!("{plural}{group}/{sub}"),
        None => format!("{resource}{group}"),
    };
    let user = before.rsplit_once("User \"").and_then(|(_, r)| r.split_once('"')).map(|(user, _)| user);
    let user = user.map(|user| format!(" (user \"{user}\")")).unwrap_or_default();
    Some(format!("not allowed to {verb} {resource}{place}{user}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::status::Cause;

    fn api(code: u16, reason: &str, message: &str) -> ClusterError {
        let status = Status { code, reason: reason.into(), message: message.into(), ..Status::default() };
        let what = "Deployment web in namespace x".into();
        ClusterError::Api { verb: "patch".into(), what, status: Box::new(status) }
    }

    #[test]
    fn a_denial_names_verb_resource_place_and_user() {
        let message = "pods \"p\" is forbidden: User \"ann\" cannot create resource \"pods/eviction\" in API group \"\" in the namespace \"default\"";
        let error = api(403, "Forbidden", message);
        assert_eq!(error.to_string(), "not allowed to create pods/eviction in namespace default (user \"ann\")");
        assert!(error.is_not_allowed());
        let message = "deployments.apps is forbidden: User \"ann\" cannot patch resource \"deployments/scale\" in API group \"apps\" at the cluster scope: RBAC: role missing";
        assert_eq!(
            api(403, "Forbidden", message).to_string(),
            "not allowed to patch deployments.apps/scale cluster-wide (user \"ann\")"
        );
    }

    #[test]
    fn a_full_quota_is_no_denial() {
        let error = api(403, "Forbidden", "pods \"p\" is forbidden: exceeded quota: q, requested: pods=1");
        assert!(error.is_forbidden() && !error.is_not_allowed());
        assert!(error.to_string().contains("exceeded quota: q"));
    }

    #[test]
    fn an_invalid_object_lists_its_fields() {
        let cause = |field: &str, message: &str| Cause {
            reason: "FieldValueInvalid".into(),
            message: message.into(),
            field: field.into(),
        };
        let status = Status {
            code: 422,
            reason: "Invalid".into(),
            causes: vec![cause("spec.replicas", "must be positive"), cause("", "no field")],
            ..Status::default()
        };
        let error =
            ClusterError::Api { verb: "create".into(), what: "Deployment web".into(), status: Box::new(status) };
        assert_eq!(error.to_string(), "Deployment web is invalid:\n  * spec.replicas: must be positive\n  * no field");
    }

    #[test]
    fn a_field_conflict_names_field_and_manager() {
        let cause = Cause {
            reason: "FieldManagerConflict".into(),
            message: "conflict with \"kubectl-set\" using apps/v1".into(),
            field: ".spec.replicas".into(),
        };
        let status = Status { code: 409, reason: "Conflict".into(), causes: vec![cause], ..Status::default() };
        let what = "Deployment web in namespace x".into();
        let error = ClusterError::Api { verb: "apply".into(), what, status: Box::new(status) };
        assert_eq!(
            error.to_string(),
            "cannot apply Deployment web in namespace x: fields are managed by others:\n  \
             * .spec.replicas: conflict with \"kubectl-set\" using apps/v1"
        );
    }

    #[test]
    fn errors_are_told_apart() {
        assert!(api(409, "Conflict", "").is_conflict());
        let deleted = api(409, "AlreadyExists", "object is being deleted: pods \"p\" already exists");
        assert!(deleted.is_already_exists() && deleted.being_deleted() && !deleted.is_conflict());
        assert!(api(503, "", "").is_transient() && !api(422, "Invalid", "").is_transient());
        let refused = ClusterError::Refused { server: "h:1".into() };
        assert!(refused.is_unsent() && refused.is_transient());
        assert_eq!(
            refused.to_string(),
            "the connection to the server h:1 was refused - did you specify the right host or port?"
        );
    }

    #[test]
    fn a_missing_context_names_those_that_exist() {
        let error = ClusterError::NoContext { name: "c".into(), known: vec!["a".into(), "b".into()] };
        assert_eq!(error.to_string(), "context c does not exist in the kubeconfig; known: a, b");
    }
}
