//! `completion`: the scripts by which shells and kubectl ask this program for candidates.

use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use clap::ValueEnum;

/// Print the script that completes verbs, flags, instance names and more in a shell
///
/// `kubectl` is for `kubectl vnf ...` in a shell that completes kubectl already: its script goes on PATH as an executable
/// with the name kubectl_complete-vnf. The others complete `kubectl-vnf ...` and are sourced by their shell. Candidates come
/// from the cluster, the kubeconfig and files; when the cluster is away there are fewer of them, and no delay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # For `kubectl vnf`, in any shell that completes kubectl
  kubectl vnf completion kubectl > ~/.local/bin/kubectl_complete-vnf
  chmod +x ~/.local/bin/kubectl_complete-vnf

  # For `kubectl-vnf` in bash
  source <(kubectl vnf completion bash)

  # For `kubectl-vnf` in fish
  kubectl vnf completion fish > ~/.config/fish/completions/kubectl-vnf.fish")]
pub struct CompletionArgs {
    /// Who is to complete
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Who asks for candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash 4.4 or newer
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// kubectl 1.26 or newer, in whatever shell
    Kubectl,
}

pub(crate) fn run(_global: &Global, args: &CompletionArgs) -> Result<Exit, CliError> {
    Ui::new("").out(match args.shell {
        Shell::Bash => include_str!("completion/kubectl-vnf.bash"),
        Shell::Zsh => include_str!("completion/kubectl-vnf.zsh"),
        Shell::Fish => include_str!("completion/kubectl-vnf.fish"),
        Shell::Kubectl => include_str!("completion/kubectl_complete-vnf"),
    });
    Ok(Exit::Done)
}
