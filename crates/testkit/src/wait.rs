//! Waiting on a state instead of sleeping.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Between two looks: the first waits are short, since most states are nearly there.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What one look at a state found.
///
/// `bool` (true is found), `Option` (`Some` is found) and `Result` (`Ok` is found, and `Err` is
/// the state seen instead, which the failure will report).
pub trait Seen {
    /// What the waiting is for.
    type Found;

    /// The thing found, or the state seen instead.
    ///
    /// # Errors
    /// Not there yet; the text describes what is.
    fn seen(self) -> Result<Self::Found, String>;
}

impl Seen for bool {
    type Found = ();

    fn seen(self) -> Result<(), String> {
        if self {
            Ok(())
        } else {
            Err("false".to_owned())
        }
    }
}

impl<T> Seen for Option<T> {
    type Found = T;

    fn seen(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: Debug> Seen for Result<T, E> {
    type Found = T;

    fn seen(self) -> Result<T, String> {
        self.map_err(|state| format!("{state:?}"))
    }
}

/// Looks again and again until `look` finds what it wants, and returns it.
///
/// Blocks the thread: in async tests use [`wait_for_async`].
///
/// # Panics
/// `timeout` passed; the message tells `what` and the state last seen.
#[track_caller]
pub fn wait_for<S: Seen>(what: &str, timeout: Duration, mut look: impl FnMut() -> S) -> S::Found {
    let mut pauses = Pauses::new(timeout);
    loop {
        match look().seen() {
            Ok(found) => return found,
            Err(state) => match pauses.next() {
                Some(pause) => block(pause),
                None => give_up(what, timeout, &state),
            },
        }
    }
}

/// [`wait_for`] for async tests: `wait_for_async("…", timeout, async || …).await`.
///
/// # Panics
/// `timeout` passed, also when one look alone takes longer than that.
pub async fn wait_for_async<S: Seen>(
    what: &str,
    timeout: Duration,
    mut look: impl AsyncFnMut() -> S,
) -> S::Found {
    let mut pauses = Pauses::new(timeout);
    let mut last = "no look has ended yet".to_owned();
    loop {
        let left = pauses.left();
        match tokio::time::timeout(left, look()).await.map(Seen::seen) {
            Ok(Ok(found)) => return found,
            Ok(Err(state)) => last = state,
            Err(_) => give_up(what, timeout, &last),
        }
        match pauses.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => give_up(what, timeout, &last),
        }
    }
}

#[track_caller]
fn give_up(what: &str, timeout: Duration, last: &str) -> ! {
    panic!("waited {timeout:?} for {what}; last seen: {last}")
}

/// Waits without a signal to wait for; the condition variable is one that nobody notifies.
pub(crate) fn block(pause: Duration) {
    let nobody = Mutex::new(());
    Condvar::new().wait_for(&mut nobody.lock(), pause);
}

struct Pauses {
    end: Instant,
    pause: Duration,
}

impl Pauses {
    fn new(timeout: Duration) -> Self {
        Self {
            end: Instant::now() + timeout,
            pause: FIRST_PAUSE,
        }
    }

    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// The next pause; `None` once the time is up.
    fn next(&mut self) -> Option<Duration> {
        let left = self.left();
        let pause = self.pause.min(left);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        (!left.is_zero()).then_some(pause)
    }
}
