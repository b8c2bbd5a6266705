//! That what is known differs from the disk, told once a scan.

use super::Scan;
use super::ScanError;
use catalogue::scratch::Scratch;
use catalogue::{Node, StoreError, WriteTx, nodes};
use journal::{DriftDetected, JournalId, NodeKind, ReconcileReason, Text};
use serde_json::json;

/// Differences that are looked through for the place that holds them all.
const LOOKED_AT: usize = 1_000;

/// Differences that one changed name can make: it is found, and lost where it was.
const OF_ONE_NAME: u64 = 2;

/// Where a drift is, until the first change is written.
#[derive(Debug)]
pub(super) struct Drift {
    /// The deepest directory that holds all of it.
    path: String,
    differences: u64,
}

impl Drift {
    /// Appends the entry. Of one changed name it names the node: `before`, whose own entry follows.
    pub(super) fn append(
        self,
        tx: &mut WriteTx<'_>,
        (command, command_id, reason): (&str, &str, ReconcileReason),
        before: Option<&Node>,
        after: &Node,
    ) -> Result<(), StoreError> {
        let is_one = self.differences <= OF_ONE_NAME;
        let path = match before {
            Some(before) if is_one => &before.path,
            None if is_one => &after.path,
            _ => &self.path,
        };
        let metadata = json!({ "commandId": command_id, "differences": self.differences });
        let metadata = serde_json::value::to_raw_value(&metadata)?;
        tx.append(DriftDetected {
            backend_mount_id: after.mount_id,
            node_id: before.filter(|_| is_one).map(|node| node.id),
            path: Text::from(path.as_str()),
            detected_at: tx.now(),
            reason: Text::from(reason.as_str()),
            reporter: Some(Text::from(command)),
            metadata: Some(&metadata),
            journal_id: JournalId::ZERO,
        })?;
        Ok(())
    }
}

impl Scan<'_> {
    /// What is to be told of the differences that the scratch holds: `all` of them but the `reads`, as a
    /// file that was only read does not differ.
    pub(super) fn drift(
        &self,
        scratch: &Scratch,
        all: u64,
        reads: u64,
    ) -> Result<Drift, ScanError> {
        let mut common: Option<String> = None;
        let mut add = |directory: &str| {
            common = Some(match &common {
                None => directory.to_owned(),
                Some(common) => shared(common, directory).to_owned(),
            });
        };
        let limit = usize::try_from(all).unwrap_or(usize::MAX);
        if limit <= LOOKED_AT {
            for found in scratch.found_after(0, LOOKED_AT)? {
                add(parent_of(&found.path));
            }
            let changed = scratch.changed_after(0, LOOKED_AT)?;
            let lost = scratch.lost_after(0, LOOKED_AT)?;
            self.catalogue.read(|connection| {
                for changed in changed.iter().filter(|changed| !changed.is_only_read) {
                    if let Some(node) = nodes::by_id(connection, changed.node)? {
                        // A directory that changed is where the names in it did.
                        let is_file = node.facts.kind == NodeKind::File;
                        add(if is_file {
                            parent_of(&node.path)
                        } else {
                            &node.path
                        });
                    }
                }
                for lost in &lost {
                    if let Some(node) = nodes::by_id(connection, lost.node)? {
                        add(parent_of(&node.path));
                    }
                }
                Ok::<_, StoreError>(())
            })?;
        }
        Ok(Drift {
            path: common.unwrap_or_default(),
            differences: all.saturating_sub(reads),
        })
    }
}

fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The deepest directory above or at both.
fn shared<'p>(one: &'p str, other: &str) -> &'p str {
    let mut end = 0;
    for (index, _) in one.match_indices('/').chain([(one.len(), "")]) {
        let (Some(head), Some(rest)) = (one.get(..index), other.get(index..)) else {
            break;
        };
        if !other.starts_with(head) || !(rest.is_empty() || rest.starts_with('/')) {
            break;
        }
        end = index;
    }
    one.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::shared;

    #[test]
    fn the_deepest_directory_that_holds_both() {
        for (one, other, expected) in [
            ("a/b/c", "a/b/d", "a/b"),
            ("a/b", "a/b/d", "a/b"),
            ("a/b/d", "a/b", "a/b"),
            ("a/bc", "a/b", "a"),
            ("a", "b", ""),
            ("", "a", ""),
            ("a", "", ""),
            ("ä/x", "ä/y", "ä"),
        ] {
            assert_eq!(shared(one, other), expected, "{one} {other}");
        }
    }
}
