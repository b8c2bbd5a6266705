//! What the services say of themselves and of each other.

use super::Finding;
use super::machine;
use crate::client::{ANSWER_TIMEOUT, Error, Service, Services};
use crate::commands::status::health;
use jiff::Timestamp;
use journal::Clock as _;
use serde_json::Value;
use std::net::TcpListener;
use std::time::Duration;

/// Clocks that differ by more are worth a look.
const CLOCK_SECONDS: i64 = 5;
/// How long a service that is well takes to say so, at most.
const ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Which of the three answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    filestore: bool,
    metastore: bool,
    timestore: bool,
}

/// Each service answers; if not, what has its port or its data.
pub(super) fn reachable(services: &Services, findings: &mut Vec<Finding>) -> Running {
    let config = &services.config;
    let mut answers = |service: &Service, host: &str, port: u16| {
        let finding = |detail: String| Finding::ok("service", service.name, detail);
        let holder = machine::holder(config, service.name);
        let asked = service.send(service.get("/healthz").timeout(ALIVE_TIMEOUT));
        let response = match asked {
            Ok(response) => response,
            Err(error) => {
                findings.push(absent(
                    finding(first_line(&error)),
                    holder,
                    (host, port),
                    &error,
                ));
                return false;
            }
        };
        let held = holder.map_or_else(String::new, |pid| format!("; process {pid} has its data"));
        findings.push(finding(format!("answers at {}{held}", service.base)));
        let date = response.headers().get("date");
        let date = date.and_then(|date| date.to_str().ok());
        findings.extend(date.and_then(|date| clock(service.name, date)));
        let health = response.json::<Value>().unwrap_or_default();
        findings.extend(warnings(service.name, &health));
        true
    };
    Running {
        filestore: answers(
            &services.filestore,
            &config.filestore.host,
            config.filestore.port,
        ),
        metastore: answers(
            &services.metastore,
            &config.metastore.host,
            config.metastore.port,
        ),
        timestore: answers(
            &services.timestore,
            &config.timestore.host,
            config.timestore.port,
        ),
    }
}

/// What the service says that an operator should look at.
fn warnings(service: &'static str, health: &Value) -> Vec<Finding> {
    let warnings = health.get("warnings").and_then(Value::as_array);
    let texts = warnings.into_iter().flatten().filter_map(Value::as_str);
    texts
        .map(|text| {
            Finding::ok("service", service, text)
                .warn("correct the file that TIDEMARK_TOKENS_FILE names; it is read again at once")
        })
        .collect()
}

fn absent(
    finding: Finding,
    holder: Option<u32>,
    (host, port): (&str, u16),
    error: &Error,
) -> Finding {
    if matches!(error, Error::Refused { .. } | Error::Garbled { .. }) {
        return finding.fail("another program may have its port: check the service's URL and port");
    }
    if let Some(pid) = holder {
        return finding.fail(format!(
            "process {pid} has its data directory and does not answer there: look at that \
             process, and at the service's host and port"
        ));
    }
    let is_taken = TcpListener::bind((host, port))
        .is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
    if is_taken {
        return finding.fail(format!(
            "another program listens on port {port}: stop it, or choose another port"
        ));
    }
    finding.fail("start it with `tidemark serve` or `tidemark dev`; its log says if it cannot")
}

/// How far the service's clock is from this machine's.
fn clock(service: &'static str, date: &str) -> Option<Finding> {
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let ours = journal::SystemClock.now().as_millis() / 1_000;
    Some(judge_clock(service, ours, theirs.as_second()))
}

fn judge_clock(service: &'static str, ours: i64, theirs: i64) -> Finding {
    let apart = ours - theirs;
    let finding = Finding::ok(
        "clock",
        service,
        format!("{} s from this machine's", apart.abs()),
    );
    if apart.abs() > CLOCK_SECONDS {
        return finding.warn("let NTP set the clocks of both machines");
    }
    finding
}

/// The journal, the books, and every store in full.
pub(super) fn look(
    services: &Services,
    running: Running,
    is_quick: bool,
    findings: &mut Vec<Finding>,
) {
    let stores = [
        (running.filestore, &services.filestore, "/v1/integrity"),
        (
            running.metastore,
            &services.metastore,
            "/filestore/integrity",
        ),
        (
            running.timestore,
            &services.timestore,
            "/filestore/integrity",
        ),
    ];
    if running.filestore {
        findings.push(journal(&services.filestore));
    }
    for (is_running, service, _) in stores.iter().skip(1) {
        if *is_running {
            consumer(services, service, running.filestore, findings);
        }
    }
    for (is_running, service, path) in stores {
        if is_running && !is_quick {
            findings.push(integrity(service, path));
        }
    }
}

