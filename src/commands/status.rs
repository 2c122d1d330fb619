//! `status`: how a VNF is, or how all are: health, drift, what is deferred, what is under way.

use super::env::Env;
use super::follow::{Told, follow};
use super::operate::{instance_of, print, print_all};
use crate::cli::args::{Global, Table};
use crate::cli::error::{CliError, Exit};
use crate::cli::output::Output;
use crate::cli::terminal::Size;
use crate::engine::status::{Overview, Subject};
use crate::object::mask::printable_line;
use crate::report::status::Status;
use crate::view::status as status_view;
use serde_json::{Value, json};

/// Show how VNF instances are: health, drift, what is deferred, what is under way
///
/// Exit code 0: ready and as recorded, 1: not ready, drifted, or an operation is open, 2 or more: trouble. What is
/// deferred does not count. With --watch it ends by Ctrl-C alone, or with the record, and tells of what others do
/// meanwhile: on a terminal repainted in place, elsewhere anew whenever something has changed, with -o json a line each.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # One instance
  kubectl vnf status sample-vnf

  # The same, for as long as something goes on
  kubectl vnf status sample-vnf -w

  # All instances of this namespace
  kubectl vnf status

  # For a script
  kubectl vnf status sample-vnf -o json")]
pub struct StatusArgs {
    /// The instance: id, name, or the beginning of its id; without it all are shown in a table
    pub name: Option<String>,
    /// All instances of all namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Go on to show it until Ctrl-C
    #[arg(short, long, requires = "name")]
    pub watch: bool,
    /// Flags of every table.
    #[command(flatten)]
    pub table: Table,
}

pub(crate) async fn run(global: &Global, args: StatusArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    match &args.name {
        Some(name) if args.watch => watch(&env, name, args.table.machine()).await,
        Some(name) => one(&env, name, args.table.machine()).await,
        None => all(&env, &args).await,
    }
}

async fn one(env: &Env, name: &str, output: Option<&Output>) -> Result<Exit, CliError> {
    let subject = Subject::open(&env.cluster, &env.store, name).await?;
    let events = subject.pod_events().await;
    let status = subject.status(&events);
    if output.is_some() {
        print(env, output, &machine(&status), &instance_of(&status.name), |_| String::new())?;
    } else {
        env.ui.out(&status_view::status(&status, &env.screen(), None));
    }
    if status.unknown.is_empty() {
        return Ok(exit(&status));
    }
    let why = status.unknown.join("\n");
    Err(CliError::new(format!("whether it is as recorded could not be told: {why}")))
}

async fn watch(env: &Env, name: &str, output: Option<&Output>) -> Result<Exit, CliError> {
    let subject = Subject::open(&env.cluster, &env.store, name).await?;
    let line = |output: &Output, status: &Status| match output {
        Output::Json => Ok(format!("{}\n", machine(status))),
        Output::Yaml => Ok(format!("---\n{}", output.text(&machine(status), "")?)),
        other => {
            let text = other.text(&machine(status), &instance_of(&status.name))?;
            Ok(if text.ends_with('\n') { text } else { text + "\n" })
        }
    };
    let screen = |status: &Status, size: Option<Size>| match size {
        Some(size) => status_view::status(status, &env.ui.frame(env.cluster.now(), size), Some(size.rows - 1)),
        None => status_view::status(status, &env.screen(), None),
    };
    match output {
        Some(output) => follow(env, subject, &Told::Line(&|status| line(output, status))).await,
        None => follow(env, subject, &Told::Screen(&screen)).await,
    }
}

async fn all(env: &Env, args: &StatusArgs) -> Result<Exit, CliError> {
    let namespace = (!args.all_namespaces).then(|| env.store.namespace());
    let Overview { statuses, left_out } = Overview::read(&env.cluster, namespace).await?;
    for what in &left_out {
        env.ui.err(&format!("! left out: {}\n", printable_line(what)));
    }
    if let Some(output) = args.table.machine() {
        let items: Vec<Value> = statuses.iter().map(machine).collect();
        print_all(env, output, &items, |item| instance_of(item["vnfInstanceName"].as_str().unwrap_or_default()))?;
    } else if statuses.is_empty() {
        env.none_found(namespace);
    } else {
        let wide = args.table.is_wide();
        env.ui.out(&status_view::all(&statuses, args.all_namespaces, !args.table.no_headers, wide));
    }
    if !left_out.is_empty() {
        return Err(CliError::new("not all could be told of all VNF instances"));
    }
    let first = statuses.iter().map(exit).find(|exit| *exit != Exit::Done);
    Ok(first.unwrap_or(Exit::Done))
}

fn exit(status: &Status) -> Exit {
    if status.is_well() { Exit::Done } else { Exit::Failed }
}

/// The status with SOL003's attribute names; what SOL003 has no word for stands under `kubectlVnf`.
fn machine(status: &Status) -> Value {
    let (ready, wanted) = status.ready;
    json!({
        "id": status.id,
        "vnfInstanceName": status.name,
        "instantiationState": status.instantiation_state,
        "kubectlVnf": {
            "namespace": status.namespace,
            "revision": status.revision,
            "well": status.is_well(),
            "vnfcs": {"ready": ready, "wanted": wanted},
            "operation": status.operation,
            "tree": status.tree,
            "drift": status.drift,
            "deferred": status.deferred,
            "unknown": status.unknown,
        },
    })
}
