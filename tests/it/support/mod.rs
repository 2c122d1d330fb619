//! What the tests share: the cluster and a namespace on it, the plugin run as a user runs it, the cluster read without
//! it, and packages made for a test.

#![allow(unused_imports, dead_code, reason = "each test file takes what it needs")]

mod cluster;
pub mod driven;
pub mod gated;
pub mod manifests;
mod namespace;
mod objects;
mod package;
mod point;
mod proxy;
pub mod rbac;
mod run;
mod running;
pub mod sample;
mod started;
mod terminal;
mod wait;
mod watch;
mod wire;
mod witness;

pub use cluster::{Cluster, cluster};
pub use namespace::Namespace;
pub use objects::{Life, Object, Objects, written};
pub use package::{Draft, Package, sample_request};
pub use point::Point;
pub use proxy::{Fault, Proxy, Traffic};
pub use run::Run;
pub use running::Running;
pub use started::Started;
pub use terminal::Terminal;
pub use wait::eventually;
pub use watch::{Seen, Watch};
pub use wire::{Break, Wire};
pub use witness::Witness;
