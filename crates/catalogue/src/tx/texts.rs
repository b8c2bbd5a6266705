//! Facts whose text may be long: each text is kept once, by its number.

use super::WriteTx;
use crate::{Node, ReadTx, StoreError};
use node::LongFact;
use rusqlite::{OptionalExtension, params};

impl ReadTx<'_> {
    /// The text of this number, if a node has or had it.
    ///
    /// # Errors
    /// A statement fails.
    pub fn long_text(&self, number: i64) -> Result<Option<String>, StoreError> {
        const SQL: &str = "SELECT text FROM long_texts WHERE id = ?1";
        let mut statement = self.prepare_cached(SQL)?;
        Ok(statement.query_row([number], |row| row.get(0)).optional()?)
    }
}

impl WriteTx<'_> {
    /// What nobody has asked again stays what it was, and each number has its text. A number whose text
    /// nobody gave or has is left aside: the next whole scan reads it.
    pub(super) fn settle(&self, before: Option<&Node>, after: &mut Node) -> Result<(), StoreError> {
        after.facts = after.facts.settled(before.map(|before| &before.facts));
        for fact in LongFact::ALL {
            let known = before.and_then(|before| before.facts.long(fact));
            let text = match (after.facts.long(fact), before) {
                (None | Some(0), _) => None,
                (number, Some(before)) if number == known => before.text(fact).map(str::to_owned),
                (Some(_), _) if after.text(fact).is_some() => continue,
                (Some(number), before) => {
                    let text = self.read.long_text(number)?;
                    if text.is_none() {
                        after.facts.set_long(fact, known);
                    }
                    text.or_else(|| Some(before?.text(fact)?.to_owned()))
                }
            };
            after.set_text(fact, text)?;
        }
        Ok(())
    }

    /// Keeps the texts of the node, once for all nodes that have the same.
    pub(super) fn keep_texts(&self, node: &Node) -> Result<(), StoreError> {
        const SQL: &str = "INSERT OR IGNORE INTO long_texts (id, text) VALUES (?1, ?2)";
        for fact in LongFact::ALL {
            if let (Some(number), Some(text)) = (node.facts.long(fact), node.text(fact)) {
                let mut insert = self.read.connection().prepare_cached(SQL)?;
                insert.execute(params![number, text])?;
            }
        }
        Ok(())
    }
}
