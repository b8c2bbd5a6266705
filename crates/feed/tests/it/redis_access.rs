//! Who may use the Redis bus, and how: users, passwords, databases, TLS, sockets, another server
//! under the same name. What is refused is said in words that name the setting and the way out.

use crate::redis_bus::{CHANNEL, Deployment, LONG, server};
use feed::bus::BusUrl;
use feed::bus::redis::{self, OpenError, Server, TlsFiles};
use feed::rest::ConsumerView;
use feed::{BusState, ConsumerState};
use process::Chain;
use std::path::PathBuf;
use std::time::Duration;
use testkit::{Certificates, RedisServer, TcpProxy, wait_for_async};

/// A password with everything that a URL gives a meaning to, and how a URL has it.
const PASSWORD: &str = "p@s:s/w#o?r%d+&é ";
const IN_URL: &str = "p%40s%3As%2Fw%23o%3Fr%25d%2B%26%C3%A9%20";

/// The rights that docs/deployment.md lists.
const RIGHTS: [&str; 7] = [
    "resetchannels",
    "&apphub:filestore",
    "&apphub:filestore:heartbeat:*",
    "+subscribe",
    "+publish",
    "+ping",
    "+select",
];

fn set_user(redis: &RedisServer, name: &str, rights: &[&str]) {
    let password = format!(">{PASSWORD}");
    let user = ["ACL", "SETUSER", name, "reset", "on", &password];
    let _: String = redis.query(&[&user[..], rights].concat());
}

fn url_of(redis: &RedisServer, user: &str, rest: &str) -> String {
    format!("redis://{user}:{IN_URL}@{}{rest}", redis.address())
}

