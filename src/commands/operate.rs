//! What every changing verb does with its proposal: show the plan, check it, ask, carry it out, show the result.

use super::env::{Env, by};
use super::problems;
use super::progress::{Subject, watched};
use crate::cli::args::{Change, DryRun, Move};
use crate::cli::error::{CliError, Exit};
use crate::cli::output::Output;
use crate::cli::signal::{acknowledge, stop_requests};
use crate::cluster::store::StoredOperation;
use crate::engine::carry::{Means, carry_out};
use crate::engine::events::Events;
use crate::engine::lock::{Lock, LockError};
use crate::engine::observe::Observer;
use crate::engine::operation::{Begun, Options, Proposal, begin, hold, resume};
use crate::engine::precheck::{self, Problem};
use crate::engine::rollback::roll_back;
use crate::engine::session::{EngineError, Session};
use crate::engine::surroundings;
use crate::plan::ahead::{self, Surroundings};
use crate::plan::sheet::Sheet;
use crate::plan::{Contents, since};
use crate::record::operation::Manner;
use crate::record::{OperationState, Verb};
use crate::report::checked::Checked;
use crate::report::outcome::Outcome;
use crate::view::words::command_line;
use crate::view::{Screen, plan as plan_view, result as result_view};
use futures::future::join;
use serde::Serialize;
use tokio::sync::watch;

/// One operation on one instance.
pub struct Operating<'a> {
    /// Where.
    pub env: &'a Env,
    /// The instance.
    pub session: &'a mut Session,
    /// The packages.
    pub contents: &'a Contents,
    /// The live objects.
    pub observer: &'a Observer,
    /// The user's flags.
    pub change: &'a Change,
}

/// On what terms an operation begins.
#[derive(Default)]
pub struct Terms {
    /// Whether the verb asks for consent.
    pub asks: bool,
    /// Other people's changes may be overwritten without asking.
    pub overwrite_drift: bool,
    /// How it is run.
    pub manner: Manner,
    /// Roll back what fails.
    pub rollback_on_failure: bool,
}

impl Terms {
    /// Those of a verb that moves a VNF from one revision to another: it asks.
    pub fn of(way: &Move) -> Self {
        Self {
            asks: true,
            overwrite_drift: way.overwrite_drift,
            manner: Manner { one_by_one: way.one_by_one, ..Manner::default() },
            rollback_on_failure: way.rollback_on_failure,
        }
    }
}

