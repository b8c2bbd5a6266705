use super::*;
use serde_json::json;

fn definition(fields: Value) -> Definition {
    serde_json::from_value(json!({"name": "test", "fields": fields})).unwrap()
}

fn pointers(faults: &[Fault]) -> Vec<&str> {
    faults.iter().map(|fault| fault.pointer.as_str()).collect()
}

#[test]
fn the_hash_is_of_the_meaning_and_not_of_the_spelling() {
    let one = r#"{"fields": [{"path": "a", "type": "string", "required": true}], "name": "n"}"#;
    let same = r#"{"name":"n","description":null,"fields":[{"required":true,"type":"string","path":"a"}]}"#;
    let canonical = |text| {
        serde_json::from_str::<Definition>(text)
            .unwrap()
            .canonical()
    };
    assert_eq!(
        canonical(one),
        r#"{"fields":[{"path":"a","required":true,"type":"string"}],"name":"n"}"#
    );
    assert_eq!(canonical(one), canonical(same));
    assert_eq!(
        Definition::hash_of("{}"),
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
}

#[test]
fn each_type_takes_its_values_and_no_others() {
    for (kind, good, bad) in [
        ("string", json!(["", "a"]), json!([1, true, {}, []])),
        ("number", json!([1, -1.5]), json!(["1", true])),
        ("Double", json!([1.5]), json!(["1"])),
        ("integer", json!([1, -1, 2.0]), json!([1.5, "1"])),
        ("boolean", json!([true, false]), json!([0, "true"])),
        ("object", json!([{}]), json!([[], "a"])),
        ("array", json!([[], [1]]), json!([{}, "a"])),
        (
            "timestamp",
            json!(["2026-01-31T12:00:00Z"]),
            json!(["noon", 1]),
        ),
        ("any", json!([1, "a", [], {}]), json!([])),
    ] {
        let schema = definition(json!([{"path": "x", "type": kind}]));
        assert_eq!(pointers(&schema.faults()), [""; 0], "{kind}");
        let faults = |value: &Value| {
            let metadata = serde_json::from_value(json!({"x": value})).unwrap();
            schema.faults_of(&metadata)
        };
        for value in good.as_array().unwrap() {
            assert_eq!(pointers(&faults(value)), [""; 0], "{kind} {value}");
        }
        for value in bad.as_array().unwrap() {
            assert_eq!(pointers(&faults(value)), ["/metadata/x"], "{kind} {value}");
        }
    }
}

#[test]
fn every_fault_has_its_place() {
    let schema = definition(json!([
        {"path": "id", "type": "string", "required": true},
        {"path": "a.b", "type": "integer", "required": true},
        {"path": "a.c", "type": "integer"},
        {"path": "x/y.~z", "type": "boolean", "required": true},
        {"path": "list", "type": "string", "repeated": true},
        {"path": "colour", "type": "string", "constraints": {"enum": ["red", "blue"]}},
    ]));
    for (metadata, expected) in [
        (
            json!({"id": "1", "a": {"b": 1}, "x/y": {"~z": true}, "free": 1}),
            vec![],
        ),
        (
            json!({"id": null, "a": 1, "list": ["s", 1, 2], "colour": "green"}),
            vec![
                "/metadata/id",
                "/metadata/a",
                "/metadata/x~1y/~0z",
                "/metadata/list/1",
                "/metadata/list/2",
                "/metadata/colour",
            ],
        ),
        (
            json!({"id": "1", "a": {"c": "1"}, "x/y": {"~z": true}, "list": "s", "colour": "red"}),
            vec!["/metadata/a/b", "/metadata/a/c", "/metadata/list"],
        ),
    ] {
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        assert_eq!(pointers(&schema.faults_of(&metadata)), expected);
    }
}

#[test]
fn a_definition_that_could_not_be_checked_is_refused() {
    let schema = definition(json!([
        {"path": "a..b", "type": "string"},
        {"path": "filestore.path", "type": "string"},
        {"path": "a", "type": "colour"},
        {"path": "a", "type": "string", "constraints": {"enum": []}},
    ]));
    assert_eq!(
        pointers(&schema.faults()),
        [
            "/fields/0/path",
            "/fields/1/path",
            "/fields/2/type",
            "/fields/3/constraints/enum",
            "/fields/3/path",
        ]
    );
    assert_eq!(pointers(&definition(json!([])).faults()), ["/fields"]);
}
