//! Signals: the first Ctrl-C or SIGTERM asks to stop, the second one leaves at once, and a closed terminal is no
//! reason to stop. Ctrl-Z stops the process, as everywhere, and leaves the terminal as it was found.

use super::error::Exit;
use super::terminal;
use super::ui::Ui;
use std::sync::Once;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Begins to listen. The receiver turns true with the first request to stop.
pub fn stop_requests() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        else {
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                // The terminal is gone; the operation is not.
                _ = hangup.recv() => continue,
            }
            if sender.send_replace(true) {
                terminal::leave();
                #[expect(clippy::exit, reason = "the user insists: nothing is waited for any more")]
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        }
    });
    receiver
}

/// Says that the request to stop was heard, once it comes: for as long as there is something to stop.
pub fn acknowledge(ui: &Ui, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    let ui = ui.clone();
    tokio::spawn(async move {
        if stop.wait_for(|stop| *stop).await.is_ok() {
            // The terminal has echoed ^C without a line end; above a frame, this begins a line of its own anyway.
            let line_end = if ui.interactive() { "\n" } else { "" };
            ui.err(&format!("{line_end}Stopping: no new step is started (Ctrl-C again leaves at once)\n"));
        }
    })
}

/// From now on Ctrl-Z leaves the terminal as it was found before it stops the process. Nothing is shown again until
/// the next frame after that.
pub fn stop_neatly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tokio::spawn(async {
            let Ok(mut suspend) = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw())) else { return };
            while suspend.recv().await.is_some() {
                terminal::pause();
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
            }
        });
    });
}
