//! A Redis of one's own.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Certificates, Process, free_port, wait_for};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// One answer of Redis while it starts.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// Another process may take a port between the look and the start.
const ATTEMPTS: usize = 5;

/// A private redis-server on loopback, stopped when dropped.
#[derive(Debug)]
pub struct RedisServer {
    /// Before the directory, since fields are dropped in order and it writes there.
    process: Option<Process>,
    port: u16,
    tls_port: Option<u16>,
    directory: TempDir,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts one that keeps nothing on disk: after a restart it is empty.
    ///
    /// # Panics
    /// redis-server is missing or does not start.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts one that keeps every write on disk: after a restart it has what it had.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    #[must_use]
    #[track_caller]
    pub fn start_persistent() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts one with options of redis-server's command line, such as
    /// `["--client-output-buffer-limit", "pubsub 32k 16k 1"]`.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    #[must_use]
    #[track_caller]
    pub fn start_with(options: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self {
            port: 0,
            tls_port: None,
            directory,
            options,
            process: None,
        };
        for _ in 0..ATTEMPTS {
            server.port = free_port();
            match server.launch() {
                Ok(()) => return server,
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("redis-server did not start:\n{log}"),
            }
        }
        panic!("redis-server found no free port in {ATTEMPTS} attempts")
    }

    /// Starts one that speaks TLS too, on [`RedisServer::tls_url`]; with `wants_client` only with
    /// clients that have a certificate of the same authority.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    #[must_use]
    #[track_caller]
    pub fn start_with_tls(certificates: &Certificates, wants_client: bool) -> Self {
        let ((cert, key), ca) = (certificates.server(), certificates.ca());
        let port = free_port();
        let [cert, key, ca] = [cert, key, ca].map(|path| path.display().to_string());
        let wants_client = if wants_client { "yes" } else { "no" };
        let port_text = port.to_string();
        let tls = ["--tls-port", &port_text, "--tls-auth-clients", wants_client];
        let files = ["--tls-cert-file", &cert, "--tls-key-file", &key];
        let options = [&tls[..], &files, &["--tls-ca-cert-file", &ca]].concat();
        Self {
            tls_port: Some(port),
            ..Self::start_with(&options)
        }
    }

    /// `rediss://127.0.0.1:<port>/`.
    ///
    /// # Panics
    /// It speaks no TLS.
    #[must_use]
    #[track_caller]
    pub fn tls_url(&self) -> String {
        let port = self.tls_port.expect("redis-server was started with TLS");
        format!("rediss://{}:{port}/", Ipv4Addr::LOCALHOST)
    }

    /// `redis://127.0.0.1:<port>/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }

    /// Where it listens; the same after every [`RedisServer::start_again`].
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its pid.
    ///
    /// # Panics
    /// It is stopped.
    #[must_use]
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.process
            .as_ref()
            .expect("redis-server is stopped")
            .pid()
    }

    /// Stops it in good order; connections to its port are then refused.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(STOP_TIMEOUT);
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts it on the same port after [`RedisServer::stop`] or [`RedisServer::kill`].
    ///
    /// # Panics
    /// It runs, or does not start.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "redis-server has not been stopped");
        if let Err(log) = self.launch() {
            panic!("redis-server did not start again:\n{log}");
        }
    }

    /// SIGSTOP: its connections stay open and nothing answers (a half-open connection).
    ///
    /// # Panics
    /// It is stopped.
    #[track_caller]
    pub fn pause(&mut self) {
        self.process
            .as_mut()
            .expect("redis-server is stopped")
            .pause();
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// It is stopped.
    #[track_caller]
    pub fn resume(&mut self) {
        self.process
            .as_mut()
            .expect("redis-server is stopped")
            .resume();
    }

    /// Cuts every subscriber's connection and returns how many there were.
    ///
    /// # Panics
    /// It does not answer.
    #[track_caller]
    pub fn client_kill_pubsub(&self) -> u64 {
        self.query(&["CLIENT", "KILL", "TYPE", "pubsub"])
    }

    /// How many clients subscribe to `channel`.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    #[track_caller]
    pub fn subscribers(&self, channel: &str) -> u64 {
        let (_, count): (String, u64) = self.query(&["PUBSUB", "NUMSUB", channel]);
        count
    }

    /// Publishes `message` and returns how many subscribers got it.
    ///
    /// # Panics
    /// It does not answer.
    #[track_caller]
    pub fn publish(&self, channel: &str, message: &str) -> u64 {
        self.query(&["PUBLISH", channel, message])
    }

    /// The answer to any command.
    ///
    /// # Panics
    /// It does not answer, or with another type.
    #[track_caller]
    pub fn query<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open(self.url()).expect("the url is valid");
        let mut connection = client
            .get_connection()
            .expect("redis-server accepts connections");
        let (name, arguments) = command.split_first().expect("a command has a name");
        let answer = redis::cmd(name).arg(arguments).query(&mut connection);
        answer.unwrap_or_else(|error| panic!("{command:?} failed: {error}"))
    }

    /// Starts the process and waits for its first PONG; the log if it ends before.
    fn launch(&mut self) -> Result<(), String> {
        let log = self.directory.path().join("redis.log");
        fs::write(&log, "").expect("a log file");
        require_redis_server();
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .arg("--dir")
            .arg(self.directory.path())
            .arg("--logfile")
            .arg(&log)
            .args(&self.options);
        let mut process = Process::spawn(&mut command);
        let address = self.address();
        let is_up = wait_for("redis-server to answer PING", START_TIMEOUT, || {
            if !process.is_running() {
                return Ok(false);
            }
            ping(address).map(|()| true)
        });
        if !is_up {
            return Err(fs::read_to_string(&log).unwrap_or_default() + &process.last_words());
        }
        // A PONG may come from whoever held the port before.
        let info: String = self.query(&["INFO", "server"]);
        if !info.contains(&format!("process_id:{}\r\n", process.pid())) {
            return Err("Address already in use by another Redis".to_owned());
        }
        self.process = Some(process);
        Ok(())
    }
}

#[track_caller]
fn require_redis_server() {
    let found = Command::new("redis-server").arg("--version").output();
    assert!(
        found.is_ok(),
        "redis-server is missing; install it with: scripts/setup --test"
    );
}

fn ping(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PING_TIMEOUT)?;
    stream.set_read_timeout(Some(PING_TIMEOUT))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    if &answer == b"+PONG\r\n" {
        Ok(())
    } else {
        Err(std::io::Error::other("not a PONG"))
    }
}
