//! `heal`: chosen Pods made again, or all VDU workloads.

use super::env::{Env, new_id};
use super::operate::{Operating, Terms};
use super::update::require_current;
use crate::cli::args::{Change, Global};
use crate::cli::error::{CliError, Exit};
use crate::engine::operation::Proposal;
use crate::engine::session::Session;
use crate::plan::derive::heal::{self, Stays, Targets};
use crate::plan::derive::update::deferred;
use crate::plan::sheet::Sheet;
use crate::plan::{Contents, drift, journal};
use crate::record::Verb;
use serde_json::{Map, Value, json};

/// Heal a VNF: make chosen VNFCs again, or all of its workloads
///
/// With --vnfc or --vdu the Pods are replaced one at a time, within disruption budgets; one that is gone is made again.
/// With --all the workloads of all VDUs are deleted and created from the package, so that deferred changes take effect,
/// and every VDU is down until its Pods are ready again. Everything else is created if it is missing and put right in
/// place if it differs, whoever has changed it, and never deleted; replicas and volumes stay.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Examples:
  # One VNFC, by its id or its Pod's name
  kubectl vnf heal sample-vnf --vnfc VDU3-env-test

  # All VNFCs of VDUs, and why
  kubectl vnf heal sample-vnf --vdu VDU1 VDU2 --cause "memory leak"

  # What would come into force with all of them made anew?
  kubectl vnf heal sample-vnf --all --dry-run=client"#)]
pub struct HealArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// VNFC id (VDU-POD) or Pod name; may be repeated
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with_all = ["vdu", "all"])]
    pub vnfc: Vec<String>,
    /// All VNFCs of a VDU; may be repeated
    #[arg(long, value_name = "VDU", num_args = 1.., conflicts_with = "all")]
    pub vdu: Vec<String>,
    /// All workloads of all VDUs, from the package
    #[arg(long)]
    pub all: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub cause: Option<String>,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

pub(crate) async fn run(global: &Global, args: HealArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let mut session = Session::open(&env.cluster, &env.store, &args.name).await?;
    session.require_free()?;
    let current = require_current(session.instance())?.clone();
    let mut contents = Contents::default();
    let (loaded, observer) = session.prepare(&[&current], &mut contents).await?;
    loaded?;
    let vnfcs = heal::vnfcs(&current, &contents, &observer.live());
    let ids = || vnfcs.iter().map(|vnfc| vnfc.id.as_str()).collect::<Vec<_>>().join("   ");
    let targets = match (args.vnfc.is_empty(), args.vdu.is_empty(), args.all) {
        (_, _, true) => None,
        (false, _, _) => Some(Targets::Vnfcs(args.vnfc.clone())),
        (_, false, _) => Some(Targets::Vdus(args.vdu.clone())),
        _ => {
            return Err(CliError::usage("say what to heal: --vnfc ID..., --vdu VDU..., or --all")
                .hint(format!("VNFCs: {}", ids())));
        }
    };
    if let Some(targets) = &targets {
        heal::chosen(targets, &vnfcs).map_err(|unknown| {
            let what = if args.vnfc.is_empty() { "VDU" } else { "VNFC" };
            let known = if args.vnfc.is_empty() {
                let mut vdus: Vec<&str> = vnfcs.iter().map(|vnfc| vnfc.vdu.as_str()).collect();
                vdus.dedup();
                format!("VDUs: {}", vdus.join("   "))
            } else {
                format!("VNFCs: {}", ids())
            };
            CliError::new(format!("{} has no {what} {}", args.name, unknown.join(", "))).hint(known)
        })?;
    }
    let operation_id = new_id();
    let propose = |session: &Session| -> Result<Proposal, CliError> {
        let instance = session.instance();
        let current = require_current(instance)?.clone();
        let live = observer.live();
        let (target, scope, stays) = match &targets {
            Some(targets) => {
                let scope = heal::chosen(targets, &heal::vnfcs(&current, &contents, &live))
                    .map_err(|gone| CliError::new(format!("{} is gone by now", gone.join(", "))))?;
                (current.clone(), scope, Vec::new())
            }
            None => {
                let number = instance.kubectl_vnf.last_revision + 1;
                heal::all(&current, &contents, &live, number, &operation_id, env.cluster.now())
                    .map_err(CliError::new)?
            }
        };
        let drift = drift::overwritten(&current, &target, &scope, &contents, &live)?;
        let journal = journal(&current, Some(target), scope, &live);
        // With --all, what was deferred comes into force: it is what the plan is about.
        let in_force =
            if targets.is_none() { deferred(&current, &contents).map_err(CliError::new)? } else { Vec::new() };
        let stays = stays.iter().map(|Stays { object, because }| {
            format!(
                "{object} is not as the package says and stays so ({because}): a heal deletes nothing but workloads"
            )
        });
        let sheet = Sheet {
            deferred: in_force,
            drift,
            notes: stays.collect(),
            ..Sheet::of(Verb::Heal, instance, env.cluster.context(), &journal, &contents, &live)?
        };
        Ok(Proposal {
            operation_id: operation_id.clone(),
            params: params(&args),
            incoming: None,
            seen: live.state(),
            journal,
            sheet,
        })
    };
    let proposal = propose(&session)?;
    let operating =
        Operating { env: &env, session: &mut session, contents: &contents, observer: &observer, change: &args.change };
    // To put back what drifted is what a heal is for; the plan says whose changes go.
    let terms = Terms { asks: args.all, overwrite_drift: true, ..Terms::default() };
    let (exit, _) = operating.run(terms, proposal, propose).await?;
    Ok(exit)
}

/// SOL003 `HealVnfRequest`, with what was asked for and nothing else.
fn params(args: &HealArgs) -> Value {
    let mut params = Map::new();
    if let Some(cause) = &args.cause {
        params.insert("cause".into(), json!(cause));
    }
    if !args.vnfc.is_empty() {
        params.insert("vnfcInstanceId".into(), json!(args.vnfc));
    }
    if !args.vdu.is_empty() {
        params.insert("additionalParams".into(), json!({"vduId": args.vdu}));
    }
    if args.all {
        params.insert("additionalParams".into(), json!({"all": true}));
    }
    Value::Object(params)
}
