//! Completion: what may come next on a command line that is being typed.
//!
//! There is one protocol, kubectl's own (cobra's): the words after the program's name go in, the last of them as far as
//! it is typed, and out come candidates, one a line with its description after a tab, and at the end `:` and a number
//! that says how a shell should go on. kubectl asks `kubectl_complete-vnf` on PATH, which may be a link to this program;
//! the scripts of `kubectl vnf completion` ask `kubectl-vnf __complete`.
//!
//! Verbs and flags are clap's to know. What stands in the kubeconfig, in a package or in the cluster is looked up, within
//! a bound of time and in silence: a key that is pressed must never hang or print an error.

mod lookup;

use super::args::{Cli, Global};
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use clap_complete::CompletionCandidate;
use clap_complete::engine::{ArgValueCompleter, PathCompleter, ValueCompleter as _};
use lookup::{Lookup, Subject};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

/// The verb that shells ask.
const VERB: &str = "__complete";
/// The name under which kubectl asks.
const COMPLETER: &str = "kubectl_complete-vnf";

/// cobra's directives: add no blank after the candidate; do not offer file names instead of nothing.
const NO_SPACE: u32 = 2;
const NO_FILES: u32 = 4;

/// The words to be completed, if that is what this process was started for.
pub fn asked(mut args: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let program = args.next()?;
    let mut words: Vec<OsString> = args.collect();
    if Path::new(&program).file_name().is_some_and(|name| name == COMPLETER) {
        return Some(words);
    }
    if words.first().is_none_or(|verb| verb != VERB) {
        return None;
    }
    words.remove(0);
    // Scripts set what is for the program apart from what is typed.
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    Some(words)
}

/// The answer to words of which the last one is being typed.
pub fn answer(mut words: Vec<OsString>) -> String {
    if words.is_empty() {
        words.push(OsString::new());
    }
    let last = words.last().cloned().unwrap_or_default();
    let mut command = with_candidates(Cli::command(), "", &Arc::new(Lookup::new(typed(&words))));
    let flags = flags_with_equals(&command);
    let index = words.len();
    let args = std::iter::once("kubectl-vnf".into()).chain(settle(words, &flags)).collect();
    let here = std::env::current_dir().ok();
    let candidates = clap_complete::engine::complete(&mut command, args, index, here.as_deref()).unwrap_or_default();
    render(candidates.iter().filter(|candidate| is_wanted(candidate, &last)))
}

/// Candidates as kubectl reads them.
fn render<'a>(candidates: impl Iterator<Item = &'a CompletionCandidate>) -> String {
    let mut text = String::new();
    let mut directive = NO_FILES;
    for candidate in candidates {
        let value = candidate.get_value().to_string_lossy();
        // A name that holds what no line of a terminal does cannot be typed either.
        if value.is_empty() || crate::object::mask::printable_line(&value) != value {
            continue;
        }
        if value.ends_with(['/', '=']) {
            directive |= NO_SPACE;
        }
        text.push_str(&value);
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        if let Some(help) = help.lines().next().filter(|help| !help.is_empty()) {
            text.push('\t');
            text.push_str(&crate::object::mask::printable_line(help));
        }
        text.push('\n');
    }
    text.push_str(&format!(":{directive}\n"));
    text
}

/// As kubectl does it, flags are offered to who has begun one.
fn is_wanted(candidate: &CompletionCandidate, typed: &OsStr) -> bool {
    let is_flag = candidate.get_id().is_some_and(|id| id.starts_with("arg::"));
    !is_flag || typed.as_encoded_bytes().starts_with(b"-")
}

/// Long flags whose value stands after an equals sign only, such as `--dry-run=client`.
fn flags_with_equals(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter(|arg| arg.is_require_equals_set());
    let own = own.filter_map(|arg| Some(format!("--{}", arg.get_long()?)));
    own.chain(command.get_subcommands().flat_map(flags_with_equals)).collect()
}

