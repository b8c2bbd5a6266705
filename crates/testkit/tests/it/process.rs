use std::process::Command;
use std::time::Duration;

use testkit::{Process, wait_for};

const TIMEOUT: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    Process::spawn(Command::new("sh").args(["-c", script]))
}

fn is_there(pid: u32) -> bool {
    std::fs::exists(format!("/proc/{pid}")).unwrap()
}

#[test]
fn what_a_process_prints_can_be_waited_for() {
    let process = shell("echo starting; echo oops >&2; echo serving on 4200; exec sleep 600");
    let line = process.wait_for_stdout("serving", TIMEOUT);
    assert_eq!(line, "serving on 4200");
    process.wait_for_stderr("oops", TIMEOUT);
    assert_eq!(process.stdout(), "starting\nserving on 4200");
    assert_eq!(process.stderr(), "oops");
}

#[test]
fn a_process_that_ends_before_it_prints_fails_the_wait_with_its_output() {
    let failed = std::panic::catch_unwind(|| {
        shell("echo no such file >&2; exit 3").wait_for_stdout("serving", TIMEOUT);
    });
    let text = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(
        text.contains("it has ended") && text.contains("no such file"),
        "{text}"
    );
}

#[test]
fn a_dropped_process_is_gone_also_when_its_test_panics_or_it_is_paused() {
    let pid = shell("exec sleep 600").pid();
    assert!(!is_there(pid));

    let mut pid = 0;
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut process = shell("trap '' TERM; while true; do sleep 600; done");
        pid = process.pid();
        process.pause();
        panic!("the test fails");
    }));
    assert!(failed.is_err() && pid != 0);
    assert!(!is_there(pid));
}

#[test]
fn signals_do_what_their_names_say() {
    let mut process = shell("trap 'echo got term; exit 5' TERM; echo up; while true; do :; done");
    process.wait_for_stdout("up", TIMEOUT);
    assert!(process.memory_bytes() > 0 && process.peak_memory_bytes() >= process.memory_bytes());
    process.pause();
    process.terminate();
    assert!(process.is_running());
    process.resume();
    process.wait_for_stdout("got term", TIMEOUT);
    assert_eq!(process.wait(TIMEOUT).code(), Some(5));

    let mut process = shell("trap '' TERM; echo up; exec sleep 600");
    process.wait_for_stdout("up", TIMEOUT);
    process.kill();
    assert!(!process.is_running() && !is_there(process.pid()));
}

#[test]
fn a_paused_process_stops_when_told_to() {
    let mut process = shell("exec sleep 600");
    process.pause();
    process.stop(TIMEOUT);
    wait_for("the pid to be free", TIMEOUT, || !is_there(process.pid()));
}

#[test]
fn waiting_until_a_process_serves_fails_at_once_when_it_has_ended() {
    let address = ([127, 0, 0, 1], testkit::free_port()).into();
    let failed = std::panic::catch_unwind(|| {
        shell("echo port in use >&2; exit 1").wait_until_serving(address, TIMEOUT);
    });
    let text = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("before it served"), "{text}");
}
