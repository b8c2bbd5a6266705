//! What `tidemark dev` says of a tree before it goes on following it.

use crate::deployment::{Deployment, LONG};
use testkit::Process;

#[test]
fn the_directories_that_are_named_are_the_biggest_of_all() {
    let mut deployment = Deployment::with_settings("inline", &[]);
    for number in 0..600 {
        let directory = deployment.files().join(format!("d{number:03}"));
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("file"), "x").unwrap();
    }
    let last = deployment.files().join("z-last");
    std::fs::create_dir(&last).unwrap();
    std::fs::write(last.join("file"), [b'x'; 10_240]).unwrap();
    let process = Process::spawn(deployment.command().arg("dev").arg(deployment.files()));
    process.wait_for_stdout("10K  z-last", LONG);
    deployment.processes.push(("dev", process));
    deployment.stop("dev");
}

#[test]
fn a_root_that_is_another_directory_is_told_until_it_is_accepted() {
    let mut deployment = Deployment::with_settings("inline", &[]);
    let root = deployment.files().to_owned();
    std::fs::write(root.join("before"), "x").unwrap();
    let start = |deployment: &mut Deployment, says: &str| {
        let process = Process::spawn(deployment.command().arg("dev").arg(&root));
        process.wait_for_stdout(says, LONG);
        process.wait_for_stdout("following changes", LONG);
        deployment.processes.push(("dev", process));
    };
    start(&mut deployment, "scanned in");
    deployment.stop("dev");
    std::fs::rename(&root, root.with_file_name("elsewhere")).unwrap();
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("after"), "x").unwrap();

    start(&mut deployment, "the scan failed: ");
    let root_text = root.to_str().unwrap();
    let refused = deployment.run(&["scan", root_text]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("--accept-root"), "{said}");
    let accepted = deployment.run(&["scan", root_text, "--accept-root"]);
    assert!(accepted.status.success(), "{accepted:?}");
    let after = deployment.run(&["stat", root.join("after").to_str().unwrap()]);
    assert!(after.status.success(), "{after:?}");
    let verified = deployment.run(&["verify", "--wait", "60s"]);
    assert!(verified.status.success(), "{verified:?}");
    deployment.stop("dev");
}