impl Operating<'_> {
    /// Goes through with a proposal. `propose` makes it anew of the record and the live objects, and is asked whenever they
    /// have changed.
    ///
    /// Returns how the process ends, and the outcome when there was an operation.
    ///
    /// # Errors
    /// Whatever kept the operation from beginning, or its end from being written.
    pub async fn run(
        self,
        terms: Terms,
        mut proposal: Proposal,
        propose: impl Fn(&Session) -> Result<Proposal, CliError>,
    ) -> Result<(Exit, Option<Outcome>), CliError> {
        let env = self.env;
        let interactive = terms.asks && !self.change.yes && env.ui.interactive();
        let output = self.change.output.as_ref();
        // Until somebody is asked, or something is written, Ctrl-C simply ends the process.
        let mut stop = None;
        loop {
            let mut sheet = proposal.sheet.clone();
            if self.change.dry_run == DryRun::Client {
                look_ahead(env, self.observer, &mut sheet).await?;
                print(env, output, &sheet, &instance_of(&sheet.name), |screen| plan_view::sheet(&sheet, screen))?;
                return Ok((Exit::Done, None));
            }
            let only_checks = self.change.dry_run == DryRun::Server;
            let refuses_drift = !only_checks && !sheet.drift.is_empty() && !interactive && !terms.overwrite_drift;
            // Who agrees to the plan agrees to what it says of drift.
            let overwrite = terms.overwrite_drift || interactive && !sheet.drift.is_empty();
            let manner = Manner { overwrite, ..terms.manner.clone() };
            // When nobody is asked, the lock is taken while the server checks. A new record waits for that: a refusal
            // leaves none behind.
            let at_once = !interactive && !only_checks && !refuses_drift && self.session.stored.exists();
            let acknowledging = at_once.then(|| acknowledge(&env.ui, stop.get_or_insert_with(stop_requests).clone()));
            let holding =
                async { if at_once { Some(hold(self.session, &proposal, self.observer, &by()).await) } else { None } };
            let (held, examined) = join(holding, self.examine(&proposal, &manner, &mut sheet, refuses_drift)).await;
            let sheet = &sheet;
            let checked = match examined {
                Ok(Some(checked)) => checked,
                other => {
                    if let Some(Ok(held)) = held {
                        held.release().await;
                    }
                    other?;
                    let now = propose(self.session)?;
                    if !only_checks {
                        self.tell_changed(sheet, &now.sheet, interactive)?;
                    }
                    proposal = now;
                    continue;
                }
            };
            if only_checks {
                print(env, output, sheet, &instance_of(&sheet.name), |screen| {
                    format!("{}\n{}", plan_view::sheet(sheet, screen), plan_view::checked(&checked, screen))
                })?;
                return Ok((Exit::Done, None));
            }
            env.ui.err(&plan_view::checked(&checked, &env.screen()));
            if refuses_drift {
                return Err(refused_drift(sheet));
            }
            let held = held.transpose()?;
            let stop = stop.get_or_insert_with(stop_requests).clone();
            if interactive && let Err(exit) = consent(env, &plan_view::question(sheet), stop.clone()).await {
                return Ok((exit, None));
            }
            let acknowledging = acknowledging.unwrap_or_else(|| acknowledge(&env.ui, stop.clone()));
            let options = options(self.change, stop, manner);
            let stream = Events::channel();
            let begun = begin(self.session, proposal, self.contents, self.observer, &options, held, &propose);
            match begun.await? {
                Begun::PlanChanged(now) => {
                    acknowledging.abort();
                    self.tell_changed(sheet, &now.sheet, interactive)?;
                    proposal = *now;
                }
                Begun::Stopped => {
                    env.ui.err("Nothing was changed.\n");
                    return Ok((Exit::Interrupted, None));
                }
                Begun::Ready(operation, lock) => {
                    let (contents, observer) = (self.contents, self.observer);
                    let session = &mut *self.session;
                    let stop = options.stop.clone();
                    let verb = operation.operation.kubectl_vnf.verb;
                    let subject = Subject::of(session, contents, observer, verb, &operation.operation.id);
                    let run = async |events: &Events| {
                        carry_out(session, *operation, lock, Means { contents, observer, events, options }).await
                    };
                    let outcome = watched(env, self.change, Some(subject), stream, run, says_it_all).await;
                    let outcome = outcome.map_err(|error| unfinished(env, self.session, error))?;
                    let own_fault = outcome.failures.iter().any(|failure| !failure.consequence);
                    if terms.rollback_on_failure && own_fault && !*stop.borrow() {
                        return self.take_back(outcome, stop).await;
                    }
                    return Ok((conclude(env, self.change, &outcome), Some(outcome)));
                }
            }
        }
    }

    /// Shows the plan with what follows from it, while the server is asked what it says. `None`: somebody has changed the
    /// objects since the plan was made.
    async fn examine(
        &self,
        proposal: &Proposal,
        manner: &Manner,
        sheet: &mut Sheet,
        refuses_drift: bool,
    ) -> Result<Option<Checked>, CliError> {
        let env = self.env;
        let question = self.question(proposal, manner);
        let showing = async {
            let around = look_ahead(env, self.observer, sheet).await?;
            if self.change.dry_run == DryRun::None {
                let screen = env.screen();
                // What an instantiation creates is told as it comes.
                let all = sheet.verb != Verb::Instantiate;
                env.ui.err(&if all { plan_view::sheet(sheet, &screen) } else { plan_view::head(sheet, &screen) });
                env.ui.err("\n");
            }
            Ok::<_, CliError>(around)
        };
        let (around, checked) = join(showing, precheck::check(&question)).await;
        let around = around?;
        let (checked, mut problems) = checked?;
        problems.extend(precheck::crowded(&question, &around));
        if problems.iter().any(|problem| matches!(problem, Problem::Changed)) {
            return Ok(None);
        }
        if !problems.is_empty() {
            return Err(self.refused(sheet, &problems, refuses_drift));
        }
        Ok(Some(checked))
    }

    /// Says why the plan that was shown does not hold any more; off a terminal that ends the command.
    fn tell_changed(&self, shown: &Sheet, now: &Sheet, interactive: bool) -> Result<(), CliError> {
        let ui = &self.env.ui;
        let changes = since::changes(shown, now, &self.observer.live());
        ui.err(&plan_view::changed(&changes, &self.env.screen()));
        if interactive {
            ui.err("The new plan:\n\n");
            return Ok(());
        }
        Err(CliError::new(format!(
            "the cluster has changed since the plan for {} was made, nothing was written",
            now.name
        ))
        .hint("Run the command again to see the new plan"))
    }

    /// Rolls back what has just failed, as was asked for.
    async fn take_back(
        self,
        failed: Outcome,
        stop: watch::Receiver<bool>,
    ) -> Result<(Exit, Option<Outcome>), CliError> {
        let env = self.env;
        env.ui.err(&result_view::evidence(&failed, &env.screen()));
        let Some(operation) = env.store.operation(&failed.operation_id).await? else {
            return Err(EngineError::changed(self.session).into());
        };
        let change = self.change;
        let back = go_back(self, &operation, stop, false).await?;
        if back.state == OperationState::RolledBack {
            env.ui.err(&result_view::failed_and_rolled_back(&failed, &back, &env.screen()));
            return Ok((Exit::Failed, Some(back)));
        }
        Ok((conclude(env, change, &back), Some(back)))
    }

    /// What is checked before the first write of a proposal.
    fn question<'q>(&'q self, proposal: &'q Proposal, manner: &Manner) -> precheck::Question<'q> {
        precheck::Question {
            cluster: &self.env.cluster,
            record_namespace: self.env.store.namespace(),
            instance_id: &self.session.instance().id,
            journal: &proposal.journal,
            items: &proposal.sheet.items,
            contents: self.contents,
            observer: self.observer,
            // Drift that the plan shows is agreed to, or refused as such: the server need not say so again.
            overwrite: manner.overwrite || !proposal.sheet.drift.is_empty(),
            holds_makers: manner.grace_seconds.is_some(),
        }
    }

    /// Prints all problems at once; the error says that they end the command.
    fn refused(&self, sheet: &Sheet, problems: &[Problem], refuses_drift: bool) -> CliError {
        let env = self.env;
        let (mut text, mut number) = problems::render(problems, &env.screen());
        if refuses_drift {
            text += &plan_view::drift_refused(&sheet.drift, &env.screen());
            number += 1;
        }
        env.ui.err(&format!("{text}\n"));
        let count = crate::view::words::count(number, "problem");
        CliError::new(format!("{} of {} refused: {count}, nothing was written", sheet.verb, sheet.name))
    }
}

