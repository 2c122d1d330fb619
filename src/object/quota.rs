//! ResourceQuotas: what a Pod takes of one, what is left in it, and the API server's words when it is exceeded.
//!
//! Amounts are counted in billionths, the finest that the Kubernetes notation knows, so that nothing is rounded.

use super::pod::phase;
use super::text;
use super::workload::{ContainerClass, containers, items};
use serde_json::Value;
use std::collections::BTreeMap;

/// Amounts by the name that a quota has for them: `pods`, `requests.cpu`, ...
pub type Usage = BTreeMap<String, i128>;

const ONE: i128 = 1_000_000_000;

/// One resource of a quota that would be exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// `pods`, `requests.cpu`, ...
    pub resource: String,
    /// What is asked for.
    pub needed: i128,
    /// What is in use, less what goes before.
    pub used: i128,
    /// What there may be.
    pub limit: i128,
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { resource, needed, used, limit } = self;
        write!(f, "{resource}: {} needed, {} of {} in use", show(*needed), show(*used), show(*limit))
    }
}

/// An amount as Kubernetes writes it: `250m`, `1.5`, `64Mi`.
fn amount(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (factor, divisor) = match suffix {
        "n" => (1, ONE),
        "u" => (1_000, ONE),
        "m" => (1_000_000, ONE),
        "" => (1, 1),
        "k" => (10_i128.pow(3), 1),
        "M" => (10_i128.pow(6), 1),
        "G" => (10_i128.pow(9), 1),
        "T" => (10_i128.pow(12), 1),
        "P" => (10_i128.pow(15), 1),
        "E" => (10_i128.pow(18), 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let scale = 10_i128.checked_pow(power.unsigned_abs())?;
            if power < 0 { (1, scale) } else { (scale, 1) }
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = fraction.len().min(9);
    let value: i128 = format!("{whole}{}", &fraction[..digits]).parse().ok()?;
    let scaled = value.checked_mul(ONE / 10_i128.pow(u32::try_from(digits).ok()?))?;
    Some(scaled.checked_mul(factor)? / divisor)
}

/// An amount for people: whole numbers, Mi and Gi where they fit, thousandths else.
fn show(amount: i128) -> String {
    if amount % ONE != 0 {
        return format!("{}m", amount / (ONE / 1000));
    }
    let whole = amount / ONE;
    for (unit, suffix) in [(1_i128 << 30, "Gi"), (1 << 20, "Mi")] {
        if whole != 0 && whole % unit == 0 {
            return format!("{}{suffix}", whole / unit);
        }
    }
    whole.to_string()
}

/// What a Pod takes of quotas. One that has ended takes nothing.
pub fn usage(pod: &Value) -> Usage {
    let mut usage = Usage::new();
    if matches!(phase(pod), "Succeeded" | "Failed") {
        return usage;
    }
    usage.insert("pods".into(), ONE);
    usage.insert("count/pods".into(), ONE);
    for field in ["requests", "limits"] {
        for (name, value) in resources(&pod["spec"], field) {
            usage.insert(format!("{field}.{name}"), value);
            if field == "requests" {
                usage.insert(name, value);
            }
        }
    }
    usage
}

/// Requests or limits of a whole Pod: its containers and sidecars together, or, where it is more, an init container
/// with the sidecars before it.
fn resources(spec: &Value, field: &str) -> BTreeMap<String, i128> {
    let (mut running, mut most) = (BTreeMap::new(), BTreeMap::new());
    for container in containers(spec) {
        let asked = &items(spec, container.list)[container.index]["resources"][field];
        for (name, value) in amounts(asked) {
            let already = running.entry(name.clone()).or_insert(0);
            if container.class == ContainerClass::Init {
                let peak = most.entry(name).or_insert(0);
                *peak = value.saturating_add(*already).max(*peak);
            } else {
                *already += value;
            }
        }
    }
    for (name, value) in running {
        let peak = most.entry(name).or_insert(0);
        *peak = value.max(*peak);
    }
    // What is said for the whole Pod holds instead.
    most.extend(amounts(&spec["resources"][field]));
    for (name, value) in amounts(&spec["overhead"]) {
        // A limit that is not set has no overhead either.
        if field == "requests" || most.contains_key(&name) {
            *most.entry(name).or_insert(0) += value;
        }
    }
    most
}

fn amounts(of: &Value) -> impl Iterator<Item = (String, i128)> {
    let fields = of.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| {
        let value = match value {
            Value::String(text) => amount(text)?,
            other => amount(&other.to_string())?,
        };
        Some((name.clone(), value))
    })
}

/// Adds `more`, so many times.
pub fn add(usage: &mut Usage, more: &Usage, times: i128) {
    for (name, value) in more {
        *usage.entry(name.clone()).or_insert(0) += value.saturating_mul(times);
    }
}

/// The API server's words of an exceeded quota: `exceeded quota: q, requested: pods=1, used: pods=3, limited:
/// pods=3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Name of the quota.
    pub quota: String,
    /// What it lacks.
    pub shortages: Vec<Shortage>,
}

impl Exceeded {
    /// Reads a message; `None` when it speaks of something else.
    pub fn read(message: &str) -> Option<Self> {
        let (_, text) = message.split_once("exceeded quota: ")?;
        let (quota, text) = text.split_once(", requested: ")?;
        let (requested, text) = text.split_once(", used: ")?;
        let (used, limited) = text.split_once(", limited: ")?;
        let (used, limited) = (pairs(used)?, pairs(limited)?);
        let shortages = pairs(requested)?.into_iter().map(|(resource, needed)| {
            let (used, limit) = (*used.get(&resource)?, *limited.get(&resource)?);
            Some(Shortage { resource, needed, used, limit })
        });
        Some(Self { quota: quota.to_owned(), shortages: shortages.collect::<Option<_>>()? })
    }

