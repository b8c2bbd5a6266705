//! Where a page of a search goes on, as text that a client only hands back.
//!
//! It names the last record of the page by what it is sorted by, not by how many came before it: so
//! while others write, no record that stays where it is comes twice or not at all.

use super::walk::Spot;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value as Sql;
use serde::{Deserialize, Serialize};

/// The last record of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cursor {
    /// Found by walking along the lead with this number.
    Walk { lead: usize, spot: Spot },
    /// Found in a sorted table: what it is sorted by, and the record's place.
    Table { values: Vec<Sql>, place: i64 },
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Walk(u64, usize, i64, String, i64),
    Table(u64, Vec<Part>, i64),
}

/// A value, with reals by their bits.
#[derive(Serialize, Deserialize)]
enum Part {
    #[serde(rename = "n")]
    Null,
    #[serde(rename = "i")]
    Integer(i64),
    #[serde(rename = "r")]
    Real(u64),
    #[serde(rename = "t")]
    Text(String),
}

impl Cursor {
    /// The text; `search` is a hash of the search that it belongs to.
    pub(crate) fn write(&self, search: u64) -> String {
        let written = match self {
            Self::Walk { lead, spot } => {
                Written::Walk(search, *lead, spot.top, spot.path.clone(), spot.node_id)
            }
            Self::Table { values, place } => {
                let parts = values.iter().map(|value| match value {
                    Sql::Integer(number) => Part::Integer(*number),
                    Sql::Real(number) => Part::Real(number.to_bits()),
                    Sql::Text(text) => Part::Text(text.clone()),
                    Sql::Null | Sql::Blob(_) => Part::Null,
                });
                Written::Table(search, parts.collect(), *place)
            }
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&written).unwrap_or_default())
    }

    /// Reads what [`Cursor::write`] wrote for the same search.
    pub(crate) fn read(text: &str, search: u64) -> Result<Self, &'static str> {
        const NONE: &str = "it is no cursor of a search; give nextCursor of the page before";
        const OTHER: &str = "it belongs to another search; begin again without a cursor";
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NONE)?;
        let written = serde_json::from_slice(&bytes).map_err(|_| NONE)?;
        let (of, cursor) = match written {
            Written::Walk(of, lead, top, path, node_id) => {
                let spot = Spot { top, path, node_id };
                (of, Self::Walk { lead, spot })
            }
            Written::Table(of, parts, place) => {
                let values = parts.into_iter().map(|part| match part {
                    Part::Null => Sql::Null,
                    Part::Integer(number) => Sql::Integer(number),
                    Part::Real(bits) => Sql::Real(f64::from_bits(bits)),
                    Part::Text(text) => Sql::Text(text),
                });
                let values = values.collect();
                (of, Self::Table { values, place })
            }
        };
        if of == search { Ok(cursor) } else { Err(OTHER) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_for_its_own_search_only() {
        let spot = Spot {
            top: 3,
            path: "a/b".to_owned(),
            node_id: 7,
        };
        let values = vec![
            Sql::Null,
            Sql::Integer(i64::MIN),
            Sql::Real(-0.1),
            Sql::Text("é\n".to_owned()),
        ];
        for cursor in [
            Cursor::Walk { lead: 1, spot },
            Cursor::Table { values, place: 9 },
        ] {
            let text = cursor.write(5);
            assert_eq!(Cursor::read(&text, 5), Ok(cursor));
            assert!(
                Cursor::read(&text, 6)
                    .unwrap_err()
                    .contains("another search")
            );
        }
        for bad in ["", "x", "!!", "e30"] {
            assert!(
                Cursor::read(bad, 5).unwrap_err().contains("nextCursor"),
                "{bad}"
            );
        }
    }
}
