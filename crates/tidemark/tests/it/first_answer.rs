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
