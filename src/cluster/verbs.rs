//! What can be asked of any kind: read, create, replace, patch, apply, delete. Every write carries the field manager.
//! Lists are in `lists`; what is special to Pods, in `pods`.

use super::{
    Cluster, ClusterError, FIELD_MANAGER,
    request::{Ask, JSON, describe},
    resource::with_query,
};
use crate::object::{ObjectRef, text};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
/// Pauses between the tries of a write that the server refuses as a conflict although it asks for no version.
const CONFLICT_PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(300), Duration::from_secs(1)];

/// Whether a write is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Write it. Unknown fields are dropped with a warning (see `Cluster::take_warnings`).
    Real,
    /// Let the server check it and write nothing. Unknown fields are errors.
    Dry,
}

/// What becomes of the objects that an object owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They go first, then it.
    Foreground,
    /// It goes now, they go later.
    #[default]
    Background,
    /// They stay, ownerless.
    Orphan,
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteHow {
    /// Only if the object still has this UID; else a conflict.
    pub uid: Option<String>,
    /// Only if the object has not changed since; else a conflict.
    pub resource_version: Option<String>,
    /// Seconds that a Pod has to end; 0 kills it. `None`: as the Pod says. Does not travel to owned Pods.
    pub grace_seconds: Option<u32>,
    /// What becomes of owned objects.
    pub propagation: Propagation,
}

impl DeleteHow {
    /// The `DeleteOptions` to send.
    fn options(&self) -> Value {
        let mut options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": match self.propagation {
                Propagation::Foreground => "Foreground",
                Propagation::Background => "Background",
                Propagation::Orphan => "Orphan",
            },
        });
        if let Some(seconds) = self.grace_seconds {
            options["gracePeriodSeconds"] = seconds.into();
        }
        if let Some(uid) = &self.uid {
            options["preconditions"]["uid"] = uid.as_str().into();
        }
        if let Some(version) = &self.resource_version {
            options["preconditions"]["resourceVersion"] = version.as_str().into();
        }
        options
    }
}

/// The query of every write.
fn write_query(run: Run) -> Vec<(&'static str, &'static str)> {
    match run {
        Run::Real => vec![("fieldManager", FIELD_MANAGER), ("fieldValidation", "Warn")],
        Run::Dry => vec![("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict"), ("dryRun", "All")],
    }
}

/// `None` for an object that does not exist, so that only other failures are errors.
fn optional<T>(result: Result<T, ClusterError>) -> Result<Option<T>, ClusterError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Metadata-only answers name a kind of their own, and the items of lists none.
pub(super) fn name_kind(object: &mut Value, api_version: &str, kind: &str) {
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
}

impl Cluster {
    /// Reads an object; `None` when there is none.
    ///
    /// # Errors
    /// Whatever befell the request; a kind that the cluster does not serve is an error too.
    pub async fn get(&self, r: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let url = self.object_path(r).await?;
        optional(self.ask(Ask::about(Method::GET, url, "get", r)).await)
    }