/// What the check at start and `doctor` say.
async fn refusal(url: &str) -> String {
    let refused = redis::check(&server(url), CHANNEL, true, Duration::from_secs(2)).await;
    Chain(&refused.expect_err(url)).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_the_rights_that_the_docs_list_wakes_a_consumer_that_would_sleep() {
    let redis = RedisServer::start();
    set_user(&redis, "ti:de", &RIGHTS);
    let url = url_of(&redis, "ti%3Ade", "/3");
    for listens in [true, false] {
        redis::check(&server(&url), CHANNEL, listens, LONG)
            .await
            .unwrap();
    }
    let bus = Deployment::on(CHANNEL, [server(&url), server(&url)], LONG * 10);
    bus.is(BusState::Live).await;
    assert_eq!(bus.consumer.status().bus_error, None);
    bus.commit(3);
    bus.is_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_needs_neither_the_heartbeats_nor_ping() {
    let redis = RedisServer::start();
    set_user(
        &redis,
        "pub",
        &["resetchannels", "&apphub:filestore", "+publish"],
    );
    let publisher = server(&url_of(&redis, "pub", ""));
    redis::check(&publisher, CHANNEL, false, LONG)
        .await
        .unwrap();
    let bus = Deployment::on(CHANNEL, [server(&redis.url()), publisher], LONG * 10);
    bus.is(BusState::Live).await;
    bus.commit(3);
    bus.is_complete().await;
}

/// The way out that a refusal names, as a command.
fn remedy(reason: &str) -> Vec<&str> {
    let (_, after) = reason.split_once("allow it with `").expect(reason);
    let (command, _) = after.split_once('`').expect(reason);
    command.split(' ').collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_use_the_channels_is_told_so_and_how_to_be_let_in() {
    let redis = RedisServer::start();
    set_user(&redis, "tide", &["resetchannels"]);
    let url = url_of(&redis, "tide", "");
    let bus = Deployment::on(
        CHANNEL,
        [server(&url), server(&redis.url())],
        Duration::from_millis(20),
    );
    let view = ConsumerView {
        consumer: Some(bus.consumer.clone()),
        visible: |_, _| Ok(true),
        is_inline: false,
        stall_threshold: LONG,
    };
    let mut told = Vec::new();
    for _ in 0..6 {
        let said = wait_for_async("the bus to be live or another refusal", LONG, async || {
            let health = view.health();
            let bus = health.bus;
            match bus.last_error.clone() {
                None if bus.state == BusState::Live => Ok(None),
                Some(error) if !told.contains(&error) => {
                    assert_eq!(health.last_error.as_ref(), Some(&error));
                    Ok(Some(error))
                }
                _ => Err(format!("{bus:?}")),
            }
        })
        .await;
        let Some(reason) = said else { break };
        assert!(
            reason.contains("user `tide` of FILESTORE_REDIS_URL"),
            "{reason}"
        );
        assert!(reason.contains("NOPERM"), "{reason}");
        let _: String = redis.query(&remedy(&reason));
        told.push(reason);
    }
    bus.is(BusState::Live).await;
    let all = told.join("\n");
    for part in [
        "subscribe to the channel `apphub:filestore`",
        "&apphub:filestore:heartbeat:*",
        "publish on the channel `apphub:filestore:heartbeat:",
    ] {
        assert!(all.contains(part), "{part} is not in:\n{all}");
    }
    // The consumer itself did not mind.
    assert_eq!(bus.consumer.status().state, ConsumerState::Following);
    bus.commit(3);
    bus.is_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_refuses_is_said_with_the_setting_and_the_way_out() {
    let redis = RedisServer::start_with(&["--save", "", "--databases", "4"]);
    let tls = RedisServer::start_with_tls(&Certificates::make(), false);
    set_user(&redis, "tide", &RIGHTS);
    set_user(&redis, "off", &RIGHTS);
    let _: String = redis.query(&["ACL", "SETUSER", "off", "off"]);
    let address = redis.address();
    let closed = testkit::free_port();
    let plain = tls.tls_url().replace("rediss", "redis");
    let cases = [
        (
            url_of(&redis, "tide", "/4"),
            "has no database of that number",
        ),
        (
            format!("redis://tide:wrong@{address}"),
            "refuses the user or the password of FILESTORE_REDIS_URL",
        ),
        (
            format!("redis://nobody:{IN_URL}@{address}"),
            "refuses the user or the password",
        ),
        (
            url_of(&redis, "off", ""),
            "refuses the user or the password",
        ),
        (
            format!("redis://:needless@{address}"),
            "refuses the user or the password",
        ),
        (format!("redis://127.0.0.1:{closed}"), "cannot be reached"),
        (
            format!("rediss://{address}"),
            "begin FILESTORE_REDIS_URL with redis://",
        ),
        (tls.tls_url(), "FILESTORE_REDIS_CA_FILE"),
        (plain, "rediss://"),
    ];
    for (url, part) in &cases {
        let said = refusal(url).await;
        assert!(said.contains(part), "{url}: {said}");
        assert!(!said.contains(IN_URL) && !said.contains("wrong"), "{said}");
    }
    let _: String = redis.query(&["CONFIG", "SET", "requirepass", PASSWORD]);
    let said = refusal(&redis.url()).await;
    assert!(said.contains("wants a password (NOAUTH)"), "{said}");
    let said = refusal(&format!("{}1", redis.url())).await;
    assert!(
        said.contains("wants a password (NOAUTH)"),
        "with a database: {said}"
    );
    redis::check(&server(&url_of(&redis, "", "")), CHANNEL, true, LONG)
        .await
        .unwrap();
}

fn with_tls(redis: &RedisServer, files: &TlsFiles) -> Result<Server, OpenError> {
    Server::open(&redis.tls_url().parse().unwrap(), files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_tls_is_trusted_by_its_authority_and_may_want_a_certificate() {
    let certificates = Certificates::make();
    let (cert, key) = certificates.client();
    let authority = TlsFiles {
        ca: Some(certificates.ca()),
        ..TlsFiles::default()
    };
    let both = TlsFiles {
        cert: Some(cert),
        key: Some(key),
        ..authority.clone()
    };
    for (wants_client, files) in [(false, &authority), (true, &both)] {
        let redis = RedisServer::start_with_tls(&certificates, wants_client);
        let servers = [
            with_tls(&redis, files).unwrap(),
            with_tls(&redis, files).unwrap(),
        ];
        let bus = Deployment::on(CHANNEL, servers, LONG * 10);
        bus.is(BusState::Live).await;
        bus.commit(3);
        bus.is_complete().await;
    }
    let redis = RedisServer::start_with_tls(&certificates, true);
    let refused = redis::check(&with_tls(&redis, &authority).unwrap(), CHANNEL, true, LONG).await;
    let said = Chain(&refused.unwrap_err()).to_string();
    assert!(
        said.contains("TLS") || said.contains("closed the connection"),
        "no certificate: {said}"
    );
    let others = Certificates::make();
    let other = TlsFiles {
        ca: Some(others.ca()),
        ..both
    };
    let refused = redis::check(&with_tls(&redis, &other).unwrap(), CHANNEL, true, LONG).await;
    let said = Chain(&refused.unwrap_err()).to_string();
    assert!(
        said.contains("FILESTORE_REDIS_CA_FILE"),
        "another authority: {said}"
    );
}

#[test]
fn tls_files_that_cannot_be_used_name_their_setting() {
    let certificates = Certificates::make();
    let (cert, key) = certificates.client();
    let none = TlsFiles::default();
    let missing = PathBuf::from("/nowhere/ca.pem");
    let open = |url: &str, files: &TlsFiles| {
        let url: BusUrl = url.parse().unwrap();
        let BusUrl::Redis(url) = url else {
            unreachable!()
        };
        let refused = Server::open(&url, files).expect_err("it cannot be used");
        Chain(&refused).to_string()
    };
    for (url, files, part) in [
        (
            "redis://h",
            TlsFiles {
                ca: Some(certificates.ca()),
                ..none.clone()
            },
            "begin FILESTORE_REDIS_URL with rediss://",
        ),
        (
            "rediss://h",
            TlsFiles {
                ca: Some(missing),
                ..none.clone()
            },
            "FILESTORE_REDIS_CA_FILE: /nowhere/ca.pem",
        ),
        (
            "rediss://h",
            TlsFiles {
                cert: Some(cert.clone()),
                ..none.clone()
            },
            "set both or none",
        ),
        (
            "rediss://h",
            TlsFiles {
                key: Some(key.clone()),
                ..none.clone()
            },
            "set both or none",
        ),
        (
            "rediss://h",
            TlsFiles {
                ca: Some(PathBuf::from("/dev/null")),
                ..none.clone()
            },
            "in PEM",
        ),
        (
            "rediss://h",
            TlsFiles {
                cert: Some(key),
                key: Some(cert),
                ..none.clone()
            },
            "in PEM",
        ),
    ] {
        let said = open(url, &files);
        assert!(said.contains(part), "{files:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_a_bus_too() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("r.sock").display().to_string();
    let redis = RedisServer::start_with(&["--save", "", "--unixsocket", &socket]);
    set_user(&redis, "tide", &RIGHTS);
    for url in [
        format!("unix://{socket}"),
        format!("redis+unix://{socket}?db=2&user=tide&pass={IN_URL}"),
    ] {
        let bus = Deployment::on(CHANNEL, [server(&url), server(&url)], LONG * 10);
        bus.is(BusState::Live).await;
        bus.commit(3);
        bus.is_complete().await;
    }
    let said = refusal("unix:///nowhere/r.sock").await;
    assert!(
        said.contains("unix:///nowhere/r.sock cannot be reached"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_taken_by_its_letters_whatever_they_are() {
    let redis = RedisServer::start();
    for channel in ["a b", "*", "ev[e]nts?", "kan\u{e4}l/\u{1f4c1}", "quote\"s'"] {
        let bus = Deployment::on(
            channel,
            [server(&redis.url()), server(&redis.url())],
            LONG * 10,
        );
        bus.is(BusState::Live).await;
        assert_eq!(redis.subscribers(channel), 1, "{channel}");
        bus.commit(3);
        bus.is_complete().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_under_the_same_name_takes_over() {
    let mut first = RedisServer::start();
    let second = RedisServer::start();
    let (host, port) = (
        first.address().ip().to_string(),
        first.address().port().to_string(),
    );
    let _: String = second.query(&["REPLICAOF", &host, &port]);
    let proxy = TcpProxy::start(first.address());
    let url = format!("redis://{}", proxy.address());
    let bus = Deployment::on(CHANNEL, [server(&url), server(&url)], LONG * 10);
    bus.is(BusState::Live).await;
    bus.commit(10);
    bus.is_complete().await;
    first.kill();
    bus.is(BusState::Lost).await;
    bus.commit(10);
    proxy.set_target(second.address());
    // A replica that is not promoted yet will do: heartbeats and entries go through it alike.
    bus.is(BusState::Live).await;
    bus.is_complete().await;
    let _: String = second.query(&["REPLICAOF", "NO", "ONE"]);
    bus.commit(10);
    bus.is_complete().await;
}
