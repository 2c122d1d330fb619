//! How an operation is told of while it runs: a tree that is repainted in place, plain lines, or JSON lines.
//!
//! All of them read the one stream that the engine sends; the tree looks at the live objects besides. The engine
//! knows nothing of this.

use super::env::Env;
use crate::cli::args::{Change, Progress};
use crate::cli::signal::stop_neatly;
use crate::cli::terminal::{Last, Live, Stream};
use crate::engine::events::{Events, Notice};
use crate::engine::observe::Observer;
use crate::engine::session::Session;
use crate::plan::{Contents, Inputs};
use crate::record::{Journal, Verb};
use crate::report::tree::make::{PodEvents, of_operation};
use crate::report::tree::{Head, State, Told, Tree};
use crate::view::progress::{Log, json};
use crate::view::tree as tree_view;
use std::io::{self, IsTerminal as _};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Between two frames at the least.
const FRAME: Duration = Duration::from_millis(100);
/// How often a frame is made because of the ages in it.
const AGES: Duration = Duration::from_secs(1);
/// How often the events of Pods are read that are not ready.
const EVENTS: Duration = Duration::from_secs(2);

/// What a tree is made of, besides what the engine tells.
pub struct Subject<'a> {
    /// The packages.
    pub contents: &'a Contents,
    /// The live objects.
    pub observer: &'a Observer,
    /// Id of the instance.
    pub instance_id: String,
    /// Its name.
    pub name: String,
    /// What is asked for.
    pub verb: Verb,
    /// The operation is taken back.
    pub rolling_back: bool,
    /// Its id.
    pub operation_id: String,
}

impl<'a> Subject<'a> {
    /// Of an operation on an instance.
    pub fn of(
        session: &Session,
        contents: &'a Contents,
        observer: &'a Observer,
        verb: Verb,
        operation_id: &str,
    ) -> Self {
        let instance = session.instance();
        Self {
            contents,
            observer,
            instance_id: instance.id.clone(),
            name: instance.vnf_instance_name.clone(),
            verb,
            rolling_back: false,
            operation_id: operation_id.to_owned(),
        }
    }
}

/// Runs something that sends events, and tells of them as they come. The tree, where there is one, stays where
/// nothing else says the same: `replaced` knows whether what is printed next does.
pub async fn watched<T>(
    env: &Env,
    change: &Change,
    subject: Option<Subject<'_>>,
    (events, notices): (Events, UnboundedReceiver<Notice>),
    run: impl AsyncFnOnce(&Events) -> T,
    replaced: impl FnOnce(&T) -> bool,
) -> T {
    let wanted = matches!(change.progress, Progress::Auto | Progress::Tree) && Stream::Stderr.paints();
    let subject = subject.filter(|_| wanted);
    if subject.is_some() {
        stop_neatly();
        env.ui.err("\n");
    }
    let live = Live::begin(Stream::Stderr, subject.is_some());
    let telling = async {
        match &subject {
            Some(subject) => paint(env, change, subject, &live, notices).await,
            None => tell(env, change.progress, notices).await,
        }
    };
    let running = async {
        let result = run(&events).await;
        // The telling ends with the last sender.
        drop(events);
        result
    };
    let (result, ()) = tokio::join!(running, telling);
    // A result for people on the same terminal says it all again.
    let read = change.output.is_none() && io::stdout().is_terminal();
    live.end(if read && replaced(&result) { Last::Goes } else { Last::Stays }).await;
    result
}

/// Prints a line for each event.
async fn tell(env: &Env, form: Progress, mut notices: UnboundedReceiver<Notice>) {
    let mut log = Log::default();
    while let Some(notice) = notices.recv().await {
        let Notice::Event(event) = notice else { continue };
        match form {
            Progress::Auto | Progress::Tree | Progress::Plain => {
                if let Some(line) = log.line(&event) {
                    env.ui.err(&line);
                }
            }
            Progress::Json => env.ui.err(&json(&event)),
            Progress::None => {}
        }
    }
}

/// Shows a frame after every change, but not too many, and once a second for the ages.
async fn paint(env: &Env, change: &Change, subject: &Subject<'_>, live: &Live, mut notices: UnboundedReceiver<Notice>) {
    let mut painting = Painting {
        env,
        subject,
        begin: Instant::now(),
        timeout: change.timeout,
        journal: None,
        told: Told::default(),
        events: PodEvents::new(),
    };
    let changes = subject.observer.all_changes();
    let mut resized = signal(SignalKind::window_change()).ok();
    let mut ages = interval(AGES);
    ages.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reading = events(env, subject.observer);
    tokio::pin!(reading);
    let mut shown = Instant::now();
    let mut stale = false;
    loop {
        tokio::select! {
            notice = notices.recv() => match notice {
                Some(Notice::Plan(journal)) => painting.plan(*journal),
                Some(Notice::Event(event)) => painting.told.hear(&event),
                None => break,
            },
            () = changes.next() => {}
            events_now = &mut reading => {
                painting.events = events_now;
                reading.set(events(env, subject.observer));
            }
            _ = ages.tick() => {}
            () = next(&mut resized) => {}
            () = sleep(FRAME.saturating_sub(shown.elapsed())), if stale => {
                if let Some(frame) = painting.frame() {
                    live.show(frame);
                }
                shown = Instant::now();
                stale = false;
                continue;
            }
        }
        stale = true;
    }
    if let Some(frame) = painting.last_frame() {
        live.show(frame);
    }
}

/// After a while, what the events of Pods say that are not ready.
pub async fn events(env: &Env, observer: &Observer) -> PodEvents {
    sleep(EVENTS).await;
    observer.events_of_unready(&env.cluster).await
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
    env: &'a Env,
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
    fn frame(&self) -> Option<String> {
        let Subject { name, verb, rolling_back, operation_id, .. } = self.subject;
        let size = Stream::Stderr.size();
        let screen = self.env.ui.frame(self.env.cluster.now(), size);
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
    fn last_frame(&self) -> Option<String> {
        let size = Stream::Stderr.size();
        let screen = self.env.ui.frame(self.env.cluster.now(), size);
        let mut tree = self.tree()?;
        for row in &mut tree.rows {
            row.open &= row.state != State::Done;
        }
        Some(tree_view::render(&tree, &screen, Some(size.rows.saturating_sub(2))) + "\n")
    }
}

/// A tree between a head and a foot, as far as there is room.
pub fn framed(head: &str, foot: &str, height: usize, tree: impl FnOnce(usize) -> String) -> String {
    let lines = |text: &str| text.lines().count();
    let around = lines(head) + lines(foot) + 2;
    if height < around + 3 {
        return tree(height);
    }
    [head, "\n", &tree(height - around), "\n", foot].concat()
}