    /// Reads an object's metadata only; `None` when there is none.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_metadata(&self, r: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let url = self.object_path(r).await?;
        let mut found = optional(self.ask(Ask::about(Method::GET, url, "get", r).accept(METADATA)).await)?;
        if let Some(object) = &mut found {
            name_kind(object, &r.api_version, &r.kind);
        }
        Ok(found)
    }

    /// Creates an object (POST). One that exists is an error, never taken over.
    ///
    /// # Errors
    /// `is_already_exists` (see `being_deleted`), and whatever else befell the request.
    pub async fn create(&self, object: &Value, run: Run) -> Result<Value, ClusterError> {
        let r = ObjectRef::of(object).ok_or(ClusterError::NoIdentity)?;
        let resource = self.resource(&r.api_version, &r.kind).await?;
        if resource.namespaced && r.namespace.is_none() {
            return Err(ClusterError::NoNamespace(r));
        }
        let path = self.kind_path(&r.api_version, &r.kind, r.namespace.as_deref()).await?;
        let url = with_query(&path, &write_query(run));
        let ask = Ask::about(Method::POST, url, "create", &r).body(JSON, object);
        self.ask(if run == Run::Dry { ask.repeatable() } else { ask }).await
    }

    /// Replaces an object (PUT) under the resourceVersion that it carries.
    ///
    /// # Errors
    /// `is_conflict` when it has changed since it was read, and whatever else befell the request.
    pub async fn replace(&self, object: &Value) -> Result<Value, ClusterError> {
        let r = ObjectRef::of(object).ok_or(ClusterError::NoIdentity)?;
        let url = with_query(&self.object_path(&r).await?, &write_query(Run::Real));
        self.ask(Ask::about(Method::PUT, url, "replace", &r).body(JSON, object)).await
    }

    /// Patches an object with RFC 6902 operations.
    ///
    /// # Errors
    /// A failed `test` is `is_invalid` without causes.
    pub async fn json_patch(&self, r: &ObjectRef, patch: &[Value], run: Run) -> Result<Value, ClusterError> {
        let patch = Value::Array(patch.to_vec());
        self.patch(r, "application/json-patch+json", &patch, run).await
    }

    /// Patches an object with an RFC 7396 merge patch.
    ///
    /// # Errors
    /// Whatever befell the request.
    pub async fn merge_patch(&self, r: &ObjectRef, patch: &Value) -> Result<Value, ClusterError> {
        self.patch(r, "application/merge-patch+json", patch, Run::Real).await
    }

    /// Applies an object (server-side apply): afterwards it has these fields, and no others that this program once
    /// applied. `force`: also fields that another manager owns.
    ///
    /// # Errors
    /// `is_conflict`, with a cause for each field that another manager owns, and whatever else befell the request.
    pub async fn apply(&self, object: &Value, force: bool, run: Run) -> Result<Value, ClusterError> {
        let r = ObjectRef::of(object).ok_or(ClusterError::NoIdentity)?;
        let mut query = write_query(run);
        query.extend(force.then_some(("force", "true")));
        let url = with_query(&self.object_path(&r).await?, &query);
        let ask = Ask::about(Method::PATCH, url, "apply", &r).body("application/apply-patch+yaml", object);
        self.ask(if run == Run::Dry { ask.repeatable() } else { ask }).await
    }

    async fn patch(
        &self,
        r: &ObjectRef,
        content_type: &'static str,
        patch: &Value,
        run: Run,
    ) -> Result<Value, ClusterError> {
        let url = with_query(&self.object_path(r).await?, &write_query(run));
        let ask = Ask::about(Method::PATCH, url, "patch", r).body(content_type, patch);
        let ask = if run == Run::Dry { ask.repeatable() } else { ask };
        // No patch of ours is bound to a version: the server gave way to others who write the object just now.
        let mut pauses = CONFLICT_PAUSES.iter();
        loop {
            match (self.ask(ask.clone()).await, pauses.next()) {
                (Err(error), Some(pause)) if error.is_conflict() => sleep(*pause).await,
                (answer, _) => return answer,
            }
        }
    }

    /// Asks for an object's deletion; it may stand for a while yet (grace, finalizers). `false`: it was gone.
    ///
    /// # Errors
    /// `is_conflict` when a precondition does not hold, and whatever else befell the request.
    pub async fn delete(&self, r: &ObjectRef, how: &DeleteHow) -> Result<bool, ClusterError> {
        let url = self.object_path(r).await?;
        let ask = Ask::about(Method::DELETE, url, "delete", r).body(JSON, &how.options());
        let mut pauses = CONFLICT_PAUSES.iter();
        loop {
            match (optional(self.ask_raw(&ask).await), pauses.next()) {
                // With the object that is meant, it was not the precondition that failed.
                (Err(error), Some(pause)) if error.is_conflict() && self.meets(r, how).await? => sleep(*pause).await,
                (answer, _) => return Ok(answer?.is_some()),
            }
        }
    }

    /// Whether the object is still the one that a deletion is about.
    async fn meets(&self, r: &ObjectRef, how: &DeleteHow) -> Result<bool, ClusterError> {
        let Some(found) = self.get_metadata(r).await? else { return Ok(false) };
        let same = |wanted: &Option<String>, pointer: &str| {
            wanted.as_deref().is_none_or(|wanted| text(&found, pointer) == Some(wanted))
        };
        Ok(same(&how.uid, "/metadata/uid") && same(&how.resource_version, "/metadata/resourceVersion"))
    }

    /// The server's version, `v1.33.1`.
    ///
    /// # Errors
    /// Whatever befell the request.
    pub async fn server_version(&self) -> Result<String, ClusterError> {
        let ask = Ask::new(Method::GET, "/version".into(), "get", "the server's version");
        let action = ask.action();
        let answer = self.ask(ask).await?;
        let version = text(&answer, "/gitVersion").map(ToOwned::to_owned);
        version.ok_or_else(|| ClusterError::Garbled { action, why: "it names no version".into() })
    }

    /// The events about an object that the server still has, newest last.
    ///
    /// # Errors
    /// Whatever befell the request.
    pub async fn events(&self, r: &ObjectRef, uid: &str) -> Result<Vec<Value>, ClusterError> {
        // Events about cluster-wide objects are in the namespace `default`.
        let namespace = r.namespace.as_deref().unwrap_or("default");
        let field = format!("involvedObject.uid={uid}");
        let listing = self.list_fields("v1", "Event", Some(namespace), &field).await;
        let mut events = listing.map_err(|error| reword(error, &format!("events of {}", describe(r))))?.items;
        events.sort_by_cached_key(event_time);
        Ok(events)
    }
}

