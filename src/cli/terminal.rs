//! The one writer of the terminal while something goes on: frames that are painted in place, and lines above them.
//!
//! It is a thread of its own. A terminal that takes nothing (Ctrl-S, a pager) holds up this thread and nobody else;
//! of the frames that come meanwhile only the newest is kept. What is printed by others at that time, a warning or
//! "Stopping", goes through it too (`Ui::err`), so that it stands above the frame and never in it.
//!
//! However the process ends, [`leave`] puts the terminal right: the cursor is hidden while frames are painted.

mod painter;

pub use painter::{Last, Size};

use self::painter::{Painter, RESTORE};
use anstream::{AutoStream, ColorChoice};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// How long a process that is about to end waits for a terminal that takes nothing.
const PATIENCE: Duration = Duration::from_millis(300);
/// The size of a terminal that does not tell.
const UNKNOWN: Size = Size { columns: 80, rows: 24 };

/// Where is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What was asked for.
    Stdout,
    /// Everything else.
    Stderr,
}

impl Stream {
    /// Whether frames can be painted there.
    pub fn paints(self) -> bool {
        let terminal = match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        };
        terminal && std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb")
    }

    /// The size of the terminal there.
    pub fn size(self) -> Size {
        let size = match self {
            Self::Stdout => terminal_size::terminal_size_of(io::stdout()),
            Self::Stderr => terminal_size::terminal_size_of(io::stderr()),
        };
        let of_variable = |name: &str| std::env::var(name).ok()?.parse().ok().filter(|number| *number > 0);
        size.map_or_else(
            || Size {
                columns: of_variable("COLUMNS").unwrap_or(UNKNOWN.columns),
                rows: of_variable("LINES").unwrap_or(UNKNOWN.rows),
            },
            |(columns, rows)| Size { columns: columns.0.into(), rows: rows.0.into() },
        )
    }

    fn colour(self) -> bool {
        let choice = match self {
            Self::Stdout => AutoStream::choice(&io::stdout()),
            Self::Stderr => AutoStream::choice(&io::stderr()),
        };
        choice != ColorChoice::Never
    }

    /// A job in the background leaves the terminal to whoever is in front.
    fn in_front(self) -> bool {
        let group = match self {
            Self::Stdout => rustix::termios::tcgetpgrp(io::stdout()),
            Self::Stderr => rustix::termios::tcgetpgrp(io::stderr()),
        };
        group.map_or(true, |group| group == rustix::process::getpgrp())
    }

    /// In one go, so that no frame is seen half painted.
    fn write(self, text: &str) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes())?;
                stdout.flush()
            }
            Self::Stderr => io::stderr().lock().write_all(text.as_bytes()),
        }
    }
}

/// What the writer writes on.
trait Surface: Send {
    /// Whether frames are painted; else they are passed over.
    fn paints(&self) -> bool;
    fn colour(&self) -> bool;
    fn size(&self) -> Size;
    fn in_front(&self) -> bool;
    fn write(&mut self, text: &str) -> io::Result<()>;
}

/// A stream of this process.
struct Own {
    stream: Stream,
    paints: bool,
}

impl Surface for Own {
    fn paints(&self) -> bool {
        self.paints
    }

    fn colour(&self) -> bool {
        self.stream.colour()
    }

    fn size(&self) -> Size {
        self.stream.size()
    }

    fn in_front(&self) -> bool {
        self.stream.in_front()
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.stream.write(text)
    }
}

/// Who writes on the terminal now.
static WRITER: Mutex<Option<Arc<Post>>> = Mutex::new(None);

/// The writer's letter box.
#[derive(Debug, Default)]
struct Post {
    mail: Mutex<Mail>,
    moved: Condvar,
}

/// What is to be written, and how far the writer is.
#[derive(Debug, Default)]
struct Mail {
    above: String,
    frame: Option<String>,
    leave: Option<Last>,
    /// Nothing comes after this.
    closed: bool,
    /// The writer has left the terminal as it was.
    left: bool,
    /// The writer has ended.
    ended: bool,
    thread: Option<ThreadId>,
}

impl Post {
    fn mail(&self) -> MutexGuard<'_, Mail> {
        // The mail is whole at any time: a panic elsewhere harms nothing.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something in, unless the writer has ended already.
    fn put(&self, put: impl FnOnce(&mut Mail)) -> bool {
        let mut mail = self.mail();
        if mail.ended {
            return false;
        }
        put(&mut mail);
        self.moved.notify_all();
        true
    }

    fn close(&self, last: Last) {
        self.put(|mail| {
            mail.leave = mail.leave.or(Some(last));
            mail.closed = true;
        });
    }

