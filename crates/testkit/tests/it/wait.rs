use std::panic::catch_unwind;
use std::time::Duration;

use testkit::{wait_for, wait_for_async};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(10);

fn panic_text(payload: Box<dyn std::any::Any + Send>) -> String {
    *payload.downcast::<String>().unwrap()
}

#[test]
fn waiting_returns_what_was_found() {
    let mut looks = 0;
    let found = wait_for("three looks", LONG, || {
        looks += 1;
        (looks == 3).then_some("there")
    });
    assert_eq!((found, looks), ("there", 3));
}

#[test]
fn giving_up_reports_the_last_state_seen() {
    let text = catch_unwind(|| {
        let mut looks = 0;
        wait_for("the lag to be 0", SHORT, || {
            looks += 1;
            Err::<(), _>(format!("lag {}", 7.max(8 - looks)))
        });
    })
    .map_err(panic_text)
    .unwrap_err();
    assert!(
        text.contains("for the lag to be 0; last seen: \"lag 7\""),
        "{text}"
    );
}

#[tokio::test]
async fn async_waiting_gives_up_on_a_look_that_hangs() {
    let waiting = tokio::spawn(wait_for_async("an answer", SHORT, async || {
        std::future::pending::<bool>().await
    }));
    let text = panic_text(waiting.await.unwrap_err().into_panic());
    assert!(
        text.contains("for an answer; last seen: no look has ended yet"),
        "{text}"
    );
    wait_for_async("truth", LONG, async || true).await;
}
