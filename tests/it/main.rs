//! The plugin as a user runs it, on a real cluster; kubectl is the judge of what came of it.
//!
//! A test that needs the cluster begins with `let Some(cluster) = cluster() else { return };` and works in a
//! namespace of its own. `tests/run.sh` starts the throwaway cluster and names it in `VNF_TEST_KUBECONFIG`; without
//! that variable the tests pass unseen, and with `VNF_TEST_REQUIRE=1` besides they fail.

#![allow(clippy::print_stderr, reason = "a failing test tells what it saw on stderr")]

mod bad_input;
mod bench;
mod budgets;
mod change_package;
mod completion;
mod config_only;
mod connection;
mod contended;
mod damaged;
mod drift;
mod edits;
mod examples;
mod failed;
mod faults;
mod heal;
mod interrupted;
mod json;
mod kinds;
mod kubectl_habits;
mod large;
mod live;
mod onboard;
mod package;
mod precheck;
mod record;
mod replicas;
mod restart;
mod rollback;
mod scale;
mod secrets;
mod status;
mod story;
mod support;
mod terminate;
mod traps;
mod undo;
mod workloads;
