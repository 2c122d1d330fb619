//! `scale`: more or fewer Pods of the VDUs of one scaling aspect.

use super::env::{Env, new_id};
use super::operate::{Operating, Terms};
use super::update::require_current;
use crate::cli::args::{Change, Global};
use crate::cli::error::{CliError, Exit};
use crate::engine::operation::Proposal;
use crate::engine::session::Session;
use crate::plan::derive::scale::{self, Direction, Refusal, moves, notes};
use crate::plan::sheet::Sheet;
use crate::plan::{Contents, journal};
use crate::record::{AspectLevel, Verb};
use clap::value_parser;
use serde_json::{Value, json};

/// Scale a VNF: one aspect, out or in by steps, with every VDU that follows it
///
/// What a step adds says the VNFD; it is counted from the replicas that are live now. A step beyond the aspect's levels,
/// or beyond the bounds of a VDU's profile, is refused. Pods that stay are not touched.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("direction").args(["out", "in_"]).required(true),
    after_help = "Examples:
  # One step out
  kubectl vnf scale sample-vnf --aspect vdu1_aspect --out

  # Two steps out; only look
  kubectl vnf scale sample-vnf --aspect vdu2_aspect --out 2 --dry-run=server

  # One step in
  kubectl vnf scale sample-vnf --aspect vdu1_aspect --in 1"
)]
pub struct ScaleArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// Scaling aspect; `show` lists them with their levels
    #[arg(long, value_name = "ASPECT")]
    pub aspect: String,
    /// Scale out by so many steps [default: 1]
    #[arg(long, value_name = "STEPS", num_args = 0..=1, default_missing_value = "1", value_parser = value_parser!(u32).range(1..))]
    pub out: Option<u32>,
    /// Scale in by so many steps [default: 1]
    #[arg(long = "in", value_name = "STEPS", num_args = 0..=1, default_missing_value = "1", value_parser = value_parser!(u32).range(1..))]
    pub in_: Option<u32>,
    /// Go back to the former replicas if it fails (not if it is interrupted)
    #[arg(long, help_heading = "Operation options")]
    pub rollback_on_failure: bool,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

impl ScaleArgs {
    fn steps(&self) -> (Direction, u32) {
        match (self.out, self.in_) {
            (Some(steps), _) => (Direction::Out, steps),
            (None, steps) => (Direction::In, steps.unwrap_or(1)),
        }
    }

    /// SOL003 `ScaleVnfRequest`.
    fn params(&self) -> Value {
        let (direction, steps) = self.steps();
        let kind = if direction == Direction::Out { "SCALE_OUT" } else { "SCALE_IN" };
        json!({"type": kind, "aspectId": self.aspect, "numberOfSteps": steps})
    }
}

pub(crate) async fn run(global: &Global, args: ScaleArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let mut session = Session::open(&env.cluster, &env.store, &args.name).await?;
    session.require_free()?;
    let current = require_current(session.instance())?.clone();
    let mut contents = Contents::default();
    let (loaded, observer) = session.prepare(&[&current], &mut contents).await?;
    loaded?;
    let operation_id = new_id();
    let (direction, steps) = args.steps();
    let propose = |session: &Session| -> Result<Proposal, CliError> {
        let instance = session.instance();
        let current = require_current(instance)?;
        let live = observer.live();
        let request = scale::Request {
            current,
            contents: &contents,
            live: &live,
            aspect: &args.aspect,
            direction,
            steps,
            number: instance.kubectl_vnf.last_revision + 1,
            operation_id: &operation_id,
            time: env.cluster.now(),
        };
        let (target, scope) =
            scale::scale(&request).map_err(|refusal| refused(&instance.vnf_instance_name, refusal))?;
        let notes = notes(current, &scope, &contents, &live)?;
        let moved = moves(current, &target);
        let journal = journal(current, Some(target), scope, &live);
        let sheet = Sheet {
            scale: moved,
            notes,
            ..Sheet::of(Verb::Scale, instance, env.cluster.context(), &journal, &contents, &live)?
        };
        Ok(Proposal {
            operation_id: operation_id.clone(),
            params: args.params(),
            incoming: None,
            seen: live.state(),
            journal,
            sheet,
        })
    };
    let proposal = propose(&session)?;
    let operating =
        Operating { env: &env, session: &mut session, contents: &contents, observer: &observer, change: &args.change };
    let terms = Terms { rollback_on_failure: args.rollback_on_failure, ..Terms::default() };
    let (exit, _) = operating.run(terms, proposal, propose).await?;
    Ok(exit)
}

fn refused(name: &str, refusal: Refusal) -> CliError {
    match refusal {
        Refusal::NoSuchAspect { ref known, .. } => {
            let known: Vec<String> = known.iter().map(shown).collect();
            let hint = match known.as_slice() {
                [] => "Its package names no scaling aspect: it cannot be scaled".to_owned(),
                known => format!("Aspects: {}", known.join(",  ")),
            };
            CliError::new(format!("{name}: {refusal}")).hint(hint)
        }
        Refusal::Forbidden(reasons) => {
            let error = CliError::new(format!("scale of {name} refused, nothing was written"));
            reasons.into_iter().fold(error, |error, reason| error.hint(format!("  {reason}")))
        }
        Refusal::Content(error) => error.into(),
    }
}

/// `vdu1_aspect 0 of 2`, as `show` has it.
fn shown(level: &AspectLevel) -> String {
    format!("{} {} of {}", level.aspect_id, level.scale_level, level.max_scale_level)
}
