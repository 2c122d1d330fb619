//! The one connection to the API server: everything goes over it, and an operation outlives it.

use crate::support::gated::{self, NAME, assert_runs, draft};
use crate::support::{Break, Namespace, Running, Wire, cluster};

#[test]
fn requests_watches_and_logs_share_one() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "one");
    let wire = Wire::lay(cluster);
    let package = draft("old value").write();
    let instantiate = ns.vnf_command(&["instantiate", NAME, "--package", &package.path()]);
    Running::start(wire.over(instantiate)).exits(0);
    assert_runs(&ns, "old value");
    assert_eq!(wire.connections(), 1);
}

#[track_caller]
fn an_update_outlives(how: Break) {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "outlives");
    let wire = Wire::lay(cluster);
    let package = draft("new value").write();
    let update = ns.vnf_command(&["update", NAME, "--package", &package.path(), "--one-by-one", "--yes"]);
    let mut update = Running::start(wire.over(update));
    update.says(gated::AT_GATE);
    wire.breaks(how);
    gated::open(&ns);
    update.exits(0);
    assert_runs(&ns, "new value");
    assert!(wire.connections() > 1, "it has another one");
}

#[test]
fn an_update_outlives_one_that_is_cut() {
    an_update_outlives(Break::Cut);
}

/// Whatever was on its way, and whatever is tried again, would wait in it without end.
#[test]
fn an_update_outlives_one_that_falls_silent() {
    an_update_outlives(Break::Silence);
}
