//! `make soak`: schedules of faults for as long as it is told, and a last line that says what came
//! of them; `make soak-outage`: one minute without Redis under load.

use clap::{Args, Parser, Subcommand};
use soak::outage;
use soak::report::Totals;
use soak::work::{self, Order};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Schedules of faults, in memory and with the real processes
    Run(Run),
    /// One minute without Redis under steady load
    Outage(Outage),
}

#[derive(Args, Debug)]
struct Run {
    /// Begin nothing more after so many seconds [default: 60, if no number is told]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// How many seeds of the model, at most
    #[arg(long, value_name = "COUNT")]
    seeds: Option<u64>,
    /// How many schedules of the real processes, at most
    #[arg(long, value_name = "COUNT")]
    schedules: Option<u64>,
    /// The one seed to run again, in both
    #[arg(long, conflicts_with_all = ["seconds", "seeds", "schedules", "first_seed"])]
    seed: Option<u64>,
    /// The first seed [default: another one each time]
    #[arg(long, value_name = "SEED")]
    first_seed: Option<u64>,
    /// How many schedules go on side by side
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
}

#[derive(Args, Debug)]
struct Outage {
    /// Commands a second, from 16 clients together
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// How long Redis is away
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How long it is there before and after
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    around: u64,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        What::Run(run) => {
            let totals = work::work(order(&run), &say);
            print(&totals)
        }
        What::Outage(outage) => {
            let options = outage::Options {
                rate: outage.rate,
                outage: Duration::from_secs(outage.seconds),
                around: Duration::from_secs(outage.around),
            };
            let outcome = soak::attempt(|| outage::run(options, &say));
            match outcome {
                Ok(tables) => out(&tables),
                Err(error) => {
                    say(&error);
                    ExitCode::FAILURE
                }
            }
        }
    }
}

fn order(run: &Run) -> Order {
    if let Some(seed) = run.seed {
        return Order {
            first_seed: seed,
            seeds: 1,
            schedules: 1,
            until: None,
            jobs: 1,
        };
    }
    let is_counted = run.seeds.is_some() || run.schedules.is_some();
    let seconds = run.seconds.or((!is_counted).then_some(60));
    // Told one number only, the other is none of it.
    let unsaid = if is_counted { 0 } else { u64::MAX };
    let first_seed = run.first_seed.unwrap_or_else(any_seed);
    say(&format!("first seed: {first_seed}"));
    Order {
        first_seed,
        seeds: run.seeds.unwrap_or(unsaid),
        schedules: run.schedules.unwrap_or(unsaid),
        until: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        jobs: usize::from(run.jobs),
    }
}

/// Another seed each time.
fn any_seed() -> u64 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    random % 1_000_000 * 1_000
}

fn print(totals: &Totals) -> ExitCode {
    let printed = out(&format!("{}{}\n", totals.tables(), totals.summary()));
    if totals.differences > 0 {
        return ExitCode::FAILURE;
    }
    printed
}

fn out(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn say(line: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(std::io::stderr(), "soak: {line}");
}
