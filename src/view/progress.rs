//! Progress as plain lines, one per change: for logs, pipes and `--progress=plain`.

use super::Screen;
use super::style::{Text, clean, dim, green, plain, red};
use crate::object::config::is_config;
use crate::report::event::{Event, EventKind};
use std::time::Duration;

/// Columns of what it is about.
const LABEL: usize = 7;

/// `00:00.3 VDU3    Pod env-test: image nginx -> tomcat`.
pub fn line(event: &Event, _screen: &Screen) -> String {
    let label = match &event.vdu {
        Some(vdu) => clean(vdu),
        None if is_config(&event.object) => "config".to_owned(),
        None => String::new(),
    };
    let object = plain(&event.object.to_string());
    let text = match &event.kind {
        EventKind::Written(text) => object + said(text).as_str(),
        EventKind::Waiting(text) => object + dim(&said(text)),
        EventKind::Done(text) => object + green(&said(text)),
        EventKind::Failed(text) => object + " " + red("FAILED:") + " " + text.as_str(),
    };
    let line: Text = dim(&clock(event.after)) + " " + plain(&label).pad(LABEL) + " " + text;
    format!("{line}\n")
}

/// What is said of the object: a verb goes on with the sentence, anything else stands after a colon.
fn said(text: &str) -> String {
    let goes_on = ["written", "created", "deleted", "ready", "is "].iter().any(|verb| text.starts_with(verb));
    if goes_on { format!(" {text}") } else { format!(": {text}") }
}

/// Minutes, seconds, tenths.
fn clock(after: Duration) -> String {
    let tenths = after.as_millis() / 100;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}
