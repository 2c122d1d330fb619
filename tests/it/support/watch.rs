//! Every change of every Pod of a namespace, as kubectl's watch tells it.

use super::namespace::Namespace;
use super::objects::Object;
use super::wait::eventually;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Stdio};
use std::time::Duration;

/// A running watch. Dropped, it is stopped.
pub struct Watch {
    child: Child,
    file: tempfile::NamedTempFile,
}

/// All events of a watch, in their order.
pub struct Seen(Vec<(String, Object)>);

impl Watch {
    /// Watches the Pods of a namespace; at its return all Pods were seen once.
    pub fn pods(namespace: &Namespace) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut command = namespace.kubectl_command(&["get", "pods", "--watch", "--output-watch-events", "-o", "json"]);
        command.stdin(Stdio::null()).stdout(file.reopen().expect("the same file again")).stderr(Stdio::null());
        let watch = Self { child: command.spawn().expect("kubectl runs"), file };
        let count = namespace.objects().of_kind("Pod").count();
        eventually("the watch has begun", Duration::from_secs(20), || (watch.read().len() >= count).then_some(()));
        watch
    }

    /// Ends the watch when it has seen the Pods as they are now.
    pub fn end(mut self, namespace: &Namespace) -> Seen {
        let now = namespace.at_rest();
        eventually("the watch has seen the last change", Duration::from_secs(20), || {
            let seen = self.read();
            let latest = |pod: &Object| seen.iter().any(|(_, event)| event.version() == pod.version());
            now.of_kind("Pod").all(latest).then_some(())
        });
        let seen = Seen(self.read());
        self.stop();
        seen
    }

    fn read(&self) -> Vec<(String, Object)> {
        let file = File::open(self.file.path()).expect("the watch's file is there");
        let events = serde_json::Deserializer::from_reader(file).into_iter::<Value>();
        // The last event may be half written.
        let whole = events.map_while(Result::ok);
        whole
            .map(|mut event| {
                let kind = event["type"].as_str().unwrap_or_default().to_owned();
                (kind, Object(event["object"].take()))
            })
            .collect()
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Seen {
    /// The fewest Pods of `owner` that were ready and staying at any moment since all of them had been seen, and the
    /// number of changes that were looked at.
    pub fn fewest_ready(&self, owner: &str) -> (usize, usize) {
        let mut pods = BTreeMap::new();
        let mut counts = Vec::new();
        let mine: Vec<_> = self.0.iter().filter(|(_, pod)| pod.owner() == owner).collect();
        for (kind, pod) in &mine {
            if kind == "DELETED" {
                pods.remove(pod.uid());
            } else {
                pods.insert(pod.uid(), pod.is_ready() && !pod.is_leaving());
            }
            counts.push(pods.values().filter(|ready| **ready).count());
        }
        // The watch begins with the Pods as they are, one by one.
        let most = counts.iter().copied().max().unwrap_or_default();
        let settled: Vec<_> = counts.into_iter().skip_while(|count| *count < most).collect();
        (settled.iter().copied().min().unwrap_or_default(), settled.len())
    }
}
