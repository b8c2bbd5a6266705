//! How the process is told to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` on the first `SIGINT` or `SIGTERM`; the second ends the process at once, with
/// the exit status that a shell expects (128 + 2).
///
/// # Errors
/// The signals cannot be caught.
pub(super) fn watch(stop: CancellationToken) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if is_first {
                tracing::info!("stopping: finishing what is in hand; a second signal aborts");
                stop.cancel();
            } else {
                tracing::warn!("aborting; the next start goes on from the checkpoints");
                std::process::exit(130);
            }
        }
    });
    Ok(())
}
