//! What can be asked of any kind: read, list, create, replace, patch, apply, delete. Every write carries the field
//! manager. What is special to Pods is in `pods`.

use super::{
    Cluster, ClusterError, FIELD_MANAGER,
    request::{Ask, JSON, describe, describe_all, read_json},
    resource::with_query,
};
use crate::object::{ObjectRef, text};
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// Objects per page of a list.
const PAGE: &str = "500";
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

/// The answer to a list request.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T = Value> {
    /// The objects, `apiVersion` and `kind` filled in, or what was made of each.
    pub items: Vec<T>,
    /// Where a watch can go on from.
    pub resource_version: String,
}

/// Which state of an object there is, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The object.
    pub object: ObjectRef,
    /// Its UID.
    pub uid: String,
    /// Its `resourceVersion`.
    pub resource_version: String,
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

/// Who wrote which field: most of what the metadata of an object are.
fn without_managers(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// A page of a list, its objects not read yet: read at once, a page of Pods would take many times its size.
#[derive(Deserialize)]
struct Page<'p> {
    metadata: PageMetadata,
    #[serde(borrow, default, deserialize_with = "items")]
    items: Vec<&'p RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageMetadata {
    resource_version: String,
    r#continue: String,
}

/// As much of an object as a [`Version`] takes.
#[derive(Deserialize)]
struct Head {
    metadata: HeadMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadMetadata {
    name: String,
    namespace: Option<String>,
    uid: String,
    resource_version: String,
}

/// An empty list may come as null.
fn items<'p, D: Deserializer<'p>>(items: D) -> Result<Vec<&'p RawValue>, D::Error> {
    Ok(Option::deserialize(items)?.unwrap_or_default())
}

/// Metadata-only answers name a kind of their own.
fn name_kind(object: &mut Value, api_version: &str, kind: &str) {
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
}

/// What `each` makes of an object of a list, whose items name no kind, or that of the metadata-only answer.
fn named<T>(api_version: &str, kind: &str, mut each: impl FnMut(Value) -> T) -> impl FnMut(Value) -> T {
    move |mut object| {
        name_kind(&mut object, api_version, kind);
        each(object)
    }
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

    /// Lists objects, all pages of them, in one namespace or (`None`) in all. An empty selector selects all.
    ///
    /// # Errors
    /// Whatever befell the requests.
    pub async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Listing, ClusterError> {
        self.list_each(api_version, kind, namespace, selector, |object| object).await
    }

    /// As [`Self::list`], of each object what `each` makes of it as soon as it has come.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_each<T>(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
        each: impl FnMut(Value) -> T,
    ) -> Result<Listing<T>, ClusterError> {
        let each = named(api_version, kind, each);
        self.list_as(JSON, api_version, kind, namespace, &[("labelSelector", selector)], each).await
    }

    /// Lists the metadata of objects, without their managedFields.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_metadata(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Listing, ClusterError> {
        let query = [("labelSelector", selector)];
        let each = named(api_version, kind, without_managers);
        self.list_as(METADATA_LIST, api_version, kind, namespace, &query, each).await
    }

    /// Lists in which state objects are. Of a thousand Pods that is read in a few milliseconds.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_versions(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Version>, ClusterError> {
        let query = [("labelSelector", selector)];
        let each = |Head { metadata }: Head| Version {
            object: ObjectRef::new(api_version, kind, metadata.namespace.as_deref(), &metadata.name),
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        };
        Ok(self.list_as(METADATA_LIST, api_version, kind, namespace, &query, each).await?.items)
    }

    /// Lists with any query, of each object what `each` makes of as much as is read of it; empty values are left out.
    async fn list_as<O: DeserializeOwned, T>(
        &self,
        accept: &'static str,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        query: &[(&str, &str)],
        mut each: impl FnMut(O) -> T,
    ) -> Result<Listing<T>, ClusterError> {
        let path = self.kind_path(api_version, kind, namespace).await?;
        let what = describe_all(kind, namespace);
        let mut listing = Listing { items: Vec::new(), resource_version: String::new() };
        let mut next = String::new();
        loop {
            let mut query: Vec<(&str, &str)> = query.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
            query.push(("limit", PAGE));
            if !next.is_empty() {
                query.push(("continue", &next));
            }
            let ask = Ask::new(Method::GET, with_query(&path, &query), "list", &what);
            let ask = ask.of_kind(api_version, kind).accept(accept);
            let body = match self.ask_raw(&ask).await {
                // The pages' common state was compacted away under a slow reader: begin anew.
                Err(error) if !next.is_empty() && error.status().is_some_and(|s| s.code == 410) => {
                    listing.items.clear();
                    next.clear();
                    continue;
                }
                body => body?,
            };
            let page: Page<'_> = read_json(&ask, &body)?;
            listing.items.reserve(page.items.len());
            for item in page.items {
                listing.items.push(each(read_json(&ask, item.get().as_bytes())?));
            }
            listing.resource_version = page.metadata.resource_version;
            next = page.metadata.r#continue;
            if next.is_empty() {
                break;
            }
        }
        Ok(listing)
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
        let each = named("v1", "Event", |event| event);
        let listing = self.list_as(JSON, "v1", "Event", Some(namespace), &[("fieldSelector", &field)], each).await;
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
