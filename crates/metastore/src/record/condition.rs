//! What a client knows of a record that it is about to change: `If-Match` and `If-None-Match`.

use super::RecordError;
use serde::Serialize;

/// The states that a header names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum States {
    /// `*`: any, if there is a record.
    Any,
    /// These versions.
    Versions(Vec<i64>),
}

impl States {
    fn has(&self, version: Option<i64>) -> bool {
        match (self, version) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Versions(versions), Some(version)) => versions.contains(&version),
        }
    }
}

/// What has to hold before a record is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Conditions {
    /// The record is in one of these states.
    pub(crate) is_one_of: Option<States>,
    /// The record is in none of these states.
    pub(crate) is_none_of: Option<States>,
}

impl Conditions {
    /// `version` is that of the record, if there is one.
    pub(crate) fn check(&self, version: Option<i64>) -> Result<(), RecordError> {
        let is_met = self
            .is_one_of
            .as_ref()
            .is_none_or(|states| states.has(version))
            && !self
                .is_none_of
                .as_ref()
                .is_some_and(|states| states.has(version));
        if is_met {
            Ok(())
        } else {
            Err(RecordError::Condition { current: version })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_for_the_states_that_they_name() {
        let versions = |versions: &[i64]| Some(States::Versions(versions.to_vec()));
        let none = || None;
        for (is_one_of, is_none_of, version, is_met) in [
            (none(), none(), None, true),
            (none(), none(), Some(1), true),
            (Some(States::Any), none(), Some(7), true),
            (Some(States::Any), none(), None, false),
            (versions(&[1, 2]), none(), Some(2), true),
            (versions(&[1, 2]), none(), Some(3), false),
            (versions(&[]), none(), Some(3), false),
            (none(), Some(States::Any), None, true),
            (none(), Some(States::Any), Some(1), false),
            (none(), versions(&[1]), Some(1), false),
            (none(), versions(&[1]), Some(2), true),
        ] {
            let conditions = Conditions {
                is_one_of,
                is_none_of,
            };
            assert_eq!(
                conditions.check(version).is_ok(),
                is_met,
                "{conditions:?} {version:?}"
            );
        }
    }
}
