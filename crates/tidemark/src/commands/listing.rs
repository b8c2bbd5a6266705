//! What is below a directory, page after page, however large it is.

use super::rows_in;
use crate::client::Services;
use crate::output::Row;
use serde_json::Value;

/// Nodes asked for at once.
const PAGE: u64 = 500;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) mount_id: i64,
    /// The directory.
    pub(crate) path: String,
    /// Levels below it; `None` is all.
    pub(crate) depth: Option<u32>,
    /// At most so many nodes.
    pub(crate) limit: u64,
}

impl Listing {
    /// Gives each node to `take`, in the order of the listing; says how many there were.
    pub(crate) fn each(
        &self,
        services: &Services,
        mut take: impl FnMut(Row) -> anyhow::Result<()>,
    ) -> anyhow::Result<u64> {
        let filestore = &services.filestore;
        let (mut count, mut after) = (0, None::<i64>);
        while count < self.limit {
            let page = PAGE.min(self.limit - count);
            let mut query = vec![
                ("backendMountId", self.mount_id.to_string()),
                ("path", self.path.clone()),
                ("limit", page.to_string()),
            ];
            query.extend(self.depth.map(|depth| ("depth", depth.to_string())));
            // The keyset goes on where the last page ended.
            query.extend(after.map(|after| ("after", after.to_string())));
            let nodes = rows_in(
                filestore.data(filestore.get("/v1/nodes").query(&query))?,
                &["nodes"],
            );
            let came = nodes.len() as u64;
            after = nodes
                .last()
                .and_then(|node| node.get("id"))
                .and_then(Value::as_i64);
            for node in nodes {
                take(node)?;
            }
            count += came;
            if came < page {
                break;
            }
        }
        Ok(count)
    }
}

/// A directory's size is what is in it.
pub(crate) fn total_bytes(node: &Row) -> Value {
    let total = node
        .get("rollup")
        .and_then(|rollup| rollup.get("sizeBytes"));
    let total = total
        .filter(|total| !total.is_null())
        .or_else(|| node.get("sizeBytes"));
    total.cloned().unwrap_or_default()
}

/// A name as `ls -F` shows it: a directory ends with `/`, a symlink with `@`.
pub(crate) fn marked(name: &str, node: &Row) -> String {
    let is_symlink = node.get("isSymlink") == Some(&Value::Bool(true));
    let mark = match super::text(node, "kind") {
        "directory" => "/",
        _ if is_symlink => "@",
        _ => "",
    };
    format!("{name}{mark}")
}
