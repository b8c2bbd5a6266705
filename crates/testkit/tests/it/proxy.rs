use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use testkit::{RedisServer, TcpProxy, wait_for};

const TIMEOUT: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(100);

/// Sends back whatever comes, on every connection, until the process ends.
fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    address
}

fn connect(proxy: &TcpProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

fn say(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// What arrives until the connection is gone.
fn read_to_cut(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => all,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => all,
        Err(error) => panic!("not cut: {error}"),
    }
}

#[test]
fn a_healthy_proxy_forwards_both_ways_and_counts() {
    let proxy = TcpProxy::start(echo());
    let (mut one, mut other) = (connect(&proxy), connect(&proxy));
    assert_eq!(say(&mut one, "one"), "one");
    assert_eq!(say(&mut other, "other"), "other");
    assert_eq!((proxy.accepted(), proxy.open()), (2, 2));
    drop(one);
    wait_for("one connection to be closed", TIMEOUT, || proxy.open() == 1);
}

#[test]
fn a_half_closed_connection_still_gets_its_answer() {
    let proxy = TcpProxy::start(echo());
    let mut stream = connect(&proxy);
    stream.write_all(b"last words").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_to_cut(&mut stream), b"last words");
}

#[test]
fn cut_drops_what_is_open_and_serves_what_comes() {
    let proxy = TcpProxy::start(echo());
    let mut stream = connect(&proxy);
    say(&mut stream, "hello");
    proxy.cut();
    assert_eq!(proxy.open(), 0);
    assert_eq!(read_to_cut(&mut stream), b"");
    assert_eq!(say(&mut connect(&proxy), "again"), "again");
}

#[test]
fn cut_after_cuts_in_the_middle_of_a_frame() {
    let proxy = TcpProxy::start(echo());
    let mut stream = connect(&proxy);
    say(&mut stream, "hello");
    proxy.cut_after(4);
    stream.write_all(b"a frame of many bytes").unwrap();
    assert_eq!(read_to_cut(&mut stream), b"a fr");
    assert_eq!(say(&mut connect(&proxy), "again"), "again");
}

#[test]
fn refuse_refuses_until_healed_on_the_same_address() {
    let proxy = TcpProxy::start(echo());
    let mut stream = connect(&proxy);
    say(&mut stream, "hello");
    proxy.refuse();
    assert_eq!(read_to_cut(&mut stream), b"");
    let refused = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.heal();
    assert_eq!(say(&mut connect(&proxy), "again"), "again");
}

#[test]
fn stall_holds_bytes_back_and_loses_none() {
    let proxy = TcpProxy::start(echo());
    let mut old = connect(&proxy);
    say(&mut old, "hello");
    proxy.stall();
    let mut new = connect(&proxy);
    for stream in [&mut old, &mut new] {
        stream.write_all(b"held").unwrap();
        stream.set_read_timeout(Some(MOMENT)).unwrap();
        let nothing = stream.read(&mut [0; 4]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    }
    proxy.heal();
    for stream in [&mut old, &mut new] {
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"held");
    }
}

#[test]
fn another_target_takes_the_next_connections() {
    let (one, other) = (RedisServer::start(), RedisServer::start());
    let proxy = TcpProxy::start(one.address());
    let port = |proxy: &TcpProxy| {
        let mut stream = connect(proxy);
        stream.write_all(b"CONFIG GET port\r\nQUIT\r\n").unwrap();
        String::from_utf8(read_to_cut(&mut stream)).unwrap()
    };
    assert!(port(&proxy).contains(&one.address().port().to_string()));
    proxy.set_target(other.address());
    assert!(port(&proxy).contains(&other.address().port().to_string()));
}

#[test]
fn a_target_that_is_down_ends_the_connection() {
    let proxy = TcpProxy::start(([127, 0, 0, 1], testkit::free_port()).into());
    assert_eq!(read_to_cut(&mut connect(&proxy)), b"");
}
