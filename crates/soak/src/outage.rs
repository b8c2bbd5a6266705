//! One minute without Redis under steady load: how far both consumers lag through it, and what
//! memory every process has before, during and after.
//!
//! The services run with their default times. The lag is measured from outside, twenty times a
//! second: the age of the oldest entry that a consumer has not applied. What health says of itself
//! stands beside it.

use crate::deployment::{Deployment, LONG, SERVICES};
use crate::report::{number, table};
use comfy_table::Cell;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testkit::{RedisServer, wait_for};

const CLIENTS: u64 = 16;
const SAMPLE: Duration = Duration::from_millis(50);

/// How it is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Commands a second, all clients together.
    pub rate: u64,
    /// How long Redis is away.
    pub outage: Duration,
    /// How long it is there before and after.
    pub around: Duration,
}

/// The worst of a second.
#[derive(Clone, Debug)]
struct Second {
    at: u64,
    phase: &'static str,
    commands: u64,
    head: u64,
    /// Of metastore and timestore: seconds, entries, and the seconds that health says.
    lag: [(f64, u64, f64); 2],
    bus: [String; 2],
    /// Of the three services.
    memory_mib: [u64; 3],
}

/// Runs it, tells each second to `said`, and gives the tables.
///
/// # Panics
/// Something cannot be started, a command is refused, or the books do not agree in the end.
#[must_use]
pub fn run(options: Options, said: &(dyn Fn(&str) + Sync)) -> String {
    let mut redis = RedisServer::start();
    let mut deployment = Deployment::apart(&redis.url());
    let nodes = make_nodes(&deployment);
    deployment.settle();
    let (is_over, commands) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut seconds = Vec::new();
    std::thread::scope(|scope| {
        for node in &nodes {
            let (url, mount, node) = (deployment.url(0), deployment.mount_id, *node);
            let (is_over, commands) = (&is_over, &commands);
            scope.spawn(move || patch(&url, mount, node, options.rate, is_over, commands));
        }
        let mut sampler = Sampler::new(&deployment);
        let mut phase = |name, lasts, deployment: &mut Deployment| {
            sampler.through(name, lasts, deployment, &commands, &mut seconds, said);
        };
        phase("before", options.around, &mut deployment);
        redis.stop();
        phase("outage", options.outage, &mut deployment);
        redis.start_again();
        phase("after", options.around, &mut deployment);
        is_over.store(true, Ordering::SeqCst);
    });
    let settled = deployment.settle();
    let verified = deployment.verify();
    let head = deployment.head();
    assert_eq!(deployment.activity(), (head, head, head), "rows and head");
    tables(&seconds)
        + &format!(
            "after the last command both books were at entry {head} within {} ms; {}\n",
            settled.as_millis(),
            verified.trim()
        )
}

/// A file a client, whose metadata it will change.
fn make_nodes(deployment: &Deployment) -> Vec<i64> {
    let node = |client| {
        let answer = deployment.upload(&format!("file-{client}"), b"contents");
        let answer = answer.expect("filestore takes a file");
        answer["data"]["node"]["id"].as_i64().expect("a node's id")
    };
    (0..CLIENTS).map(node).collect()
}

/// Sends this client's share of the rate over one connection that is kept.
fn patch(url: &str, mount: i64, node: i64, rate: u64, is_over: &AtomicBool, commands: &AtomicU64) {
    let http = Client::builder().timeout(LONG).build();
    let http = http.expect("an HTTP client");
    let url = format!("{url}/v1/nodes/{node}/metadata");
    let interval = Duration::from_secs(1) * u32::try_from(CLIENTS).unwrap_or(1)
        / u32::try_from(rate).unwrap_or(u32::MAX).max(1);
    let mut due = Instant::now();
    let mut serial = 0_u64;
    while !is_over.load(Ordering::SeqCst) {
        serial += 1;
        let body = json!({"backendMountId": mount, "set": {"serial": serial}});
        let response = http.patch(&url).json(&body).send();
        let response = response.expect("filestore answers");
        assert!(response.status().is_success(), "{}", response.status());
        // Read to its end, so that the connection is kept.
        response.bytes().expect("filestore answers");
        commands.fetch_add(1, Ordering::Relaxed);
        due += interval;
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            std::thread::park_timeout(left);
        }
    }
}

struct Sampler {
    http: Client,
    urls: [String; 3],
    began_at: Instant,
    /// When each head was first seen, oldest first.
    heads: VecDeque<(Instant, u64)>,
    checkpoints: [u64; 2],
}

impl Sampler {
    fn new(deployment: &Deployment) -> Self {
        let http = Client::builder().timeout(LONG).build();
        Self {
            http: http.expect("an HTTP client"),
            urls: [0, 1, 2].map(|service| deployment.url(service)),
            began_at: Instant::now(),
            heads: VecDeque::new(),
            checkpoints: [0; 2],
        }
    }

