//! In which state objects are: of each a few words, of a thousand read in a moment.
//!
//! The list comes in protobuf, which takes the server a fraction of the time that text takes it; its wire format is
//! numbered fields, of which all but a few are passed over. A server that does not speak it answers in JSON.

use super::{
    Cluster, ClusterError,
    lists::{Form, LABELS, PageMetadata, Read, objects, unmanaged},
    request::Ask,
};
use crate::object::{ObjectRef, text};
use serde_json::Value;
use std::sync::Arc;

/// What a list of metadata is asked for as. An error comes in JSON all the same: it cannot be had as metadata.
const METADATA: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                        application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// What every answer in protobuf begins with (Kubernetes API concepts, "Protobuf encoding").
const MAGIC: &[u8] = b"k8s\0";
/// Objects per page: with who wrote which field, each is half of what it is as a whole.
const PAGE: &str = "1000";

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
        let form = Form { accept: METADATA, page: PAGE, read: reader(api_version, kind) };
        Ok(self.list_pages(form, api_version, kind, namespace, (LABELS, selector)).await?.items)
    }
}

fn reader(api_version: &str, kind: &str) -> Read<Version> {
    let json = objects(api_version, kind, unmanaged);
    let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
    Arc::new(move |ask: &Ask, body, head| {
        let garbled = |why: &str| ClusterError::Garbled { action: ask.action(), why: why.to_owned() };
        if !body.starts_with(MAGIC) {
            let objects = json(ask, body, head)?;
            let versions = objects
                .iter()
                .map(|object| of_object(object).ok_or_else(|| garbled("an object without a name, a UID or a version")));
            return versions.collect();
        }
        let (metadata, versions) = page(body, &api_version, &kind).ok_or_else(|| garbled("no list in protobuf"))?;
        // It is always waited for.
        let _ = head.send(metadata);
        Ok(versions)
    })
}

fn of_object(object: &Value) -> Option<Version> {
    Some(Version {
        object: ObjectRef::of(object)?,
        uid: text(object, "/metadata/uid")?.to_owned(),
        resource_version: text(object, "/metadata/resourceVersion")?.to_owned(),
    })
}

/// Reads `meta/v1 PartialObjectMetadataList` in its envelope, `runtime.Unknown`.
fn page(body: &[u8], api_version: &str, kind: &str) -> Option<(PageMetadata, Vec<Version>)> {
    let (mut list, mut metadata, mut versions) = (None, PageMetadata::default(), Vec::new());
    fields(body.strip_prefix(MAGIC)?, |number, bytes| {
        if number == 2 {
            list = Some(bytes);
        }
        Some(())
    })?;
    fields(list?, |number, bytes| {
        match number {
            1 => fields(bytes, |number, bytes| {
                match number {
                    2 => metadata.resource_version = utf8(bytes)?,
                    3 => metadata.r#continue = utf8(bytes)?,
                    _ => {}
                }
                Some(())
            })?,
            2 => versions.push(version(bytes, api_version, kind)?),
            _ => {}
        }
        Some(())
    })?;
    (!metadata.resource_version.is_empty()).then_some((metadata, versions))
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
                1 => found.object.name = utf8(bytes)?,
                3 => found.object.namespace = Some(utf8(bytes)?).filter(|namespace| !namespace.is_empty()),
                5 => found.uid = utf8(bytes)?,
                6 => found.resource_version = utf8(bytes)?,
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

fn utf8(bytes: &[u8]) -> Option<String> {
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

    /// An answer of an API server: two ConfigMaps.
    const ANSWER: &[u8] = include_bytes!("versions/answer.pb");

    #[test]
    fn what_a_server_answered_is_read() {
        let version = |name: &str, uid: &str, resource_version: &str| Version {
            object: ObjectRef::new("v1", "ConfigMap", Some("sample"), name),
            uid: uid.into(),
            resource_version: resource_version.into(),
        };
        let wanted = [
            version("first", "3ac945bd-a9c2-4513-a1da-4b60cd9a1dc3", "62831"),
            version("second", "5213a22d-ffdc-41ec-bc05-eee2fd3c11cf", "62835"),
        ];
        let (metadata, versions) = page(ANSWER, "v1", "ConfigMap").expect("a list");
        assert_eq!(metadata, PageMetadata { resource_version: "62874".into(), r#continue: String::new() });
        assert_eq!(versions, wanted);

        let items: Vec<Value> = wanted
            .iter()
            .map(|now| {
                let metadata = serde_json::json!({"name": now.object.name, "namespace": now.object.namespace,
                    "uid": now.uid, "resourceVersion": now.resource_version});
                serde_json::json!({"metadata": metadata})
            })
            .collect();
        let json = serde_json::json!({"metadata": {"resourceVersion": "62874"}, "items": items}).to_string();
        let read = |body: &[u8]| {
            let (tell, mut told) = tokio::sync::oneshot::channel();
            let ask = Ask::new(http::Method::GET, "/x".into(), "list", "ConfigMap objects");
            let versions = reader("v1", "ConfigMap")(&ask, body, tell).map_err(|error| error.to_string())?;
            Ok::<_, String>((versions, told.try_recv().expect("told").resource_version))
        };
        for body in [ANSWER, json.as_bytes()] {
            assert_eq!(read(body), Ok((wanted.to_vec(), "62874".to_owned())));
        }
        for body in [&ANSWER[..200], &json.as_bytes()[..99], br#"{"metadata":{},"items":[{"metadata":{"name":"a"}}]}"#]
        {
            assert!(read(body).expect_err("refused").contains("list ConfigMap objects"));
        }
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
        for end in 0..body.len() - 2 {
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