/// When an event was last seen. Some sources give microseconds and others seconds, so that within one second only
/// the server's own order tells.
fn event_time(event: &Value) -> (Option<i64>, Option<u64>) {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    let second = times.iter().find_map(|pointer| text(event, pointer)?.parse::<jiff::Timestamp>().ok());
    let version = text(event, "/metadata/resourceVersion").and_then(|v| v.parse().ok());
    (second.map(|t| t.as_second()), version)
}

fn reword(error: ClusterError, as_what: &str) -> ClusterError {
    match error {
        ClusterError::Api { verb, status, .. } => ClusterError::Api { verb, what: as_what.into(), status },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delete_options_hold_what_is_asked() {
        let how = DeleteHow {
            uid: Some("u".into()),
            resource_version: Some("7".into()),
            grace_seconds: Some(0),
            propagation: Propagation::Orphan,
        };
        assert_eq!(
            how.options(),
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan",
                "gracePeriodSeconds": 0, "preconditions": {"uid": "u", "resourceVersion": "7"}})
        );
        assert!(DeleteHow::default().options().get("preconditions").is_none());
    }

    #[test]
    fn a_dry_run_is_strict() {
        let query = with_query("/x", &write_query(Run::Dry));
        assert_eq!(query, "/x?fieldManager=kubectl-vnf&fieldValidation=Strict&dryRun=All");
        assert!(!with_query("/x", &write_query(Run::Real)).contains("dryRun"));
    }

    #[test]
    fn events_sort_by_when_they_were_last_seen() {
        let old =
            json!({"lastTimestamp": null, "eventTime": "2025-11-22T16:00:00.5Z", "metadata": {"resourceVersion": "9"}});
        let new = json!({"lastTimestamp": "2025-11-22T16:00:00Z", "metadata": {"resourceVersion": "10"}});
        let series =
            json!({"eventTime": "2025-11-22T15:00:00Z", "series": {"lastObservedTime": "2025-11-22T16:00:01Z"}});
        assert!(event_time(&old) < event_time(&new) && event_time(&new) < event_time(&series));
    }
}