    fn through(
        &mut self,
        phase: &'static str,
        lasts: Duration,
        deployment: &mut Deployment,
        commands: &AtomicU64,
        seconds: &mut Vec<Second>,
        said: &(dyn Fn(&str) + Sync),
    ) {
        let phase_began = Instant::now();
        while phase_began.elapsed() < lasts {
            let second_began = Instant::now();
            let commands_before = commands.load(Ordering::Relaxed);
            let mut second = Second {
                at: self.began_at.elapsed().as_secs(),
                phase,
                commands: 0,
                head: 0,
                lag: [(0.0, 0, 0.0); 2],
                bus: [String::new(), String::new()],
                memory_mib: [0; 3],
            };
            while second_began.elapsed() < Duration::from_secs(1) {
                self.sample(&mut second);
                std::thread::park_timeout(SAMPLE);
            }
            second.commands = commands.load(Ordering::Relaxed) - commands_before;
            for (service, name) in SERVICES.iter().enumerate() {
                second.memory_mib[service] = deployment.process(name).memory_bytes() >> 20;
            }
            said(&line(&second));
            seconds.push(second);
        }
    }

    fn sample(&mut self, second: &mut Second) {
        let head = self.head();
        if self.heads.back().is_none_or(|(_, last)| *last < head) {
            self.heads.push_back((Instant::now(), head));
        }
        second.head = head;
        for consumer in 0..2 {
            let health = self.health(consumer + 1);
            let checkpoint = health["checkpoint"].as_u64().unwrap_or_default();
            self.checkpoints[consumer] = checkpoint;
            let waiting = self.heads.iter().find(|(_, head)| *head > checkpoint);
            let lag_seconds = waiting.map_or(0.0, |(since, _)| since.elapsed().as_secs_f64());
            let (worst, entries, said) = &mut second.lag[consumer];
            *worst = worst.max(lag_seconds);
            *entries = (*entries).max(head.saturating_sub(checkpoint));
            *said = said.max(health["lagSeconds"].as_f64().unwrap_or_default());
            let state = health["bus"]["state"].as_str().unwrap_or("?");
            second.bus[consumer] = state.to_owned();
        }
        let applied = self.checkpoints.into_iter().min().unwrap_or_default();
        while self.heads.front().is_some_and(|(_, head)| *head <= applied) {
            self.heads.pop_front();
        }
    }

    fn head(&self) -> u64 {
        let url = format!("{}/v1/journal?limit=0", self.urls[0]);
        wait_for("filestore to say where the journal is", LONG, || {
            let response = self.http.get(&url).send().ok()?;
            let head = response.headers().get("tidemark-head")?;
            head.to_str().ok()?.parse().ok()
        })
    }

    fn health(&self, service: usize) -> Value {
        let url = format!("{}/filestore/health", self.urls[service]);
        let response = self.http.get(url).send().ok();
        let health = response.and_then(|response| response.json().ok());
        health.unwrap_or(Value::Null)
    }
}

fn line(second: &Second) -> String {
    let [metastore, timestore] = second.lag;
    format!(
        "{:>4} s {:<6} {:>5} commands/s, lag metastore {:.2} s ({} entries), timestore {:.2} s \
         ({} entries), bus {}/{}, RSS {:?} MiB",
        second.at,
        second.phase,
        second.commands,
        metastore.0,
        metastore.1,
        timestore.0,
        timestore.1,
        second.bus[0],
        second.bus[1],
        second.memory_mib
    )
}

fn tables(seconds: &[Second]) -> String {
    let heads = [
        "phase",
        "seconds",
        "commands/s",
        "metastore lag s, median",
        "max",
        "timestore lag s, median",
        "max",
        "health says, max s",
        "filestore MiB, max",
        "metastore MiB, max",
        "timestore MiB, max",
    ];
    let mut table = table(heads);
    for phase in ["before", "outage", "after"] {
        let of: Vec<_> = seconds.iter().filter(|it| it.phase == phase).collect();
        let count = of.len().max(1) as u64;
        let mean = of.iter().map(|it| it.commands).sum::<u64>() / count;
        let lag = |consumer: usize| {
            let mut lag: Vec<_> = of.iter().map(|it| it.lag[consumer].0).collect();
            lag.sort_by(f64::total_cmp);
            let median = lag.get(lag.len() / 2).copied().unwrap_or_default();
            (median, lag.last().copied().unwrap_or_default())
        };
        let ((metastore, metastore_max), (timestore, timestore_max)) = (lag(0), lag(1));
        let said = of.iter().flat_map(|it| it.lag.map(|lag| lag.2));
        let said = said.fold(0.0, f64::max);
        let memory = |at: usize| of.iter().map(|it| it.memory_mib[at]).max();
        let mut row = vec![Cell::new(phase), number(&count), number(&mean)];
        for lag in [metastore, metastore_max, timestore, timestore_max, said] {
            row.push(number(&format!("{lag:.2}")));
        }
        for service in 0..3 {
            row.push(number(&memory(service).unwrap_or_default()));
        }
        table.add_row(row);
    }
    format!("{table}\n\n")
}
