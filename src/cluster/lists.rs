//! Lists of any kind, all their pages: whole objects, lean ones, metadata. What only tells in which state objects are is
//! read in [`super::versions`].
//!
//! While a large page is read, on threads of its own, the next one is on its way.

use super::{
    Cluster, ClusterError,
    request::{Ask, JSON, describe_all, no_json, read_json},
    resource::with_query,
    verbs::name_kind,
};
use crate::apart::{apart, each};
use crate::object::lean::{self, slim};
use futures::future::join;
use http::Method;
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

/// Makes of the text of an object what is kept of it, given its API version and kind.
pub(super) type Keep = fn(&[u8], &str, &str) -> serde_json::Result<Value>;

/// Keeps all of an object.
fn whole(text: &[u8], api_version: &str, kind: &str) -> serde_json::Result<Value> {
    Ok(named(serde_json::from_slice(text)?, api_version, kind))
}

/// Keeps what is read of an object.
fn lean(text: &[u8], api_version: &str, kind: &str) -> serde_json::Result<Value> {
    let mut object = named(lean::read(text, kind)?, api_version, kind);
    slim(&mut object);
    Ok(object)
}

/// Keeps an object without who wrote which field.
pub(super) fn unmanaged(text: &[u8], api_version: &str, kind: &str) -> serde_json::Result<Value> {
    Ok(named(lean::read_unmanaged(text)?, api_version, kind))
}

fn named(mut object: Value, api_version: &str, kind: &str) -> Value {
    name_kind(&mut object, api_version, kind);
    object
}

/// In which form a list is asked for, and how that is read.
pub(super) struct Form<T> {
    /// Media types.
    pub accept: &'static str,
    /// Objects per page.
    pub page: &'static str,
    /// Reads a page.
    pub read: Read<T>,
}

/// Reads a page: what it says of itself is told as soon as it is known, what is in it, is returned.
pub(super) type Read<T> =
    Arc<dyn Fn(&Ask, &[u8], oneshot::Sender<PageMetadata>) -> Result<Vec<T>, ClusterError> + Send + Sync>;

/// Reads pages of JSON.
pub(super) fn objects(api_version: &str, kind: &str, keep: Keep) -> Read<Value> {
    let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
    Arc::new(move |ask, body, head| {
        let page: Page<'_> = read_json(ask, body)?;
        // It is always waited for.
        let _ = head.send(page.metadata);
        let keep =
            |item: &&RawValue| keep(item.get().as_bytes(), &api_version, &kind).map_err(|why| no_json(ask, &why));
        if is_large(body) {
            each(&page.items, keep).into_iter().collect()
        } else {
            page.items.iter().map(keep).collect()
        }
    })
}

/// Whether reading this is worth other threads.
fn is_large(body: &[u8]) -> bool {
    body.len() >= LARGE
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
        self.list_as(METADATA_LIST, api_version, kind, namespace, (LABELS, selector), unmanaged).await
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

    /// Lists, and keeps of each object what `keep` makes of it.
    async fn list_as(
        &self,
        accept: &'static str,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selects: (&str, &str),
        keep: Keep,
    ) -> Result<Listing, ClusterError> {
        let form = Form { accept, page: PAGE, read: objects(api_version, kind, keep) };
        self.list_pages(form, api_version, kind, namespace, selects).await
    }

    /// Lists page by page.
    pub(super) async fn list_pages<T: Send + 'static>(
        &self,
        form: Form<T>,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        (selects, selector): (&str, &str),
    ) -> Result<Listing<T>, ClusterError> {
        let Form { accept, page, read } = form;
        let path = self.kind_path(api_version, kind, namespace).await?;
        let what = describe_all(kind, namespace);
        let page_after = |next: &str| {
            let query = [(selects, selector), ("limit", page), ("continue", next)];
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
                let (read, large) = (Arc::clone(&read), is_large(&body));
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
