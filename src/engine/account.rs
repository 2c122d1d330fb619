//! What is kept of a run besides its state: failures as lines, evidence cut to its bound, SOL003's `resourceChanges`
//! and `error`, all without a Secret value in them.

use super::failure::{Cause, Failure};
use super::observe::Observer;
use super::verify::Proof;
use crate::object::ObjectRef;
use crate::object::config;
use crate::object::mask::Mask;
use crate::plan::Contents;
use crate::record::Journal;
use crate::record::operation::{AffectedVnfc, ProblemDetails, ResourceChanges};
use crate::report::evidence::Evidence;
use crate::report::outcome::FailureLine;
use serde_json::json;

/// How much evidence is kept per operation, in bytes.
const EVIDENCE_BYTES: usize = 32 * 1024;

/// A mask of every Secret value that the revisions hold, and of those that are live.
pub(super) fn mask(journal: &Journal, contents: &Contents, observer: &Observer) -> Mask {
    let mut values = Vec::new();
    let live = observer.live();
    for revision in journal.source.iter().chain(&journal.target) {
        for state in revision.objects.iter().filter(|state| state.reference.kind == "Secret") {
            let known = contents.content(state).ok();
            let secrets = known.iter().chain(live.get(&state.reference));
            values.extend(secrets.flat_map(|secret| config::data(secret).into_values()));
        }
    }
    Mask::new(values)
}

/// The failures as they are stored, without the oldest log lines as far as they would make it too long.
pub(super) fn evidence_text(lines: &[FailureLine]) -> String {
    let mut lines = lines.to_vec();
    loop {
        let text = serde_json::to_string_pretty(&lines).unwrap_or_default();
        let longest = lines.iter_mut().filter_map(|line| line.evidence.as_mut()).max_by_key(|found| found.log.len());
        match longest.filter(|found| !found.log.is_empty()) {
            Some(found) if text.len() > EVIDENCE_BYTES => {
                found.log.drain(..found.log.len().div_ceil(2));
            }
            _ => return text,
        }
    }
}

pub(super) fn failure_line(failure: &Failure, journal: &Journal) -> FailureLine {
    let state = journal.target.as_ref().and_then(|target| target.object(&failure.object));
    FailureLine {
        object: failure.object.clone(),
        vdu: failure.vdu.clone(),
        defined_at: state.map(|state| state.source.file.clone()),
        what: failure.cause.to_string(),
        consequence: failure.cause.is_consequence(),
        evidence: match &failure.cause {
            Cause::Trouble(evidence) => Some((**evidence).clone()),
            // The failure is that time was up; the Pod's state explains it.
            Cause::Timeout { evidence: Some(evidence), .. } => {
                Some(Evidence { summary: String::new(), ..(**evidence).clone() })
            }
            _ => None,
        },
    }
}

/// SOL003 `resourceChanges`, from what was seen to have changed.
pub(super) fn resource_changes(proof: &Proof) -> ResourceChanges {
    let affected = |vdu: Option<&str>, workload: &ObjectRef, pod: &str, change: &str| AffectedVnfc {
        id: vdu.map_or_else(|| pod.to_owned(), |vdu| format!("{vdu}-{pod}")),
        vdu_id: vdu.unwrap_or_default().to_owned(),
        change_type: change.to_owned(),
        compute_resource: json!({"resourceId": pod, "vimLevelResourceType": workload.kind}),
    };
    let mut affected_vnfcs = Vec::new();
    for (pods, change) in [(&proof.removed, "REMOVED"), (&proof.added, "ADDED")] {
        affected_vnfcs.extend(pods.iter().map(|pod| affected(pod.vdu.as_deref(), &pod.workload, &pod.pod, change)));
    }
    for restarted in &proof.restarted {
        let vnfc = |pod: &str, change: &str| affected(restarted.vdu.as_deref(), &restarted.workload, pod, change);
        match (&restarted.before, &restarted.after) {
            (Some(_), Some(pod)) if restarted.restarts.is_some() => {
                affected_vnfcs.push(vnfc(pod, "MODIFIED"));
            }
            (before, after) => {
                affected_vnfcs.extend(before.iter().map(|pod| vnfc(pod, "REMOVED")));
                affected_vnfcs.extend(after.iter().map(|pod| vnfc(pod, "ADDED")));
            }
        }
    }
    ResourceChanges { affected_vnfcs }
}

pub(super) fn problem_details(lines: &[FailureLine], mask: &Mask) -> Option<ProblemDetails> {
    let first = lines.iter().find(|line| !line.consequence).or_else(|| lines.first())?;
    let vdu = first.vdu.as_ref().map(|vdu| format!("{vdu} ")).unwrap_or_default();
    let detail = mask.apply(&format!("{vdu}{}: {}", first.object, first.what));
    Some(ProblemDetails { status: 500, title: Some("the operation stopped half way".into()), detail })
}
