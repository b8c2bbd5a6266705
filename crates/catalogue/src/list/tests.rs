use super::*;
use crate::Node;
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::params;

const MOUNT: i64 = 1;

/// A catalogue with these paths; each has a kind and a state.
fn catalogue(nodes: &[(String, NodeKind, NodeState)]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    crate::functions::register(&connection).unwrap();
    for schema in [
        include_str!("../sql/schema_1.sql"),
        include_str!("../sql/schema_2.sql"),
        include_str!("../sql/schema_8.sql"),
        include_str!("../sql/schema_9.sql"),
        include_str!("../sql/schema_11.sql"),
        include_str!("../sql/schema_12.sql"),
    ] {
        connection.execute_batch(schema).unwrap();
    }
    let insert = |id: i64, path: &str, kind: NodeKind, state: NodeState| {
        let name = path.rsplit('/').next().unwrap();
        let depth = if path.is_empty() {
            0
        } else {
            path.split('/').count()
        };
        let parent: Option<i64> =
            path.rsplit_once('/')
                .map_or((!path.is_empty()).then_some(1), |(parent, _)| {
                    let sql = "SELECT id FROM nodes WHERE path = ?1 AND kind = 'directory'
                    ORDER BY vacated LIMIT 1";
                    Some(
                        connection
                            .query_row(sql, [parent], |row| row.get(0))
                            .unwrap(),
                    )
                });
        let sql = "INSERT INTO nodes (id, mount_id, parent_id, name, path, depth, kind, is_symlink,
                size_bytes, dev, ino, state, version, consistency_state, created_at, updated_at,
                last_journal_id)
            VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, ?7, 1, 'active', 0, 0, 1)";
        let depth = i64::try_from(depth).unwrap();
        let values = params![id, parent, name, path, depth, kind.as_str(), state.as_str()];
        connection.execute(sql, values).unwrap();
    };
    insert(1, "", NodeKind::Directory, NodeState::Active);
    for ((path, kind, state), id) in nodes.iter().zip(2..) {
        insert(id, path, *kind, *state);
    }
    let rollups = "INSERT INTO rollups (node_id, size_bytes, file_count, directory_count,
            child_count, last_calculated_at)
        SELECT d.id, 0,
            (SELECT count(*) FROM nodes n WHERE (d.path = '' OR n.path LIKE d.path || '/%')
                AND n.id <> d.id AND n.vacated = 0 AND n.kind = 'file'),
            (SELECT count(*) FROM nodes n WHERE (d.path = '' OR n.path LIKE d.path || '/%')
                AND n.id <> d.id AND n.vacated = 0 AND n.kind = 'directory'),
            (SELECT count(*) FROM nodes n WHERE n.parent_id = d.id AND n.vacated = 0), 0
        FROM nodes d WHERE d.kind = 'directory'";
    connection.execute_batch(rollups).unwrap();
    connection
}

fn all(connection: &Connection) -> Vec<Node> {
    let sql = include_str!("../sql/node_columns.sql");
    let mut statement = connection.prepare(sql).unwrap();
    let nodes = statement.query_map([], Node::from_row).unwrap();
    nodes.map(Result::unwrap).collect()
}

fn listing(path: &str) -> Listing {
    Listing {
        mount_id: MOUNT,
        path: path.to_owned(),
        directory: None,
        depth: None,
        search: None,
        states: Vec::new(),
        kinds: Vec::new(),
        drift_only: false,
        size: Bounds::default(),
        seen: Bounds::default(),
        rollup: None,
        metadata: Vec::new(),
        limit: 100,
        offset: 0,
        after: None,
    }
}

