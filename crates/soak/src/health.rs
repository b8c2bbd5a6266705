//! Health is never green while a checkpoint stands still below the head: watched from outside,
//! through every fault.
//!
//! The watch knows the head from what commands were answered with, and the checkpoint from health
//! itself. A service that answers `ok` although its checkpoint has stood still below a known head
//! for longer than the threshold has lied. A process that has just started is given the threshold
//! anew: it cannot know for how long its predecessor stood.

use crate::deployment::SERVICES;
use crate::rig::STALL_THRESHOLD;
use crate::shared::Shared;
use reqwest::blocking::Client;
use serde_json::Value;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(40);
/// A service that takes longer to answer is not green either.
const TIMEOUT: Duration = Duration::from_millis(500);
/// The consumer looks at least twice a threshold, so this much later it must know.
const SLACK: Duration = Duration::from_millis(700);

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Looks at a service.
    pub looks: u64,
    /// Looks at a checkpoint that had stood still for too long, and health said so.
    pub not_green: u64,
}

/// A service under watch.
struct Watched {
    service: usize,
    url: String,
    checkpoint: u64,
    starts: u64,
    /// Since when its checkpoint is known to stand still below the head.
    still_since: Option<Instant>,
}

/// Looks at the health of both consumers until told to stop.
///
/// # Errors
/// One was green while it stood still.
pub fn watch(urls: [String; 2], shared: &Shared) -> Result<Seen, String> {
    let http = Client::builder().timeout(TIMEOUT).build();
    let http = http.map_err(|error| error.to_string())?;
    let mut watched = [(1, &urls[0]), (2, &urls[1])].map(|(service, url)| Watched {
        service,
        url: format!("{url}/filestore/health"),
        checkpoint: 0,
        starts: 0,
        still_since: None,
    });
    let mut seen = Seen::default();
    while !shared.is_watched_enough.load(Ordering::SeqCst) {
        for one in &mut watched {
            one.look(&http, shared, &mut seen)?;
        }
        std::thread::park_timeout(PAUSE);
    }
    Ok(seen)
}

impl Watched {
    fn look(&mut self, http: &Client, shared: &Shared, seen: &mut Seen) -> Result<(), String> {
        let head = shared.head.load(Ordering::SeqCst);
        let asked_at = Instant::now();
        let answer = http.get(&self.url).send().ok();
        let (is_ok, health) = match answer {
            Some(answer) => (answer.status().is_success(), answer.json::<Value>().ok()),
            None => (false, None),
        };
        seen.looks += 1;
        let starts = shared.starts[self.service].load(Ordering::SeqCst);
        if starts != self.starts {
            (self.starts, self.still_since) = (starts, None);
            return Ok(());
        }
        let checkpoint = health.as_ref().and_then(|it| it["checkpoint"].as_u64());
        if let Some(checkpoint) = checkpoint
            && checkpoint != self.checkpoint
        {
            (self.checkpoint, self.still_since) = (checkpoint, None);
        }
        if head <= self.checkpoint {
            self.still_since = None;
            return Ok(());
        }
        let still_since = *self.still_since.get_or_insert_with(Instant::now);
        if asked_at.saturating_duration_since(still_since) <= STALL_THRESHOLD + SLACK {
            return Ok(());
        }
        if is_ok {
            return Err(format!(
                "{} was green though its checkpoint had stood at {} below entry {head} for {:?}: \
                 {health:?}",
                SERVICES[self.service],
                self.checkpoint,
                asked_at.saturating_duration_since(still_since)
            ));
        }
        seen.not_green += 1;
        Ok(())
    }
}
