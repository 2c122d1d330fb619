//! The live tree of an operation: when a frame is made, and of what.
//!
//! Where it is shown, and what time it is, the [`Stage`] knows: the terminal of this process, or one that a test
//! replays a recorded operation on.

use super::Subject;
use crate::cli::terminal::Size;
use crate::engine::events::Notice;
use crate::plan::Inputs;
use crate::record::Journal;
use crate::report::tree::make::{PodEvents, of_operation};
use crate::report::tree::{Head, State, Told, Tree};
use crate::view::{Screen, tree as tree_view};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Between two frames at the least.
pub(crate) const FRAME: Duration = Duration::from_millis(100);
/// How often a frame is made because of the ages in it.
const AGES: Duration = Duration::from_secs(1);
/// How often the events of Pods are read that are not ready.
pub(crate) const EVENTS: Duration = Duration::from_secs(2);

/// Where frames are shown.
pub(crate) trait Stage {
    /// Its size, and how to render for it, now.
    fn screen(&self) -> (Size, Screen);
    /// Shows a frame in place of the one before.
    fn show(&self, frame: String);
    /// What the cluster's events say, now, of Pods that are not ready.
    async fn events(&self) -> PodEvents;
}

/// Shows a frame after every change, but not too many, and once a second for the ages.
pub(crate) async fn paint(
    stage: &impl Stage,
    subject: &Subject<'_>,
    timeout: Duration,
    mut notices: UnboundedReceiver<Notice>,
) {
    let mut painting = Painting {
        subject,
        begin: Instant::now(),
        timeout,
        journal: None,
        told: Told::default(),
        events: PodEvents::new(),
    };
    let changes = subject.observer.all_changes();
    let mut resized = signal(SignalKind::window_change()).ok();
    let mut ages = interval(AGES);
    ages.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reading = events(stage);
    tokio::pin!(reading);
    let mut shown = Instant::now();
    let mut stale = false;
    loop {
        tokio::select! {
            // A frame that is due comes first: however much happens, it is seen.
            biased;
            () = sleep(FRAME.saturating_sub(shown.elapsed())), if stale => {
                if let Some(frame) = painting.frame(stage) {
                    stage.show(frame);
                }
                shown = Instant::now();
                stale = false;
                continue;
            }
            notice = notices.recv() => match notice {
                Some(Notice::Plan(journal)) => painting.plan(*journal),
                Some(Notice::Event(event)) => painting.told.hear(&event),
                None => break,
            },
            () = changes.next() => {}
            events_now = &mut reading => {
                painting.events = events_now;
                reading.set(events(stage));
            }
            _ = ages.tick() => {}
            () = next(&mut resized) => {}
        }
        stale = true;
    }
    if let Some(frame) = painting.last_frame(stage) {
        stage.show(frame);
    }
}

/// After a while, what the events of Pods say that are not ready.
async fn events(stage: &impl Stage) -> PodEvents {
    sleep(EVENTS).await;
    stage.events().await
}

/// The next signal; never, where signals cannot be had.
pub async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// What frames are made of.
struct Painting<'a> {
    subject: &'a Subject<'a>,
    begin: Instant,
    timeout: Duration,
    /// What is being carried out.
    journal: Option<Journal>,
    told: Told,
    events: PodEvents,
}

impl Painting<'_> {
    /// Takes in what is carried out from now on. Configuration that was done before that stays in sight.
    fn plan(&mut self, mut journal: Journal) {
        let former = self.journal.iter().flat_map(|former| &former.scope.config);
        let done = former.filter(|done| journal.scope.config.iter().all(|change| change.object != done.object));
        let done: Vec<_> = done.cloned().collect();
        journal.scope.config.extend(done);
        self.journal = Some(journal);
    }

    /// The tree as it is now; `None`: not yet.
    fn tree(&self) -> Option<Tree> {
        let Subject { contents, observer, instance_id, .. } = self.subject;
        let journal = self.journal.as_ref()?;
        let live = observer.live();
        of_operation(&Inputs { journal, contents, live: &live, instance_id }, &self.told, &self.events).ok()
    }

    /// What is under way, in no more lines than the terminal has.
    fn frame(&self, stage: &impl Stage) -> Option<String> {
        let Subject { name, verb, rolling_back, operation_id, .. } = self.subject;
        let (size, screen) = stage.screen();
        let tree = self.tree()?;
        let head = Head {
            verb: *verb,
            rolling_back: *rolling_back,
            name: name.clone(),
            operation_id: operation_id.clone(),
            elapsed: self.begin.elapsed(),
            timeout: Some(self.timeout),
        };
        let head = tree_view::head(&head, &tree, &screen);
        let hint = tree_view::hint(name, &screen);
        Some(framed(&head, &hint, size.rows.saturating_sub(1), |height| {
            tree_view::render(&tree, &screen, Some(height))
        }))
    }

    /// How it ended, for what is printed next.
    fn last_frame(&self, stage: &impl Stage) -> Option<String> {
        let (size, screen) = stage.screen();
        let mut tree = self.tree()?;
        for row in &mut tree.rows {
            row.open &= row.state != State::Done;
        }
        Some(tree_view::render(&tree, &screen, Some(size.rows.saturating_sub(2))) + "\n")
    }
}

/// A tree between a head and a foot, as far as there is room.
fn framed(head: &str, foot: &str, height: usize, tree: impl FnOnce(usize) -> String) -> String {
    let lines = |text: &str| text.lines().count();
    let around = lines(head) + lines(foot) + 2;
    if height < around + 3 {
        return tree(height);
    }
    [head, "\n", &tree(height - around), "\n", foot].concat()
}
