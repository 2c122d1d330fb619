//! How an operation is told of while it runs: a tree that is repainted in place, plain lines, or JSON lines.
//!
//! All of them read the one stream that the engine sends; the tree looks at the live objects besides. The engine
//! knows nothing of this.

mod paint;

pub use paint::next;
#[cfg(test)]
pub(crate) use paint::{EVENTS, FRAME};
pub(crate) use paint::{Stage, paint};

use super::env::Env;
use crate::cli::args::{Change, Progress};
use crate::cli::signal::stop_neatly;
use crate::cli::terminal::{Last, Live, Size, Stream};
use crate::engine::events::{Events, Notice};
use crate::engine::observe::Observer;
use crate::engine::session::Session;
use crate::plan::Contents;
use crate::record::Verb;
use crate::report::tree::make::PodEvents;
use crate::view::Screen;
use crate::view::progress::{Log, json};
use std::io::{self, IsTerminal as _};
use tokio::sync::mpsc::UnboundedReceiver;

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
    let paints = wanted && subject.is_some();
    if paints {
        stop_neatly();
        env.ui.err("\n");
    }
    let live = Live::begin(Stream::Stderr, paints);
    let telling = async {
        match &subject {
            #[cfg(test)]
            Some(subject) if crate::cli::terminal::story::is_recorded() => {
                crate::cli::terminal::story::record(env, subject, change.timeout, notices).await;
            }
            Some(subject) if paints => {
                let stage = Own { env, observer: subject.observer, live: &live };
                paint(&stage, subject, change.timeout, notices).await;
            }
            _ => tell(env, change.progress, notices).await,
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

/// The terminal of this process.
struct Own<'a> {
    env: &'a Env,
    observer: &'a Observer,
    live: &'a Live,
}

impl Stage for Own<'_> {
    fn screen(&self) -> (Size, Screen) {
        let size = Stream::Stderr.size();
        (size, self.env.ui.frame(self.env.cluster.now(), size))
    }

    fn show(&self, frame: String) {
        self.live.show(frame);
    }

    async fn events(&self) -> PodEvents {
        self.observer.events_of_unready(&self.env.cluster).await
    }
}
