//! `doctor`: looks at what an operator would look at, a line each: whether it is well, what was
//! found, and what to do.
//!
//! It reads the same configuration as the services (environment and file), looks at this machine
//! ([`machine`]) and asks the services ([`services`]). It changes nothing, takes no lock, and goes
//! on when something is bad, so that everything that is wrong is told at once.

mod machine;
mod services;

use super::Outcome;
use crate::client::Services;
use crate::output::{Column, Format, Row, Rows, say};
use crate::reading::Reading;
use clap::Args;
use serde_json::json;

/// `tidemark doctor`
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Do not read every store in full
    #[arg(long)]
    pub quick: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    /// It works, and something should be looked at.
    Warn,
    /// It does not work.
    Fail,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    /// The service, folder or mount that it is about.
    subject: String,
    status: Status,
    detail: String,
    /// What to do; empty where all is well.
    fix: String,
}

impl Finding {
    fn ok(check: &'static str, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            check,
            subject: subject.into(),
            status: Status::Ok,
            detail: detail.into(),
            fix: String::new(),
        }
    }

    fn warn(self, fix: impl Into<String>) -> Self {
        Self {
            status: Status::Warn,
            fix: fix.into(),
            ..self
        }
    }

    fn fail(self, fix: impl Into<String>) -> Self {
        Self {
            status: Status::Fail,
            fix: fix.into(),
            ..self
        }
    }
}

pub(crate) fn run(services: &Services, args: &DoctorArgs) -> anyhow::Result<Outcome> {
    let columns = ["check", "subject", "status", "detail", "fix"];
    let columns = columns.map(Column::text).to_vec();
    let mut rows = Rows::stdout(args.reading.output, columns);
    let config = &services.config;
    let mut findings = vec![machine::tokens(config), machine::data_dir(config)];
    let running = services::reachable(services, &mut findings);
    findings.extend(machine::disks(config));
    findings.push(machine::redis(config)?);
    services::look(services, running, args.quick, &mut findings);
    machine::watches(
        config,
        services::directories(services, running),
        &mut findings,
    );
    let count = |status| findings.iter().filter(|it| it.status == status).count();
    let (warned, failed) = (count(Status::Warn), count(Status::Fail));
    for finding in &findings {
        rows.push(&row(finding, args.reading.output))?;
    }
    rows.finish()?;
    say(format_args!(
        "{} checks: {failed} failed, {warned} to look at",
        findings.len()
    ));
    Ok(if failed > 0 {
        Outcome::Bad
    } else {
        Outcome::Good
    })
}

fn row(finding: &Finding, format: Format) -> Row {
    let status = match finding.status {
        Status::Ok => "ok",
        Status::Warn => "warn",
        Status::Fail => "fail",
    };
    let mut row = Row::new();
    row.insert("check".to_owned(), json!(finding.check));
    row.insert("subject".to_owned(), json!(finding.subject));
    row.insert("status".to_owned(), json!(status));
    // One line a check; what comes in several lines stays so where programs read it.
    let line = |text: &str| match format {
        Format::Table => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Format::Json | Format::Ndjson | Format::Csv => text.to_owned(),
    };
    row.insert("detail".to_owned(), json!(line(&finding.detail)));
    row.insert("fix".to_owned(), json!(line(&finding.fix)));
    row
}
