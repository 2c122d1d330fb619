//! What is larger than the API server takes, told before it is sent.

use crate::object::config::data;
use crate::object::text;
use serde_json::Value;

/// Data of a ConfigMap or Secret, values only.
const DATA: usize = 1 << 20;
/// All annotations of an object, keys and values.
const ANNOTATIONS: usize = 256 << 10;
/// The body of a request.
const BODY: usize = 3 << 20;
/// Operations of a JSON Patch.
const OPERATIONS: usize = 10_000;

/// What is too large of an object to be written, or of the patch that writes it.
pub fn too_large(object: &Value, patch: Option<&[Value]>) -> Option<String> {
    if matches!(text(object, "/kind"), Some("ConfigMap" | "Secret")) {
        let size = data(object).values().map(Vec::len).sum();
        if size > DATA {
            return Some(format!("{} of data, {} are the most that the API server takes", bytes(size), bytes(DATA)));
        }
    }
    for pointer in ["/metadata/annotations", "/spec/template/metadata/annotations"] {
        let annotations = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        let size: usize = annotations.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
        if size > ANNOTATIONS {
            return Some(format!("{} of annotations, {} are the most", bytes(size), bytes(ANNOTATIONS)));
        }
    }
    if let Some(patch) = patch
        && patch.len() > OPERATIONS
    {
        let number = patch.len();
        return Some(format!("its change takes {number} patch operations, {OPERATIONS} are the most"));
    }
    let size = match patch {
        Some(patch) => patch.iter().map(|operation| operation.to_string().len() + 1).sum(),
        None => object.to_string().len(),
    };
    (size > BODY)
        .then(|| format!("a request of {}, {} are the most that the API server takes", bytes(size), bytes(BODY)))
}

fn bytes(size: usize) -> String {
    // Just over a limit is not to look like the limit.
    let tenths = (size * 10).div_ceil(1 << 20);
    match size {
        _ if size.is_multiple_of(1 << 10) && size < 1 << 20 => format!("{} KiB", size >> 10),
        _ if size < 1 << 20 => format!("{size} bytes"),
        _ if tenths.is_multiple_of(10) => format!("{} MiB", tenths / 10),
        _ => format!("{}.{} MiB", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_servers_limits_hold() {
        let map = |size: usize| json!({"kind": "ConfigMap", "data": {"a": "x".repeat(size - 1), "b": "x"}});
        assert_eq!(too_large(&map(DATA), None), None);
        let over = too_large(&map(DATA + 1), None).expect("one byte over");
        assert_eq!(over, "1.1 MiB of data, 1 MiB are the most that the API server takes");
        // Base64 does not count.
        let encoded = json!({"kind": "Secret", "data": {"a": "eHh4".repeat(DATA / 3)}});
        assert_eq!(too_large(&encoded, None), None);
        let annotated = json!({"kind": "Pod", "metadata": {"annotations": {"k": "x".repeat(ANNOTATIONS)}}});
        assert!(too_large(&annotated, None).is_some_and(|what| what.contains("of annotations, 256 KiB are the most")));
        let patch = vec![json!({"op": "add"}); OPERATIONS + 1];
        assert!(too_large(&json!({}), Some(&patch)).is_some_and(|what| what.contains("10001 patch operations")));
        let wide = [json!({"value": "x".repeat(BODY)})];
        assert!(too_large(&json!({}), Some(&wide)).is_some_and(|what| what.starts_with("a request of 3.1 MiB")));
    }
}
