//! The defaults of the components, as the options spell them: one value, kept where it is used.

use feed::bus::redis::Timing;
use feed::consumer::ConsumerOptions;
use filestore::{HoldOptions, RescanOptions, WatchOptions};
use metastore::RulesConfig;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What stands for the folder of the data until it is known.
const DATA_DIR: &str = "{data_dir}";

pub(super) fn hold() -> HoldOptions {
    HoldOptions::default()
}

pub(super) fn watch() -> WatchOptions {
    WatchOptions::default()
}

pub(super) fn rescan() -> RescanOptions {
    RescanOptions::default()
}

pub(super) fn rules() -> RulesConfig {
    RulesConfig::default()
}

pub(super) fn timestore() -> timestore::Options {
    timestore::Options::new(Path::new(DATA_DIR), Arc::new(journal::SystemClock))
}

pub(super) fn consumer() -> ConsumerOptions {
    ConsumerOptions::default()
}

pub(super) fn bus() -> Timing {
    Timing::default()
}

pub(super) fn filestore_database() -> String {
    let options = filestore::Options::new(DATA_DIR);
    format!("sqlite:{}", options.database_path().display())
}

pub(super) fn metastore_database() -> String {
    let options = metastore::Options::in_data_dir(Path::new(DATA_DIR));
    format!("sqlite:{}", options.database_path.display())
}

pub(super) fn timestore_database() -> String {
    format!("duckdb:{}", timestore().database_path.display())
}

/// A length of time in its largest unit that is whole.
pub(super) fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, name) in [(3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if millis.is_multiple_of(unit) && millis > 0 {
            return format!("{}{name}", millis / unit);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_spelled_in_its_largest_whole_unit() {
        for (millis, text) in [
            (100, "100ms"),
            (1_500, "1500ms"),
            (60_000, "1m"),
            (90_000, "90s"),
            (7 * 24 * 3_600_000, "168h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn the_databases_are_the_stores_own_in_the_folder_of_the_data() {
        assert_eq!(filestore_database(), "sqlite:{data_dir}/filestore.db");
        assert_eq!(metastore_database(), "sqlite:{data_dir}/metastore.db");
        assert_eq!(timestore_database(), "duckdb:{data_dir}/timestore.duckdb");
    }
}
