//! Lists of any kind, all their pages: whole objects, lean ones, metadata. What only tells in which state objects are is
//! read in [`super::versions`].
//!
//! While a large page is read, on threads of its own, the next one is on its way.

use super::{
    Cluster, ClusterError,
    request::{Ask, JSON, describe_all, read_json},
    resource::with_query,
    verbs::name_kind,
};
use crate::apart::{apart, each};
use crate::object::lean::{Lean, Unmanaged, slim};
use futures::future::join;
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a list is usually selected by.
pub(super) const LABELS: &str = "labelSelector";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// Objects per page of a list.
const PAGE: &str = "500";
/// Bytes of a page that is worth other threads.
const LARGE: usize = 100_000;

/// The answer to a list request.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T = Value> {
    /// The objects, `apiVersion` and `kind` filled in, or what was made of each.
    pub items: Vec<T>,
    /// Where a watch can go on from.
    pub resource_version: String,
}

/// A page of a list, its objects not read yet: read at once, a page of Pods would take many times its size.
#[derive(Deserialize)]
struct Page<'p> {
    metadata: PageMetadata,
    #[serde(borrow, default, deserialize_with = "items")]
    items: Vec<&'p RawValue>,
}

/// What a page says of itself.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PageMetadata {
    /// The state that it is of.
    pub resource_version: String,
    /// Asks for the next one; empty on the last.
    pub r#continue: String,
}

/// An empty list may come as null.
fn items<'p, D: Deserializer<'p>>(items: D) -> Result<Vec<&'p RawValue>, D::Error> {
    Ok(Option::deserialize(items)?.unwrap_or_default())
}

/// What is kept of an object, of what is read of it, and its API version and kind.
type Keep<O, T> = fn(O, &str, &str) -> T;

/// Keeps all of an object.
fn whole(mut object: Value, api_version: &str, kind: &str) -> Value {
    name_kind(&mut object, api_version, kind);
    object
}

/// Keeps what is read of an object, a list's or a watch's.
pub(super) fn lean(Lean(object): Lean, api_version: &str, kind: &str) -> Value {
    let mut object = whole(object, api_version, kind);
    slim(&mut object);
    object
}

/// Reads a page; what it says of itself is told before its objects are read.
pub(super) type Read<T> =
    Box<dyn Fn(&Ask, &[u8], oneshot::Sender<PageMetadata>) -> Result<Vec<T>, ClusterError> + Send + Sync>;

/// Reads pages of whole objects, and keeps of each what `keep` makes of as much as is read of it.
fn objects<O: DeserializeOwned + 'static, T: Send + 'static>(
    api_version: &str,
    kind: &str,
    keep: Keep<O, T>,
) -> Read<T> {
    let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
    Box::new(move |ask, body, head| {
        let page: Page<'_> = read_json(ask, body)?;
        // It is always waited for.
        let _ = head.send(page.metadata);
        let keep = |item: &&RawValue| {
            let object = read_json(ask, item.get().as_bytes())?;
            Ok(keep(object, &api_version, &kind))
        };
        let read: Vec<Result<T, ClusterError>> =
            if body.len() < LARGE { page.items.iter().map(keep).collect() } else { each(&page.items, keep) };
        read.into_iter().collect()
    })
}

impl Cluster {
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
        self.list_as(JSON, api_version, kind, namespace, (LABELS, selector), whole).await
    }

    /// As [`Self::list`], without what nobody reads of what workloads' controllers have made.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_lean(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Listing, ClusterError> {
        self.list_as(JSON, api_version, kind, namespace, (LABELS, selector), lean).await
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
        let keep = |Unmanaged(object): Unmanaged, api_version: &str, kind: &str| whole(object, api_version, kind);
        self.list_as(METADATA_LIST, api_version, kind, namespace, (LABELS, selector), keep).await
    }

    /// Lists those objects whose fields this selects, of those that the kind may be selected by.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub(super) async fn list_fields(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Listing, ClusterError> {
        self.list_as(JSON, api_version, kind, namespace, ("fieldSelector", selector), whole).await
    }

    /// Lists, and keeps of each object what `keep` makes of as much as is read of it.
    async fn list_as<O: DeserializeOwned + 'static, T: Send + 'static>(
        &self,
        accept: &'static str,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selects: (&str, &str),
        keep: Keep<O, T>,
    ) -> Result<Listing<T>, ClusterError> {
        let read = objects(api_version, kind, keep);
        self.list_pages((accept, PAGE), api_version, kind, namespace, selects, read).await
    }

    /// Lists page by page, of so many objects each, in the form that `accept` asks for and `read` reads.
    pub(super) async fn list_pages<T: Send + 'static>(
        &self,
        (accept, limit): (&'static str, &'static str),
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        (selects, selector): (&str, &str),
        read: Read<T>,
    ) -> Result<Listing<T>, ClusterError> {
        let read = Arc::new(read);
        let path = self.kind_path(api_version, kind, namespace).await?;
        let what = describe_all(kind, namespace);
        let page_after = |next: &str| {
            let query = [(selects, selector), ("limit", limit), ("continue", next)];
            let query: Vec<(&str, &str)> = query.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            Ask::new(Method::GET, with_query(&path, &query), "list", &what).of_kind(api_version, kind).accept(accept)
        };
        // The second page and those after it are of the state that the first one is of.
        let (mut items, mut first) = (Vec::new(), true);
        let mut ask = page_after("");
        let mut answer = self.ask_raw(&ask).await;
        loop {
            let body = match answer {
                // That state was compacted away under a slow reader: begin anew.
                Err(error) if !first && error.status().is_some_and(|status| status.code == 410) => {
                    (items, first) = (Vec::new(), true);
                    ask = page_after("");
                    answer = self.ask_raw(&ask).await;
                    continue;
                }
                body => body?,
            };
            let (tell, told) = oneshot::channel();
            let reading = async {
                let (read, large) = (Arc::clone(&read), body.len() >= LARGE);
                let read = move || read(&ask, &body, tell);
                if large { apart(read).await } else { read() }
            };
            let following = async {
                // What cannot be read is an error of reading.
                let head = told.await.unwrap_or_default();
                if head.r#continue.is_empty() {
                    return (head.resource_version, None);
                }
                let ask = page_after(&head.r#continue);
                let answer = self.ask_raw(&ask).await;
                (head.resource_version, Some((ask, answer)))
            };
            let (page, (resource_version, next)) = join(reading, following).await;
            items.extend(page?);
            match next {
                None => return Ok(Listing { items, resource_version }),
                Some(next) => (ask, answer) = next,
            }
            first = false;
        }
    }
}
