//! `version`: of this program, of the server, of the records.

use super::env::Env;
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Output, OutputParser};
use crate::cli::ui::Ui;
use crate::record::SCHEMA_VERSION;
use serde_json::json;

/// Print the version of kubectl-vnf, of its records, and of the API server
///
/// Records say which schema they were written with; a program with an older one lists newer records, and does not write
/// them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # All three
  kubectl vnf version

  # Without a cluster, for a script
  kubectl vnf version --client -o json")]
pub struct VersionArgs {
    /// Do not ask the API server
    #[arg(long)]
    pub client: bool,
    /// Output format
    #[arg(short, long, value_parser = OutputParser::SINGLE, value_name = "FORMAT")]
    pub output: Option<Output>,
}

pub(crate) async fn run(global: &Global, args: VersionArgs) -> Result<Exit, CliError> {
    let version = env!("CARGO_PKG_VERSION");
    let ui = Ui::new("");
    let Some(output) = args.output else {
        // What is known goes out first: it is what one asks for when the cluster is the trouble.
        ui.out(&format!("kubectl-vnf {version}\nrecord schema {SCHEMA_VERSION}\n"));
        if !args.client {
            ui.out(&format!("server {}\n", server(global).await?));
        }
        return Ok(Exit::Done);
    };
    let mut value = json!({"clientVersion": version, "recordSchemaVersion": SCHEMA_VERSION});
    if !args.client {
        value["serverVersion"] = server(global).await?.into();
    }
    ui.out(&output.text(&value, &format!("version/{version}"))?);
    Ok(Exit::Done)
}

async fn server(global: &Global) -> Result<String, CliError> {
    Ok(Env::connect(global).await?.cluster.server_version().await?)
}
