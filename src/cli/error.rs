//! Errors as a user reads them, and exit codes.
//!
//! Every error of the library becomes one [`CliError`] here: what failed and why, what to do next, and the exit code.

use crate::cluster::ClusterError;
use crate::cluster::store::{Renamed, StoreError};
use crate::engine::session::EngineError;
use crate::object::mask::printable;
use crate::package::PackageError;
use crate::plan::ContentError;
use crate::record::{RecordError, names};
use crate::view::tables::age;
use crate::view::words::quote;
use owo_colors::OwoColorize as _;
use std::fmt::Display;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Refused, or failed with nothing left unfinished. `diff`: there are differences; `status`: not well.
    Failed,
    /// The command line is wrong.
    Usage,
    /// The operation stands in FAILED_TEMP.
    Unfinished,
    /// Interrupted by the user.
    Interrupted,
}

impl Exit {
    /// The documented code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unfinished => 3,
            Self::Interrupted => 130,
        }
    }
}

/// An error ready to be printed.
#[derive(Debug)]
pub struct CliError {
    /// What failed and why; further lines are details.
    pub message: String,
    /// What to do next, a line each.
    pub hints: Vec<String>,
    /// How the process ends.
    pub exit: Exit,
}

impl CliError {
    /// An error without hints, exit code 1.
    pub fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), hints: Vec::new(), exit: Exit::Failed }
    }

    /// An error of usage, exit code 2.
    pub fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, ..Self::new(message) }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Several errors as one, each in lines of its own.
    pub fn all(errors: Vec<Self>) -> Self {
        let messages: Vec<String> = errors.iter().map(|error| error.message.clone()).collect();
        let mut all = Self::new(messages.join("\n"));
        for hint in errors.into_iter().flat_map(|error| error.hints) {
            if !all.hints.contains(&hint) {
                all.hints.push(hint);
            }
        }
        all
    }

    /// The whole text, coloured. Commands to type carry `namespace_flag`, where they name no namespace themselves.
    pub fn render(&self, namespace_flag: &str) -> String {
        let mut text = format!("{} {}\n", "error:".red().bold(), indent(&printable(&self.message)));
        for hint in &self.hints {
            let hint = in_namespace(&printable(hint), namespace_flag);
            text.push_str(&format!("  {}\n", indent(&hint)));
        }
        text
    }
}

/// Puts the namespace into a hint's command, which ends at the line's end or where three blanks begin an explanation.
fn in_namespace(hint: &str, namespace_flag: &str) -> String {
    let Some(at) = hint.find("kubectl vnf ").filter(|_| !hint.contains(" -n ")) else { return hint.to_owned() };
    let end = hint[at..].find("   ").map_or(hint.len(), |length| at + length);
    format!("{}{namespace_flag}{}", &hint[..end], &hint[end..])
}

/// Lines after the first stand under it.
fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n  ")
}

impl From<ClusterError> for CliError {
    fn from(error: ClusterError) -> Self {
        Self::new(error)
    }
}

impl From<ContentError> for CliError {
    fn from(error: ContentError) -> Self {
        Self::new(error)
    }
}

