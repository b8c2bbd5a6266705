//! Disks that are full: each message names the one that is.

use crate::support::Server;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use std::sync::Arc;
use testkit::SmallDisk;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn an_upload_or_a_copy_to_a_mount_whose_disk_is_full_names_that_mount() {
    let disk = SmallDisk::mount(2 << 20);
    let mut server = Server::start().await;
    let (filestore, at) = (Arc::clone(&server.filestore), disk.path().to_owned());
    let mounted = move || filestore.ensure_local_mount(&at).unwrap();
    let mount = tokio::task::spawn_blocking(mounted).await.unwrap();
    server.upload("elsewhere", &"x".repeat(MIB)).await.data();
    let source = server.mount;
    server.mount = mount.id;
    let refused = server.upload("large", &"x".repeat(4 * MIB)).await;
    assert_eq!(refused.problem(), (507, "storage_full"));
    let named = format!("the disk of the mount {:?} is full", mount.mount_key);
    assert!(refused.detail().contains(&named), "{refused:?}");
    disk.fill();
    let body = json!({ "backendMountId": source, "path": "elsewhere",
        "targetBackendMountId": mount.id, "targetPath": "copied" });
    let refused = server.json(Method::POST, "/v1/nodes/copy", body).await;
    assert_eq!(refused.problem(), (507, "storage_full"));
    let named = "the disk of the mount that it goes to is full";
    assert!(refused.detail().contains(named), "{refused:?}");
    disk.make_room();
    server.upload("small", "x").await.data();
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn an_upload_that_waits_in_the_data_directory_names_that_if_its_disk_is_full() {
    let disk = SmallDisk::mount(8 << 20);
    let data = disk.path().join("data");
    let dirs = Arc::new(tempfile::tempdir().unwrap());
    let server = Server::start_with(dirs, |options| options.data_dir = data).await;
    // It is not known yet where it goes when it comes.
    let form = Form::new()
        .part("file", Part::text("x".repeat(16 * MIB)).file_name("large"))
        .text("backendMountId", server.mount.to_string())
        .text("path", "large");
    let request = server.request(Method::POST, "/v1/files").multipart(form);
    let refused = server.send(request).await;
    assert_eq!(refused.problem(), (507, "storage_full"));
    let named = "the disk of the data directory is full";
    assert!(refused.detail().contains(named), "{refused:?}");
    // Where it is known, the mount's own disk takes it.
    server.upload("large", &"x".repeat(16 * MIB)).await.data();
}
