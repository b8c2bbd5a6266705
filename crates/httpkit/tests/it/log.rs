use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::service::Served;

/// What has been logged, line by line.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

// The runtime of a test has one thread, which is the one that the subscriber is set for.
#[tokio::test]
async fn a_failure_is_logged_once_with_its_cause_and_the_request_id() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let service = Served::start().await;
    let secret = "Bearer not-to-be-logged-0123456789";
    for (path, cause) in [
        ("/fails", "the database password is wrong"),
        ("/panic", "handler panicked: the secret is 42"),
        ("/plain", "upstream 10.0.0.7 said no"),
    ] {
        log.0.lock().unwrap().clear();
        let request = service.get(path).header("x-request-id", "mine");
        request
            .header("authorization", secret)
            .send()
            .await
            .unwrap();
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["fields"]["message"], "request failed");
        assert_eq!(lines[0]["fields"]["cause"], cause);
        assert_eq!(lines[0]["span"]["request_id"], "mine");
        assert_eq!(lines[0]["span"]["path"], path);
        assert!(!lines[0].to_string().contains("not-to-be-logged"));
    }
    log.0.lock().unwrap().clear();
    service.get("/books/x").send().await.unwrap();
    assert!(
        log.lines().is_empty(),
        "what the client did wrong is no news: {:?}",
        log.lines()
    );
}
