//! Filesystems for tests.

use testkit::{DiskImage, Mounted};

#[test]
fn a_disk_in_a_file_keeps_what_is_on_it_and_is_gone_when_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("at");
    let disk = DiskImage::make(directory.path(), "disk", "ext4", &[]);
    let mounted = disk.mount(&at);
    std::fs::write(mounted.path().join("file"), "x").unwrap();
    mounted.unmount();
    assert!(!at.join("file").try_exists().unwrap());
    let _again = disk.mount(&at);
    assert!(at.join("file").try_exists().unwrap());
}

#[test]
fn an_overlay_shows_its_lower_layer_and_leaves_it_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let lower = directory.path().join("lower");
    std::fs::create_dir(&lower).unwrap();
    std::fs::write(lower.join("file"), "x").unwrap();
    let merged = Mounted::overlay(directory.path(), &directory.path().join("merged"));
    std::fs::rename(merged.path().join("file"), merged.path().join("moved")).unwrap();
    assert!(lower.join("file").try_exists().unwrap());
    assert!(!lower.join("moved").try_exists().unwrap());
}
