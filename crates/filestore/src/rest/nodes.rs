//! `/v1/nodes`

use super::filters::Filters;
use super::{Data, Rest, State, data, params, problem};
use crate::view::NodeView;
use ::journal::{NodeKind, NodeState};
use catalogue::ReadTx;
use catalogue::list::{self, Bounds, GoOn, Listed, Listing};
use catalogue::{Node, StoreError, mounts, nodes, rollups};
use httpkit::{Cursor, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Nodes in one answer.
const DEFAULT: u32 = 100;
const MOST: u32 = 1_000;

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// The mount; needed, except for the children of a node.
    backend_mount_id: Option<i64>,
    /// Nodes below this directory; the mount's root if left out.
    path: Option<String>,
    /// At most so many names below it: 1 gives its children, 0 the node at the path itself. All if
    /// left out.
    depth: Option<u32>,
    /// A part of the path, whatever its case.
    search: Option<String>,
    /// `active`, `inconsistent`, `missing`, `deleted`, comma-separated or repeated; all but the
    /// deleted if left out.
    #[serde(default)]
    states: Vec<String>,
    /// `file`, `directory`, comma-separated or repeated.
    #[serde(default)]
    kinds: Vec<String>,
    /// Only nodes that are not as the disk is.
    drift_only: Option<bool>,
    /// A JSON object: `query`, `metadata[{key,value}]`, `size{min,max}`,
    /// `lastSeenAt{after,before}`, `rollup{minFileCount, maxFileCount, …}`.
    filters: Option<String>,
    /// At most so many, default 100, at most 1,000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// After so many.
    offset: Option<u32>,
    /// ＋ The `nextCursor` of the page before: quick however far it is, and right while others write.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
    /// ＋ After this node, wherever it is by now.
    after: Option<i64>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct NodeList {
    nodes: Vec<NodeView>,
    pagination: Pagination,
    /// What was asked for.
    #[schema(value_type = Object)]
    filters: Map<String, Value>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChildList {
    parent: NodeView,
    children: Vec<NodeView>,
    pagination: Pagination,
    /// What was asked for.
    #[schema(value_type = Object)]
    filters: Map<String, Value>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pagination {
    /// How many there are in all; `null` on later pages of a filtered listing by `after`.
    total: Option<i64>,
    /// ＋ `false` if there may be more than `total`: of a listing that is filtered by more than path,
    /// depth, kind and state, ten thousand are counted, and those before the offset.
    is_total_exact: bool,
    limit: u32,
    offset: u32,
    next_offset: Option<u32>,
    /// ＋ The `cursor` of the next page.
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
    /// ＋ The `after` of the next page.
    next_after: Option<i64>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ByPathParams {
    /// The mount.
    backend_mount_id: i64,
    /// The path; `/` is the mount's root.
    path: String,
}

/// The nodes below a directory, by path.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    operation_id = "listNodes",
    tag = "nodes",
    params(ListParams),
    responses((status = 200, body = Data<NodeList>))
)]
pub(super) async fn list(
    state: State,
    Query(asked): Query<ListParams>,
) -> Result<Json<Data<NodeList>>, Problem> {
    let path = params::path("/path", asked.path.as_deref().unwrap_or_default())?;
    let mount_id = asked
        .backend_mount_id
        .ok_or_else(|| Problem::invalid("/backendMountId", "say which mount is to be listed"))?;
    let listing = asked.listing(mount_id, path.to_string())?;
    answer(&state, listing, asked).await.map(data)
}

/// The names in a directory.
#[utoipa::path(
    get,
    path = "/v1/nodes/{id}/children",
    operation_id = "listChildren",
    tag = "nodes",
    params(("id" = i64, Path, description = "The directory's id"), ListParams),
    responses((status = 200, body = Data<ChildList>))
)]
pub(super) async fn children(
    state: State,
    Path(id): Path<i64>,
    Query(asked): Query<ListParams>,
) -> Result<Json<Data<ChildList>>, Problem> {
    let parent = by_id(&state, id).await?;
    let mut listing = asked.listing(parent.backend_mount_id, parent.path.clone())?;
    listing.depth = Some(1);
    listing.directory = Some(id);
    let NodeList {
        nodes: children,
        pagination,
        filters,
    } = answer(&state, listing, asked).await?;
    Ok(data(ChildList {
        parent,
        children,
        pagination,
        filters,
    }))
}

/// A node.
#[utoipa::path(
    get,
    path = "/v1/nodes/{id}",
    operation_id = "getNode",
    tag = "nodes",
    params(("id" = i64, Path, description = "The node's id")),
    responses((status = 200, body = Data<NodeView>))
)]
pub(super) async fn get(
    state: State,
    Path(id): Path<i64>,
) -> Result<Json<Data<NodeView>>, Problem> {
    by_id(&state, id).await.map(data)
}

async fn by_id(rest: &Rest, id: i64) -> Result<NodeView, Problem> {
    let found = rest.query(move |connection| {
        let node = nodes::by_id(connection, id)?;
        node.map(|node| view(connection, &node)).transpose()
    });
    found
        .await?
        .ok_or_else(|| problem::no_node(format!("there is no node {id}")))
}

