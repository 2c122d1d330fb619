//! What follows from a plan beyond what its items say, in words.

use super::super::page::Page;
use super::super::style::Mark;
use super::super::words::label;
use crate::object::ObjectRef;
use crate::plan::Item;
use crate::plan::ahead::Ahead;
use crate::plan::sheet::Sheet;

/// What follows of one workload, a paragraph each.
pub fn lines(page: &mut Page<'_>, indent: usize, sheet: &Sheet, object: &ObjectRef) {
    for text in texts(sheet, object) {
        let mark = Mark::Attention.text(page.screen) + " ";
        page.paragraph(indent, mark, &text);
    }
}

/// As [`lines`], saying of whom.
pub fn labelled(page: &mut Page<'_>, indent: usize, sheet: &Sheet, item: &Item) {
    for text in texts(sheet, &item.object) {
        let mark = Mark::Attention.text(page.screen) + " ";
        page.paragraph(indent, mark, &format!("{}: {text}", label(item.vdu.as_deref(), &item.object)));
    }
}

/// Who waits for a ConfigMap or Secret that is gone for a moment, and who may not see the new one; empty: nobody
/// reads it.
pub fn gap(sheet: &Sheet, object: &ObjectRef) -> String {
    let found = sheet.ahead.iter().find_map(|entry| match &entry.what {
        Ahead::Gap { readers, stale } if entry.object == *object && !readers.is_empty() => Some((readers, *stale)),
        _ => None,
    });
    let Some((readers, stale)) = found else { return String::new() };
    let old = if stale {
        "; and a node gives its OLD content to new Pods until all Pods on it that read it have left \
         (kubernetes#119733): another name in the package avoids that"
    } else {
        ""
    };
    format!(": Pods of {} that start in between wait for it{old}", readers.join(", "))
}

fn texts(sheet: &Sheet, object: &ObjectRef) -> Vec<String> {
    sheet.ahead.iter().filter(|entry| entry.object == *object).filter_map(|entry| text(&entry.what)).collect()
}

fn text(what: &Ahead) -> Option<String> {
    Some(match what {
        Ahead::Gap { .. } => return None,
        Ahead::HeldBack { partition, pods } => {
            let names = if pods.is_empty() { String::new() } else { format!(": {}", pods.join(", ")) };
            format!("partition {partition}: Pods below {partition} keep the old template{names}")
        }
        Ahead::OnDelete => "updateStrategy OnDelete: its controller replaces no Pod, kubectl vnf does".to_owned(),
        Ahead::Autoscaled { by, min, max } => {
            format!("HorizontalPodAutoscaler {by} ({min} to {max}): the replicas are left to it")
        }
        Ahead::Contested { by, min, max } => format!(
            "HorizontalPodAutoscaler {by} ({min} to {max}) sets these replicas too: it may set them otherwise at once"
        ),
        Ahead::ClaimsGo => {
            "its persistentVolumeClaimRetentionPolicy deletes the claims of the Pods that go, and so their data"
                .to_owned()
        }
        Ahead::Budget { by, bound, never: true, .. } => format!(
            "PodDisruptionBudget {by} ({bound}) can never allow an eviction, it wants all of its Pods: this waits up to \
             --timeout, then stops; change the budget first"
        ),
        Ahead::Budget { by, bound, healthy, needed, never: false } => format!(
            "PodDisruptionBudget {by} ({bound}) allows no eviction now, {healthy} healthy of {needed} needed: this \
             waits until it does, up to --timeout"
        ),
        Ahead::Held { pod, words } => format!(
            "a disruption budget holds Pod {pod} now ({words}): this waits until it allows the eviction, up to --timeout"
        ),
    })
}