/// Asks before the first write. Without consent nothing is changed: how the process then ends.
pub async fn consent(env: &Env, question: &str, stop: watch::Receiver<bool>) -> Result<(), Exit> {
    let (line_end, exit) = match env.ui.ask(question, stop).await {
        Some(true) => return Ok(()),
        Some(false) => ("", Exit::Failed),
        // The terminal has echoed ^C without a line end.
        None => ("\n", Exit::Interrupted),
    };
    env.ui.err(&format!("{line_end}Nothing was changed.\n"));
    Err(exit)
}

/// Drift is all that is in the way.
fn refused_drift(sheet: &Sheet) -> CliError {
    let (verb, name) = (sheet.verb, &sheet.name);
    CliError::new(format!(
        "{verb} of {name} would overwrite {} that somebody else made, nothing was written",
        crate::view::words::count(sheet.drift.len(), "change")
    ))
    .hint("Overwrite them: --overwrite-drift, or answer the question on a terminal")
}

/// Adds to a plan what follows from it, as far as what stands around the VNF may be read.
pub async fn look_ahead(env: &Env, observer: &Observer, sheet: &mut Sheet) -> Result<Surroundings, CliError> {
    let around = surroundings::read(&env.cluster, observer, &sheet.items).await?;
    sheet.ahead = ahead::of(&sheet.items, &observer.live(), &around);
    sheet.notes.extend(unread(&around));
    Ok(around)
}

/// What may not be read, and so is not told of.
fn unread(around: &Surroundings) -> Option<String> {
    let budgets = around.budgets.is_none().then_some("poddisruptionbudgets");
    let autoscalers = around.autoscalers.is_none().then_some("horizontalpodautoscalers");
    let kinds: Vec<&str> = budgets.into_iter().chain(autoscalers).collect();
    (!kinds.is_empty()).then(|| format!("no right to list {}: what they will do is not told", kinds.join(" and ")))
}

/// Goes on with an operation that has been written already (retry).
///
/// # Errors
/// Its end could not be written.
pub async fn go_on(
    operating: Operating<'_>,
    operation: StoredOperation,
    lock: Lock,
    stop: watch::Receiver<bool>,
) -> Result<Exit, CliError> {
    let Operating { env, session, contents, observer, change } = operating;
    let extension = &operation.operation.kubectl_vnf;
    let options = options(change, stop, extension.manner.clone());
    let subject = Subject::of(session, contents, observer, extension.verb, &operation.operation.id);
    let run = async |events: &Events| {
        carry_out(session, operation, lock, Means { contents, observer, events, options }).await
    };
    let outcome = watched(env, change, Some(subject), Events::channel(), run, says_it_all);
    let outcome = outcome.await.map_err(|error| unfinished(env, session, error))?;
    Ok(conclude(env, change, &outcome))
}