/// The node that holds a path, or else the last that went missing or was deleted there.
#[utoipa::path(
    get,
    path = "/v1/nodes/by-path",
    operation_id = "getNodeByPath",
    tag = "nodes",
    params(ByPathParams),
    responses((status = 200, body = Data<NodeView>))
)]
pub(super) async fn by_path(
    state: State,
    Query(asked): Query<ByPathParams>,
) -> Result<Json<Data<NodeView>>, Problem> {
    let path = params::path("/path", &asked.path)?;
    let (mount_id, at) = (asked.backend_mount_id, path.to_string());
    let found = state.query(move |connection| {
        let missing = |kind| nodes::missing_at(connection, mount_id, &at, kind);
        let mut node = nodes::at(connection, mount_id, &at)?;
        if node.is_none() {
            node = missing(NodeKind::File)?.or(missing(NodeKind::Directory)?);
        }
        if node.is_none() {
            node = nodes::deleted_at(connection, mount_id, &at)?;
        }
        let mount = mounts::by_id(connection, mount_id)?;
        Ok((mount, node.map(|node| view(connection, &node)).transpose()?))
    });
    match found.await? {
        (_, Some(node)) => Ok(data(node)),
        (Some(_), None) => Err(problem::no_node(format!(
            "there is no node at {path:?}",
            path = path.as_str()
        ))),
        (None, None) => Err(no_mount(mount_id)),
    }
}

impl ListParams {
    /// Where the page begins, if not by an offset.
    fn go_on(&self) -> Result<Option<GoOn>, Problem> {
        let begins = [
            self.cursor.is_some(),
            self.after.is_some(),
            self.offset.is_some_and(|offset| offset > 0),
        ];
        if begins.into_iter().filter(|is_given| *is_given).count() > 1 {
            let detail =
                "a page begins at a cursor, after a node or at an offset: give one of them";
            return Err(Problem::invalid("/cursor", detail));
        }
        match &self.cursor {
            Some(cursor) => cursor.place().map(GoOn::Place).map(Some),
            None => Ok(self.after.map(GoOn::Node)),
        }
    }

    fn listing(&self, mount_id: i64, path: String) -> Result<Listing, Problem> {
        let mut listing = Listing {
            mount_id,
            path,
            directory: None,
            depth: self.depth,
            search: self.search.clone().filter(|text| !text.is_empty()),
            states: params::words("/states", &self.states, NodeState::from_word)?,
            kinds: params::words("/kinds", &self.kinds, NodeKind::from_word)?,
            drift_only: self.drift_only.unwrap_or(false),
            size: Bounds::default(),
            seen: Bounds::default(),
            rollup: None,
            metadata: Vec::new(),
            limit: params::limit(self.limit, DEFAULT, MOST)?,
            offset: self.offset.unwrap_or(0),
            after: self.go_on()?,
        };
        if let Some(text) = self.filters.as_deref().filter(|text| !text.is_empty()) {
            Filters::parse(text)?.narrow(&mut listing);
        }
        Ok(listing)
    }
}

async fn answer(rest: &Rest, listing: Listing, asked: ListParams) -> Result<NodeList, Problem> {
    let (limit, offset) = (listing.limit, listing.offset);
    let filters = filters(&listing, &asked);
    let mount_id = listing.mount_id;
    let listed = rest.query(move |connection| {
        if mounts::by_id(connection, listing.mount_id)?.is_none() {
            return Ok(Err(no_mount(mount_id)));
        }
        if let Some(GoOn::Node(after)) = listing.after
            && nodes::by_id(connection, after)?.is_none()
        {
            let detail = format!("there is no node {after}");
            return Ok(Err(Problem::invalid("/after", detail)));
        }
        let Some(Listed { nodes, total, next }) = list::list(connection, &listing)? else {
            let detail = "this cursor is of a listing in another order: begin this one anew";
            return Ok(Err(Problem::invalid("/cursor", detail)));
        };
        let views = nodes.iter().map(|node| view(connection, node));
        let views = views.collect::<Result<Vec<_>, _>>()?;
        Ok(Ok((views, total, next)))
    });
    let (nodes, total, next) = listed.await??;
    let next_after = nodes.last().filter(|_| next.is_some()).map(|node| node.id);
    let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let next_offset = next_after
        .filter(|_| asked.after.is_none() && asked.cursor.is_none())
        .map(|_| offset.saturating_add(count));
    let pagination = Pagination {
        total: total.map(|total| total.count),
        is_total_exact: total.is_some_and(|total| total.is_exact),
        limit,
        offset,
        next_offset,
        next_cursor: next.as_ref().map(Cursor::of).transpose()?,
        next_after,
    };
    Ok(NodeList {
        nodes,
        pagination,
        filters,
    })
}

/// What was asked for, as AppHub's clients read it back: every field is there.
fn filters(listing: &Listing, asked: &ListParams) -> Map<String, Value> {
    let advanced = asked.filters.as_deref();
    let advanced = advanced.and_then(|text| Filters::parse(text).ok());
    let fields = [
        ("backendMountId", json!(listing.mount_id)),
        ("path", json!(listing.path)),
        ("depth", json!(listing.depth)),
        ("search", json!(listing.search)),
        ("states", json!(listing.states)),
        ("kinds", json!(listing.kinds)),
        ("driftOnly", json!(listing.drift_only)),
        ("advanced", json!(advanced)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn view(connection: &ReadTx<'_>, node: &Node) -> Result<NodeView, StoreError> {
    let rollup = if node.is_directory() {
        rollups::of(connection, node.id)?
    } else {
        None
    };
    Ok(NodeView::of(node, connection.owner(node), rollup))
}

fn no_mount(id: i64) -> Problem {
    crate::command::CommandError::NoMount(id).into()
}
