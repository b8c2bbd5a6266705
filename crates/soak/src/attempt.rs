//! A panic as a value: a schedule that finds a difference panics where it stands.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What it returns, or what it said when it panicked.
///
/// # Errors
/// The panic's message.
pub fn attempt<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        });
        text.unwrap_or_else(|| "(it said nothing)".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_what_it_said() {
        assert_eq!(attempt(|| 3), Ok(3));
        let said: Result<(), _> = attempt(|| panic!("seed {}", 7));
        assert_eq!(said, Err("seed 7".to_owned()));
    }
}
