//! The real executable, as one process or as three, with real files and a real Redis.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use testkit::{Process, free_port, wait_for};

/// Far longer than anything takes: whoever waits this long has failed.
pub const LONG: Duration = Duration::from_secs(120);

/// The services in the order of the data, which is how they are numbered here: 0, 1, 2.
pub const SERVICES: [&str; 3] = ["filestore", "metastore", "timestore"];

/// The services of one data set: where they listen and how they are started.
#[derive(Debug)]
pub struct Deployment {
    root: tempfile::TempDir,
    /// Where the three listen.
    pub ports: [u16; 3],
    bus: String,
    /// Settings of every process, by their environment variables.
    pub settings: BTreeMap<String, String>,
    /// Settings of one service's process alone.
    pub settings_of: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// The processes that run, by what they were started as.
    pub processes: Vec<(&'static str, Process)>,
    /// The mount of [`Deployment::files`].
    pub mount_id: i64,
    client: reqwest::blocking::Client,
}

/// The executable, beside the test or the program that asks: cargo puts them into one folder.
///
/// # Panics
/// It has not been built.
#[must_use]
pub fn executable() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let beside = own.ancestors().map(|folder| folder.join("tidemark"));
    beside
        .skip(1)
        .find(|path| path.is_file())
        .expect("target/…/tidemark is missing; build it with: cargo build --package tidemark")
}

/// The executable with an environment of its own.
#[must_use]
pub fn tidemark() -> Command {
    let mut command = Command::new(executable());
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TIDEMARK_LOG", "info");
    command
}

impl Deployment {
    /// A deployment that runs nothing yet. `bus` is `inline` or a Redis URL.
    ///
    /// # Panics
    /// There is no room for its files.
    #[must_use]
    pub fn new(bus: &str) -> Self {
        let root = tempfile::Builder::new().prefix("tidemark-").tempdir();
        let root = root.unwrap();
        std::fs::create_dir(root.path().join("files")).unwrap();
        let client = reqwest::blocking::Client::builder()
            .timeout(LONG)
            .build()
            .unwrap();
        Self {
            root,
            ports: [free_port(), free_port(), free_port()],
            bus: bus.to_owned(),
            settings: BTreeMap::new(),
            settings_of: BTreeMap::new(),
            processes: Vec::new(),
            mount_id: 0,
            client,
        }
    }

    /// A deployment that runs nothing yet, with settings of its own.
    #[must_use]
    pub fn with_settings(bus: &str, settings: &[(&str, &str)]) -> Self {
        let mut deployment = Self::new(bus);
        for (name, value) in settings {
            deployment
                .settings
                .insert((*name).to_owned(), (*value).to_owned());
        }
        deployment
    }

    /// One process with all three services.
    #[must_use]
    pub fn together(bus: &str) -> Self {
        let mut deployment = Self::new(bus);
        deployment.start("all");
        deployment.add_mount();
        deployment
    }

    /// A process for each service.
    #[must_use]
    pub fn apart(bus: &str) -> Self {
        let mut deployment = Self::new(bus);
        deployment.start_apart();
        deployment
    }

    /// Starts a process for each service, all at once, and makes the mount.
    pub fn start_apart(&mut self) {
        let mut started: Vec<_> = SERVICES
            .iter()
            .map(|service| (*service, self.spawn(service)))
            .collect();
        for (service, process) in &mut started {
            self.wait_until_serving(service, process);
        }
        self.processes.append(&mut started);
        self.add_mount();
    }

