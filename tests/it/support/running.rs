//! The plugin while it runs: what it has said so far, signals, and how it ends.

use super::namespace::Namespace;
use super::run::line;
use super::wait::eventually;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long anything that was started may take to say or do something.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program under way. Dropped, it is killed.
pub struct Running {
    line: String,
    child: Child,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts a command without a terminal.
    pub fn start(mut command: Command) -> Self {
        let line = line(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let said = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            read(child.stdout.take().expect("stdout is piped"), &said),
            read(child.stderr.take().expect("stderr is piped"), &said),
        ];
        Self { line, child, said, readers }
    }

    /// Starts the plugin in a namespace.
    pub fn vnf(ns: &Namespace, args: &[&str]) -> Self {
        Self::start(ns.vnf_command(args))
    }

    /// Starts the plugin in a namespace, on a terminal of its own on which nothing can be painted.
    pub fn vnf_on_terminal(ns: &Namespace, args: &[&str]) -> Self {
        let plugin = ns.vnf_command(args);
        let words = std::iter::once(plugin.get_program()).chain(plugin.get_args());
        let quoted: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
        let mut terminal = Command::new("script");
        // `exec`, so that the plugin is what ends; its exit code is passed on.
        terminal.args(["-q", "-e", "-f", "-c", &format!("exec {}", quoted.join(" ")), "/dev/null"]);
        terminal.envs(plugin.get_envs().filter_map(|(key, value)| Some((key, value?))));
        terminal.current_dir(env!("CARGO_MANIFEST_DIR")).env("SHELL", "/bin/sh").env_remove("TERM");
        Self::start(terminal)
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("no reader panics").clone()
    }

    /// Waits until it has said something.
    #[track_caller]
    pub fn says(&mut self, part: &str) -> &mut Self {
        eventually(&format!("{} says {part:?}", self.line), PATIENCE, || {
            let said = self.said();
            let found = said.contains(part);
            let ended = self.child.try_wait().expect("it can be asked").is_some();
            assert!(found || !ended || self.said().contains(part), "it ended without saying {part:?}:\n{said}");
            found.then_some(())
        });
        self
    }

    /// Types something, on a terminal.
    pub fn types(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).expect("it reads");
    }

    /// Sends it a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("there is kill");
        assert!(sent.success(), "{} is gone", self.line);
    }

    /// Kills it outright.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        self.said()
    }

    /// Waits until it ends by itself: how, and all that it said.
    #[track_caller]
    pub fn ends(mut self) -> (ExitStatus, String) {
        let status =
            eventually(&format!("{} ends", self.line), PATIENCE, || self.child.try_wait().expect("it can be asked"));
        for reader in self.readers.drain(..) {
            reader.join().expect("no reader panics");
        }
        (status, self.said())
    }

    /// Waits until it ends with this exit code; all that it said.
    #[track_caller]
    pub fn exits(self, code: i32) -> String {
        let (status, said) = self.ends();
        assert_eq!(status.code(), Some(code), "{said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(from: impl Read + Send + 'static, said: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        // Piece by piece, since a question has no line end.
        while let Ok(piece) = from.fill_buf() {
            if piece.is_empty() {
                return;
            }
            bytes.clear();
            bytes.extend_from_slice(piece);
            let read = bytes.len();
            from.consume(read);
            said.lock().expect("no reader panics").push_str(&String::from_utf8_lossy(&bytes));
        }
    })
}