/// Finishes such flags where they stand alone: the engine takes the next word for their value.
fn settle(mut words: Vec<OsString>, flags: &BTreeSet<String>) -> Vec<OsString> {
    let last = words.len().saturating_sub(1);
    for word in &mut words[..last] {
        if word.to_str().is_some_and(|word| flags.contains(word)) {
            word.push("=");
        }
    }
    words
}

/// What has been typed before the last word.
#[derive(Debug, Default)]
struct Typed {
    global: Global,
    /// Instances named so far.
    names: Vec<String>,
    package: Option<String>,
    flavour: Option<String>,
}

fn typed(words: &[OsString]) -> Typed {
    let before = words.len().saturating_sub(1);
    let args = std::iter::once(OsStr::new("kubectl-vnf")).chain(words[..before].iter().map(OsString::as_os_str));
    let Ok(matches) = Cli::command().ignore_errors(true).try_get_matches_from(args) else {
        return Typed::default();
    };
    let mut leaf: &ArgMatches = &matches;
    while let Some((_, next)) = leaf.subcommand() {
        leaf = next;
    }
    let one = |id: &str| leaf.try_get_one::<String>(id).ok().flatten().cloned();
    let many = leaf.try_get_many::<String>("names").ok().flatten();
    Typed {
        global: Global::from_arg_matches(leaf).unwrap_or_default(),
        names: one("name").into_iter().chain(many.into_iter().flatten().cloned()).collect(),
        package: one("package"),
        flavour: one("flavour"),
    }
}

/// A command whose arguments know their candidates.
fn with_candidates(command: Command, verb: &str, lookup: &Arc<Lookup>) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let mut command = command.mut_args(|arg| match source(verb, &arg) {
        Source::Looked(subject) => {
            let lookup = lookup.clone();
            arg.add(ArgValueCompleter::new(move |current: &OsStr| lookup.candidates(subject, current)))
        }
        Source::Package => {
            let lookup = lookup.clone();
            arg.add(ArgValueCompleter::new(move |current: &OsStr| {
                let mut candidates = lookup.candidates(Subject::Packages, current);
                candidates.extend(archives().complete(current));
                candidates
            }))
        }
        Source::Archive => arg.add(ArgValueCompleter::new(archives())),
        Source::File => arg.add(ArgValueCompleter::new(PathCompleter::file().stdio())),
        Source::Clap | Source::Free => arg,
    });
    for name in names {
        let verb = format!("{verb} {name}").trim_start().to_owned();
        command = command.mut_subcommand(name, |command| with_candidates(command, &verb, lookup));
    }
    command
}

fn archives() -> PathCompleter {
    PathCompleter::file().filter(|path| path.extension().is_some_and(|end| end == "csar" || end == "zip"))
}

/// Where the candidates for an argument come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The kubeconfig, a package or the cluster.
    Looked(Subject),
    /// Packages in the cluster, and paths of CSARs and directories.
    Package,
    /// Paths of CSARs and directories.
    Archive,
    /// Paths of files, or `-`.
    File,
    /// Clap knows: it takes no value, one of a few, or a path.
    Clap,
    /// Nobody can know: a new name, a number, a text.
    Free,
}