impl From<PackageError> for CliError {
    fn from(error: PackageError) -> Self {
        let mut lines = vec![format!("{}:", error.origin)];
        let mut hints: Vec<String> = Vec::new();
        for problem in error.errors() {
            lines.push(format!("[{}] {problem}", problem.rule));
            if let Some(help) = problem.help.clone().filter(|help| !hints.contains(help)) {
                hints.push(help);
            }
        }
        let mut result = if lines.len() == 2 {
            Self::new(format!("{} {}", lines[0], lines[1]))
        } else {
            Self::new(lines.join("\n"))
        };
        result.hints = hints;
        result
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Package(error) => error.into(),
            StoreError::Record(RecordError::Newer { .. }) => {
                Self::new(error).hint("Use that version of kubectl-vnf, or a newer one; nothing was written")
            }
            StoreError::Record(RecordError::Damaged { instance: Some(ref id), .. }) => {
                let hint = format!("Remove what carries the instance's label: kubectl vnf terminate {id} --by-label");
                Self::new(&error).hint(hint)
            }
            StoreError::DamagedPackage { .. } => Self::new(error)
                .hint("Store it anew: kubectl vnf update NAME --package PATH, with the file of that package")
                .hint("Until then list, show, op and terminate work, and what needs the package does not"),
            StoreError::Denied { .. } => {
                Self::new(error).hint("All rights that kubectl-vnf needs are in the Role of its docs/permissions.md")
            }
            StoreError::NotFound { name, namespace, renamed: Some(Renamed { to, at, seen }), .. } => {
                let ago = age(at, seen);
                Self::new(format!(
                    "no VNF instance {name:?} in namespace {namespace}; it was renamed to {to} {ago} ago"
                ))
            }
            StoreError::NotFound { ref name, ref elsewhere, ref similar, .. } => {
                let meant = similar.as_ref().filter(|_| elsewhere.is_empty());
                let meant = meant.map(|similar| format!("; did you mean {similar:?}?")).unwrap_or_default();
                let hints = elsewhere
                    .iter()
                    .map(|namespace| {
                        let name = quote(name);
                        format!("There is one in namespace {namespace:?}:  kubectl vnf show {name} -n {namespace}")
                    })
                    .collect();
                Self { hints, ..Self::new(format!("{error}{meant}")) }
            }
            StoreError::NoPackage { ref reference, ref known, .. } => {
                let there = match known.as_slice() {
                    [] => "There is none at all".to_owned(),
                    known => format!("There are: {}", known.join(", ")),
                };
                Self::new(format!("{error}, and no file {reference}"))
                    .hint(there)
                    .hint("Store one: kubectl vnf package onboard PATH")
            }
            StoreError::PackageInUse { .. } => {
                Self::new(error).hint("It goes with the last instance that uses it, or can be deleted then")
            }
            StoreError::NameTaken { ref name, .. } => {
                let hint = format!("Look at it: kubectl vnf show {}", quote(name));
                Self::new(&error).hint(hint)
            }
            other => Self::new(other),
        }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cluster(error) => error.into(),
            EngineError::Store(error) => error.into(),
            EngineError::Content(error) => error.into(),
            EngineError::Busy { ref name, ref holder } => {
                let since = holder.since.map(|since| format!(", for {}", age(since, holder.seen)));
                let busy = Self::new(format!("{error}{}", since.unwrap_or_default()));
                busy.hint(format!("Watch it: kubectl vnf status {} -w", quote(name)))
            }
            EngineError::Unfinished { ref name, verb, ref operation_id, rolling_back, .. } => {
                let (name, id) = (quote(name), names::short(operation_id));
                let back = if rolling_back { "finishes the rollback of" } else { "takes back" };
                let back = format!("  kubectl vnf op rollback {name}   {back} operation {id}");
                let retry = format!("  kubectl vnf op retry {name}      finishes operation {id}");
                let fail = format!("  kubectl vnf op fail {name}       keeps everything as it is now");
                let ways = [verb.can_be_taken_back().then_some(back), (!rolling_back).then_some(retry), Some(fail)];
                let error = Self::new(&error).hint(format!("{name} takes one of these, and nothing else:"));
                ways.into_iter().flatten().fold(error, Self::hint)
            }
            EngineError::Lock(error) => Self { exit: Exit::Unfinished, ..Self::new(error) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verb;

    fn said(error: impl Into<CliError>) -> String {
        anstream::adapter::strip_str(&error.into().render("")).to_string()
    }

    #[test]
    fn a_wrong_place_to_look_says_where_it_is() {
        let missed = |elsewhere: &[&str], similar: Option<&str>| StoreError::NotFound {
            name: "my vnf".into(),
            namespace: "core".into(),
            elsewhere: elsewhere.iter().map(|namespace| (*namespace).to_owned()).collect(),
            similar: similar.map(ToOwned::to_owned),
            renamed: None,
        };
        assert_eq!(
            said(missed(&["default"], Some("my-vnf"))),
            "error: no VNF instance \"my vnf\" in namespace core\n  \
             There is one in namespace \"default\":  kubectl vnf show 'my vnf' -n default\n"
        );
        assert!(said(missed(&[], Some("my-vnf"))).ends_with("did you mean \"my-vnf\"?\n"));
    }

    #[test]
    fn what_stopped_half_way_takes_what_its_verb_and_state_allow() {
        let ways = |verb, rolling_back| {
            let error = EngineError::Unfinished {
                name: "web".into(),
                verb,
                operation_id: "7c1e03b9-2d6c".into(),
                interrupted: false,
                rolling_back,
            };
            let text = said(error);
            ["rollback", "retry", "fail"].map(|way| text.contains(&format!("kubectl vnf op {way} web ")))
        };
        assert_eq!(ways(Verb::Update, false), [true, true, true]);
        assert_eq!(ways(Verb::Update, true), [true, false, true]);
        assert_eq!(ways(Verb::Heal, false), [false, true, true]);
    }

    #[test]
    fn commands_in_hints_carry_the_namespace() {
        let flagged = |hint: &str| in_namespace(hint, " -n core");
        assert_eq!(flagged("Look: kubectl vnf show a"), "Look: kubectl vnf show a -n core");
        assert_eq!(flagged("  kubectl vnf op fail a   keeps it"), "  kubectl vnf op fail a -n core   keeps it");
        assert_eq!(flagged("kubectl vnf show a -n default"), "kubectl vnf show a -n default");
        assert_eq!(flagged("Name it with --package PATH"), "Name it with --package PATH");
    }
}
