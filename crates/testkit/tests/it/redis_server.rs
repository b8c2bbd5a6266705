use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use testkit::{Process, RedisServer, wait_for};

const TIMEOUT: Duration = Duration::from_secs(10);

fn connection(server: &RedisServer) -> redis::Connection {
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_connection().unwrap();
    connection.set_read_timeout(Some(TIMEOUT)).unwrap();
    connection
}

#[test]
fn a_restarted_server_is_empty_on_the_same_port() {
    let mut server = RedisServer::start();
    let (url, address) = (server.url(), server.address());
    let _: () = server.query(&["SET", "key", "value"]);
    server.stop();
    assert!(TcpStream::connect(address).is_err());
    server.start_again();
    assert_eq!(server.url(), url);
    assert_eq!(server.query::<Option<String>>(&["GET", "key"]), None);
}

#[test]
fn a_persistent_server_keeps_its_data_through_kill_9() {
    let mut server = RedisServer::start_persistent();
    let _: () = server.query(&["SET", "key", "value"]);
    server.kill();
    server.start_again();
    assert_eq!(server.query::<String>(&["GET", "key"]), "value");
}

#[test]
fn subscribers_can_be_counted_reached_and_cut() {
    let server = RedisServer::start();
    let mut connection = connection(&server);
    let mut subscription = connection.as_pubsub();
    subscription.subscribe("channel").unwrap();
    assert_eq!(server.subscribers("channel"), 1);
    assert_eq!(server.publish("channel", "hello"), 1);
    let message = subscription.get_message().unwrap();
    assert_eq!(message.get_payload::<String>().unwrap(), "hello");

    assert_eq!(server.client_kill_pubsub(), 1);
    let error = subscription.get_message().unwrap_err();
    assert!(error.is_connection_dropped(), "{error}");
    wait_for("the subscriber to be gone", TIMEOUT, || {
        server.subscribers("channel") == 0
    });
}

#[test]
fn a_paused_server_keeps_its_connections_and_answers_nothing() {
    let mut server = RedisServer::start();
    let mut connection = connection(&server);
    connection
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    server.pause();
    let error = redis::cmd("PING")
        .query::<String>(&mut connection)
        .unwrap_err();
    assert!(error.is_timeout(), "{error}");
    server.resume();
    assert_eq!(server.query::<String>(&["PING"]), "PONG");
}

#[test]
fn servers_do_not_share_anything() {
    let (one, other) = (RedisServer::start(), RedisServer::start());
    assert_ne!(one.url(), other.url());
    let _: () = one.query(&["SET", "key", "value"]);
    assert_eq!(other.query::<Option<String>>(&["GET", "key"]), None);
}

#[test]
fn a_server_is_gone_after_a_panic() {
    let mut address = None;
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let server = RedisServer::start();
        address = Some(server.address());
        panic!("the test fails");
    }));
    assert!(failed.is_err());
    assert!(TcpStream::connect(address.unwrap()).is_err());
}

#[test]
fn wrong_options_fail_with_what_the_server_says() {
    let failed = std::panic::catch_unwind(|| RedisServer::start_with(&["--no-such-option", "1"]));
    let text = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(
        text.contains("did not start") && text.contains("no-such-option"),
        "{text}"
    );
}

#[test]
fn a_missing_redis_server_fails_with_the_command_that_installs_it() {
    // This test binary once more, on a path without redis-server.
    let other = "redis_server::servers_do_not_share_anything";
    let mut tests = Process::spawn(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", other, "--nocapture"])
            .env("PATH", "/nonexistent"),
    );
    let hint = "redis-server is missing; install it with: scripts/setup --test";
    tests.wait_for_stderr(hint, TIMEOUT);
    assert!(!tests.wait(TIMEOUT).success());
}
