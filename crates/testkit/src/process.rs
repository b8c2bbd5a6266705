//! A child process that cannot outlive its test.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait_for;

/// How long a signal that cannot be caught may take.
const GRACE: Duration = Duration::from_secs(5);
/// How long the last words of a process that has ended may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running child, reaped when dropped. What it prints is kept and can be waited on.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    /// Once it is known: a reaped pid may belong to somebody else, and is never signalled.
    ended: Option<ExitStatus>,
    stdout: Arc<Printed>,
    stderr: Arc<Printed>,
}

/// What a child has printed so far, line by line.
#[derive(Debug, Default)]
struct Printed {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    text: Vec<String>,
    is_closed: bool,
}

impl Process {
    /// Starts `command`, with nothing on its stdin and both its outputs captured.
    ///
    /// # Panics
    /// It cannot be started.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let stdout = Printed::by(child.stdout.take().expect("stdout is piped"));
        let stderr = Printed::by(child.stderr.take().expect("stderr is piped"));
        Self {
            name,
            child,
            ended: None,
            stdout,
            stderr,
        }
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still there (a paused process is).
    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    /// What it has printed on stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.lines.lock().text.join("\n")
    }

    /// What it has printed on stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.lines.lock().text.join("\n")
    }

    /// Waits until a line of its stdout contains `needle`, also one already printed, and returns
    /// that line.
    ///
    /// # Panics
    /// It did not print it in time, or ended before it did.
    #[track_caller]
    pub fn wait_for_stdout(&self, needle: &str, timeout: Duration) -> String {
        self.wait_for_line(&self.stdout, needle, timeout)
    }

    /// [`Process::wait_for_stdout`] on stderr.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn wait_for_stderr(&self, needle: &str, timeout: Duration) -> String {
        self.wait_for_line(&self.stderr, needle, timeout)
    }

    #[track_caller]
    fn wait_for_line(&self, printed: &Printed, needle: &str, timeout: Duration) -> String {
        printed.find(needle, timeout).unwrap_or_else(|why| {
            panic!(
                "{} did not print {needle:?}: {why}\n{}",
                self.name,
                self.last_words()
            )
        })
    }

    /// Waits until it accepts connections on `address`.
    ///
    /// # Panics
    /// It did not in time, or ended before it did.
    #[track_caller]
    pub fn wait_until_serving(&mut self, address: SocketAddr, timeout: Duration) {
        wait_for(
            &format!("{} to serve {address}", self.name),
            timeout,
            || {
                if let Some(status) = self.status() {
                    panic!(
                        "{} ended ({status}) before it served\n{}",
                        self.name,
                        self.stderr()
                    );
                }
                TcpStream::connect_timeout(&address, timeout)
            },
        );
    }

    /// SIGTERM; see [`Process::wait`].
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// SIGINT, as Ctrl-C sends it.
    pub fn interrupt(&mut self) {
        self.signal(Signal::INT);
    }

    /// SIGKILL, and reaps it: when this returns the process is gone and its ports are free.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait(GRACE);
    }

    /// SIGSTOP: it stays alive, its connections stay open, and nothing answers.
    ///
    /// Returns once every thread of it stands still.
    ///
    /// # Panics
    /// It has ended.
    #[track_caller]
    pub fn pause(&mut self) {
        assert!(
            self.is_running(),
            "{} has ended and cannot be paused",
            self.name
        );
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.pid());
        wait_for("the process to stand still", GRACE, || {
            let stat = std::fs::read_to_string(&stat).map_err(|error| error.to_string())?;
            // The state is the first field after the name, which may itself hold anything.
            let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            if state.starts_with('T') {
                Ok(())
            } else {
                Err(stat)
            }
        });
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM (to a paused process too), then waits until it has ended.
    ///
    /// # Panics
    /// It has not ended within `timeout`.
    #[track_caller]
    pub fn stop(&mut self, timeout: Duration) -> ExitStatus {
        self.terminate();
        self.resume();
        self.wait(timeout)
    }

    /// Waits until it has ended, and all that it printed has been read.
    ///
    /// # Panics
    /// It has not ended within `timeout`.
    #[track_caller]
    pub fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let what = format!("{} (pid {}) to end", self.name, self.pid());
        let status = wait_for(&what, timeout, || self.status());
        self.stdout.wait_until_closed();
        self.stderr.wait_until_closed();
        status
    }

    /// Resident memory now, in bytes.
    ///
    /// # Panics
    /// It has ended.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory it ever had, in bytes.
    ///
    /// # Panics
    /// It has ended.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.expect("the process has memory") * 1024
    }

    /// All that it printed, once it has ended. Its pipes are read by threads of their own, which may
    /// not have read everything yet when the end is known.
    #[must_use]
    pub fn last_words(&self) -> String {
        self.stdout.wait_until_closed();
        self.stderr.wait_until_closed();
        format!("stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr())
    }

    fn status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
        }
        self.ended
    }

    fn signal(&mut self, signal: Signal) {
        if self.status().is_none() {
            // It may end just now; that is what signals are for.
            kill_process(Pid::from_child(&self.child), signal).ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if self.ended.is_none() {
            // A killed child ends at once, so this does not hang; and it may not panic here.
            self.child.wait().ok();
        }
    }
}

impl Printed {
    /// Reads `pipe` on a thread that ends with it.
    fn by(pipe: impl Read + Send + 'static) -> Arc<Self> {
        let printed = Arc::new(Self::default());
        let writer = Arc::clone(&printed);
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(pipe.read_until(b'\n', &mut line), Ok(read) if read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                writer.lines.lock().text.push(text);
                writer.more.notify_all();
                line.clear();
            }
            writer.lines.lock().is_closed = true;
            writer.more.notify_all();
        });
        printed
    }

    /// Returns after [`LAST_WORDS`] if a grandchild still holds the pipe.
    fn wait_until_closed(&self) {
        let mut lines = self.lines.lock();
        self.more
            .wait_while_for(&mut lines, |lines| !lines.is_closed, LAST_WORDS);
    }

    fn find(&self, needle: &str, timeout: Duration) -> Result<String, String> {
        let end = Instant::now() + timeout;
        let mut lines = self.lines.lock();
        loop {
            if let Some(line) = lines.text.iter().find(|line| line.contains(needle)) {
                return Ok(line.clone());
            }
            if lines.is_closed {
                return Err("it has ended".to_owned());
            }
            if self.more.wait_until(&mut lines, end).timed_out() {
                return Err(format!("{timeout:?} have passed"));
            }
        }
    }
}