/// Takes back an operation that stopped half way; `told_whole`: what comes of it is printed Pod by Pod.
///
/// # Errors
/// Busy, or its end could not be written.
pub async fn go_back(
    operating: Operating<'_>,
    operation: &StoredOperation,
    stop: watch::Receiver<bool>,
    told_whole: bool,
) -> Result<Outcome, CliError> {
    let Operating { env, session, contents, observer, change } = operating;
    let options = options(change, stop, operation.operation.kubectl_vnf.manner.clone());
    let (operation, lock) = resume(session, operation, &options, OperationState::RollingBack).await?;
    let extension = &operation.operation.kubectl_vnf;
    let subject = Subject::of(session, contents, observer, extension.verb, &operation.operation.id);
    let subject = Subject { rolling_back: true, ..subject };
    let run = async |events: &Events| {
        roll_back(session, operation, lock, Means { contents, observer, events, options }).await
    };
    let replaced = |outcome: &Result<Outcome, EngineError>| told_whole && says_it_all(outcome);
    let outcome = watched(env, change, Some(subject), Events::channel(), run, replaced);
    outcome.await.map_err(|error| unfinished(env, session, error))
}

/// Whether the result says of every VDU what the tree has shown, and more. That of an instantiation does not.
fn says_it_all(outcome: &Result<Outcome, EngineError>) -> bool {
    outcome.as_ref().is_ok_and(|outcome| outcome.state.is_final() && outcome.verb != Verb::Instantiate)
}

/// The engine's options from the user's flags.
pub fn options(change: &Change, stop: watch::Receiver<bool>, manner: Manner) -> Options {
    Options { timeout: change.timeout, manner, by: by(), stop }
}

/// An error after the first write: the operation stands unfinished, and there are ways out.
fn unfinished(env: &Env, session: &Session, error: EngineError) -> CliError {
    let name = &session.instance().vnf_instance_name;
    let lost = matches!(error, EngineError::Lock(LockError::Lost(_)));
    let error = CliError { exit: Exit::Unfinished, ..CliError::from(error) };
    let show = command_line(&env.screen(), "op show", &[name]);
    if lost {
        // Whoever took over goes on with it.
        return error.hint(format!("Look at it: {show}"));
    }
    error
        .hint("The operation's end could not be written. See how it stands, and what it takes:")
        .hint(format!("  {show}"))
}

/// Prints the outcome and says how the process ends.
pub fn conclude(env: &Env, change: &Change, outcome: &Outcome) -> Exit {
    let screen = env.screen();
    let output = change.output.as_ref();
    let name = instance_of(&outcome.name);
    if outcome.state.is_final() {
        let printed = print(env, output, outcome, &name, |screen| result_view::done(outcome, screen));
        // Done it is; but who asked for a text that cannot be had is told so.
        return printed.map_or_else(|error| tell(env, &error), |()| Exit::Done);
    }
    if output.is_some_and(|output| *output != Output::Name)
        && let Err(error) = print(env, output, outcome, &name, |_| String::new())
    {
        env.ui.error(&error);
    }
    env.ui.err(&result_view::failed(outcome, &screen));
    // Only consequences and no cause: it was the user who stopped it.
    let own_fault = outcome.failures.iter().any(|failure| !failure.consequence);
    if own_fault { Exit::Unfinished } else { Exit::Interrupted }
}

fn tell(env: &Env, error: &CliError) -> Exit {
    env.ui.error(error);
    error.exit
}

/// An instance as `-o name` has it.
pub fn instance_of(name: &str) -> String {
    format!("vnfinstance/{name}")
}

/// Prints a value to stdout: for a machine when asked for, else as the view renders it. `name` is what `-o name` says.
///
/// # Errors
/// A template does not fit the value.
pub fn print<T: Serialize>(
    env: &Env,
    output: Option<&Output>,
    value: &T,
    name: &str,
    render: impl FnOnce(&Screen) -> String,
) -> Result<(), CliError> {
    env.ui.out(&match output {
        Some(output) => output.text(value, name)?,
        None => render(&env.screen()),
    });
    Ok(())
}

/// Prints several values to stdout for a machine, as one list; `name` is what `-o name` says of each.
///
/// # Errors
/// As [`print()`].
pub fn print_all<T: Serialize>(
    env: &Env,
    output: &Output,
    values: &[T],
    name: impl Fn(&T) -> String,
) -> Result<(), CliError> {
    let names: Vec<String> = values.iter().map(name).collect();
    if *output == Output::Name && names.is_empty() {
        return Ok(());
    }
    print(env, Some(output), &values, &names.join("\n"), |_| String::new())
}
