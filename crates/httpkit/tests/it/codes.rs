use std::fs;
use std::path::Path;

/// What comes before a code in the sources: constructors, and the fields of error types.
const BEFORE: &[&str] = &["conflict(", "bad_request(", "code: "];

/// The string that `text` begins with, if it does.
fn literal(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix('"')?.split('"').next()
}

fn codes_in(source: &str) -> Vec<&str> {
    let mut codes = Vec::new();
    for before in BEFORE {
        codes.extend(source.split(before).skip(1).filter_map(literal));
    }
    // The code comes after the status.
    let made = source.split("Problem::new(").skip(1);
    codes.extend(made.filter_map(|rest| literal(rest.split_once(',')?.1)));
    codes
}

fn sources(directory: &Path, visit: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_code_that_a_crate_names_is_in_the_closed_list() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = 0;
    for entry in fs::read_dir(crates).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut |path, source| {
            // Tests within the sources make up codes of their own.
            let source = source.split("#[cfg(test)]").next().unwrap();
            for code in codes_in(source) {
                assert!(
                    httpkit::codes::find(code).is_some(),
                    "{code:?} in {}",
                    path.display()
                );
                found += 1;
            }
        });
    }
    assert!(
        found > 10,
        "only {found} codes found: does this test still read the sources?"
    );
}

#[test]
fn a_code_is_found_wherever_it_stands() {
    let source = r#"Problem::new(StatusCode::GONE,
        "one", detail); Self::conflict( "two", d); Error::Conflict { code: "three", d };
        Problem::new(status, code, detail)"#;
    let mut codes = codes_in(source);
    codes.sort_unstable();
    assert_eq!(codes, ["one", "three", "two"]);
}
