//! In which state objects are: of each a few words, of a thousand read in a moment.
//!
//! The list comes in protobuf, which takes the server a fraction of the time that text takes it; its wire format is
//! numbered fields, of which all but a few are passed over. A server that does not speak it, or whose answer is an error,
//! is asked again for text.

use super::{
    Cluster, ClusterError,
    lists::{LABELS, PageMetadata, Read},
    request::{Ask, describe_all},
};
use crate::object::ObjectRef;
use serde_json::Value;

/// What a list of metadata is asked for as.
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// What every answer in protobuf begins with (Kubernetes API concepts, "Protobuf encoding").
const MAGIC: &[u8] = b"k8s\0";
/// Objects per page: each is a tenth of what it is as a whole.
const PAGE: &str = "5000";

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

impl Cluster {
    /// Lists in which state objects are, of one namespace or (`None`) of all.
    ///
    /// # Errors
    /// As [`Cluster::list`].
    pub async fn list_versions(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Version>, ClusterError> {
        let read = reader(api_version, kind);
        let selects = (LABELS, selector);
        match self.list_pages((PROTOBUF, PAGE), api_version, kind, namespace, selects, read).await {
            Ok(listing) => return Ok(listing.items),
            // What it says is in protobuf as well.
            Err(ClusterError::Api { .. } | ClusterError::Garbled { .. }) => {}
            Err(error) => return Err(error),
        }
        let listing = self.list_metadata(api_version, kind, namespace, selector).await?;
        let garbled = || ClusterError::Garbled {
            action: format!("list {}", describe_all(kind, namespace)),
            why: "an object without a name, a UID or a version".into(),
        };
        listing.items.iter().map(|object| of_object(object).ok_or_else(garbled)).collect()
    }
}

fn of_object(object: &Value) -> Option<Version> {
    let text = |key: &str| Some(object["metadata"][key].as_str()?.to_owned());
    Some(Version { object: ObjectRef::of(object)?, uid: text("uid")?, resource_version: text("resourceVersion")? })
}

fn reader(api_version: &str, kind: &str) -> Read<Version> {
    let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
    Box::new(move |ask: &Ask, body, head| {
        let (metadata, versions) = page(body, &api_version, &kind)
            .ok_or_else(|| ClusterError::Garbled { action: ask.action(), why: "no list in protobuf".into() })?;
        // It is always waited for.
        let _ = head.send(metadata);
        Ok(versions)
    })
}

/// Reads `meta/v1 PartialObjectMetadataList` in its envelope, `runtime.Unknown`.
fn page(body: &[u8], api_version: &str, kind: &str) -> Option<(PageMetadata, Vec<Version>)> {
    let (mut list, mut metadata, mut versions) = (&[][..], PageMetadata::default(), Vec::new());
    fields(body.strip_prefix(MAGIC)?, |number, bytes| {
        if number == 2 {
            list = bytes;
        }
        Some(())
    })?;
    fields(list, |number, bytes| {
        match number {
            1 => fields(bytes, |number, bytes| {
                match number {
                    2 => metadata.resource_version = text(bytes)?,
                    3 => metadata.r#continue = text(bytes)?,
                    _ => {}
                }
                Some(())
            })?,
            2 => versions.push(version(bytes, api_version, kind)?),
            _ => {}
        }
        Some(())
    })?;
    Some((metadata, versions))
}

/// Reads a `PartialObjectMetadata`, whose one field is the `ObjectMeta`.
fn version(object: &[u8], api_version: &str, kind: &str) -> Option<Version> {
    let mut found = Version {
        object: ObjectRef::new(api_version, kind, None, ""),
        uid: String::new(),
        resource_version: String::new(),
    };
    fields(object, |number, metadata| {
        if number != 1 {
            return Some(());
        }
        fields(metadata, |number, bytes| {
            match number {
                1 => found.object.name = text(bytes)?,
                3 => found.object.namespace = Some(text(bytes)?).filter(|namespace| !namespace.is_empty()),
                5 => found.uid = text(bytes)?,
                6 => found.resource_version = text(bytes)?,
                _ => {}
            }
            Some(())
        })
    })?;
    let whole = [&found.object.name, &found.uid, &found.resource_version].iter().all(|text| !text.is_empty());
    whole.then_some(found)
}

/// Goes through the fields of a message, and hands those on that may be a message or a text. `None`: it is no message.
fn fields<'m>(message: &'m [u8], mut take: impl FnMut(u64, &'m [u8]) -> Option<()>) -> Option<()> {
    let mut rest = message;
    while !rest.is_empty() {
        let key = number(&mut rest)?;
        let length = match key & 7 {
            0 => {
                number(&mut rest)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(number(&mut rest)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (bytes, after) = rest.split_at_checked(length)?;
        rest = after;
        if key & 7 == 2 {
            take(key >> 3, bytes)?;
        }
    }
    Some(())
}

/// Reads a number: seven bits a byte, the lowest first, until a byte without the highest bit.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that is a message or a text.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length > 0x7f {
            field.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
        field.extend(bytes);
        field
    }

    fn object(name: &str, namespace: &str) -> Vec<u8> {
        // Its generation, a number, and two of fixed length stand between.
        let numbers =
            [&[7 << 3, 0x96, 1][..], &[9 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8][..], &[11 << 3 | 5, 1, 2, 3, 4][..]];
        let managers = field(15, &[0xff; 300]);
        let parts = [field(1, name.as_bytes()), field(3, namespace.as_bytes()), field(5, b"u-1"), field(6, b"77")];
        field(2, &field(1, &[parts.concat(), numbers.concat(), managers].concat()))
    }

    fn list(objects: &[Vec<u8>]) -> Vec<u8> {
        let metadata = field(1, &[field(2, b"78"), field(3, b"more")].concat());
        let envelope = [field(1, b"meta"), field(2, &[metadata, objects.concat()].concat()), field(4, b"")];
        [MAGIC, &envelope.concat()].concat()
    }

    #[test]
    fn a_list_is_read() {
        let body = list(&[object("a", "n"), object("b", "")]);
        let (metadata, versions) = page(&body, "v1", "Pod").expect("a list");
        let expected = PageMetadata { resource_version: "78".into(), r#continue: "more".into() };
        assert_eq!(metadata, expected);
        let version = |name, namespace| Version {
            object: ObjectRef::new("v1", "Pod", namespace, name),
            uid: "u-1".into(),
            resource_version: "77".into(),
        };
        assert_eq!(versions, [version("a", Some("n")), version("b", None)]);
        let (_, none) = page(&list(&[]), "v1", "Pod").expect("a list");
        assert_eq!(none, []);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let body = list(&[object("a", "n")]);
        assert_eq!(page(b"{}", "v1", "Pod"), None, "text");
        assert_eq!(page(&list(&[object("", "n")]), "v1", "Pod"), None, "an object without a name");
        assert_eq!(page(&[MAGIC, &[0x0b]].concat(), "v1", "Pod"), None, "a field of no known type");
        assert_eq!(page(&[MAGIC, &[0xff; 12]].concat(), "v1", "Pod"), None, "a number without an end");
        for end in MAGIC.len() + 7..body.len() - 2 {
            assert_eq!(page(&body[..end], "v1", "Pod"), None, "cut at {end}");
        }
        for at in 0..body.len() {
            for bit in 0..8 {
                let mut changed = body.clone();
                changed[at] ^= 1 << bit;
                // Whatever it says then, it is read to its end or refused.
                let _ = page(&changed, "v1", "Pod");
            }
        }
    }
}
