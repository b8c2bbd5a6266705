//! A filestore behind a real listener, with one mount.

use filestore::{Filestore, Options};
use httpkit::App;
use journal::{Entry, JournalId};
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use testkit::S3Server;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Server {
    pub(crate) filestore: Arc<Filestore>,
    pub(crate) mount: i64,
    pub(crate) root: PathBuf,
    pub(crate) base: String,
    pub(crate) client: Client,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
    pub(crate) dirs: Arc<TempDir>,
}

/// What a mount's bytes lie in. One suite is run over both.
#[derive(Debug)]
pub(crate) enum Ground {
    Local,
    S3(S3Server),
}

pub(crate) const BUCKET: &str = "bucket";

impl Ground {
    pub(crate) fn s3() -> Self {
        let server = S3Server::start();
        server.create_bucket(BUCKET);
        Self::S3(server)
    }

    pub(crate) async fn start(&self) -> Server {
        self.start_with(Arc::new(tempfile::tempdir().unwrap()), |_| {})
            .await
    }

    /// On the data directory and the mount of an earlier one.
    pub(crate) async fn start_with(
        &self,
        dirs: Arc<TempDir>,
        change: impl FnOnce(&mut Options) + Send + 'static,
    ) -> Server {
        let mut server = Server::start_with(dirs, change).await;
        if let Self::S3(s3) = self {
            server.mount = server.s3_mount(s3).await;
        }
        server
    }

    /// Writes a file behind Tidemark's back.
    pub(crate) fn put(&self, server: &Server, path: &str, content: &str) {
        match self {
            Self::Local => {
                let at = server.root.join(path);
                std::fs::create_dir_all(at.parent().unwrap()).unwrap();
                std::fs::write(at, content).unwrap();
            }
            Self::S3(s3) => s3.put(BUCKET, path, content),
        }
    }

    /// Deletes a file behind Tidemark's back.
    pub(crate) fn remove(&self, server: &Server, path: &str) {
        match self {
            Self::Local => std::fs::remove_file(server.root.join(path)).unwrap(),
            Self::S3(s3) => s3.delete(BUCKET, path),
        }
    }

    /// What is in a file, if it is there.
    pub(crate) fn content(&self, server: &Server, path: &str) -> Option<String> {
        match self {
            Self::Local => std::fs::read_to_string(server.root.join(path)).ok(),
            Self::S3(s3) => s3.content(BUCKET, path),
        }
    }

