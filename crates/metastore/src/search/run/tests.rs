use super::*;
use crate::search::{functions, parse};
use serde_json::json;

fn plan(filter: &Value) -> String {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::db::migrate(&mut connection).unwrap();
    functions::register(&connection).unwrap();
    let query = Query {
        filter: Some(parse(filter, "").unwrap()),
        limit: 10,
        ..Query::default()
    };
    let way = query.way(&connection).unwrap();
    query.plan(&connection, &way).unwrap().join("\n")
}

#[test]
fn a_search_begins_with_the_index_that_leaves_the_fewest_records() {
    let is = |field: &str, operator: &str, value: &str| json!({"field": field, "operator": operator, "value": value});
    let path = "metadata.filestore.path";
    for (filter, begins) in [
        (
            is(path, "prefix", "docs/"),
            "SEARCH n USING INDEX filestore_nodes_path (path>? AND path<?)",
        ),
        (
            is(path, "glob", "docs/**"),
            "SEARCH n USING INDEX filestore_nodes_path (path>? AND path<?)",
        ),
        (
            is(path, "eq", "docs/a"),
            "SEARCH n USING INDEX filestore_nodes_path (path=?)",
        ),
        (
            is("tags", "contains", "a"),
            "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            is("owner", "eq", "ada"),
            "SEARCH r USING INDEX records_owner (owner=?)",
        ),
        (
            is("metadata.a", "eq", "1"),
            "SCAN r USING INDEX records_said",
        ),
        (
            is("createdBy", "eq", "1"),
            "SCAN r USING INDEX records_spoken",
        ),
    ] {
        let plan = plan(&filter);
        let first = plan.lines().next().unwrap();
        assert!(first.contains(begins), "{filter}\n{plan}");
    }
}
