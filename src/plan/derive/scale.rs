//! Scale: the VDUs of one aspect get more or fewer replicas, step by step as the VNFD says.
//!
//! Steps are counted from the scale level on record, replicas from the live `spec.replicas`: packages whose levels and
//! deltas do not add up are common, and an autoscaler or a person may have set another number since. What a step adds
//! need not be what the next one adds. The bounds are the aspect's highest level and each VDU's profile.

use crate::object::ObjectRef;
use crate::object::pod::terminating;
use crate::object::workload::{WorkloadKind, replicas};
use crate::package::vnfd::{Flavour, Vdu, VduAspect};
use crate::plan::Vdus;
use crate::plan::content::{ContentError, Contents};
use crate::plan::drift::{Writer, replicas_writer};
use crate::plan::live::Live;
use crate::record::revision::AspectLevel;
use crate::record::{ObjectState, Revision, Scaling, Scope, Verb};
use jiff::Timestamp;
use serde::Serialize;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More.
    Out,
    /// Fewer.
    In,
}

/// What is asked for.
pub struct Request<'a> {
    /// The revision in force.
    pub current: &'a Revision,
    /// Its packages.
    pub contents: &'a Contents,
    /// The live objects.
    pub live: &'a Live,
    /// The aspect.
    pub aspect: &'a str,
    /// Which way.
    pub direction: Direction,
    /// How many steps.
    pub steps: u32,
    /// Number of the new revision.
    pub number: u64,
    /// The operation.
    pub operation_id: &'a str,
    /// Now.
    pub time: Timestamp,
}

/// Why a VNF is not scaled.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The flavour has no aspect of that name.
    #[error("no scaling aspect {aspect:?} in flavour {flavour}")]
    NoSuchAspect {
        /// The name.
        aspect: String,
        /// The flavour.
        flavour: String,
        /// Those that it has.
        known: Vec<AspectLevel>,
    },
    /// The bounds, or the workloads themselves, forbid it; one sentence each.
    #[error("{}", .0.join("\n"))]
    Forbidden(Vec<String>),
    /// A package is not at hand.
    #[error(transparent)]
    Content(#[from] ContentError),
}

/// Works out the target revision and the replicas of every VDU of the aspect.
///
/// # Errors
/// See [`Refusal`]; everything that forbids it at once.
pub fn scale(request: &Request<'_>) -> Result<(Revision, Scope), Refusal> {
    let Request { current, direction, .. } = *request;
    let mut target = Revision {
        number: request.number,
        operation_id: request.operation_id.to_owned(),
        verb: Verb::Scale,
        time: request.time,
        ..current.clone()
    };
    let unknown = |known: &[AspectLevel]| Refusal::NoSuchAspect {
        aspect: request.aspect.to_owned(),
        flavour: current.flavour_id.clone(),
        known: known.to_vec(),
    };
    let Some(flavour) = request.contents.flavour(current) else { return Err(unknown(&[])) };
    target.scale = levels(flavour, &current.scale, current.instantiation_level_id.as_deref());
    let Some(index) = target.scale.iter().position(|level| level.aspect_id == request.aspect) else {
        return Err(unknown(&target.scale));
    };
    let from = target.scale[index].clone();
    let mut forbidden = Vec::new();
    let to = next_level(&from, direction, request.steps);
    if to.is_none() {
        forbidden.push(beyond(&from, direction, request.steps, &flavour.file));
    }
    let mut scope = Scope::default();
    let mut follows = false;
    for state in &mut target.objects {
        let (Some(kind), Some(vdu)) = (WorkloadKind::of(&state.reference), flavour.vdu_of(&state.reference.name))
        else {
            continue;
        };
        let Some(aspect) = vdu.aspect.as_ref().filter(|aspect| aspect.id == request.aspect) else { continue };
        follows = true;
        let step = to.map(|to| Step { aspect, from: from.scale_level, to });
        if step.as_ref().is_some_and(|step| step.delta() == 0) {
            continue;
        }
        let whom = format!("{} {}", vdu.id, state.reference);
        let found = request.live.get(&state.reference);
        match found {
            _ if !kind.scalable() => forbidden.push(format!("{whom} cannot be scaled: {}", not_scalable(kind))),
            None => forbidden.push(format!("{whom} is not there; `kubectl vnf update NAME` puts it back first")),
            Some(live) if terminating(live) => forbidden.push(format!("{whom} is being deleted")),
            Some(live) => match step.map(|step| step.of(vdu, replicas(live), &flavour.file)) {
                None => {}
                Some(Err(bound)) => forbidden.push(format!("{whom}: {bound}")),
                Some(Ok(after)) => {
                    let object = state.reference.clone();
                    scope.scale.push(Scaling { object, before: replicas(live), after });
                    state.replicas = Some(after);
                }
            },
        }
    }
    if !follows {
        forbidden.push(format!("no workload of this instance follows aspect {}", request.aspect));
    }
    match to {
        Some(to) if forbidden.is_empty() => {
            target.scale[index].scale_level = to;
            Ok((target, scope))
        }
        _ => Err(Refusal::Forbidden(forbidden)),
    }
}

