//! Where the next page of a listing begins.
//!
//! A cursor names the place behind the last row of a page in the listing's order, and not how many
//! rows came before it. So what others add, move or remove meanwhile makes no page repeat a row or
//! skip one. To clients it is a word that they send back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The place behind a row, as clients get it and send it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Cursor(String);

impl Cursor {
    /// The cursor of a place: of the values that the listing is ordered by.
    ///
    /// # Errors
    /// The place is no JSON.
    pub fn of<T: Serialize>(place: &T) -> Result<Self, Problem> {
        let json = serde_json::to_vec(place).map_err(|error| Problem::internal(&error))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(json)))
    }

    /// The place that it names.
    ///
    /// # Errors
    /// It is not a cursor that this listing has given out.
    pub fn place<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let json = URL_SAFE_NO_PAD.decode(&self.0).ok();
        json.and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| {
                Problem::invalid(
                    "/cursor",
                    "this is no cursor of this listing: send back the nextCursor of its last page, \
                     or none to begin anew",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_gives_its_place_back_and_nothing_else_is_one() {
        let place = ("a/b é?&#", 7_i64);
        let cursor = Cursor::of(&place).unwrap();
        let text = serde_json::to_value(&cursor).unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(text.as_str().unwrap().chars().all(plain), "{text}");
        let back: (String, i64) = cursor.place().unwrap();
        assert_eq!((back.0.as_str(), back.1), place);
        for text in ["", "x", "%", "bm90IGpzb24", "W10"] {
            let refused = Cursor(text.to_owned()).place::<(String, i64)>();
            assert_eq!(refused.unwrap_err().status(), 400, "{text}");
        }
        assert!(cursor.place::<i64>().is_err(), "another listing's");
    }
}
