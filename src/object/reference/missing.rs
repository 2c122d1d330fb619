//! Keys and objects that Pods require and would not find: known before the first write, so that no Pod has to fail
//! for it.

use super::{Class, ConfigKind, uses};
use crate::object::config;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is known about the content that a ConfigMap or Secret will have.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// It will hold this.
    Known(&'a Value),
    /// It will not exist.
    Absent,
    /// Nothing is known; no complaint either.
    Unknown,
}

/// A key, or a whole object, that a Pod requires and will not find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingKey {
    /// ConfigMap or Secret.
    pub kind: ConfigKind,
    /// Its name.
    pub name: String,
    /// The key; `None`: the whole object is missing.
    pub key: Option<String>,
    /// Where the pod spec requires it, as in [`super::ConfigUse::path`].
    pub path: String,
    /// The keys that are there, by name.
    pub present: Vec<String>,
    /// The one of them that was probably meant.
    pub did_you_mean: Option<String>,
}

/// What the Pods of a spec would not find, in the order of [`uses`]. For an environment only text keys count
/// ([`config::env_keys`]); pull secrets and debug containers never keep a Pod from starting.
pub fn missing_keys<'a>(pod_spec: &Value, lookup: impl Fn(ConfigKind, &str) -> Lookup<'a>) -> Vec<MissingKey> {
    let mut missing = Vec::new();
    for one in uses(pod_spec) {
        if one.optional || one.class == Class::Debug {
            continue;
        }
        let object = match lookup(one.kind, &one.name) {
            Lookup::Unknown => continue,
            Lookup::Absent => None,
            Lookup::Known(object) => Some(object),
        };
        let Some(object) = object else {
            let (kind, name, path) = (one.kind, one.name, one.path);
            missing.push(MissingKey { kind, name, key: None, path, present: Vec::new(), did_you_mean: None });
            continue;
        };
        let present: Vec<String> = match one.class {
            Class::Env => config::env_keys(object).into_iter().collect(),
            _ => config::data(object).into_keys().collect(),
        };
        for key in one.required_keys.iter().filter(|key| !present.contains(key)) {
            missing.push(MissingKey {
                kind: one.kind,
                name: one.name.clone(),
                key: Some(key.clone()),
                path: one.path.clone(),
                present: present.clone(),
                did_you_mean: closest(key, &present).map(str::to_owned),
            });
        }
    }
    missing
}

/// The candidate closest to a wanted name, if one is close enough to be a slip: at most a third of its characters
/// differ, letter case aside.
pub fn closest<'a>(wanted: &str, candidates: &'a [String]) -> Option<&'a str> {
    let wanted: Vec<char> = wanted.to_lowercase().chars().collect();
    let bound = (wanted.len() / 3).max(1);
    candidates
        .iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase().chars().collect::<Vec<_>>()), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.as_str())
}

/// How many characters differ: left out, put in, another one, or two neighbours swapped.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let substituted = row[j] + usize::from(a != b);
            let mut least = substituted.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[right.len()]
}
