//! `status`: one line a service. `openapi`: what a running service says it can do.

use super::Outcome;
use crate::client::{ANSWER_TIMEOUT, Error, Service, Services};
use crate::config::{Client, Service as Name};
use crate::output::{Column, Row, Rows, say, stdout};
use crate::reading::Reading;
use clap::Args;
use serde_json::{Value, json};
use std::io::Write as _;

/// `tidemark status`
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark openapi`
#[derive(Args, Debug)]
pub struct OpenapiArgs {
    /// The service
    #[arg(value_enum)]
    pub service: Name,
    /// Where the services are.
    #[command(flatten)]
    pub client: Client,
}

/// A service's line, and why it is not healthy, if it is not.
struct Line {
    row: Row,
    trouble: Option<String>,
}

pub(crate) fn status(services: &Services, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let columns = vec![
        Column::text("service"),
        Column::text("status"),
        Column::number("checkpoint"),
        Column::number("head"),
        Column::number("lagEntries"),
        Column::seconds("lagSeconds").titled("LAG"),
        Column::number("deadLetters"),
        Column::text("bus"),
        Column::text("url"),
    ];
    let mut rows = Rows::stdout(args.reading.output, columns);
    let mut outcome = Outcome::Good;
    let lines = [
        filestore(&services.filestore),
        book(&services.metastore),
        book(&services.timestore),
    ];
    for line in lines {
        rows.push(&line.row)?;
        if let Some(trouble) = line.trouble {
            say(format_args!("{trouble}"));
            outcome = Outcome::Bad;
        }
    }
    rows.finish()?;
    Ok(outcome)
}

fn filestore(service: &Service) -> Line {
    let asked = ready(service).and_then(|()| {
        let request = service
            .get("/v1/journal")
            .query(&[("after", 0), ("limit", 0)]);
        let response = service.send(request.timeout(ANSWER_TIMEOUT))?;
        let head: u64 = service.header(response.headers(), "tidemark-head")?;
        let epoch: String = service.header(response.headers(), "tidemark-epoch")?;
        Ok((head, epoch))
    });
    match asked {
        Ok((head, epoch)) => {
            let row = json!({"service": service.name, "status": "ok", "head": head,
                "epoch": epoch, "url": service.base});
            Line {
                row: object(row),
                trouble: None,
            }
        }
        Err(error) => down(service, &error),
    }
}

fn book(service: &Service) -> Line {
    match ready(service).and_then(|()| health(service)) {
        Ok(health) => {
            let field = |key: &str| health.get(key).cloned().unwrap_or_default();
            let mut row = health.clone();
            row.insert("service".to_owned(), json!(service.name));
            row.insert("url".to_owned(), json!(service.base));
            let bus = field("bus");
            let part = |key: &str| bus.get(key).and_then(Value::as_str).unwrap_or("unknown");
            row.insert(
                "bus".to_owned(),
                json!(format!("{}, {}", part("mode"), part("state"))),
            );
            let status = field("status");
            let trouble = match status.as_str() {
                Some("ok" | "disabled") => None,
                status => Some(format!(
                    "{} is {}: {}",
                    service.name,
                    status.unwrap_or("in an unknown state"),
                    field("lastError")
                        .as_str()
                        .unwrap_or("its checkpoint stands still"),
                )),
            };
            Line { row, trouble }
        }
        Err(error) => down(service, &error),
    }
}

/// What a book says of its consumer: the answer is the same whether it is healthy (200) or not
/// (503).
pub(crate) fn health(service: &Service) -> Result<Row, Error> {
    let request = service.get("/filestore/health").timeout(ANSWER_TIMEOUT);
    let response = service.send_any(request)?;
    let status = response.status();
    let body: Value = response
        .json()
        .map_err(|error| service.garbled(format!("its health: {error}")))?;
    match body {
        Value::Object(health) if health.get("enabled").is_some() => Ok(health),
        other => {
            let detail = other
                .get("detail")
                .and_then(Value::as_str)
                .unwrap_or("no health");
            Err(Error::Refused {
                service: service.name,
                status,
                detail: detail.to_owned(),
            })
        }
    }
}

/// Whether the service is ready. A consumer that lags makes its service unready, and its health
/// then tells more, so for the books only being there counts.
fn ready(service: &Service) -> Result<(), Error> {
    let path = if service.name == "filestore" {
        "/readyz"
    } else {
        "/healthz"
    };
    service
        .send(service.get(path).timeout(ANSWER_TIMEOUT))
        .map(|_| ())
}

fn down(service: &Service, error: &Error) -> Line {
    let status = match error {
        Error::Unreachable { .. } => "unreachable",
        Error::Refused { .. } | Error::Absent(_) | Error::Garbled { .. } => "error",
    };
    let row = json!({"service": service.name, "status": status, "url": service.base,
        "lastError": error.to_string()});
    Line {
        row: object(row),
        trouble: Some(error.to_string()),
    }
}

fn object(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

pub(crate) fn openapi(services: &Services, args: &OpenapiArgs) -> anyhow::Result<Outcome> {
    let service = match args.service {
        Name::Filestore => &services.filestore,
        Name::Metastore => &services.metastore,
        Name::Timestore => &services.timestore,
    };
    let document = service.json(service.get("/openapi.json"))?;
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, &document).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(Outcome::Good)
}
