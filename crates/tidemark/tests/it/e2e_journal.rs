//! The journal over HTTP keeps the contract that the journal in process keeps.

use crate::deployment::Deployment;
use feed::HttpJournalReader;
use journal::{JournalId, JournalReader as _, ReadError};

fn reader(base: &str, runtime: &tokio::runtime::Runtime) -> HttpJournalReader {
    HttpJournalReader::new(base, None, runtime.handle().clone()).unwrap()
}

#[test]
fn the_journal_over_http_keeps_the_read_contract() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let deployment = Deployment::together("inline");
    let reader = reader(&deployment.url(0), &runtime);
    let mut made = 0;
    journal::conformance::check(&reader, |entries| {
        // Each directory is an entry, and its command another.
        for _ in 0..entries {
            made += 1;
            deployment.make_directory(&format!("d{made}")).unwrap();
        }
    });
}

#[test]
fn a_journal_that_is_not_there_or_no_journal_is_unavailable() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nobody = format!("http://127.0.0.1:{}", testkit::free_port());
    let error = reader(&nobody, &runtime).position().unwrap_err();
    assert!(matches!(error, ReadError::Unavailable(_)), "{error:?}");

    // A metastore answers, and not as a journal does.
    let deployment = Deployment::together("inline");
    let error = reader(&deployment.url(1), &runtime)
        .read(JournalId::ZERO, 1)
        .unwrap_err();
    assert!(matches!(error, ReadError::Unavailable(_)), "{error:?}");
}