    /// The files that are mounted.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.root.path().join("files")
    }

    /// Everything of this deployment.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.root.path()
    }

    /// Where the databases are.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// The command line with this deployment's settings.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = tidemark();
        command
            .env("TIDEMARK_DATA_DIR", self.data_dir())
            .env("FILESTORE_REDIS_URL", &self.bus)
            .env("FILESTORE_PORT", self.ports[0].to_string())
            .env("METASTORE_PORT", self.ports[1].to_string())
            .env("TIMESTORE_PORT", self.ports[2].to_string())
            .env("FILESTORE_RESCAN_INTERVAL", "0s")
            .env("FILESTORE_WATCH", "false")
            .envs(&self.settings)
            .current_dir(self.root.path());
        command
    }

    /// Starts a service, or `all`, or `dev` on the files, and waits until it answers.
    ///
    /// # Panics
    /// It does not.
    pub fn start(&mut self, service: &'static str) {
        let mut process = self.spawn(service);
        self.wait_until_serving(service, &mut process);
        self.processes.push((service, process));
    }

    /// Starts a service, if it starts.
    ///
    /// # Errors
    /// What it said instead, on its way out.
    ///
    /// # Panics
    /// It ended otherwise than with an error that it told.
    pub fn try_start(&mut self, service: &'static str) -> Result<(), String> {
        let mut process = self.spawn(service);
        let at = SERVICES.iter().position(|name| *name == service);
        let url = self.url(at.expect("one of the three"));
        // It listens before it has opened its files, so that it accepts says nothing.
        let is_serving = wait_for("a service to answer, or to end", LONG, || {
            if !process.is_running() {
                return Some(false);
            }
            let answer = self.client.get(format!("{url}/healthz")).send();
            answer.is_ok().then_some(true)
        });
        if is_serving {
            self.processes.push((service, process));
            return Ok(());
        }
        let said = process.last_words();
        let status = process.wait(LONG);
        assert_eq!(
            status.code(),
            Some(1),
            "{service} ended with {status}:\n{said}"
        );
        Err(said)
    }

    fn spawn(&self, service: &'static str) -> Process {
        let mut command = self.command();
        match service {
            "all" => drop(command.arg("serve")),
            "dev" => drop(command.arg("dev").arg(self.files())),
            one => {
                command.args(["serve", "--service", one]);
                if one != "filestore" {
                    command.env("FILESTORE_JOURNAL_URL", self.url(0));
                }
            }
        }
        command.envs(self.settings_of.get(service).into_iter().flatten());
        Process::spawn(&mut command)
    }

    fn wait_until_serving(&self, service: &str, process: &mut Process) {
        let ports: Vec<_> = match SERVICES.iter().position(|name| *name == service) {
            Some(at) => vec![self.ports[at]],
            None => self.ports.to_vec(),
        };
        for port in ports {
            process.wait_until_serving(([127, 0, 0, 1], port).into(), LONG);
            // It listens before it has opened its files and before it heeds signals.
            let url = format!("http://127.0.0.1:{port}/healthz");
            wait_for(&format!("{service} to answer"), LONG, || {
                assert!(
                    process.is_running(),
                    "{service} ended:\n{}",
                    process.last_words()
                );
                self.client
                    .get(&url)
                    .send()
                    .map_err(|error| error.to_string())
            });
        }
    }

    /// The process of a service that runs.
    ///
    /// # Panics
    /// It does not run.
    pub fn process(&mut self, service: &str) -> &mut Process {
        let found = self.processes.iter_mut().find(|(name, _)| *name == service);
        &mut found.expect("the service runs").1
    }

    /// Stops a service in good order.
    ///
    /// # Panics
    /// It does not stop, or not with success.
    pub fn stop(&mut self, service: &str) {
        let status = self.process(service).stop(LONG);
        assert!(status.success(), "{service} stopped with {status}");
        self.processes.retain(|(name, _)| *name != service);
    }

    /// Keeps the folder, with what every process said in `logs/`; where it is.
    #[must_use]
    pub fn keep(&mut self) -> PathBuf {
        self.root.disable_cleanup(true);
        let logs = self.root.path().join("logs");
        std::fs::create_dir_all(&logs).ok();
        for (service, process) in &self.processes {
            std::fs::write(logs.join(format!("{service}.log")), process.stderr()).ok();
        }
        self.root.path().to_owned()
    }

    /// An answer's body as it is.
    ///
    /// # Errors
    /// As [`Deployment::get`].
    pub fn text(&self, service: usize, path: &str) -> Result<String, String> {
        let sent = self
            .client
            .get(format!("{}{path}", self.url(service)))
            .send();
        let response = sent.and_then(reqwest::blocking::Response::error_for_status);
        response
            .and_then(reqwest::blocking::Response::text)
            .map_err(|error| error.to_string())
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&mut self, service: &str) {
        self.process(service).kill();
        self.processes.retain(|(name, _)| *name != service);
    }

    fn add_mount(&mut self) {
        let body = json!({
            "mountKey": "files", "backendKind": "local", "accessMode": "rw", "rootPath": self.files(),
        });
        let mount = self
            .post(0, "/v1/backend-mounts", &body)
            .expect("the mount is made");
        self.mount_id = mount["data"]["id"].as_i64().expect("the mount has an id");
    }

    /// A service's base URL.
    #[must_use]
    pub fn url(&self, service: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[service])
    }

    /// `GET` of a service's path.
    ///
    /// # Errors
    /// What the service, or the connection, says instead of a success.
    pub fn get(&self, service: usize, path: &str) -> Result<Value, String> {
        answer(
            self.client
                .get(format!("{}{path}", self.url(service)))
                .send(),
        )
    }

    /// `POST` of a JSON body.
    ///
    /// # Errors
    /// As [`Deployment::get`].
    pub fn post(&self, service: usize, path: &str, body: &Value) -> Result<Value, String> {
        answer(
            self.client
                .post(format!("{}{path}", self.url(service)))
                .json(body)
                .send(),
        )
    }

    /// `PATCH` with a JSON body.
    ///
    /// # Errors
    /// As [`Deployment::get`].
    pub fn patch(&self, service: usize, path: &str, body: &Value) -> Result<Value, String> {
        answer(
            self.client
                .patch(format!("{}{path}", self.url(service)))
                .json(body)
                .send(),
        )
    }

    /// The status that a DELETE is answered with.
    ///
    /// # Panics
    /// The service does not answer.
    #[must_use]
    pub fn delete_at(&self, service: usize, path: &str) -> u16 {
        let url = format!("{}{path}", self.url(service));
        let response = self.client.delete(url).send();
        response.expect("the service answers").status().as_u16()
    }

    /// Uploads a file, over one that is there.
    ///
    /// # Errors
    /// As [`Deployment::get`].
    pub fn upload(&self, path: &str, contents: &[u8]) -> Result<Value, String> {
        let file = reqwest::blocking::multipart::Part::bytes(contents.to_vec()).file_name("file");
        let form = reqwest::blocking::multipart::Form::new()
            .text("backendMountId", self.mount_id.to_string())
            .text("path", path.to_owned())
            .text("overwrite", "true")
            .part("file", file);
        answer(
            self.client
                .post(format!("{}/v1/files", self.url(0)))
                .multipart(form)
                .send(),
        )
    }

    /// Deletes a node with all below it.
    ///
    /// # Errors
    /// As [`Deployment::get`].
    pub fn delete(&self, path: &str) -> Result<Value, String> {
        let body = json!({"backendMountId": self.mount_id, "path": path, "recursive": true});
        answer(
            self.client
                .delete(format!("{}/v1/nodes", self.url(0)))
                .json(&body)
                .send(),
        )
    }

    /// Makes a directory with those above it.
    ///
    /// # Errors
    /// As [`Deployment::get`].
    pub fn make_directory(&self, path: &str) -> Result<Value, String> {
        let body = json!({"backendMountId": self.mount_id, "path": path});
        self.post(0, "/v1/directories", &body)
    }

    /// Moves a node.
    ///
    /// # Errors
    /// As [`Deployment::get`].
    pub fn move_node(&self, path: &str, target: &str) -> Result<Value, String> {
        let body = json!({"backendMountId": self.mount_id, "path": path, "targetPath": target});
        self.post(0, "/v1/nodes/move", &body)
    }

    /// The journal's head.
    ///
    /// # Panics
    /// filestore does not answer.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.try_head().expect("filestore answers")
    }

    /// The journal's head, if filestore says so.
    ///
    /// # Errors
    /// What it says instead.
    pub fn try_head(&self) -> Result<u64, String> {
        let url = format!("{}/v1/journal?limit=0", self.url(0));
        let response = self.client.get(url).send();
        let response = response.map_err(|error| error.to_string())?;
        let head = response.headers().get("tidemark-head");
        head.and_then(|head| head.to_str().ok()?.parse().ok())
            .ok_or_else(|| format!("{} without a head", response.status()))
    }

    /// The text that a service answers `GET` with.
    ///
    /// # Panics
    /// It does not answer, or not with success.
    #[must_use]
    pub fn body(&self, service: usize, path: &str) -> String {
        let url = format!("{}{path}", self.url(service));
        let response = self.client.get(url).send().expect("the service answers");
        assert!(response.status().is_success(), "{}", response.status());
        response.text().expect("the answer is text")
    }

    /// A consumer's health, whatever its status.
    #[must_use]
    pub fn health(&self, service: usize) -> Value {
        let response = self
            .client
            .get(format!("{}/filestore/health", self.url(service)))
            .send();
        response
            .ok()
            .and_then(|response| response.json().ok())
            .unwrap_or(Value::Null)
    }

    /// Waits until both consumers have applied everything; how long it took.
    ///
    /// # Panics
    /// They do not.
    pub fn settle(&self) -> Duration {
        let head = self.head();
        let started = std::time::Instant::now();
        for service in [1, 2] {
            wait_for(
                &format!("{} to reach {head}", SERVICES[service]),
                LONG,
                || {
                    let health = self.health(service);
                    if health["checkpoint"].as_u64() >= Some(head) {
                        Ok(())
                    } else {
                        Err(health)
                    }
                },
            );
        }
        started.elapsed()
    }

    /// Runs `tidemark` with this deployment's settings.
    ///
    /// # Panics
    /// It cannot be run.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// `tidemark verify` finds the books in agreement; what it says.
    ///
    /// # Panics
    /// It does not.
    pub fn verify(&self) -> String {
        let output = self.run(&["verify"]);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "verify found differences:\n{text}");
        assert!(text.contains("agree"), "{text}");
        text
    }

    /// Rows and distinct entries in the timestore's table, and its last entry.
    ///
    /// # Panics
    /// timestore does not answer.
    #[must_use]
    pub fn activity(&self) -> (u64, u64, u64) {
        let sql = "SELECT count(*) AS n, count(DISTINCT journal_id) AS d, max(journal_id) AS m \
                   FROM filestore_activity";
        let answer = self.post(2, "/sql/read", &json!({"sql": sql})).unwrap();
        let row = &answer["rows"][0];
        let number = |name: &str| row[name].as_u64().unwrap_or_default();
        (number("n"), number("d"), number("m"))
    }
}

fn answer(sent: reqwest::Result<reqwest::blocking::Response>) -> Result<Value, String> {
    let response = sent.map_err(|error| error.to_string())?;
    let status = response.status();
    let text = response.text().map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("{status}: {text}"));
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

/// Makes `directories` × `files` empty files below `root`.
///
/// # Panics
/// They cannot be made.
pub fn many_files(root: &Path, directories: usize, files: usize) {
    for directory in 0..directories {
        let directory = root.join(format!("d{directory:04}"));
        std::fs::create_dir_all(&directory).unwrap();
        for file in 0..files {
            std::fs::File::create(directory.join(format!("f{file:04}"))).unwrap();
        }
    }
}