/// Where the aspects of a flavour stand: as known, else as the instantiation level has them, else at the bottom.
pub fn levels(flavour: &Flavour, known: &[AspectLevel], instantiation_level: Option<&str>) -> Vec<AspectLevel> {
    let level = instantiation_level.and_then(|id| flavour.levels.iter().find(|level| level.id == id));
    let now = |id: &str| {
        let known = known.iter().find(|known| known.aspect_id == id).map(|known| known.scale_level);
        known.or_else(|| level?.scale.get(id).copied()).unwrap_or(0)
    };
    let aspects = flavour.aspects.iter();
    aspects
        .map(|aspect| AspectLevel {
            aspect_id: aspect.id.clone(),
            scale_level: now(&aspect.id),
            max_scale_level: aspect.max_scale_level,
        })
        .collect()
}

/// Replicas that a revision says of a workload: set by a level or a scaling, else the manifest's.
///
/// # Errors
/// Its package is not at hand.
pub fn recorded(state: &ObjectState, contents: &Contents) -> Result<u64, ContentError> {
    match state.replicas {
        Some(replicas) => Ok(replicas),
        None => Ok(replicas(&contents.content(state)?)),
    }
}

/// Where counting does not begin at what is on record: somebody else has set the replicas since.
///
/// # Errors
/// A package is not at hand.
pub fn notes(current: &Revision, scope: &Scope, contents: &Contents, live: &Live) -> Result<Vec<String>, ContentError> {
    let vdus = Vdus::of(current, contents);
    let mut notes = Vec::new();
    for Scaling { object, before, .. } in &scope.scale {
        let (Some(state), Some(found)) = (current.object(object), live.get(object)) else { continue };
        let known = recorded(state, contents)?;
        if known == *before {
            continue;
        }
        let who = vdus.id(object).map(|vdu| format!("{vdu} ")).unwrap_or_default();
        let by = match replicas_writer(found) {
            Writer::Foreign(manager, _) => format!(", set by {manager}"),
            Writer::Ours | Writer::Unknown => String::new(),
        };
        let number = current.number;
        notes.push(format!(
            "{who}{object} is counted from the {before} replicas that are live{by}; revision {number} has {known}"
        ));
    }
    Ok(notes)
}

/// One aspect that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AspectMove {
    /// The aspect.
    pub aspect_id: String,
    /// Its level before.
    pub before: u32,
    /// Its level after.
    pub after: u32,
    /// Its highest.
    pub max: u32,
}

/// The aspects whose levels differ between two revisions.
pub fn moves(source: &Revision, target: &Revision) -> Vec<AspectMove> {
    let before = |after: &AspectLevel| source.scale.iter().find(|before| before.aspect_id == after.aspect_id);
    let moved = target.scale.iter().filter_map(|after| Some((before(after)?, after)));
    let moved = moved.filter(|(before, after)| before.scale_level != after.scale_level);
    moved
        .map(|(before, after)| AspectMove {
            aspect_id: after.aspect_id.clone(),
            before: before.scale_level,
            after: after.scale_level,
            max: after.max_scale_level,
        })
        .collect()
}

/// The way of one VDU from one level to another.
#[derive(Clone, Copy)]
struct Step<'a> {
    aspect: &'a VduAspect,
    from: u32,
    to: u32,
}

impl Step<'_> {
    fn delta(&self) -> u32 {
        self.aspect.added(self.from).abs_diff(self.aspect.added(self.to))
    }

    /// The replicas that it leads to from those that are live.
    fn of(&self, vdu: &Vdu, live: u64, file: &str) -> Result<u64, String> {
        let delta = u64::from(self.delta());
        let place = format!("({file}:{})", vdu.line);
        let noun = if live == 1 { "replica" } else { "replicas" };
        let sum = |sign: char| format!("{live} {noun} now{} = ", self.terms(sign));
        if self.to > self.from {
            let after = live.saturating_add(delta);
            let max = u64::from(vdu.max);
            return if after > max {
                Err(format!("{}{after}, above max_number_of_instances {max} {place}", sum('+')))
            } else {
                Ok(after)
            };
        }
        match live.checked_sub(delta) {
            Some(after) if after >= u64::from(vdu.min) => Ok(after),
            after => {
                let after = after.map_or_else(|| format!("-{}", delta - live), |after| after.to_string());
                Err(format!("{}{after}, below min_number_of_instances {} {place}", sum('-'), vdu.min))
            }
        }
    }

    /// ` + 1 + 2`: what each step adds, in the order in which they are taken, as long as they are few.
    fn terms(&self, sign: char) -> String {
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        if high - low > 8 {
            return format!(" {sign} {}", self.delta());
        }
        let mut deltas: Vec<u32> = (low..high).map(|level| self.aspect.delta(level)).collect();
        if sign == '-' {
            deltas.reverse();
        }
        deltas.into_iter().map(|delta| format!(" {sign} {delta}")).collect()
    }
}

