//! Somebody who looks on while a program changes a namespace: when the first of its objects changed, and when the last
//! of its Pods became Ready. Between the two lies what no program can make faster: the cluster's own time.

use super::cluster::Cluster;
use super::namespace::Namespace;
use futures::{StreamExt as _, future};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::runtime::Runtime;

/// What is watched, besides Pods.
const KINDS: [(&str, &str); 7] = [
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "Service"),
    ("apps", "Deployment"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
];

/// A witness at work. Dropped, it looks away.
pub struct Witness {
    account: Arc<Mutex<Account>>,
    runtime: Option<Runtime>,
}

/// What it has seen.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// When the first object changed that is no program's own record.
    pub first_change: Option<Instant>,
    /// When the last Pod became Ready, by its start or by that of its containers.
    pub last_ready: Option<Instant>,
    /// How many did.
    pub became_ready: usize,
    /// UID and restarts of what was Ready.
    ready: BTreeSet<(String, i64)>,
}

impl Witness {
    /// Begins to look; at its return everything that is there has been seen.
    pub fn of(cluster: &Cluster, namespace: &Namespace) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let account = Arc::new(Mutex::new(Account::default()));
        let listed = runtime.block_on(async {
            let client = kube::Client::try_from(cluster.config().await).expect("a client");
            let kinds = KINDS.into_iter().chain([("", "Pod")]);
            let lists = kinds.map(|(group, kind)| {
                let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
                let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace.name, &resource);
                async move {
                    let list = api.list(&ListParams::default()).await.expect("a list");
                    (kind, list.metadata.resource_version.clone().unwrap_or_default(), list.items, api)
                }
            });
            future::join_all(lists).await
        });
        for (kind, version, items, api) in listed {
            if kind == "Pod" {
                account.lock().unwrap_or_else(PoisonError::into_inner).take_as_given(&items);
            }
            let account = Arc::clone(&account);
            runtime.spawn(async move {
                let stream = api.watch(&WatchParams::default(), &version).await.expect("a watch");
                let mut stream = std::pin::pin!(stream);
                while let Some(Ok(event)) = stream.next().await {
                    if let WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) =
                        event
                    {
                        account.lock().unwrap_or_else(PoisonError::into_inner).see(kind, &object, Instant::now());
                    }
                }
            });
        }
        Self { account, runtime: Some(runtime) }
    }

    /// What it has seen until now.
    pub fn account(&self) -> Account {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Account {
    fn take_as_given(&mut self, pods: &[DynamicObject]) {
        self.ready.extend(pods.iter().filter_map(ready));
    }

    fn see(&mut self, kind: &str, object: &DynamicObject, now: Instant) {
        let labels = object.metadata.labels.as_ref();
        let record = labels.is_some_and(|labels| {
            labels.contains_key("kubectl-vnf/record") || labels.get("owner").is_some_and(|owner| owner == "helm")
        });
        if !record {
            self.first_change.get_or_insert(now);
        }
        if kind == "Pod"
            && let Some(ready) = ready(object)
            && self.ready.insert(ready)
        {
            self.last_ready = Some(now);
            self.became_ready += 1;
        }
    }
}

/// The life of a Pod that is Ready.
fn ready(pod: &DynamicObject) -> Option<(String, i64)> {
    let list = |pointer: &str| pod.data.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    list("/status/conditions").find(|one| one["type"] == "Ready" && one["status"] == "True")?;
    let restarts = list("/status/containerStatuses").filter_map(|status| status["restartCount"].as_i64()).sum();
    Some((pod.metadata.uid.clone()?, restarts))
}