/// The journal can be read, to its last entry, and that is not of the future.
fn journal(filestore: &Service) -> Finding {
    let finding = |detail: String| Finding::ok("journal", "filestore", detail);
    let read = || -> Result<(u64, u64, Option<i64>), Error> {
        let at = |after: u64, limit: u64| {
            let query = [("after", after), ("limit", limit)];
            filestore.send(
                filestore
                    .get("/v1/journal")
                    .query(&query)
                    .timeout(ANSWER_TIMEOUT),
            )
        };
        let response = at(0, 0)?;
        let head: u64 = filestore.header(response.headers(), "tidemark-head")?;
        let trimmed: u64 = filestore.header(response.headers(), "tidemark-trimmed")?;
        if head == trimmed {
            return Ok((head, trimmed, None));
        }
        let last = at(head.saturating_sub(1), 1)?.text();
        let last = last.map_err(|error| filestore.garbled(error.to_string()))?;
        let last: Value = last
            .lines()
            .next()
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| filestore.garbled(format!("entry {head} is missing")))?;
        let data = last
            .pointer("/event/data/observedAt")
            .and_then(Value::as_str);
        let observed = data.and_then(|time| time.parse::<Timestamp>().ok());
        Ok((head, trimmed, observed.map(|time| time.as_second())))
    };
    match read() {
        Ok((head, trimmed, observed)) => {
            let finding = finding(format!("entries {} to {head} can be read", trimmed + 1));
            let now = ::journal::SystemClock.now().as_millis() / 1_000;
            match observed {
                Some(observed) if observed > now + CLOCK_SECONDS => {
                    let ahead = observed - now;
                    Finding::ok("journal", "filestore", format!("entry {head} is {ahead} s ahead"))
                        .warn("the clock was set back: let NTP set it, lag in seconds is wrong until then")
                }
                _ => finding,
            }
        }
        Err(error) => finding(first_line(&error))
            .fail("`tidemark verify` names the damage; restore filestore's database from a backup"),
    }
}

/// The book follows the journal, and its checkpoint lies on it.
fn consumer(
    services: &Services,
    service: &Service,
    has_journal: bool,
    findings: &mut Vec<Finding>,
) {
    let finding = |detail: String| Finding::ok("consumer", service.name, detail);
    let health = match health(service) {
        Ok(health) => health,
        Err(error) => {
            return findings.push(finding(first_line(&error)).fail("look at the service's log"));
        }
    };
    let text = |key: &str| health.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| health.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (checkpoint, lag) = (number("checkpoint"), number("lagEntries"));
    let place = format!("at entry {checkpoint}, {lag} behind");
    findings.push(match text("status") {
        "disabled" => finding("the sync is switched off".to_owned()),
        "ok" => finding(place),
        status => finding(format!("{status}, {place}: {}", text("lastError"))).fail(format!(
            "the error says what to do; `tidemark rebuild {}` if the book has another history",
            service.name
        )),
    });
    if number("deadLetters") > 0 {
        let detail = format!("{} entries are parked", number("deadLetters"));
        findings.push(
            Finding::ok("dead letters", service.name, detail).warn(format!(
                "`tidemark dead-letters list {}` says why; retry or discard each",
                service.name
            )),
        );
    }
    if has_journal && text("status") != "disabled" {
        findings.push(history(&services.filestore, service));
    }
}

