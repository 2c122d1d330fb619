//! The plugin on a terminal: what it asks is read, and answered; what it paints is seen as a terminal shows it.

use super::namespace::Namespace;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long it may be silent.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run of the plugin on a pseudo-terminal of its own (that of `script`).
pub struct Terminal {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<Vec<u8>>,
    said: String,
    /// The beginning of a character whose end has not come yet.
    begun: Vec<u8>,
    /// How much of it has been waited for.
    seen: usize,
    /// Its file.
    tty: String,
}

impl Terminal {
    /// Starts the plugin in the namespace, on a terminal on which nothing can be painted.
    pub fn start(ns: &Namespace, args: &[&str]) -> Self {
        let mut command = ns.command("script");
        command.env_remove("TERM").env("COLUMNS", "120");
        Self::run(command, &format!("exec {}", plugin(ns, args)))
    }

    /// Starts the plugin in the namespace, on a terminal of this size. Before and after it, the terminal's modes are
    /// told, in a line each.
    pub fn sized(ns: &Namespace, args: &[&str], columns: usize, rows: usize) -> Self {
        let mut command = ns.command("script");
        command.env("TERM", "xterm-256color");
        for variable in ["COLUMNS", "LINES", "NO_COLOR", "TMUX", "XTERM_VERSION"] {
            command.env_remove(variable);
        }
        let modes = "stty -g";
        // A shell that is told to stop by Ctrl-C does so, unless it says otherwise.
        let line = format!(
            "trap : INT; stty cols {columns} rows {rows}; tty; {modes}; {}; code=$?; {modes}; exit $code",
            plugin(ns, args)
        );
        let mut terminal = Self::run(command, &line);
        terminal.tty = terminal.reads("\n").trim().to_owned();
        terminal
    }

    /// Starts a command line there, of any program.
    pub fn shell(ns: &Namespace, line: &str) -> Self {
        let mut command = ns.command("script");
        command.env("TERM", "dumb").env("COLUMNS", "120");
        Self::run(command, line)
    }

    fn run(mut command: Command, line: &str) -> Self {
        command.args(["-qec", line, "/dev/null"]).env("LC_ALL", "C.UTF-8").env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("util-linux' script can be started");
        let (stdin, mut stream) = (child.stdin.take(), child.stdout.take().expect("stdout is piped"));
        let (sender, stdout) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Some(length) = stream.read(&mut buffer).ok().filter(|length| *length > 0) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, stdout, said: String::new(), begun: Vec::new(), seen: 0, tty: String::new() }
    }

    /// Gives the terminal another size, as somebody does who drags its corner.
    pub fn resizes(&self, columns: usize, rows: usize) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let done = Command::new("stty").args(["-F", &self.tty, "cols", &columns, "rows", &rows]).status();
        assert!(done.expect("there is stty").success());
    }

    /// All bytes that came so far, as text.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Reads on until what it has said is such that `found` finds something in it.
    #[track_caller]
    pub fn shows<T>(&mut self, what: &str, mut found: impl FnMut(&str) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(&self.said) {
                return found;
            }
            // What is repainted every second is never silent.
            match self.stdout.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(part) => self.take(&part),
                Err(_) => panic!("it does not show {what}:\n{}", self.said),
            }
        }
    }

    fn take(&mut self, part: &[u8]) {
        self.begun.extend_from_slice(part);
        let whole = match std::str::from_utf8(&self.begun) {
            Ok(_) => self.begun.len(),
            Err(error) => error.valid_up_to(),
        };
        let rest = self.begun.split_off(whole);
        self.said.push_str(&String::from_utf8_lossy(&self.begun));
        self.begun = rest;
    }

    /// Reads on until the plugin says `words`, and returns what it has said since the last time.
    #[track_caller]
    pub fn reads(&mut self, words: &str) -> String {
        loop {
            if let Some(at) = self.said[self.seen..].find(words) {
                let end = self.seen + at + words.len();
                let part = self.said[self.seen..end].to_owned();
                self.seen = end;
                return part;
            }
            match self.stdout.recv_timeout(PATIENCE) {
                Ok(part) => self.take(&part),
                Err(_) => panic!("it does not say {words:?}:\n{}", self.said),
            }
        }
    }

    /// Answers with a line.
    pub fn types(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the terminal is open");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the terminal takes the answer");
    }

    /// Presses keys.
    pub fn presses(&mut self, keys: &str) {
        let stdin = self.stdin.as_mut().expect("the terminal is open");
        stdin.write_all(keys.as_bytes()).and_then(|()| stdin.flush()).expect("the terminal takes the keys");
    }

    /// Reads to the end: the exit code, and all that it has said.
    pub fn ends_after_all(mut self) -> (Option<i32>, String) {
        self.seen = 0;
        self.ends()
    }

    /// Reads to the end: the exit code, and what it has said since the last time.
    pub fn ends(mut self) -> (Option<i32>, String) {
        while let Ok(part) = self.stdout.recv_timeout(PATIENCE) {
            self.take(&part);
        }
        drop(self.stdin.take());
        let code = self.child.wait().expect("it ends").code();
        (code, self.said.split_off(self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Its terminal goes with it, and the plugin with the terminal. One that has ended is no matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The plugin's command line, for a shell.
fn plugin(ns: &Namespace, args: &[&str]) -> String {
    let words = [&[env!("CARGO_BIN_EXE_kubectl-vnf")], args, &["-n", &ns.name]].concat();
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    quoted.join(" ")
}
