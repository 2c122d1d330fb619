//! `version`: of this program, of the server, of the records.

use super::env::Env;
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::record::SCHEMA_VERSION;

/// Print the version of kubectl-vnf, of its records, and of the API server
#[derive(Debug, clap::Args)]
pub struct VersionArgs {
    /// Do not ask the API server
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub client: Option<bool>,
}

pub(crate) async fn run(global: &Global, args: VersionArgs) -> Result<Exit, CliError> {
    let client = format!("kubectl-vnf {}\nrecord schema {SCHEMA_VERSION}\n", env!("CARGO_PKG_VERSION"));
    if args.client.unwrap_or(false) {
        Ui::new("").out(&client);
        return Ok(Exit::Done);
    }
    let connected = Env::connect(global).await;
    Ui::new("").out(&client);
    let env = connected?;
    let server = env.cluster.server_version().await?;
    env.ui.out(&format!("server {server}\n"));
    Ok(Exit::Done)
}
