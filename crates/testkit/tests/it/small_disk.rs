//! A disk that is soon full.

use std::io::{ErrorKind, Write};
use testkit::SmallDisk;

#[test]
fn a_small_disk_is_full_when_filled_and_has_room_again_when_told_so() {
    let disk = SmallDisk::mount(1 << 20);
    let path = disk.path().join("book");
    std::fs::write(&path, [1; 4096]).unwrap();
    disk.fill();
    assert_eq!(disk.free_bytes(), 0);
    let mut book = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    let error = book.write_all(&[2; 4096]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    disk.make_room();
    book.write_all(&[2; 4096]).unwrap();
    assert_eq!(std::fs::read(&path).unwrap().len(), 8192);
}

#[test]
fn a_small_disk_is_gone_when_dropped() {
    let disk = SmallDisk::mount(1 << 20);
    let path = disk.path().to_owned();
    std::fs::write(path.join("file"), "text").unwrap();
    drop(disk);
    assert!(!path.try_exists().unwrap());
}