    /// What it still lacks once `freed` is free.
    pub fn after(mut self, freed: &Usage) -> Option<Self> {
        for shortage in &mut self.shortages {
            shortage.used -= freed.get(&shortage.resource).copied().unwrap_or(0);
        }
        self.shortages.retain(|shortage| shortage.used + shortage.needed > shortage.limit);
        (!self.shortages.is_empty()).then_some(self)
    }
}

fn pairs(text: &str) -> Option<Usage> {
    text.trim_end_matches([',', ']'])
        .split(',')
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.trim().to_owned(), amount(value)?))
        })
        .collect()
}

/// What a live quota lacks for so much more. A quota for some Pods only (scopes) is not judged: `None`, as for one
/// that has room.
pub fn shortage(quota: &Value, more: &Usage) -> Option<Exceeded> {
    if !items(&quota["spec"], "scopes").is_empty() || quota["spec"]["scopeSelector"].is_object() {
        return None;
    }
    let used: Usage = amounts(&quota["status"]["used"]).collect();
    let shortages = amounts(&quota["status"]["hard"]).filter_map(|(resource, limit)| {
        let needed = *more.get(&resource).filter(|needed| **needed > 0)?;
        let used = used.get(&resource).copied().unwrap_or(0);
        (used + needed > limit).then_some(Shortage { resource, needed, used, limit })
    });
    let shortages: Vec<Shortage> = shortages.collect();
    let quota = text(quota, "/metadata/name").unwrap_or("").to_owned();
    (!shortages.is_empty()).then_some(Exceeded { quota, shortages })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("1", ONE),
            ("250m", ONE / 4),
            ("0.5", ONE / 2),
            ("1.5Gi", ONE * 3 * (1 << 29)),
            ("64Mi", ONE << 26),
            ("2k", ONE * 2000),
            ("1e3", ONE * 1000),
            ("5e-1", ONE / 2),
            ("3n", 3),
        ] {
            assert_eq!(amount(text), Some(expected), "{text}");
        }
        for wrong in ["", "Mi", "1x", "1.2.3", "1e999"] {
            assert_eq!(amount(wrong), None, "{wrong}");
        }
        for (value, text) in
            [(ONE, "1"), (ONE * 3 / 2, "1500m"), (ONE << 26, "64Mi"), (3 * (ONE << 30), "3Gi"), (0, "0")]
        {
            assert_eq!(show(value), text);
        }
    }

    #[test]
    fn a_pod_takes_what_its_containers_ask_for_together() {
        let cpu = |value: &str| json!({"requests": {"cpu": value}});
        let pod = json!({"spec": {
            "initContainers": [
                {"name": "sidecar", "restartPolicy": "Always", "resources": cpu("100m")},
                {"name": "setup", "resources": cpu("2")}],
            "containers": [
                {"name": "a", "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "64Mi"}}},
                {"name": "b", "resources": cpu("1")}],
        }});
        let usage = usage(&pod);
        assert_eq!(usage["requests.cpu"], ONE * 21 / 10, "setup beside the sidecar is the peak");
        assert_eq!(usage["cpu"], usage["requests.cpu"]);
        assert_eq!(usage["limits.memory"], ONE << 26);
        assert_eq!(usage["pods"], ONE);
        assert!(super::usage(&json!({"status": {"phase": "Succeeded"}})).is_empty());
    }

    #[test]
    fn the_servers_words_are_understood() {
        let message = "pods \"a\" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=500m, \
                       used: pods=3,requests.cpu=1, limited: pods=3,requests.cpu=1";
        let exceeded = Exceeded::read(message).expect("it speaks of a quota");
        assert_eq!(exceeded.quota, "q");
        assert_eq!(exceeded.shortages[0].to_string(), "pods: 1 needed, 3 of 3 in use");
        assert_eq!(exceeded.shortages[1].to_string(), "requests.cpu: 500m needed, 1 of 1 in use");
        assert_eq!(Exceeded::read("pods \"a\" is forbidden: violates PodSecurity"), None);

        let own = Usage::from([("pods".into(), ONE), ("requests.cpu".into(), ONE / 2)]);
        assert_eq!(exceeded.clone().after(&own), None, "it goes before it comes");
        let lowered = Exceeded::read(&message.replace("limited: pods=3", "limited: pods=2")).expect("as before");
        let left = lowered.after(&own).expect("the quota was lowered");
        assert_eq!(left.shortages.len(), 1);
        assert_eq!(left.shortages[0].to_string(), "pods: 1 needed, 2 of 2 in use");
        let small = Usage::from([("pods".into(), ONE), ("requests.cpu".into(), ONE / 4)]);
        assert_eq!(exceeded.after(&small).map(|left| left.shortages.len()), Some(1));
    }

    #[test]
    fn what_all_need_together_is_counted() {
        let mut quota = json!({"metadata": {"name": "q"}, "spec": {},
            "status": {"hard": {"pods": "5", "services": "0"}, "used": {"pods": "2"}}});
        let pods = |number: i128| Usage::from([("pods".to_owned(), number * ONE)]);
        assert_eq!(shortage(&quota, &pods(3)), None);
        let short = shortage(&quota, &pods(4)).expect("one too many");
        assert_eq!(short.shortages[0].to_string(), "pods: 4 needed, 2 of 5 in use");
        quota["spec"]["scopes"] = json!(["BestEffort"]);
        assert_eq!(shortage(&quota, &pods(4)), None);
    }
}
