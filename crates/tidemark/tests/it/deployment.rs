//! The real executable, as one process or as three, with real files and a real Redis.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use testkit::{Process, free_port, wait_for};

/// Far longer than anything takes: whoever waits this long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// The services of one data set: where they listen and how they are started.
pub(crate) struct Deployment {
    root: tempfile::TempDir,
    pub(crate) ports: [u16; 3],
    bus: String,
    settings: &'static [(&'static str, &'static str)],
    pub(crate) processes: Vec<(&'static str, Process)>,
    pub(crate) mount_id: i64,
    client: reqwest::blocking::Client,
}

pub(crate) const SERVICES: [&str; 3] = ["filestore", "metastore", "timestore"];

/// The executable with an environment of its own.
pub(crate) fn tidemark() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TIDEMARK_LOG", "info");
    command
}

impl Deployment {
    /// A deployment that runs nothing yet. `bus` is `inline` or a Redis URL.
    pub(crate) fn new(bus: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("files")).unwrap();
        let client = reqwest::blocking::Client::builder()
            .timeout(LONG)
            .build()
            .unwrap();
        Self {
            root,
            ports: [free_port(), free_port(), free_port()],
            bus: bus.to_owned(),
            settings: &[],
            processes: Vec::new(),
            mount_id: 0,
            client,
        }
    }

    /// A deployment that runs nothing yet, with settings of its own.
    pub(crate) fn with_settings(
        bus: &str,
        settings: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            settings,
            ..Self::new(bus)
        }
    }

    /// One process with all three services.
    pub(crate) fn together(bus: &str) -> Self {
        let mut deployment = Self::new(bus);
        deployment.start("all");
        deployment.add_mount();
        deployment
    }

    /// A process for each service.
    pub(crate) fn apart(bus: &str) -> Self {
        let mut deployment = Self::new(bus);
        SERVICES
            .iter()
            .for_each(|service| deployment.start(service));
        deployment.add_mount();
        deployment
    }

    /// The files that are mounted.
    pub(crate) fn files(&self) -> PathBuf {
        self.root.path().join("files")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// The command line with this deployment's settings.
    pub(crate) fn command(&self) -> Command {
        let mut command = tidemark();
        command
            .env("TIDEMARK_DATA_DIR", self.data_dir())
            .env("FILESTORE_REDIS_URL", &self.bus)
            .env("FILESTORE_PORT", self.ports[0].to_string())
            .env("METASTORE_PORT", self.ports[1].to_string())
            .env("TIMESTORE_PORT", self.ports[2].to_string())
            .env("FILESTORE_RESCAN_INTERVAL", "0s")
            .env("FILESTORE_WATCH", "false")
            .envs(self.settings.iter().copied())
            .current_dir(self.root.path());
        command
    }

    /// Starts a service, or `all`, or `dev` on the files, and waits until it answers.
    pub(crate) fn start(&mut self, service: &'static str) {
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
        let mut process = Process::spawn(&mut command);
        let ports: Vec<_> = match SERVICES.iter().position(|name| *name == service) {
            Some(at) => vec![self.ports[at]],
            None => self.ports.to_vec(),
        };
        for port in ports {
            process.wait_until_serving(([127, 0, 0, 1], port).into(), LONG);
        }
        self.processes.push((service, process));
    }

    pub(crate) fn process(&mut self, service: &str) -> &mut Process {
        let found = self.processes.iter_mut().find(|(name, _)| *name == service);
        &mut found.unwrap().1
    }

    /// Stops a service as an operator does.
    pub(crate) fn stop(&mut self, service: &str) {
        let status = self.process(service).stop(LONG);
        assert!(status.success(), "{service} stopped with {status}");
        self.processes.retain(|(name, _)| *name != service);
    }

    /// An answer as it is.
    pub(crate) fn text(&self, service: usize, path: &str) -> Result<String, String> {
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
    pub(crate) fn kill(&mut self, service: &str) {
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

    pub(crate) fn url(&self, service: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[service])
    }

    pub(crate) fn get(&self, service: usize, path: &str) -> Result<Value, String> {
        answer(
            self.client
                .get(format!("{}{path}", self.url(service)))
                .send(),
        )
    }

    pub(crate) fn post(&self, service: usize, path: &str, body: &Value) -> Result<Value, String> {
        answer(
            self.client
                .post(format!("{}{path}", self.url(service)))
                .json(body)
                .send(),
        )
    }

    pub(crate) fn patch(&self, service: usize, path: &str, body: &Value) -> Result<Value, String> {
        answer(
            self.client
                .patch(format!("{}{path}", self.url(service)))
                .json(body)
                .send(),
        )
    }

    /// The status that a DELETE is answered with.
    pub(crate) fn delete_at(&self, service: usize, path: &str) -> u16 {
        let url = format!("{}{path}", self.url(service));
        let response = self.client.delete(url).send();
        response.expect("the service answers").status().as_u16()
    }

    pub(crate) fn upload(&self, path: &str, contents: &[u8]) -> Result<Value, String> {
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

    pub(crate) fn delete(&self, path: &str) -> Result<Value, String> {
        let body = json!({"backendMountId": self.mount_id, "path": path, "recursive": true});
        answer(
            self.client
                .delete(format!("{}/v1/nodes", self.url(0)))
                .json(&body)
                .send(),
        )
    }

    pub(crate) fn make_directory(&self, path: &str) -> Result<Value, String> {
        let body = json!({"backendMountId": self.mount_id, "path": path});
        self.post(0, "/v1/directories", &body)
    }

    pub(crate) fn move_node(&self, path: &str, target: &str) -> Result<Value, String> {
        let body = json!({"backendMountId": self.mount_id, "path": path, "targetPath": target});
        self.post(0, "/v1/nodes/move", &body)
    }

    /// The journal's head.
    pub(crate) fn head(&self) -> u64 {
        let response = self
            .client
            .get(format!("{}/v1/journal?limit=0", self.url(0)))
            .send();
        let response = response.expect("filestore answers");
        response.headers()["tidemark-head"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// A consumer's health, whatever its status.
    pub(crate) fn health(&self, service: usize) -> Value {
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
    pub(crate) fn settle(&self) -> Duration {
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
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// `tidemark verify` finds the books in agreement; what it says.
    pub(crate) fn verify(&self) -> String {
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
    pub(crate) fn activity(&self) -> (u64, u64, u64) {
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
pub(crate) fn many_files(root: &Path, directories: usize, files: usize) {
    for directory in 0..directories {
        let directory = root.join(format!("d{directory:04}"));
        std::fs::create_dir_all(&directory).unwrap();
        for file in 0..files {
            std::fs::File::create(directory.join(format!("f{file:04}"))).unwrap();
        }
    }
}