fn next_level(from: &AspectLevel, direction: Direction, steps: u32) -> Option<u32> {
    match direction {
        Direction::Out => from.scale_level.checked_add(steps).filter(|to| *to <= from.max_scale_level),
        Direction::In => from.scale_level.checked_sub(steps),
    }
}

/// Why a level is out of reach.
fn beyond(from: &AspectLevel, direction: Direction, steps: u32, file: &str) -> String {
    let AspectLevel { aspect_id, scale_level: level, max_scale_level: max } = from;
    match direction {
        Direction::Out => {
            let to = u64::from(*level) + u64::from(steps);
            format!("aspect {aspect_id}: level {level} now + {steps} = {to}, above max_scale_level {max} ({file})")
        }
        Direction::In => {
            let to = i64::from(*level) - i64::from(steps);
            format!("aspect {aspect_id}: level {level} now - {steps} = {to}, below the lowest level, 0")
        }
    }
}

fn not_scalable(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::DaemonSet => "a DaemonSet runs one Pod on each of its nodes and has no replicas",
        _ => "a Pod is one and has no replicas",
    }
}

/// The objects whose replicas a scaling, or the undo of one, has changed between an earlier revision and the newest.
/// Other operations put down the replicas that they found, be they an autoscaler's.
pub fn scaled_since(revisions: &[Revision], earlier: u64) -> Vec<ObjectRef> {
    let from = revisions.iter().position(|revision| revision.number == earlier).unwrap_or(revisions.len());
    let mut scaled: Vec<ObjectRef> = Vec::new();
    for pair in revisions[from..].windows(2) {
        let [before, after] = pair else { continue };
        if after.verb != Verb::Scale && (after.verb != Verb::Undo || after.scale == before.scale) {
            continue;
        }
        for state in &after.objects {
            let moved = before.object(&state.reference).is_some_and(|before| before.replicas != state.replicas);
            if moved && !scaled.contains(&state.reference) {
                scaled.push(state.reference.clone());
            }
        }
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn vdu(min: u32, max: u32, deltas: &[u32]) -> Vdu {
        Vdu {
            id: "VDU1".into(),
            name: "web".into(),
            kind: None,
            description: String::new(),
            line: 7,
            min,
            max,
            instances: BTreeMap::new(),
            aspect: Some(VduAspect { id: "a".into(), initial: None, deltas: deltas.to_vec() }),
        }
    }

    fn step(vdu: &Vdu, from: u32, to: u32, live: u64) -> Result<u64, String> {
        let aspect = vdu.aspect.as_ref().expect("it follows one");
        Step { aspect, from, to }.of(vdu, live, "f.yaml")
    }

    #[test]
    fn every_step_adds_what_its_own_delta_says() {
        let uneven = vdu(1, 12, &[1, 2, 4]);
        assert_eq!(step(&uneven, 0, 1, 1), Ok(2));
        assert_eq!(step(&uneven, 0, 3, 1), Ok(8));
        assert_eq!(step(&uneven, 3, 1, 8), Ok(2));
        let even = vdu(1, 9, &[2]);
        assert_eq!(step(&even, 1, 3, 3), Ok(7));
    }

    #[test]
    fn a_bound_is_told_with_the_arithmetic() {
        let uneven = vdu(2, 5, &[1, 2, 4]);
        assert_eq!(
            step(&uneven, 1, 3, 3).expect_err("too many"),
            "3 replicas now + 2 + 4 = 9, above max_number_of_instances 5 (f.yaml:7)"
        );
        assert_eq!(
            step(&uneven, 3, 0, 3).expect_err("too few"),
            "3 replicas now - 4 - 2 - 1 = -4, below min_number_of_instances 2 (f.yaml:7)"
        );
        // Who is out of bounds already may come nearer.
        assert_eq!(step(&uneven, 2, 1, 9), Ok(7));
        assert_eq!(step(&uneven, 0, 1, 0), Ok(1));
    }

    proptest! {
        #[test]
        fn out_and_in_again_ends_where_it_began(
            deltas in proptest::collection::vec(0u32..5, 1..6), live in 0u64..50, from in 0u32..4, steps in 1u32..6,
        ) {
            let vdu = vdu(0, 1000, &deltas);
            let out = step(&vdu, from, from + steps, live);
            let out = out.expect("within the bounds");
            prop_assert!(out >= live);
            prop_assert_eq!(step(&vdu, from + steps, from, out), Ok(live));
            // One step after the other comes to the same.
            let single = (from..from + steps).try_fold(live, |live, level| step(&vdu, level, level + 1, live));
            prop_assert_eq!(single, Ok(out));
        }

        #[test]
        fn what_is_allowed_is_within_the_profile(
            deltas in proptest::collection::vec(0u32..9, 1..4), live in 0u64..20, min in 0u32..5, max in 5u32..12,
        ) {
            let vdu = vdu(min, max, &deltas);
            if let Ok(after) = step(&vdu, 0, 2, live) {
                prop_assert!(after <= u64::from(max));
            }
            if let Ok(after) = step(&vdu, 2, 0, live) {
                prop_assert!(after >= u64::from(min));
            }
        }
    }
}
