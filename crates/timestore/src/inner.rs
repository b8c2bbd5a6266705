//! What the parts of an open timestore share: the handlers, the questions, and whoever opened it.

use crate::catalogue::Dataset;
use crate::options::Options;
use crate::store::{Pool, Store};
use crate::usage::Keeper;
use parking_lot::Mutex;
use process::Task;
use std::sync::Arc;
use std::time::Duration;

/// A digest reads every row.
pub(crate) const DIGEST_LIMIT: Duration = Duration::from_secs(600);

/// What handlers work with.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) activity: Dataset,
    /// The API's own reads.
    pub(crate) reads: Pool,
    /// People's statements, so that they never keep the API's reads waiting.
    pub(crate) statements: Pool,
    /// Of the sums of usage.
    pub(crate) keeper: Keeper,
    pub(crate) store: Arc<Store>,
    pub(crate) sweeper: Mutex<Option<Task>>,
}