/// What a listing is to be, by the words of its fields.
fn expected(listing: &Listing, nodes: &[Node], is_children: bool) -> Vec<i64> {
    let is_off = |node: &Node| matches!(node.state, NodeState::Inconsistent | NodeState::Missing);
    let below = |node: &Node| match (listing.path.as_str(), listing.depth) {
        (path, Some(0)) => node.path == path,
        ("", _) => !node.path.is_empty(),
        (path, _) => node.path.starts_with(&format!("{path}/")),
    };
    let names = |path: &str| path.split('/').filter(|name| !name.is_empty()).count();
    let is_shallow = |node: &Node| {
        listing.depth.is_none_or(|depth| {
            names(&node.path) <= names(&listing.path) + usize::try_from(depth).unwrap()
        })
    };
    let has_state = |node: &Node| match listing.states.as_slice() {
        [] => node.state != NodeState::Deleted,
        states => states.contains(&node.state),
    };
    let mut found: Vec<_> = nodes
        .iter()
        .filter(|node| below(node) && is_shallow(node) && has_state(node))
        .filter(|node| listing.kinds.is_empty() || listing.kinds.contains(&node.facts.kind))
        .filter(|node| !listing.drift_only || is_off(node))
        .filter(|node| {
            listing
                .search
                .as_ref()
                .is_none_or(|text| node.path.contains(text))
        })
        .collect();
    if is_children {
        found.sort_by_key(|node| (node.name().to_owned(), node.id));
    } else {
        found.sort_by_key(|node| (node.path.clone(), vacated(node)));
    }
    found.iter().map(|node| node.id).collect()
}

fn states() -> impl Strategy<Value = NodeState> {
    prop_oneof![
        6 => Just(NodeState::Active),
        1 => Just(NodeState::Inconsistent),
        1 => Just(NodeState::Missing),
        1 => Just(NodeState::Deleted),
    ]
}

/// Names that sort before and after a slash, alike but for their ends.
const NAMES: [&str; 5] = ["a", "a-b", "a0", "b", "a b"];

