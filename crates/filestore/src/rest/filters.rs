//! The query parameter `filters` of listings: AppHub's filters in one JSON object.

use ::journal::Time;
use catalogue::list::{Bounds, Listing, RollupBounds};
use httpkit::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most metadata filters in one question, as with AppHub.
const MOST_METADATA: usize = 16;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filters {
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<MetadataFilter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<Sizes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_at: Option<Period>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollup: Option<RollupFilter>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct MetadataFilter {
    key: String,
    value: Value,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Sizes {
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Period {
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Time>,
}

/// What lies below a directory; a file counts as having nothing below it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RollupFilter {
    #[serde(skip_serializing_if = "Option::is_none")]
    states: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_child_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_child_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_file_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_file_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_directory_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_directory_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_size_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_size_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_calculated_after: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_calculated_before: Option<Time>,
}

impl Filters {
    /// From the parameter's text.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let filters: Self =
            httpkit::json::from_slice(text.as_bytes()).map_err(|fault| fault.below("/filters"))?;
        filters.check()?;
        Ok(filters)
    }

    fn check(&self) -> Result<(), Problem> {
        let refuse =
            |field: &str, detail: &str| Err(Problem::invalid(&format!("/filters/{field}"), detail));
        if self.metadata.len() > MOST_METADATA {
            return refuse("metadata", "use at most 16 filters");
        }
        if self.metadata.iter().any(|filter| filter.key.is_empty()) {
            return refuse("metadata", "a filter needs a key");
        }
        let size = self.size.unwrap_or_default();
        let seen = self.last_seen_at.unwrap_or_default();
        let rollup = self.rollup.clone().unwrap_or_default();
        let ranges = [
            ("size", size.min, size.max),
            (
                "rollup/minChildCount",
                rollup.min_child_count,
                rollup.max_child_count,
            ),
            (
                "rollup/minFileCount",
                rollup.min_file_count,
                rollup.max_file_count,
            ),
            (
                "rollup/minDirectoryCount",
                rollup.min_directory_count,
                rollup.max_directory_count,
            ),
            (
                "rollup/minSizeBytes",
                rollup.min_size_bytes,
                rollup.max_size_bytes,
            ),
            ("lastSeenAt", millis(seen.after), millis(seen.before)),
            (
                "rollup/lastCalculatedAfter",
                millis(rollup.last_calculated_after),
                millis(rollup.last_calculated_before),
            ),
        ];
        for (field, from, to) in ranges {
            if from.zip(to).is_some_and(|(from, to)| from > to) {
                return refuse(field, "the lower bound is above the upper one");
            }
        }
        let known = ["up_to_date", "pending", "stale", "invalid"];
        match rollup
            .states
            .iter()
            .flatten()
            .find(|state| !known.contains(&state.as_str()))
        {
            Some(state) => refuse("rollup/states", &format!("unknown value {state:?}")),
            None => Ok(()),
        }
    }

    /// Narrows the listing down.
    pub(super) fn narrow(self, listing: &mut Listing) {
        let Self {
            query,
            metadata,
            size,
            last_seen_at,
            rollup,
        } = self;
        if listing.search.is_none() {
            listing.search = query.filter(|text| !text.trim().is_empty());
        }
        let metadata = metadata
            .into_iter()
            .map(|filter| (filter.key, filter.value));
        listing.metadata.extend(metadata);
        let size = size.unwrap_or_default();
        listing.size = Bounds {
            min: size.min,
            max: size.max,
        };
        let seen = last_seen_at.unwrap_or_default();
        listing.seen = Bounds {
            min: millis(seen.after),
            max: millis(seen.before),
        };
        listing.rollup = rollup.map(RollupFilter::bounds);
    }
}

impl RollupFilter {
    fn bounds(self) -> RollupBounds {
        RollupBounds {
            // Rollups change with their nodes, so there is no other state.
            is_up_to_date: self
                .states
                .map(|states| states.iter().any(|state| state == "up_to_date")),
            child_count: Bounds {
                min: self.min_child_count,
                max: self.max_child_count,
            },
            file_count: Bounds {
                min: self.min_file_count,
                max: self.max_file_count,
            },
            directory_count: Bounds {
                min: self.min_directory_count,
                max: self.max_directory_count,
            },
            size_bytes: Bounds {
                min: self.min_size_bytes,
                max: self.max_size_bytes,
            },
            calculated: Bounds {
                min: millis(self.last_calculated_after),
                max: millis(self.last_calculated_before),
            },
        }
    }
}

fn millis(time: Option<Time>) -> Option<i64> {
    time.map(Time::as_millis)
}
