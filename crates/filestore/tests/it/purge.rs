//! Nodes that are missing for long.

use crate::support::Server;

#[tokio::test]
async fn nodes_that_have_been_missing_for_long_are_purged_by_their_age() {
    let server = Server::start().await;
    testkit::tree(&server.root, "gone/a 1\ngone/b 2\nkept 3");
    server.scan().await;
    std::fs::remove_dir_all(server.root.join("gone")).unwrap();
    server.scan().await;
    let purge = async |days: u32, dry_run: bool| {
        let path = format!("/v1/backend-mounts/{}/purge-missing", server.mount);
        let body = serde_json::json!({ "missingForDays": days, "dryRun": dry_run });
        let answer = server.json(reqwest::Method::POST, &path, body).await;
        answer.data()["nodes"].as_u64().unwrap()
    };
    let head = server.head();
    assert_eq!(
        purge(1, false).await,
        0,
        "they are missing since a moment ago"
    );
    assert_eq!(purge(0, true).await, 3);
    assert_eq!(server.head(), head, "nothing was changed");
    assert_eq!(purge(0, false).await, 3);
    let told = server.told(head);
    let deleted = |path: &str| crate::support::told("node.deleted", path, 0);
    assert_eq!(
        told,
        [
            deleted("gone/b"),
            deleted("gone/a"),
            deleted("gone"),
            crate::support::told("command.completed", "", 0)
        ]
    );
    assert_eq!(purge(0, false).await, 0);
    server.assert_disk_agrees().await;
}