    /// Waits until the writer has left the terminal, for ever where there is no patience to lose.
    fn wait(&self, patience: Option<Duration>) {
        let until = patience.map(|patience| Instant::now() + patience);
        let mut mail = self.mail();
        while !mail.left && !mail.ended {
            mail = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return,
                Some(rest) => self.moved.wait_timeout(mail, rest).unwrap_or_else(PoisonError::into_inner).0,
                None => self.moved.wait(mail).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// A writer at work. Dropped, it ends, and its last frame stays.
#[derive(Debug)]
pub struct Live {
    post: Arc<Post>,
}

impl Live {
    /// Begins to write on a stream; frames are painted there if it is a terminal that can.
    pub fn begin(stream: Stream, paints: bool) -> Self {
        let live = Self::on(Own { stream, paints });
        *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&live.post));
        live
    }

    fn on(surface: impl Surface + 'static) -> Self {
        let post = Arc::new(Post::default());
        let writer = Arc::clone(&post);
        let thread = std::thread::Builder::new().name("terminal".into()).spawn(move || work(&writer, surface));
        // Without a thread nothing of this is told; the operation goes on.
        post.mail().ended |= thread.is_err();
        Self { post }
    }

    /// Shows a frame in place of the one before.
    pub fn show(&self, frame: String) {
        self.post.put(|mail| mail.frame = Some(frame));
    }

    /// Ends once everything is written, however long the terminal takes.
    pub async fn end(self, last: Last) {
        self.post.close(last);
        let post = Arc::clone(&self.post);
        let _ = tokio::task::spawn_blocking(move || post.wait(None)).await;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.post.close(Last::Stays);
        self.post.wait(Some(PATIENCE));
    }
}

/// Hands a text to whoever writes now; `false`: nobody does.
pub fn say(text: &str) -> bool {
    now().is_some_and(|post| post.put(|mail| mail.above.push_str(text)))
}

/// Leaves the terminal as it was found: for a process that is about to end without further ado.
pub fn leave() {
    let Some(post) = now() else { return };
    if post.mail().thread == Some(std::thread::current().id()) {
        // The writer itself is in trouble, so nobody else writes.
        let _ = Stream::Stderr.write(RESTORE);
        return;
    }
    post.close(Last::Stays);
    post.wait(Some(PATIENCE));
}

/// Leaves the terminal as it was found until the next frame comes: for a process that is about to be stopped (Ctrl-Z).
pub fn pause() {
    let Some(post) = now() else { return };
    post.put(|mail| {
        mail.leave = Some(Last::Stays);
        mail.left = false;
    });
    post.wait(Some(PATIENCE));
}

/// A panic puts the terminal right before it is told.
pub fn leave_on_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        leave();
        tell(panic);
    }));
}

fn now() -> Option<Arc<Post>> {
    WRITER.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Writes what comes until there is no more.
fn work(post: &Post, mut surface: impl Surface) {
    post.mail().thread = Some(std::thread::current().id());
    let mut painter = Painter::new(reflows(|name| std::env::var(name).ok()));
    let (paints, colour) = (surface.paints(), surface.colour());
    let looks = |text: String| if colour { text } else { anstream::adapter::strip_str(&text).to_string() };
    let mut waiting = None;
    loop {
        let (above, leave) = {
            let mut mail = post.mail();
            while mail.above.is_empty() && mail.frame.is_none() && mail.leave.is_none() && !mail.closed {
                mail = post.moved.wait(mail).unwrap_or_else(PoisonError::into_inner);
            }
            waiting = mail.frame.take().filter(|_| paints).or(waiting);
            (looks(std::mem::take(&mut mail.above)), mail.leave.take())
        };
        let text = if paints && (leave.is_some() || surface.in_front()) {
            let size = surface.size();
            let frame = waiting.take().map(looks);
            let text = painter.paint(&above, frame.as_deref(), size);
            leave.into_iter().fold(text, |text, last| text + &painter.leave(last, size))
        } else {
            above
        };
        // Whoever closed the terminal has seen enough.
        let _ = if text.is_empty() { Ok(()) } else { surface.write(&text) };
        let mut mail = post.mail();
        mail.left |= leave.is_some();
        mail.ended = mail.closed && mail.above.is_empty() && mail.leave.is_none();
        let ended = mail.ended;
        drop(mail);
        post.moved.notify_all();
        if ended {
            return;
        }
    }
}

/// Whether a terminal wraps lines anew that have become too long for it, as most do; the others cut them off.
fn reflows(variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let cuts = term == "linux" || term.starts_with("screen") || variable("XTERM_VERSION").is_some();
    variable("TMUX").is_some() || !cuts
}

#[cfg(test)]
pub(crate) mod story;
#[cfg(test)]
mod tests;
