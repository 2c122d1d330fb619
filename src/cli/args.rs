//! The command line as types. A doc comment here is the help that a user reads.

use super::output::{Output, OutputParser};
use crate::cluster::ConnectOptions;
use crate::commands;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Run the life of a containerised VNF straight from a kube context
///
/// Instantiates, updates, scales, heals and terminates CNFs described by ETSI NFV packages (CSAR). There is no server: records
/// are ConfigMaps in the cluster. An update changes only the ConfigMaps, Secrets and container images that changed,
/// restarts exactly the Pods that use them, and leaves every other Pod alone.
#[derive(Debug, Parser)]
#[command(name = "kubectl-vnf", bin_name = "kubectl vnf", version, args_override_self = true, max_term_width = 100)]
#[command(after_help = "\
Begin here:
  kubectl vnf package inspect sample.csar                   what is in it?
  kubectl vnf instantiate sample-vnf --package sample.csar  make it run
  kubectl vnf update sample-vnf --package sample-2.csar     the plan first, then a question
  kubectl vnf undo sample-vnf                               back to what was before

More on each: kubectl vnf help VERB")]
#[command(disable_help_subcommand = false, propagate_version = false, arg_required_else_help = true)]
pub struct Cli {
    /// kubectl's own flags.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a comment here would hide the help that stands with each verb's arguments")]
pub enum Command {
    Create(commands::create::CreateArgs),
    Instantiate(commands::instantiate::InstantiateArgs),
    Update(commands::update::UpdateArgs),
    Undo(commands::undo::UndoArgs),
    ChangePackage(commands::change_package::ChangePackageArgs),
    Diff(commands::diff::DiffArgs),
    Heal(commands::heal::HealArgs),
    Scale(commands::scale::ScaleArgs),
    Terminate(commands::terminate::TerminateArgs),
    Delete(commands::delete::DeleteArgs),
    List(commands::list::ListArgs),
    Show(commands::show::ShowArgs),
    Status(commands::status::StatusArgs),
    #[command(subcommand)]
    Op(Op),
    #[command(subcommand)]
    Package(PackageCommand),
    Version(commands::version::VersionArgs),
    Completion(commands::completion::CompletionArgs),
}

/// List, show and finish LCM operations
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "as for `Command`")]
pub enum Op {
    List(commands::op::list::ListArgs),
    Show(commands::op::show::ShowArgs),
    Retry(commands::op::retry::RetryArgs),
    Rollback(commands::op::rollback::RollbackArgs),
    Fail(commands::op::fail::FailArgs),
}

/// Look into packages, judge and make them
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "as for `Command`")]
pub enum PackageCommand {
    Inspect(commands::package::InspectArgs),
    Validate(commands::package::validate::ValidateArgs),
    Build(commands::package::make::BuildArgs),
    Init(commands::package::make::InitArgs),
    Onboard(commands::package::stored::OnboardArgs),
    List(commands::package::stored::ListArgs),
    Show(commands::package::stored::ShowArgs),
    Delete(commands::package::stored::DeleteArgs),
}

/// kubectl's own flags: which cluster, as whom.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster options")]
pub struct Global {
    /// Namespace of the VNF instance records [default: the context's]
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Path of the kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Cluster entry of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub cluster: Option<String>,
    /// User entry of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub user: Option<String>,
    /// Address of the API server
    #[arg(short, long, global = true, value_name = "URL", hide_short_help = true)]
    pub server: Option<String>,
    /// Bearer token
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    pub token: Option<String>,
    /// Certificate authority of the API server
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub certificate_authority: Option<PathBuf>,
    /// Client certificate
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub client_certificate: Option<PathBuf>,
    /// Key of the client certificate
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub client_key: Option<PathBuf>,
    /// Server name to check the certificate against
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub tls_server_name: Option<String>,
    /// Do not check the API server's certificate
    #[arg(long, global = true, hide_short_help = true)]
    pub insecure_skip_tls_verify: bool,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER")]
    pub impersonate: Option<String>,
    /// Group to impersonate; may be repeated
    #[arg(long = "as-group", global = true, value_name = "GROUP", hide_short_help = true)]
    pub impersonate_groups: Vec<String>,
    /// UID to impersonate
    #[arg(long = "as-uid", global = true, value_name = "UID", hide_short_help = true)]
    pub impersonate_uid: Option<String>,
    /// Extra of the user to impersonate, KEY=VALUE; may be repeated
    #[arg(long = "as-user-extra", global = true, value_name = "KEY=VALUE", value_parser = extra, hide_short_help = true)]
    pub impersonate_extra: Vec<(String, String)>,
    /// How long one request may take, such as 10s; 0 means for ever [default: 30s]
    #[arg(long, global = true, value_name = "DURATION", value_parser = timeout)]
    pub request_timeout: Option<Duration>,
    /// As kubectl has it; nothing is compressed here
    #[arg(long, global = true, hide = true)]
    pub disable_compression: bool,
    /// As kubectl has it; nothing is cached here
    #[arg(long, global = true, value_name = "DIRECTORY", hide = true)]
    pub cache_dir: Option<PathBuf>,
    /// Log verbosity: 6 shows requests, 7 and 8 their headers, 8 and 9 the beginning of bodies; never tokens and Secrets
    #[arg(short, long = "v", global = true, value_name = "LEVEL", default_value_t = 0, hide_default_value = true)]
    pub verbosity: u8,
    /// When to use colours; NO_COLOR and CLICOLOR_FORCE are heeded too
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_short_help = true)]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