prop_compose! {
    /// A tree: directories are on disk, files are in any state, and a path may have been several.
    fn trees()(
        steps in proptest::collection::vec((0..40_usize, 0..5_usize, any::<bool>(), states()), 1..60)
    ) -> Vec<(String, NodeKind, NodeState)> {
        let mut directories = vec![String::new()];
        let mut taken = std::collections::BTreeSet::new();
        let mut nodes = Vec::new();
        for (parent, name, is_directory, state) in steps {
            let parent = &directories[parent % directories.len()];
            let name = NAMES[name];
            let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
            let is_on_disk = matches!(state, NodeState::Active | NodeState::Inconsistent);
            if is_directory {
                if !taken.insert(path.clone()) { continue; }
                directories.push(path.clone());
                nodes.push((path, NodeKind::Directory, NodeState::Active));
            } else {
                if is_on_disk && !taken.insert(path.clone()) { continue; }
                nodes.push((path, NodeKind::File, state));
            }
        }
        nodes
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pages_are_what_the_words_say_however_they_are_turned(
        tree in trees(),
        path in 0..60_usize,
        depth in proptest::option::of(0..4_u32),
        wanted in proptest::collection::vec(states(), 0..3),
        kinds in proptest::sample::subsequence(vec![NodeKind::File, NodeKind::Directory], 0..3),
        drift_only in proptest::bool::weighted(0.2),
        search in proptest::option::weighted(0.2, Just("b".to_owned())),
        limit in 1..4_u32,
    ) {
        let connection = catalogue(&tree);
        let nodes = all(&connection);
        let directories: Vec<_> =
            nodes.iter().filter(|node| node.is_directory()).map(|node| &node.path).collect();
        let asked = Listing {
            depth,
            states: wanted,
            kinds,
            drift_only,
            search,
            limit,
            ..listing(directories[path % directories.len()])
        };
        let is_children = depth == Some(1);
        let expected = expected(&asked, &nodes, is_children);

        let (mut by_offset, mut by_node, mut by_place) = (asked.clone(), asked.clone(), asked);
        for asked in [&mut by_offset, &mut by_node] {
            let first = list(&ReadTx::new(&connection), asked).unwrap().unwrap();
            let total = first.total.unwrap();
            prop_assert_eq!(total, Total { count: expected.len() as i64, is_exact: true });
        }
        let mut seen = Vec::new();
        loop {
            let page = list(&ReadTx::new(&connection), &by_offset).unwrap().unwrap();
            seen.extend(page.nodes.iter().map(|node| node.id));
            prop_assert!(seen.len() <= expected.len(), "a page comes again");
            if page.next.is_none() { break; }
            by_offset.offset += limit;
        }
        prop_assert_eq!(&seen, &expected);
        seen.clear();
        loop {
            let page = list(&ReadTx::new(&connection), &by_node).unwrap().unwrap();
            seen.extend(page.nodes.iter().map(|node| node.id));
            prop_assert!(seen.len() <= expected.len(), "a page comes again");
            if page.next.is_none() { break; }
            by_node.after = page.nodes.last().map(|node| GoOn::Node(node.id));
        }
        prop_assert_eq!(&seen, &expected);
        seen.clear();
        loop {
            let page = list(&ReadTx::new(&connection), &by_place).unwrap().unwrap();
            seen.extend(page.nodes.iter().map(|node| node.id));
            prop_assert!(seen.len() <= expected.len(), "a page comes again");
            let Some(next) = page.next else { break };
            by_place.after = Some(GoOn::Place(next));
        }
        prop_assert_eq!(&seen, &expected);
    }
}

#[test]
fn all_that_had_one_path_are_turned_over_one_by_one() {
    let gone = ("a".to_owned(), NodeKind::File, NodeState::Missing);
    let there = ("a".to_owned(), NodeKind::Directory, NodeState::Active);
    let connection = catalogue(&[there, gone.clone(), gone]);
    let mut asked = Listing {
        depth: Some(0),
        limit: 1,
        ..listing("a")
    };
    let mut seen = Vec::new();
    for is_last in [false, false, true] {
        let page = list(&ReadTx::new(&connection), &asked).unwrap().unwrap();
        assert_eq!(page.next.is_some(), !is_last);
        seen.extend(page.nodes.iter().map(|node| node.id));
        asked.after = page.next.map(GoOn::Place);
    }
    assert_eq!(seen, [2, 3, 4]);
}

#[test]
fn no_page_goes_through_rows_that_it_need_not() {
    let connection = catalogue(&[("a".to_owned(), NodeKind::Directory, NodeState::Active)]);
    let directory = nodes::by_id(&ReadTx::new(&connection), 2).unwrap();
    let of = |change: &dyn Fn(&mut Listing)| {
        let mut asked = listing("a");
        change(&mut asked);
        asked
    };
    let after = ("a/x".to_owned(), 0);
    for (asked, after, expected) in [
        (
            of(&|_| {}),
            None,
            "nodes_by_path (mount_id=? AND path>? AND path<?)",
        ),
        (
            of(&|_| {}),
            Some(&after),
            "nodes_by_path (mount_id=? AND (path,vacated)>(?,?) AND path<?)",
        ),
        (
            of(&|l| l.depth = Some(1)),
            None,
            "nodes_by_parent (parent_id=?)",
        ),
        (
            of(&|l| l.depth = Some(1)),
            Some(&after),
            "nodes_by_parent (parent_id=? AND name>?)",
        ),
        (
            of(&|l| l.kinds = vec![NodeKind::Directory]),
            None,
            "nodes_directories (mount_id=?",
        ),
        (of(&|l| l.drift_only = true), None, "nodes_off (mount_id=?"),
        (
            of(&|l| l.states = vec![NodeState::Missing]),
            None,
            "nodes_off (mount_id=?",
        ),
        (
            of(&|l| l.states = vec![NodeState::Deleted]),
            None,
            "nodes_deleted (mount_id=?",
        ),
    ] {
        let parts = asked.parts(directory.as_ref(), after);
        let [part] = parts.as_slice() else {
            panic!("one part: {parts:?}")
        };
        let order = if part.index == Index::Names {
            "n.name, n.id"
        } else {
            BY_PATH
        };
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT * FROM nodes n INDEXED BY {} WHERE {} ORDER BY {order} LIMIT 9",
            part.index.name(),
            part.conditions.sql
        );
        let mut statement = connection.prepare(&sql).unwrap();
        let values = params_from_iter(part.conditions.values.iter());
        let plan = statement
            .query_map(values, |row| row.get::<_, String>(3))
            .unwrap();
        let plan: Vec<_> = plan.map(Result::unwrap).collect();
        let plan = plan.join("; ");
        assert!(plan.contains(expected), "{plan}, and not {expected}");
        assert!(
            !plan.contains("SCAN") && !plan.contains("FOR ORDER BY"),
            "{plan}"
        );
    }
}
