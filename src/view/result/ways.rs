//! The ways out of an operation that stopped half way: the commands that it takes now, and what each would do.

use super::super::Screen;
use super::super::words::{command_line, count, label, sentence};
use crate::plan::ItemState;
use crate::record::Verb;
use crate::report::outcome::{Standing, WayBack, WaysOut};

/// With more workloads left than this, a retry only says how many.
const FEW: usize = 4;

/// `(command, what it does)`; `standing` is how every object in scope is, where that is known.
pub fn ways_out(ways: &WaysOut, standing: &[Standing], name: &str, screen: &Screen) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    if let Some(back) = &ways.back {
        let finishes = if ways.rolling_back { "finishes it: " } else { "" };
        rows.push((command_line(screen, "op rollback", &[name]), format!("{finishes}{}", way_back(back))));
    }
    if !ways.rolling_back {
        rows.push((command_line(screen, "op retry", &[name]), retry(standing)));
    }
    let keep = match ways.verb {
        Verb::Instantiate => "keep what is there; terminate removes it",
        Verb::Update | Verb::Undo | Verb::ChangePackage => "keep it so, then update with a corrected package",
        Verb::Heal | Verb::Scale | Verb::Terminate => "keep it so",
    };
    rows.push((command_line(screen, "op fail", &[name]), keep.to_owned()));
    rows
}

/// `revision 1: 2 config objects, 4 workloads restart`
fn way_back(back: &WayBack) -> String {
    let Some(revision) = back.revision else {
        return match back.deleted {
            0 => "nothing was created".to_owned(),
            deleted => format!("removes what was created: {}", count(deleted, "object")),
        };
    };
    let mut parts = Vec::new();
    if back.config > 0 {
        parts.push(count(back.config, "config object"));
    }
    if back.restarts > 0 {
        let verb = if back.restarts == 1 { "restarts" } else { "restart" };
        parts.push(format!("{} {verb}", count(back.restarts, "workload")));
    } else if back.workloads > 0 {
        parts.push(format!("{} put back without a restart", count(back.workloads, "workload")));
    }
    if back.scaled > 0 {
        let has = if back.scaled == 1 { "gets" } else { "get" };
        parts.push(format!("{} {has} the former replicas", count(back.scaled, "workload")));
    }
    if parts.is_empty() {
        parts.push("nothing of it has changed".to_owned());
    }
    format!("revision {revision}: {}", parts.join(", "))
}

/// `once the cause is mended: finishes VDU1 only`
fn retry(standing: &[Standing]) -> String {
    let left: Vec<&Standing> = standing.iter().filter(|one| one.state != ItemState::Done).collect();
    let what = match left.len() {
        0 => "what is left".to_owned(),
        _ if left.len() == standing.len() => "all of it".to_owned(),
        number if number > FEW => count(number, "object"),
        _ => {
            let names: Vec<String> = left.iter().map(|one| label(one.vdu.as_deref(), &one.object)).collect();
            format!("{} only", sentence(&names))
        }
    };
    format!("finishes {what}, once the cause is mended")
}