impl Color {
    /// Makes all output of the process so.
    pub fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

impl Global {
    /// As the client wants it.
    pub fn connect_options(&self) -> ConnectOptions {
        ConnectOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            namespace: self.namespace.clone(),
            server: self.server.clone(),
            token: self.token.clone(),
            certificate_authority: self.certificate_authority.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
            tls_server_name: self.tls_server_name.clone(),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            impersonate: self.impersonate.clone(),
            impersonate_groups: self.impersonate_groups.clone(),
            impersonate_uid: self.impersonate_uid.clone(),
            impersonate_extra: self.impersonate_extra.clone(),
            request_timeout: self.request_timeout,
            verbosity: self.verbosity,
            log: Some(super::ui::err),
        }
    }
}

/// How far to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// Do it
    #[default]
    None,
    /// Show the plan
    Client,
    /// Show the plan, and let the API server check every write
    Server,
}

/// How to tell what happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// The tree on a terminal that can show it, else plain
    #[default]
    Auto,
    /// VDUs and their Pods, repainted in place; plain where there is no such terminal
    Tree,
    /// One line per change
    Plain,
    /// One JSON object per event
    Json,
    /// Nothing
    None,
}

/// Flags of every table.
#[derive(Clone, Debug, Args)]
pub struct Table {
    /// Output format
    #[arg(short, long, value_parser = OutputParser::TABLE, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// No column headers
    #[arg(long)]
    pub no_headers: bool,
}

impl Table {
    /// The form for a machine, if one is asked for.
    pub fn machine(&self) -> Option<&Output> {
        self.output.as_ref().filter(|output| **output != Output::Wide)
    }

    /// Whether more columns are asked for.
    pub fn is_wide(&self) -> bool {
        self.output == Some(Output::Wide)
    }
}

/// Flags of the verbs that move a VNF from one revision to another.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Operation options")]
pub struct Move {
    /// Roll back if it fails (not if it is interrupted)
    #[arg(long)]
    pub rollback_on_failure: bool,
    /// Restart one workload after the other
    #[arg(long)]
    pub one_by_one: bool,
    /// Overwrite what somebody else changed in the fields that are written
    #[arg(long)]
    pub overwrite_drift: bool,
}

/// Flags of every verb that changes something.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Operation options")]
pub struct Change {
    /// Only show what would be done: the plan (client), or the plan checked by the API server (server)
    #[arg(long, value_enum, default_value_t, num_args = 0..=1, default_missing_value = "client", require_equals = true,
          value_name = "MODE")]
    pub dry_run: DryRun,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// How long the whole operation may wait
    #[arg(long, default_value = "10m", value_parser = timeout, value_name = "DURATION")]
    pub timeout: Duration,
    /// How to tell what happens while it happens
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub progress: Progress,
    /// Print the result, or the plan of a dry run, for a machine
    #[arg(short, long, value_parser = OutputParser::SINGLE, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// `KEY=VALUE`.
fn extra(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("not KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A duration as kubectl takes it: `90s`, `10m`, `1h30m`, or a number of seconds.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let duration: kube::core::Duration = text.parse().map_err(|_| "not a duration such as 90s or 10m".to_owned())?;
    if duration.is_negative() {
        return Err("a duration cannot be negative".into());
    }
    Ok(duration.into())
}
