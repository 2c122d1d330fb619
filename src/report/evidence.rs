//! What a failure leaves behind: the container's reason, the Pod's events, the last log lines; masked and free of
//! control characters from its collection on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One event about a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventLine {
    /// When it was last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// `Failed`, `BackOff`, ...
    pub reason: String,
    /// What it says.
    pub message: String,
}

/// Why something failed, as far as the cluster tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// In a few words: `the image cannot be pulled`.
    pub summary: String,
    /// The Pod, when one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The image that it is to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Kubernetes' reason: `ImagePullBackOff`.
    pub reason: String,
    /// Kubernetes' message.
    pub message: String,
    /// Events, oldest first.
    pub events: Vec<EventLine>,
    /// Last log lines of the container.
    pub log: Vec<String>,
}