    /// What Tidemark has put there for itself and not removed.
    pub(crate) fn leftovers(&self, server: &Server) -> Vec<String> {
        match self {
            Self::Local => {
                let mut names = server.names();
                names.retain(|name| name.starts_with('.'));
                names
            }
            Self::S3(s3) => vec!["an upload".to_owned(); s3.uploads(BUCKET)],
        }
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Arc::new(tempfile::tempdir().unwrap()), |_| {}).await
    }

    /// On the data directory and the mount of an earlier one.
    pub(crate) async fn start_with(
        dirs: Arc<TempDir>,
        change: impl FnOnce(&mut Options) + Send + 'static,
    ) -> Self {
        let root = dirs.path().join("tree");
        std::fs::create_dir_all(&root).unwrap();
        let mut options = Options::new(dirs.path().join("data"));
        change(&mut options);
        let at = root.clone();
        let (filestore, mount) = tokio::task::spawn_blocking(move || {
            let filestore = Filestore::open(options).unwrap();
            let mount = filestore.ensure_local_mount(&at).unwrap();
            (filestore, mount.id)
        })
        .await
        .unwrap();
        let router = App::new("filestore", "Test", filestore.router()).into_router();
        let listener = httpkit::bind("127.0.0.1", 0, false).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let served = tokio::spawn(httpkit::serve(listener, router, stop.clone()));
        let client = Client::new();
        Self {
            filestore,
            mount,
            root,
            base,
            client,
            stop,
            served,
            dirs,
        }
    }

    /// The mount of the bucket, made if it is not there.
    pub(crate) async fn s3_mount(&self, s3: &S3Server) -> i64 {
        let mounts = self.get("/v1/backend-mounts?kinds=s3").await;
        if let Some(id) = mounts.data()["mounts"][0]["id"].as_i64() {
            return id;
        }
        let body = self.s3_mount_body(s3);
        let request = self.request(Method::POST, "/v1/backend-mounts").json(&body);
        self.send(request).await.data()["id"].as_i64().unwrap()
    }

    /// What makes a mount of the bucket. Listings come a few keys at a time.
    pub(crate) fn s3_mount_body(&self, s3: &S3Server) -> Value {
        let credentials = self.dirs.path().join("credentials");
        let text = "[default]\naws_access_key_id = access\naws_secret_access_key = hush-hush\n";
        std::fs::write(&credentials, text).unwrap();
        json!({
            "mountKey": "s3", "backendKind": "s3", "bucket": BUCKET,
            "config": { "endpoint": s3.url(), "allowHttp": true, "listPageKeys": 3,
                "credentialsFile": credentials },
        })
    }

    /// The contents of a node, by its path.
    pub(crate) async fn content(&self, path: &str) -> String {
        let id = self.by_path(path).await.node_id();
        let answer = self.get(&format!("/v1/files/{id}/content")).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.text
    }

    /// Stops serving, closes the filestore, and gives the directories for the next start.
    pub(crate) async fn close(self) -> Arc<TempDir> {
        self.stop.cancel();
        drop(self.client);
        self.served.await.unwrap().unwrap();
        let filestore = self.filestore;
        tokio::task::spawn_blocking(move || filestore.close())
            .await
            .unwrap();
        self.dirs
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answered {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answered {
            status,
            headers,
            body,
            text,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(self.request(Method::GET, path)).await
    }

    /// `path` with the mount's id in the query.
    pub(crate) async fn get_in_mount(&self, path: &str, query: &[(&str, &str)]) -> Answered {
        let request = self
            .request(Method::GET, path)
            .query(&[("backendMountId", self.mount)]);
        self.send(request.query(query)).await
    }

    pub(crate) async fn json(&self, method: Method, path: &str, mut body: Value) -> Answered {
        if body.get("backendMountId").is_none() {
            body["backendMountId"] = json!(self.mount);
        }
        self.send(self.request(method, path).json(&body)).await
    }

    pub(crate) async fn mkdir(&self, path: &str) -> Answered {
        self.json(Method::POST, "/v1/directories", json!({ "path": path }))
            .await
    }

    pub(crate) async fn delete(&self, path: &str, recursive: bool) -> Answered {
        let body = json!({ "path": path, "recursive": recursive });
        self.json(Method::DELETE, "/v1/nodes", body).await
    }

    pub(crate) async fn rename(&self, path: &str, target: &str) -> Answered {
        let body = json!({ "path": path, "targetPath": target });
        self.json(Method::POST, "/v1/nodes/move", body).await
    }

    pub(crate) async fn upload(&self, path: &str, content: &str) -> Answered {
        self.upload_with(path, content, &[], &[]).await
    }

    pub(crate) async fn upload_with(
        &self,
        path: &str,
        content: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answered {
        let mut form = Form::new().text("backendMountId", self.mount.to_string());
        form = form.text("path", path.to_owned());
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        form = form.part(
            "file",
            Part::text(content.to_owned()).file_name("upload.bin"),
        );
        let mut request = self.request(Method::POST, "/v1/files").multipart(form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    pub(crate) async fn by_path(&self, path: &str) -> Answered {
        self.get_in_mount("/v1/nodes/by-path", &[("path", path)])
            .await
    }

    pub(crate) fn head(&self) -> JournalId {
        self.filestore.reader().position().unwrap().head
    }

    /// The entries after an id.
    pub(crate) fn entries(&self, after: JournalId) -> Vec<Entry> {
        self.filestore
            .reader()
            .read(after, 100_000)
            .unwrap()
            .entries
    }

    /// Type, path and size delta of the entries after an id.
    pub(crate) fn told(&self, after: JournalId) -> Vec<(String, String, i64)> {
        let entries = self.entries(after);
        let told = entries.iter().map(|entry| {
            let data: Value = serde_json::from_str(entry.data.get()).unwrap();
            let path = data["path"].as_str().unwrap_or_default().to_owned();
            let event_type = entry.event_type.as_str().trim_start_matches("filestore.");
            (event_type.to_owned(), path, entry.size_delta)
        });
        told.collect()
    }

    /// The names in the mount's root, hidden ones too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.root).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Catalogues what is on disk.
    pub(crate) async fn scan(&self) -> filestore::ScanReport {
        let (filestore, mount) = (Arc::clone(&self.filestore), self.mount);
        let scan = move || {
            filestore
                .scan(mount, &filestore::ScanOptions::default())
                .unwrap()
        };
        tokio::task::spawn_blocking(scan).await.unwrap()
    }

    /// The nodes of this mount, scanned first, are what the disk holds: a scan finds no difference.
    pub(crate) async fn assert_disk_agrees(&self) {
        let report = self.scan().await;
        assert_eq!(
            report.changes.total(),
            0,
            "the scan found differences: {report:?}"
        );
    }
}

impl Answered {
    /// The answer's data, of a request that went well.
    #[track_caller]
    pub(crate) fn data(&self) -> &Value {
        assert!(self.status.is_success(), "{self:?}");
        &self.body["data"]
    }

    #[track_caller]
    pub(crate) fn node_id(&self) -> i64 {
        let data = self.data();
        let node = data.get("node").unwrap_or(data);
        node["id"].as_i64().unwrap()
    }

    /// The problem's status and code.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{self:?}"
        );
        (self.status.as_u16(), self.body["code"].as_str().unwrap())
    }

    pub(crate) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("{name} in {self:?}"))
            .to_str()
            .unwrap()
    }
}

/// One told entry.
pub(crate) fn told(event_type: &str, path: &str, size_delta: i64) -> (String, String, i64) {
    (event_type.to_owned(), path.to_owned(), size_delta)
}
