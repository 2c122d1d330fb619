//! The API server's own account of a refusal: the `Status` object, and what stands in for it when a body is no
//! `Status` (a proxy's page, the plain `404 page not found` of an absent API). Words for people are `error`'s.

use serde_json::Value;
use std::time::Duration;

/// A refusal as the server told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// `NotFound`, `Conflict`, ...; empty when the body was no `Status`.
    pub reason: String,
    /// The server's words, without control characters other than newlines.
    pub message: String,
    /// Details, one per field or budget.
    pub causes: Vec<Cause>,
    /// Resource or kind that it is about.
    pub kind: String,
    /// Name of the object that it is about.
    pub name: String,
    /// How long the server asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

/// One detail of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid`, `DisruptionBudget`, ...
    pub reason: String,
    /// The detail in words.
    pub message: String,
    /// Path of the field, empty when it is about none.
    pub field: String,
}

impl Status {
    /// Reads the body of a failed answer. `retry_after` is the header's value in seconds.
    pub(super) fn read(code: u16, body: &[u8], retry_after: Option<u64>) -> Self {
        let retry_after = retry_after.map(Duration::from_secs);
        match serde_json::from_slice::<Value>(body) {
            Ok(value) if value.get("kind").and_then(Value::as_str) == Some("Status") => {
                let mut status = Self::of(&value);
                status.code = code;
                status.retry_after = status.retry_after.or(retry_after);
                status
            }
            _ => {
                // A page or a line of text: its first line is enough to recognise who wrote it.
                let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
                let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
                let message = clean(&line.chars().take(200).collect::<String>());
                Self { code, message, retry_after, ..Self::default() }
            }
        }
    }

    /// Reads a `Status` object, as also a watch sends one.
    pub(super) fn of(value: &Value) -> Self {
        let text = |v: &Value, pointer: &str| clean(v.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
        let causes = value.pointer("/details/causes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Self {
            code: value.get("code").and_then(Value::as_u64).and_then(|c| u16::try_from(c).ok()).unwrap_or_default(),
            reason: text(value, "/reason"),
            message: text(value, "/message"),
            causes: causes
                .iter()
                .map(|cause| Cause {
                    reason: text(cause, "/reason"),
                    message: text(cause, "/message"),
                    field: text(cause, "/field"),
                })
                .collect(),
            kind: text(value, "/details/kind"),
            name: text(value, "/details/name"),
            retry_after: value
                .pointer("/details/retryAfterSeconds")
                .and_then(Value::as_u64)
                .filter(|s| *s > 0)
                .map(Duration::from_secs),
        }
    }

    /// The first cause of this reason.
    pub fn cause(&self, reason: &str) -> Option<&Cause> {
        self.causes.iter().find(|cause| cause.reason == reason)
    }

    /// Whether the API itself is absent, not an object in it: the server then answers in plain text.
    pub(super) fn is_absent_api(&self) -> bool {
        self.code == 404 && self.reason.is_empty()
    }
}

/// Text from a server without control characters, which could steer a terminal. Newlines stay.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_read_with_its_causes() {
        let body = json!({"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "no",
            "details": {"name": "p", "kind": "pods", "retryAfterSeconds": 10,
                "causes": [{"reason": "DisruptionBudget", "message": "needs 3\u{1b}[2J"}]}});
        let status = Status::read(429, body.to_string().as_bytes(), Some(1));
        assert_eq!(status.retry_after, Some(Duration::from_secs(10)));
        assert_eq!(status.cause("DisruptionBudget").map(|c| c.message.as_str()), Some("needs 3 [2J"));
        assert!(!status.is_absent_api());
    }

    #[test]
    fn other_bodies_become_their_first_line() {
        let status = Status::read(404, b"404 page not found\n", None);
        assert_eq!(status.message, "404 page not found");
        assert!(status.is_absent_api());
        assert_eq!(Status::read(502, b"\n\n<html>\n<body>", Some(3)).message, "<html>");
    }
}