/// The journal has the book's digest at the book's checkpoint. What the book's own store says is
/// asked for, since a consumer that halted at its start does not know its checkpoint.
fn history(filestore: &Service, book: &Service) -> Finding {
    let finding = |detail: String| Finding::ok("history", book.name, detail);
    let at = |service: &Service, path: &str, after: u64, limit: u64| {
        let query = [("after", after), ("limit", limit)];
        let request = service.get(path).query(&query);
        service.send(request.timeout(ANSWER_TIMEOUT))
    };
    let both = || -> Result<_, Error> {
        let own = at(book, "/filestore/nodes", i64::MAX.unsigned_abs(), 1)?;
        let checkpoint: u64 = book.header(own.headers(), "tidemark-journal-id")?;
        let own: Option<String> = book.header_if_any(own.headers(), "tidemark-digest")?;
        let theirs = at(filestore, "/v1/journal", checkpoint, 0)?;
        let trimmed: u64 = filestore.header(theirs.headers(), "tidemark-trimmed")?;
        let theirs = filestore.header_if_any(theirs.headers(), "tidemark-after-digest")?;
        Ok((checkpoint, trimmed, own, theirs))
    };
    match both() {
        Err(error) => finding(first_line(&error)).fail("look at the logs of both services"),
        Ok((checkpoint, _, None, _)) => finding(format!("it has no digest, at entry {checkpoint}")),
        // There the journal has nothing to compare with.
        Ok((checkpoint, trimmed, _, _)) if checkpoint < trimmed => finding(format!(
            "the journal is trimmed up to {trimmed}, past {checkpoint}"
        )),
        Ok((checkpoint, _, Some(own), theirs)) if theirs.as_ref() == Some(&own) => {
            let short: String = own.chars().take(12).collect();
            finding(format!(
                "the journal has its digest at entry {checkpoint}, {short}…"
            ))
        }
        Ok((checkpoint, ..)) => finding(format!(
            "the journal has another digest at entry {checkpoint}, or ends before it"
        ))
        .fail(format!(
            "restore the journal that the book follows, or `tidemark rebuild {}`",
            book.name
        )),
    }
}

fn integrity(service: &Service, path: &str) -> Finding {
    let finding = |detail: String| Finding::ok("integrity", service.name, detail);
    let fix = if service.name == "filestore" {
        "restore filestore's database from a backup".to_owned()
    } else {
        format!(
            "`tidemark rebuild {}` for what the sync wrote, a backup for what people wrote",
            service.name
        )
    };
    // As long as reading everything takes.
    let answer = service.send(service.get(path)).and_then(|response| {
        let body = response.json::<Value>();
        body.map_err(|error| service.garbled(error.to_string()))
    });
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return finding(first_line(&error)).fail(fix),
    };
    let answer = answer.get("data").unwrap_or(&answer);
    if answer.get("ok") == Some(&Value::Bool(true)) {
        return finding("everything is as it was written".to_owned());
    }
    let found = answer.get("findings").and_then(Value::as_array);
    let found: Vec<_> = found.into_iter().flatten().collect();
    let word = |key: &str| {
        let first = found.first().and_then(|it| it.get(key));
        first.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (count, part, detail) = (found.len(), word("part"), word("detail"));
    finding(format!("{count} findings, the first in {part}: {detail}")).fail(fix)
}

/// How many directories all local mounts have, as their totals say.
pub(super) fn directories(services: &Services, running: Running) -> Option<u64> {
    if !running.filestore {
        return None;
    }
    let filestore = &services.filestore;
    let mounts = filestore.data(filestore.get("/v1/backend-mounts")).ok()?;
    let mounts = mounts.get("mounts").and_then(Value::as_array).cloned()?;
    let mut count = 0;
    for mount in mounts {
        if mount.get("backendKind").and_then(Value::as_str) != Some("local") {
            continue;
        }
        let id = mount.get("id")?.as_i64()?;
        let request = filestore.get("/v1/nodes/by-path");
        let request = request.query(&[("backendMountId", id.to_string()), ("path", String::new())]);
        let root = filestore.data(request).ok()?;
        let below = root
            .pointer("/rollup/directoryCount")
            .and_then(Value::as_u64);
        count += 1 + below.unwrap_or_default();
    }
    Some(count)
}

fn first_line(error: &Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn what_a_service_warns_of_is_a_line() {
        let health = serde_json::json!({"status": "ok", "warnings": ["look at it"]});
        let found = warnings("metastore", &health);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].status, Status::Warn);
        assert_eq!(found[0].detail, "look at it");
        assert_eq!(warnings("metastore", &Value::Null), []);
    }

    #[test]
    fn clocks_may_differ_by_seconds() {
        assert_eq!(judge_clock("filestore", 100, 103).status, Status::Ok);
        assert_eq!(judge_clock("filestore", 100, 106).status, Status::Warn);
        assert_eq!(judge_clock("filestore", 100, 90).status, Status::Warn);
    }
}
