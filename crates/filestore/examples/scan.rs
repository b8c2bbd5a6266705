//! Scans a directory into a catalogue of its own, and again, and tells how long each took.
//!
//! `cargo run -p filestore --example scan -- /usr`

use filestore::{Filestore, Options, ScanOptions, ScanReport};
use std::io::{Error, Write};
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = || Error::other("usage: scan DIRECTORY [ROUNDS]");
    let mut arguments = std::env::args_os().skip(1);
    let root = PathBuf::from(arguments.next().ok_or_else(usage)?);
    let rounds = match arguments.next() {
        Some(rounds) => rounds
            .to_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(usage)?,
        None => 3,
    };
    let data_dir = std::env::temp_dir().join(format!("scan-example-{}", std::process::id()));
    let filestore = Filestore::open(Options::new(&data_dir))?;
    let mount = filestore.ensure_local_mount(&root)?;
    for _ in 0..rounds {
        let started = Instant::now();
        let report = filestore.scan(mount.id, &ScanOptions::default())?;
        tell(&report, started.elapsed().as_secs_f64())?;
    }
    filestore.close();
    std::fs::remove_dir_all(&data_dir)?;
    Ok(())
}

fn tell(report: &ScanReport, seconds: f64) -> Result<(), Error> {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let per_second = (report.files + report.directories) as f64 / seconds;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    writeln!(
        std::io::stdout(),
        "{seconds:.2} s, {} files, {} directories, {} bytes, {per_second:.0} nodes/s, {} changes, \
         {} problems, peak RSS {}",
        report.files,
        report.directories,
        report.bytes,
        report.changes.total(),
        report.problem_count,
        peak.map_or("unknown", str::trim),
    )
}
