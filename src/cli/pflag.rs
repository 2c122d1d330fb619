//! Flags as kubectl's own parser (pflag) takes them, where clap would not: a flag without a value also takes
//! `--yes=false`.

use clap::{ArgAction, Command};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// The command line with such flags settled: `--yes=true` is `--yes`, and `--yes=false` takes what was said before it
/// back, for the last one wins. Another value is left for clap to refuse.
pub fn settle(args: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let mut flags = BTreeMap::new();
    collect(command, &mut flags);
    let mut settled: Vec<OsString> = Vec::with_capacity(args.len());
    let mut options = true;
    for arg in args {
        options = options && arg != "--";
        let split = arg.to_str().and_then(|arg| arg.split_once('='));
        match split.filter(|(flag, _)| options && flags.contains_key(*flag)).map(|(flag, value)| (flag, boolean(value)))
        {
            Some((flag, Some(true))) => settled.push(flag.into()),
            Some((flag, Some(false))) => settled.retain(|before| {
                let before = before.to_str().and_then(|before| flags.get(before));
                before.is_none() || before != flags.get(flag)
            }),
            _ => settled.push(arg),
        }
    }
    settled
}

/// All flags without a value as they are typed, and which one each of them is.
fn collect(command: &Command, flags: &mut BTreeMap<String, String>) {
    for arg in command.get_arguments().filter(|arg| matches!(arg.get_action(), ArgAction::SetTrue)) {
        let typed = arg.get_long().map(|long| format!("--{long}"));
        let typed = typed.into_iter().chain(arg.get_short().map(|short| format!("-{short}")));
        flags.extend(typed.map(|typed| (typed, arg.get_id().to_string())));
    }
    command.get_subcommands().for_each(|command| collect(command, flags));
}

/// What Go's `strconv.ParseBool` takes.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::CommandFactory as _;

    fn settled(line: &str) -> String {
        let args = line.split(' ').map(OsString::from).collect();
        let settled = settle(args, &Cli::command());
        settled.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_last_word_on_a_flag_counts() {
        assert_eq!(settled("vnf update a --yes=true"), "vnf update a --yes");
        assert_eq!(settled("vnf heal a -y=1 --all=F"), "vnf heal a -y");
        assert_eq!(settled("vnf list -A --all-namespaces --all-namespaces=false"), "vnf list");
        assert_eq!(settled("vnf update a --yes=false --yes"), "vnf update a --yes");
    }

    #[test]
    fn all_else_is_left_to_clap() {
        for line in [
            "vnf update a --yes=maybe",
            "vnf update a --dry-run=server --name=true",
            "vnf show -- --yes=false",
            "vnf update a --yes false",
        ] {
            assert_eq!(settled(line), line);
        }
    }
}
