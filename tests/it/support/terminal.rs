//! The plugin on a terminal: what it asks is read, and answered.

use super::namespace::Namespace;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long it may be silent.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run of the plugin on a pseudo-terminal of its own (that of `script`).
pub struct Terminal {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<Vec<u8>>,
    said: String,
    /// How much of it has been waited for.
    seen: usize,
}

impl Terminal {
    /// Starts the plugin in the namespace.
    pub fn start(ns: &Namespace, args: &[&str]) -> Self {
        let plugin = env!("CARGO_BIN_EXE_kubectl-vnf");
        let words = [&[plugin], args, &["-n", &ns.name]].concat();
        let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        let mut command = ns.command("script");
        command.args(["-qec", &quoted.join(" "), "/dev/null"]).env("COLUMNS", "120").env("LC_ALL", "C.UTF-8");
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
        Self { child, stdin, stdout, said: String::new(), seen: 0 }
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
                Ok(part) => self.said.push_str(&String::from_utf8_lossy(&part)),
                Err(_) => panic!("it does not say {words:?}:\n{}", self.said),
            }
        }
    }

    /// Answers with a line.
    pub fn types(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the terminal is open");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the terminal takes the answer");
    }

    /// Reads to the end: the exit code, and what it has said since the last time.
    pub fn ends(mut self) -> (Option<i32>, String) {
        while let Ok(part) = self.stdout.recv_timeout(PATIENCE) {
            self.said.push_str(&String::from_utf8_lossy(&part));
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
