//! The plugin at work: what it says is read line by line, so that a test can act in the midst of it.

use super::namespace::Namespace;
use super::run::{Run, line};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

/// A plugin that was started and has not been waited for.
pub struct Started {
    line: String,
    begin: Instant,
    child: Child,
    lines: BufReader<ChildStderr>,
    stdout: JoinHandle<String>,
    said: String,
}

impl Started {
    pub(super) fn new(mut command: Command) -> Self {
        let line = line(&command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begin = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let lines = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).expect("stdout can be read");
            text
        });
        Self { line, begin, child, lines, stdout, said: String::new() }
    }

    /// Waits until its progress holds `mark`.
    #[track_caller]
    pub fn says(&mut self, mark: &str) {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("stderr can be read");
            self.said.push_str(&line);
            assert!(read > 0, "it has ended and not said {mark:?}:\n{}", self.said);
            if line.contains(mark) {
                return;
            }
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Run {
        self.lines.read_to_string(&mut self.said).expect("stderr can be read");
        let code = self.child.wait().expect("the plugin has ended").code();
        let stdout = self.stdout.join().expect("stdout was read");
        Run::ended(self.line, code, stdout, self.said, self.begin.elapsed())
    }
}

impl Namespace {
    /// Starts the plugin in this namespace with progress as plain lines.
    pub fn begin_vnf(&self, args: &[&str]) -> Started {
        let mut command = self.vnf_command(args);
        command.arg("--progress=plain");
        Started::new(command)
    }
}
