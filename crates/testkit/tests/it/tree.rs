use std::fs;

#[test]
fn a_tree_is_made_as_its_text_says() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| directory.path().join(path);
    testkit::tree(
        directory.path(),
        r#"
        # a comment
        a/b.txt 12
        a/two words 200000
        a/note "hello there"
        c/d/
        link -> a/b.txt
        empty 0
        "#,
    );
    assert_eq!(fs::read_to_string(at("a/b.txt")).unwrap(), "a/b.txta/b.t");
    assert_eq!(fs::metadata(at("a/two words")).unwrap().len(), 200_000);
    assert_eq!(fs::read_to_string(at("a/note")).unwrap(), "hello there");
    assert!(fs::metadata(at("c/d")).unwrap().is_dir());
    assert_eq!(fs::read_link(at("link")).unwrap().to_str(), Some("a/b.txt"));
    assert_eq!(fs::metadata(at("empty")).unwrap().len(), 0);
}

#[test]
fn a_line_that_cannot_be_read_fails_with_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let failed = std::panic::catch_unwind(|| testkit::tree(directory.path(), "a/b.txt"));
    let text = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("\"a/b.txt\""), "{text}");
}
