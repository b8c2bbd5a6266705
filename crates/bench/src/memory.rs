//! Peak memory of this process, and what it leaves on disk.

use anyhow::Context as _;
use std::path::Path;

/// Forgets the peak so far (`man 5 proc_pid_clear_refs`): it starts again from what is resident.
pub(crate) fn reset_peak() -> anyhow::Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("the peak of memory cannot be reset")
}

/// The most that was resident since, in MiB.
pub(crate) fn peak_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    parse_peak(&status).context("/proc/self/status tells no VmHWM")
}

fn parse_peak(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// What a database takes on disk: its file and the logs beside it.
pub(crate) fn database_bytes(database: &Path) -> anyhow::Result<u64> {
    let directory = database
        .parent()
        .context("a database lies in a directory")?;
    let name = database.file_name().and_then(|name| name.to_str());
    let name = name.context("a database has a name")?;
    let mut bytes = 0_u64;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let is_part = entry
            .file_name()
            .to_str()
            .and_then(|it| it.strip_prefix(name))
            .is_some_and(|rest| matches!(rest, "" | "-wal" | ".wal"));
        if is_part {
            bytes = bytes.saturating_add(entry.metadata()?.len());
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_status_of_the_process() {
        let status = "Name:\tbench\nVmPeak:\t 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(parse_peak(status), Some(2.0));
        assert_eq!(parse_peak("Name:\tbench\n"), None);
    }

    #[test]
    fn a_database_is_its_file_and_its_log_and_not_its_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in [("a.db", 10), ("a.db-wal", 5), ("a.db2", 100), ("b.db", 100)] {
            std::fs::write(dir.path().join(name), vec![0; bytes]).unwrap();
        }
        assert_eq!(database_bytes(&dir.path().join("a.db")).unwrap(), 15);
    }
}
