//! Many at once.

use crate::support::Server;
use futures::StreamExt;
use journal::{Digest, JournalId, chain};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn ids_stay_dense_while_others_fail() {
    let server = Server::start().await;
    server.mkdir("taken").await.data();
    let id = server.by_path("taken").await.node_id();
    let patch = format!("/v1/nodes/{id}/metadata");
    let commands = futures::stream::iter(0..200).map(|number| {
        let (server, patch) = (&server, &patch);
        async move {
            match number % 4 {
                0 => server.mkdir(&format!("made/{number}")).await,
                1 => server.mkdir("taken").await,
                2 => {
                    // Fails inside the transaction, where the version is looked at.
                    let body = json!({ "set": { "n": number }, "expectedVersion": 10_000 });
                    server.json(Method::PATCH, patch, body).await
                }
                _ => server.upload(&format!("files/{number}"), "x").await,
            }
        }
    });
    let answers: Vec<_> = commands.buffer_unordered(16).collect().await;
    let good = answers
        .iter()
        .filter(|answer| answer.status.is_success())
        .count();
    assert_eq!(
        good,
        100,
        "{:?}",
        answers
            .iter()
            .map(|answer| answer.status)
            .collect::<Vec<_>>()
    );
    let position = server.filestore.reader().position().unwrap();
    let entries = server.entries(JournalId::ZERO);
    let genesis = Digest::genesis(position.epoch);
    chain::verify(JournalId::ZERO, genesis, &entries).unwrap();
    assert_eq!(entries.len() as u64, position.head.get());
    // Root, taken and its completion; 50 directories and 50 files with their completions; two
    // parents.
    assert_eq!(entries.len(), 3 + 200 + 2);
    server.assert_disk_agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_on_the_same_names_end_in_one_agreed_state() {
    let server = Server::start().await;
    let commands = futures::stream::iter(0..240_u32).map(|number| {
        let server = &server;
        async move {
            let name = format!("d{}/e{}", number % 3, number % 2);
            match number % 6 {
                0 => server.mkdir(&name).await,
                1 => {
                    server
                        .upload_with(&format!("{name}/f"), "x", &[("overwrite", "true")], &[])
                        .await
                }
                2 => server.delete(&format!("d{}", number % 3), true).await,
                3 => {
                    server
                        .rename(&format!("d{}", number % 3), &format!("d{}", number % 2))
                        .await
                }
                4 => server.delete(&format!("{name}/f"), false).await,
                _ => {
                    server
                        .rename(&format!("{name}/f"), &format!("f{}", number % 5))
                        .await
                }
            }
        }
    });
    let answers: Vec<_> = commands.buffer_unordered(16).collect().await;
    for answer in &answers {
        let status = answer.status.as_u16();
        assert!([200, 201, 404, 409].contains(&status), "{answer:?}");
    }
    server.assert_disk_agrees().await;
    assert!(
        server.names().iter().all(|name| !name.starts_with('.')),
        "{:?}",
        server.names()
    );
}
