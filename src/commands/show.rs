//! `show`: the record of one instance, with its VNFCs as they live.

use super::env::Env;
use super::operate::{instance_of, print};
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Output, OutputParser};
use crate::engine::session::{Session, Standing};
use crate::object::mask::printable_line;
use crate::object::workload::WorkloadKind;
use crate::object::{text, uid};
use crate::plan::derive::heal::vnfcs;
use crate::plan::derive::update::deferred;
use crate::plan::{Contents, Live, Vdus, live_images};
use crate::record::{Instance, OperationState, Revision};
use crate::view::show::{self, ShowRow, ShowSheet};
use serde_json::{Value, json};

/// Show a VNF instance: what it is, its VDUs and VNFCs, what is deferred, its revisions
///
/// The record, and the VNFCs as they live. JSON and YAML have SOL003's attribute names; what SOL003 has no name for stands
/// under `kubectlVnf`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # For a person
  kubectl vnf show sample-vnf

  # The whole record
  kubectl vnf show sample-vnf -o yaml

  # The ids of its VNFCs
  kubectl vnf show sample-vnf -o jsonpath='{.instantiatedVnfInfo.vnfcInfo[*].id}'")]
pub struct ShowArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// Output format; JSON and YAML use SOL003's attribute names
    #[arg(short, long, value_parser = OutputParser::SINGLE, value_name = "FORMAT")]
    pub output: Option<Output>,
}

pub(crate) async fn run(global: &Global, args: ShowArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let mut session = Session::open(&env.cluster, &env.store, &args.name).await?;
    let mut interrupted = false;
    if let Standing::Unfinished { interrupted: true, operation } = &session.standing {
        interrupted = true;
        // Its process could not say so itself any more.
        let mut stopped = operation.operation.clone();
        stopped.enter(OperationState::FailedTemp, stopped.state_entered_time);
        session.stored.instance.follow(&stopped);
    }
    let instance = session.instance().clone();
    let mut contents = Contents::default();
    let mut rows = Vec::new();
    let mut waiting = Vec::new();
    let mut info = json!({});
    // While it is being instantiated the objects are those of the operation's target.
    let target = match &session.standing {
        Standing::Unfinished { operation, .. } => operation.journal.target.clone(),
        _ => None,
    };
    if let Some(current) = instance.current().or(target.as_ref()) {
        let (loaded, observer) = session.look(&[current], &mut contents).await?;
        match loaded {
            Ok(()) => waiting = deferred(current, &contents).map_err(CliError::new)?,
            // What runs can be told without it.
            Err(error) => env.ui.err(&format!("! {}\n", printable_line(&CliError::from(error).message))),
        }
        let live = observer.live();
        rows = workload_rows(current, &contents, &live);
        info = vnfc_info(current, &contents, &live);
    }
    if args.output.is_some() {
        let value = record(&instance, info, &waiting)?;
        print(&env, args.output.as_ref(), &value, &instance_of(&instance.vnf_instance_name), |_| String::new())?;
        return Ok(Exit::Done);
    }
    let sheet = ShowSheet {
        interrupted,
        instance: &instance,
        namespace: env.store.namespace(),
        rows: &rows,
        deferred: &waiting,
    };
    env.ui.out(&show::instance(&sheet, &env.screen()));
    Ok(Exit::Done)
}

fn workload_rows(current: &Revision, contents: &Contents, live: &Live) -> Vec<ShowRow> {
    let vdus = Vdus::of(current, contents);
    let all = vnfcs(current, contents, live);
    let mut states: Vec<_> =
        current.objects.iter().filter(|state| WorkloadKind::of(&state.reference).is_some()).collect();
    states.sort_by_key(|state| vdus.position(&state.reference));
    states
        .into_iter()
        .map(|state| ShowRow {
            vdu: vdus.id(&state.reference).map(ToOwned::to_owned),
            workload: state.reference.clone(),
            images: live.get(&state.reference).map(live_images).unwrap_or_default().into_values().collect(),
            vnfcs: all.iter().filter(|vnfc| vnfc.workload == state.reference).map(|vnfc| vnfc.id.clone()).collect(),
        })
        .collect()
}

/// SOL003 `vnfcResourceInfo` and SOL002 `vnfcInfo`, from the live Pods.
fn vnfc_info(current: &Revision, contents: &Contents, live: &Live) -> Value {
    let vnfcs: Vec<_> = vnfcs(current, contents, live).into_iter().filter(|vnfc| !vnfc.uid.is_empty()).collect();
    let resources: Vec<Value> = vnfcs
        .iter()
        .map(|vnfc| {
            json!({
                "id": vnfc.pod,
                "vduId": vnfc.vdu,
                "computeResource": {"resourceId": vnfc.pod, "vimLevelResourceType": vnfc.workload.kind},
                "metadata": {"namespace": vnfc.workload.namespace, "uid": vnfc.uid},
            })
        })
        .collect();
    let infos: Vec<Value> = vnfcs
        .iter()
        .map(|vnfc| {
            let pod = live.pods_of(&vnfc.workload).into_iter().find(|pod| uid(pod) == vnfc.uid);
            let ready = pod.is_some_and(crate::object::pod::is_ready);
            json!({
                "id": vnfc.id,
                "vduId": vnfc.vdu,
                "vnfcResourceInfoId": vnfc.pod,
                "vnfcState": if ready { "STARTED" } else { "STOPPED" },
                "kubectlVnf": {"node": pod.and_then(|pod| text(pod, "/spec/nodeName"))},
            })
        })
        .collect();
    json!({"vnfcResourceInfo": resources, "vnfcInfo": infos})
}

/// The record as SOL003 shows it.
fn record(
    instance: &Instance,
    info: Value,
    deferred: &[crate::plan::derive::update::Deferred],
) -> Result<Value, CliError> {
    let mut value = serde_json::to_value(instance).map_err(CliError::new)?;
    if let (Some(into), Some(from)) = (value["instantiatedVnfInfo"].as_object_mut(), info.as_object()) {
        into.extend(from.clone());
    }
    value["kubectlVnf"]["deferred"] = serde_json::to_value(deferred).map_err(CliError::new)?;
    value["kubectlVnf"]["revisions"] = instance
        .revisions
        .iter()
        .map(|revision| {
            json!({
                "number": revision.number,
                "package": revision.package,
                "operationId": revision.operation_id,
                "verb": revision.verb,
                "time": revision.time,
            })
        })
        .collect();
    Ok(value)
}
