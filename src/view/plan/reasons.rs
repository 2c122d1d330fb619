//! How a workload restarts, and why: the chain from a changed key over the field that uses it to the workload.

use super::super::page::Page;
use super::super::style::{Text, bold, clean, dim, plain};
use super::super::words::{arrow, count};
use super::blocks::short;
use crate::object::ObjectRef;
use crate::plan::sheet::Sheet;
use crate::plan::{Item, Step};
use crate::record::Reason;

/// Key and fields, for one ConfigMap or Secret.
type Uses = Vec<(String, Vec<String>)>;

/// What was said already, so that it is not said again.
#[derive(Default)]
pub struct Seen {
    uses: Vec<(ObjectRef, Uses, String)>,
}

/// The way in which an item's Pods get what is new, in words.
pub fn way(item: &Item) -> Vec<Text> {
    let pods = item.pods.len();
    let text = match &item.step {
        // Its mark says it.
        Step::Create => String::new(),
        Step::Delete => return vec![bold("DELETED")],
        Step::Config { .. } | Step::Apply { because: None, .. } => "changed, nothing restarts".to_owned(),
        Step::Apply { because: Some(because), .. } => {
            let what = format!("and created again ({because})");
            return std::iter::once(bold("DELETED")).chain(words(&what)).collect();
        }
        Step::RollOut { .. } if pods == 0 => "roll out, it has no Pods now".to_owned(),
        Step::RollOut { .. } => format!("roll out, {} replaced", count(pods, "Pod")),
        Step::ReplacePods { .. } if pods == 0 => "template changed, it has no Pods now".to_owned(),
        Step::ReplacePods { .. } => format!("template changed, then {} evicted and replaced", count(pods, "Pod")),
        Step::InPlace { .. } => "restarted in place, the Pod stays".to_owned(),
        Step::Scale { before, after, .. } => {
            let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            let change = match number(after.abs_diff(*before)) {
                pods if after > before => format!("{} added", count(pods, "Pod")),
                pods => format!("{} removed", count(pods, "Pod")),
            };
            format!("replicas {before} -> {after}, {change}")
        }
        Step::Mark { .. } => "restart marker put back, nothing restarts".to_owned(),
        Step::Respawn { .. } => format!("{} replaced: {}", count(pods, "Pod"), item.pods.join(", ")),
        Step::Recreate { uid, because } if uid.is_empty() => format!("created again: {because}"),
        Step::Recreate { because, .. } => {
            let what = match item.object.kind.as_str() {
                "Pod" => "and created again: new UID, new address, maybe another node".to_owned(),
                _ => format!("and created again, with {}", count(pods, "Pod")),
            };
            // That somebody asked for it, the user knows.
            let asked = item.reasons.iter().any(|reason| matches!(reason, Reason::Asked | Reason::Anew));
            let why = if asked { String::new() } else { format!(" ({because})") };
            return std::iter::once(bold("DELETED")).chain(words(&format!("{what}{why}"))).collect();
        }
    };
    words(&text).collect()
}

fn words(text: &str) -> impl Iterator<Item = Text> {
    let words: Vec<Text> = clean(text).split_whitespace().map(plain).collect();
    words.into_iter()
}

/// All reasons in a few words: `image, 2 keys`.
pub fn brief(reasons: &[Reason]) -> String {
    let images = reasons.iter().filter(|reason| matches!(reason, Reason::Image { .. })).count();
    let keys = reasons.iter().filter(|reason| matches!(reason, Reason::Key { .. })).count();
    let mut parts = Vec::new();
    match images {
        0 => {}
        1 => parts.push("image".to_owned()),
        _ => parts.push(count(images, "image")),
    }
    if keys > 0 {
        parts.push(count(keys, "key"));
    }
    let fields = reasons.iter().filter(|reason| matches!(reason, Reason::Field { .. })).count();
    if fields > 0 {
        parts.push(count(fields, "field"));
    }
    parts.join(", ")
}

/// The reasons of one item, a line for each image and each key; what an item above has said in the same words is
/// not repeated.
pub fn lines(page: &mut Page<'_>, indent: usize, sheet: &Sheet, item: &Item, seen: &mut Seen) {
    for reason in &item.reasons {
        if let Reason::Image { container, before, after } = reason {
            let head = plain(&format!("image {container}: "));
            page.list(indent, head, arrow(before, after), " ");
        }
    }
    fields(page, indent, item);
    let configs = configs(item);
    let name = |config: &ObjectRef| config_name(sheet, config);
    let width = configs.iter().map(|(config, _)| plain(&name(config)).width()).max().unwrap_or(0);
    let keys = configs.iter().flat_map(|(_, uses)| uses).map(|(key, _)| plain(key).width());
    let key_width = keys.filter(|width| *width <= page.screen.width / 3).max().unwrap_or(0);
    let mut folded: Vec<(String, Vec<Text>)> = Vec::new();
    let mut new: Vec<(ObjectRef, Uses, String)> = Vec::new();
    for (config, uses) in configs {
        let said = seen.uses.iter().find(|(object, before, _)| *object == config && *before == uses);
        if let Some((_, _, who)) = said {
            match folded.iter_mut().find(|(other, _)| other == who) {
                Some((_, names)) => names.push(plain(&name(&config))),
                None => folded.push((who.clone(), vec![plain(&name(&config))])),
            }
            continue;
        }
        let mut head = plain(&name(&config)).pad(width) + "  ";
        for (key, fields) in &uses {
            let line = head.clone() + plain(key).pad(key_width) + "  ";
            head = Text::empty().pad(width) + "  ";
            page.list(indent, line, fields.iter().map(|field| dim(field)), ", ");
        }
        new.push((config, uses, short(item)));
    }
    for (who, names) in folded {
        let mut parts = names;
        if let Some(last) = parts.pop() {
            parts.push(last + dim(&format!("  as {who}")));
        }
        page.list(indent, Text::empty(), parts, ", ");
    }
    seen.uses.extend(new);
}

/// The fields that the manifest says otherwise, a line each.
pub fn fields(page: &mut Page<'_>, indent: usize, item: &Item) {
    for reason in &item.reasons {
        if let Reason::Field { field, change } = reason {
            let parts = match change.split_once(" -> ") {
                Some((before, after)) => arrow(before, after).to_vec(),
                None => vec![plain(change)],
            };
            page.list(indent, plain(&format!("{field}  ")), parts, " ");
        }
    }
}

/// The changed keys that an item uses, by ConfigMap or Secret.
fn configs(item: &Item) -> Vec<(ObjectRef, Uses)> {
    let mut found: Vec<(ObjectRef, Uses)> = Vec::new();
    for reason in &item.reasons {
        if let Reason::Key { config, key, fields } = reason {
            let entry = (key.clone(), fields.clone());
            match found.iter_mut().find(|(object, _)| object == config) {
                Some((_, uses)) => uses.push(entry),
                None => found.push((config.clone(), vec![entry])),
            }
        }
    }
    found
}

/// The name of a ConfigMap or Secret, with its kind where both have that name.
fn config_name(sheet: &Sheet, config: &ObjectRef) -> String {
    let twice = sheet.config().any(|item| item.object.name == config.name && item.object.kind != config.kind);
    if twice { config.to_string() } else { config.name.clone() }
}
