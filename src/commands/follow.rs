//! `status NAME -w`: the same screen, for as long as somebody looks, whoever is at work on the instance meanwhile.
//!
//! Live objects are watched; the record is read again every few seconds, since the rights that this program asks for
//! do not let ConfigMaps be watched.

use super::env::Env;
use super::progress::next;
use crate::cli::error::{CliError, Exit};
use crate::cli::signal::{stop_neatly, stop_requests};
use crate::cli::terminal::{Last, Live, Size, Stream};
use crate::cluster::store::StoreError;
use crate::engine::observe::{Changes, Observer};
use crate::engine::session::EngineError;
use crate::engine::status::Subject;
use crate::report::status::Status;
use crate::report::tree::make::PodEvents;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Between two frames at the least.
const FRAME: Duration = Duration::from_millis(100);
/// How often a frame is made because of the ages in it; and between two blocks of a log at the least.
const AGES: Duration = Duration::from_secs(1);
/// How often the record is read again.
const RECORD: Duration = Duration::from_secs(2);
/// With every so-many-th look at the record, what nothing watches is read again too.
const OTHERS: u32 = 5;

/// How what is seen is told.
pub enum Told<'a> {
    /// As a screen, for a terminal of a size where there is one.
    Screen(&'a dyn Fn(&Status, Option<Size>) -> String),
    /// As a line for a machine.
    Line(&'a dyn Fn(&Status) -> Result<String, CliError>),
}

/// Follows an instance until somebody stops it.
///
/// # Errors
/// The instance is gone, or a template does not fit it.
pub async fn follow(env: &Env, mut subject: Subject, told: &Told<'_>) -> Result<Exit, CliError> {
    let paints = matches!(told, Told::Screen(_)) && Stream::Stdout.paints();
    let stop = stop_requests();
    let live = paints.then(|| {
        stop_neatly();
        Live::begin(Stream::Stdout, true)
    });
    let mut shows = Shows { env, told, live: live.as_ref(), last: None };
    let end = loop {
        match look(env, &subject, &mut shows, stop.clone()).await {
            Look::Over => break Ok(Exit::Interrupted),
            Look::Gone(error) => break Err(error),
            Look::Anew => match Subject::open(&env.cluster, &env.store, subject.id()).await {
                Ok(now) => subject = now,
                Err(error) if is_gone(&error) => break Err(error.into()),
                // The server is out of reach for a moment: what was seen last stays.
                Err(_) => sleep(RECORD).await,
            },
        }
    };
    if let Some(live) = live {
        live.end(Last::Stays).await;
    }
    end
}

/// Why a look at an instance ends.
enum Look {
    /// Nobody looks any more.
    Over,
    /// The record is another one.
    Anew,
    /// There is nothing to look at, or no way to tell it.
    Gone(CliError),
}

/// Shows an instance until its record is another one.
async fn look(env: &Env, subject: &Subject, shows: &mut Shows<'_>, mut stop: watch::Receiver<bool>) -> Look {
    let changes = subject.observer().map(Observer::all_changes);
    let (mut resized, mut hangup) = (signal(SignalKind::window_change()).ok(), signal(SignalKind::hangup()).ok());
    let mut ages = interval(AGES);
    ages.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let pause = if shows.live.is_none() && matches!(shows.told, Told::Screen(_)) { AGES } else { FRAME };
    let mut events = PodEvents::new();
    let again = read_again(env, subject, 0);
    tokio::pin!(again);
    let (mut rounds, mut stale) = (0, true);
    let mut shown: Option<Instant> = None;
    loop {
        let wait = shown.map_or(Duration::ZERO, |shown| pause.saturating_sub(shown.elapsed()));
        tokio::select! {
            Ok(_) = stop.wait_for(|stop| *stop) => return Look::Over,
            () = next(&mut hangup) => return Look::Over,
            found = &mut again => match found {
                Ok(Some(found)) => {
                    events = found;
                    rounds += 1;
                    again.set(read_again(env, subject, rounds));
                }
                Ok(None) => return Look::Anew,
                Err(error) if is_gone(&error) => return Look::Gone(error.into()),
                Err(_) => again.set(read_again(env, subject, rounds)),
            },
            () = changed(changes.as_ref()) => {}
            _ = ages.tick() => {}
            () = next(&mut resized) => {}
            () = sleep(wait), if stale => {
                match shows.show(subject.status(&events)) {
                    Ok(true) => {}
                    Ok(false) => return Look::Over,
                    Err(error) => return Look::Gone(error),
                }
                shown = Some(Instant::now());
                stale = false;
                continue;
            }
        }
        stale = true;
    }
}

/// After a while, what the events say of the Pods that are not ready; `None`: the record is another one by now.
async fn read_again(env: &Env, subject: &Subject, round: u32) -> Result<Option<PodEvents>, EngineError> {
    if round > 0 {
        sleep(RECORD).await;
        if subject.is_behind().await? {
            return Ok(None);
        }
    }
    if let Some(observer) = subject.observer().filter(|_| round > 0 && round.is_multiple_of(OTHERS)) {
        observer.reread(&env.cluster).await?;
    }
    Ok(Some(subject.pod_events().await))
}

fn is_gone(error: &EngineError) -> bool {
    matches!(error, EngineError::Store(StoreError::NotFound { .. }))
}

/// The next change of a live object; never, where there are none.
async fn changed(changes: Option<&Changes>) {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}

/// Where and how it is shown, and what was shown last.
struct Shows<'a> {
    env: &'a Env,
    told: &'a Told<'a>,
    live: Option<&'a Live>,
    last: Option<Status>,
}

impl Shows<'_> {
    /// Shows what is seen now; `false`: nobody reads it any more.
    fn show(&mut self, status: Status) -> Result<bool, CliError> {
        let first = self.last.is_none();
        let text = match (self.told, self.live) {
            (Told::Screen(render), Some(live)) => {
                live.show(render(&status, Some(Stream::Stdout.size())));
                return Ok(true);
            }
            // Ages alone are no news.
            _ if self.last.as_ref() == Some(&status) => return Ok(true),
            (Told::Screen(render), None) if first => render(&status, None),
            (Told::Screen(render), None) => format!("\n{}", render(&status, None)),
            (Told::Line(line), _) => line(&status)?,
        };
        self.last = Some(status);
        Ok(self.env.ui.heard(&text))
    }
}