/// The one table of what is offered where, by verb and argument.
fn source(verb: &str, arg: &Arg) -> Source {
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    if !takes_value || !arg.get_possible_values().is_empty() {
        return Source::Clap;
    }
    match (verb, arg.get_id().as_str()) {
        ("create", "name") => Source::Free,
        ("instantiate", "name") | ("delete", "names") => Source::Looked(Subject::NotInstantiated),
        ("op retry" | "op rollback" | "op fail", "name") => Source::Looked(Subject::Unfinished),
        (_, "name" | "names") => Source::Looked(Subject::Instances),
        ("op show", "which") => Source::Looked(Subject::Operations),
        ("package show" | "package delete", "package") => Source::Looked(Subject::Packages),
        ("package inspect" | "package validate" | "package onboard", "package") => Source::Archive,
        (_, "package") => Source::Package,
        (_, "request") => Source::File,
        (_, "vnfc") => Source::Looked(Subject::Vnfcs),
        (_, "vdu") => Source::Looked(Subject::Vdus),
        (_, "aspect") => Source::Looked(Subject::Aspects),
        (_, "to_revision") => Source::Looked(Subject::Revisions),
        (_, "flavour") => Source::Looked(Subject::Flavours),
        (_, "level") => Source::Looked(Subject::Levels),
        (_, "namespace" | "target_namespace") => Source::Looked(Subject::Namespaces),
        (_, "context") => Source::Looked(Subject::Contexts),
        (_, "cluster") => Source::Looked(Subject::Clusters),
        (_, "user") => Source::Looked(Subject::Users),
        _ if arg.get_value_hint() != clap::ValueHint::Unknown => Source::Clap,
        _ => Source::Free,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    /// The candidates for a line, without their descriptions, in a world without a cluster.
    fn candidates(line: &str) -> Vec<String> {
        let answer = answer(words(line));
        answer.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn the_words_come_after_the_verb_or_with_the_completers_name() {
        let asked = |line: &str| asked(words(line).into_iter());
        assert_eq!(asked("/usr/bin/kubectl-vnf __complete upd"), Some(words("upd")));
        assert_eq!(asked("kubectl-vnf __complete -- --x"), Some(words("--x")));
        assert_eq!(asked("/home/u/bin/kubectl_complete-vnf show "), Some(words("show ")));
        assert_eq!(asked("kubectl-vnf show a"), None);
    }

    #[test]
    fn verbs_and_flags_are_offered_as_they_are_begun() {
        assert_eq!(candidates("upd"), ["update", ":4"]);
        assert_eq!(candidates("op r"), ["retry", "rollback", ":4"]);
        assert_eq!(candidates("update a --over"), ["--overwrite-drift", ":4"]);
        assert!(candidates("").contains(&"instantiate".to_owned()));
        assert!(!candidates("").iter().any(|candidate| candidate.starts_with('-')));
        assert!(!candidates("").contains(&VERB.to_owned()));
        assert!(candidates("update a -").contains(&"--dry-run".to_owned()));
        assert_eq!(candidates("list -o w"), ["wide", ":4"]);
    }

    #[test]
    fn a_flag_with_an_equals_sign_takes_no_other_value() {
        assert_eq!(candidates("update --dry-run=s"), ["--dry-run=server", ":4"]);
        assert!(!candidates("update --dry-run ").contains(&"server".to_owned()));
        assert_eq!(candidates("undo --dry-run name --progress pl"), ["plain", ":4"]);
    }

    #[test]
    fn what_was_typed_before_is_known() {
        let typed = typed(&words("-n core heal --context lab --dry-run upf --vnfc "));
        assert_eq!(typed.global.namespace.as_deref(), Some("core"));
        assert_eq!(typed.global.context.as_deref(), Some("lab"));
        assert_eq!(typed.names, ["upf"]);
        let typed = super::typed(&words("delete a b -n=core "));
        assert_eq!((typed.names.len(), typed.global.namespace.as_deref()), (2, Some("core")));
        let typed = super::typed(&words("instantiate a --package x.csar --flavour "));
        assert_eq!(typed.package.as_deref(), Some("x.csar"));
    }

    /// A new argument is to be thought about: what could be offered for it?
    #[test]
    fn nothing_is_left_uncompleted_unawares() {
        let mut free = BTreeSet::new();
        fn visit(command: &Command, verb: &str, free: &mut BTreeSet<String>) {
            for arg in command.get_arguments() {
                if source(verb, arg) == Source::Free {
                    free.insert(arg.get_id().to_string());
                }
            }
            for sub in command.get_subcommands() {
                visit(sub, format!("{verb} {}", sub.get_name()).trim_start(), free);
            }
        }
        let mut command = Cli::command();
        command.build();
        visit(&command, "", &mut free);
        let expected = [
            "cause",
            "grace_period",
            "impersonate",
            "impersonate_extra",
            "impersonate_groups",
            "impersonate_uid",
            "in_",
            "name",
            "new_name",
            "new_vnfd_id",
            "out",
            "request_timeout",
            "server",
            "timeout",
            "tls_server_name",
            "token",
            "verbosity",
        ];
        assert_eq!(free.into_iter().collect::<Vec<_>>(), expected);
    }
}
