//! The command line: what may be typed, how errors read, what an exit code means, and the terminal.
//!
//! Which flags a verb has stands with the verb in `commands`; what output looks like stands in `view`.

pub mod args;
pub mod complete;
pub mod error;
pub mod output;
mod pflag;
#[cfg(test)]
mod reference;
pub mod signal;
pub mod terminal;
pub mod ui;
mod usage;

use args::{Cli, Command, Op, PackageCommand};
use clap::{CommandFactory as _, Parser as _};
use error::{CliError, Exit};
use std::ffi::OsString;
use ui::Ui;

use crate::commands;

/// Runs the command line of this process and returns its exit code.
pub fn run() -> u8 {
    if let Some(words) = complete::asked(std::env::args_os()) {
        Ui::new("").out(&complete::answer(words));
        return 0;
    }
    terminal::leave_on_panic();
    let args = pflag::settle(std::env::args_os().collect(), &Cli::command());
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &args),
    };
    cli.global.color.apply();
    let runtime = match crate::apart::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            Ui::new("").error(&CliError::new(format!("the runtime does not start: {error}")));
            return Exit::Failed.code();
        }
    };
    let code = runtime.block_on(dispatch(cli));
    // A read of the terminal that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    code
}

/// Says what is wrong with a command line. Help and version are no errors, and go to stdout.
fn refuse(error: &clap::Error, args: &[OsString]) -> u8 {
    let mut command = Cli::command();
    command.build();
    let words: Vec<String> = args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(error) = usage::refused(error, &command, &words) {
        Ui::new("").error(&error);
        return error.exit.code();
    }
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.code() } else { 0 }
}

async fn dispatch(cli: Cli) -> u8 {
    let Cli { global, command } = cli;
    let namespace_flag = global.namespace.as_ref().map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
    let compares = matches!(command, Command::Diff(_) | Command::Status(_));
    let result = match command {
        Command::Create(args) => commands::create::run(&global, args).await,
        Command::Instantiate(args) => commands::instantiate::run(&global, args).await,
        Command::Update(args) => commands::update::run(&global, args).await,
        Command::Undo(args) => commands::undo::run(&global, args).await,
        Command::ChangePackage(args) => commands::change_package::run(&global, args).await,
        Command::Diff(args) => commands::diff::run(&global, args).await,
        Command::Heal(args) => commands::heal::run(&global, args).await,
        Command::Scale(args) => commands::scale::run(&global, args).await,
        Command::Terminate(args) => commands::terminate::run(&global, args).await,
        Command::Delete(args) => commands::delete::run(&global, args).await,
        Command::List(args) => commands::list::run(&global, args).await,
        Command::Show(args) => commands::show::run(&global, args).await,
        Command::Status(args) => commands::status::run(&global, args).await,
        Command::Op(Op::List(args)) => commands::op::list::run(&global, args).await,
        Command::Op(Op::Show(args)) => commands::op::show::run(&global, args).await,
        Command::Op(Op::Retry(args)) => commands::op::retry::run(&global, args).await,
        Command::Op(Op::Rollback(args)) => commands::op::rollback::run(&global, args).await,
        Command::Op(Op::Fail(args)) => commands::op::fail::run(&global, args).await,
        Command::Package(PackageCommand::Inspect(args)) => commands::package::inspect(&global, &args),
        Command::Package(PackageCommand::Validate(args)) => commands::package::validate::run(&global, &args),
        Command::Package(PackageCommand::Build(args)) => commands::package::make::build(&global, &args),
        Command::Package(PackageCommand::Init(args)) => commands::package::make::init(&global, &args),
        Command::Package(PackageCommand::Onboard(args)) => commands::package::stored::onboard(&global, &args).await,
        Command::Package(PackageCommand::List(args)) => commands::package::stored::list(&global, &args).await,
        Command::Package(PackageCommand::Show(args)) => commands::package::stored::show(&global, &args).await,
        Command::Package(PackageCommand::Delete(args)) => commands::package::stored::delete(&global, &args).await,
        Command::Completion(args) => commands::completion::run(&global, &args),
        Command::Version(args) => commands::version::run(&global, args).await,
    };
    match result {
        Ok(exit) => exit.code(),
        Err(error) => {
            Ui::new(&namespace_flag).error(&error);
            // `diff` and `status` exit 1 for what they found, so that trouble must be told apart.
            match error.exit {
                Exit::Failed if compares => 2,
                exit => exit.code(),
            }
        }
    }
}
