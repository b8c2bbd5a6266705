//! The samples of the documentation: each is run as it is printed, and its answer is compared with
//! the one that is shown.

mod sample;

use crate::deployment::{Deployment, LONG};
use sample::{Block, Sample, blocks, compare, samples};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use testkit::Process;

/// The pages with samples. Each has the demo tree for itself.
const PAGES: [&str; 4] = [
    "README.md",
    "docs/activity.md",
    "docs/files.md",
    "docs/records.md",
];

/// The tree that the samples speak of.
const DEMO: &str = "\
projects/alpha/plan.txt \"ship it\"
projects/alpha/budget.csv 120
projects/beta/notes.txt 40
media/trailer.mov 2000000
media/raw/take-1.mov 3000000
media/raw/take-2.mov 1500000
";

/// Where the pages say that it is.
const DEMO_PATH: &str = "/srv/demo";

/// How long the books may take to show what has just changed.
const PATIENCE: Duration = Duration::from_secs(30);

fn read(page: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(page)).unwrap()
}

fn console(page: &str) -> Vec<Sample> {
    let blocks = blocks(&read(page));
    let console = blocks.iter().filter(|block| block.language == "console");
    console.flat_map(|block| samples(page, block)).collect()
}

/// The demo tree, catalogued and followed by `tidemark dev`.
struct Stage {
    deployment: Deployment,
    demo: PathBuf,
}

impl Stage {
    fn set() -> Self {
        let settings = [
            ("FILESTORE_WATCH", "true"),
            ("FILESTORE_RESCAN_INTERVAL", "60s"),
        ];
        let mut deployment = Deployment::with_settings("inline", &settings);
        let demo = deployment.folder().canonicalize().unwrap().join("srv/demo");
        std::fs::create_dir_all(&demo).unwrap();
        testkit::tree(&demo, DEMO);
        let mut command = deployment.command();
        command.arg("dev").arg(&demo);
        let process = Process::spawn(&mut command);
        process.wait_for_stdout("following changes", LONG);
        deployment.processes.push(("dev", process));
        Self { deployment, demo }
    }

    /// What a person would see: both outputs, with the addresses and the path of the pages.
    fn run(&mut self, command: &str) -> (bool, String) {
        if command == format!("tidemark dev {DEMO_PATH}") {
            let printed = self.deployment.process("dev").stdout();
            return (true, self.as_printed(&printed));
        }
        let own = self.deployment.command();
        let folder = crate::deployment::executable().parent().unwrap().to_owned();
        let path = format!("{}:/usr/bin:/bin", folder.display());
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &format!("exec 2>&1\n{}", self.as_meant(command))])
            .env_clear()
            .envs(
                own.get_envs()
                    .filter_map(|(key, value)| Some((key, value?))),
            )
            .env("PATH", path)
            .env("HOME", self.deployment.folder())
            .env("TIDEMARK_LOG", "warn")
            .current_dir(self.deployment.folder());
        let output = shell.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        (output.status.success(), self.as_printed(&printed))
    }

    fn names(&self) -> impl Iterator<Item = (String, String)> {
        let ports = [4200, 4100, 4300].into_iter().zip(self.deployment.ports);
        let ports = ports.map(|(printed, real)| (format!(":{printed}"), format!(":{real}")));
        let demo = self.demo.to_str().unwrap().to_owned();
        ports.chain([(DEMO_PATH.to_owned(), demo)])
    }

    fn as_meant(&self, command: &str) -> String {
        self.names()
            .fold(command.to_owned(), |text, (printed, real)| {
                text.replace(&printed, &real)
            })
    }

    fn as_printed(&self, text: &str) -> String {
        self.names().fold(text.to_owned(), |text, (printed, real)| {
            text.replace(&real, &printed)
        })
    }

    /// Runs the sample, and compares. What only reads is asked again for a while: the books follow
    /// in a moment, not at once.
    fn check(&mut self, sample: &Sample) -> Result<(), String> {
        let Sample { at, command, shown } = sample;
        let asks = command.contains("tidemark ") || command.contains("curl ");
        if asks && shown.trim().is_empty() {
            return Err(format!("{at}: no answer is shown to `{command}`"));
        }
        let is_refused = shown.starts_with("error:") || shown.contains("\nerror:");
        let mut once = || {
            let (is_good, printed) = self.run(command);
            match is_good == is_refused {
                true => Err(format!(
                    "it ended badly, or well against the page:\n{printed}"
                )),
                false => compare(shown, &printed),
            }
        };
        let first = once();
        let outcome = match only_reads(command) && first.is_err() {
            true => {
                let end = std::time::Instant::now() + PATIENCE;
                testkit::wait_for("the answer that is shown", LONG, || match once() {
                    Err(difference) if std::time::Instant::now() < end => Err(difference),
                    outcome => Ok(outcome),
                })
            }
            false => first,
        };
        outcome.map_err(|difference| format!("{at}: $ {command}\n{difference}"))
    }
}

/// Whether a command may be run again.
fn only_reads(command: &str) -> bool {
    const READS: [&str; 13] = [
        "as-of",
        "churn",
        "consumers",
        "events",
        "growth",
        "ls",
        "mounts list",
        "search",
        "sql",
        "stat",
        "status",
        "top",
        "tree",
    ];
    let is_question = READS
        .iter()
        .any(|name| command.starts_with(&format!("tidemark {name}")));
    let writes = ["-X ", "-d ", "-F "]
        .iter()
        .any(|flag| command.contains(flag));
    let is_search = ["/search", "/sql/read"]
        .iter()
        .any(|path| command.contains(path));
    let is_read = command.starts_with("curl ") && (!writes || is_search);
    is_question || is_read || command.starts_with("tidemark verify")
}

fn check_page(page: &str) {
    let mut stage = Stage::set();
    let samples = console(page);
    assert!(samples.len() >= 3, "the samples of {page} are found");
    let wrong: Vec<_> = samples
        .iter()
        .filter_map(|sample| stage.check(sample).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_samples_of_the_readme_show_what_they_give() {
    check_page("README.md");
}

#[test]
fn the_samples_about_files_show_what_they_give() {
    check_page("docs/files.md");
}

#[test]
fn the_samples_about_records_show_what_they_give() {
    check_page("docs/records.md");
}

#[test]
fn the_samples_about_activity_show_what_they_give() {
    check_page("docs/activity.md");
}

#[test]
fn a_sample_that_shows_what_it_does_not_give_is_found() {
    let mut stage = Stage::set();
    let sample = |command: &str, shown: &str| Sample {
        at: "here".to_owned(),
        command: command.to_owned(),
        shown: shown.to_owned(),
    };
    let error = stage.check(&sample("echo a", "b\n")).unwrap_err();
    assert!(error.contains("shown:\nb\n\nprinted:\na\n"), "{error}");
    let error = stage
        .check(&sample("tidemark search owner:nobody", ""))
        .unwrap_err();
    assert!(error.contains("no answer is shown"), "{error}");
    assert!(stage.check(&sample("false", "")).is_err());
    assert_eq!(stage.check(&sample("echo a", "a\n")), Ok(()));
}

/// The pages at the root and in `docs/`.
fn all_pages() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = Vec::new();
    for folder in ["", "docs/"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                pages.push(format!("{folder}{name}"));
            }
        }
    }
    pages.sort();
    pages
}

#[test]
fn every_page_with_samples_is_checked() {
    for page in all_pages() {
        let has_samples = blocks(&read(&page))
            .iter()
            .any(|block| block.language == "console");
        assert_eq!(has_samples, PAGES.contains(&page.as_str()), "{page}");
    }
}

/// Commands that are shown without an answer, in `sh` blocks, are at least commands.
#[test]
fn every_command_that_is_shown_exists() {
    let mut count = 0;
    for page in all_pages() {
        let blocks = blocks(&read(&page));
        for block in blocks.iter().filter(|block| block.language == "sh") {
            for line in commands(block) {
                let parsed = tidemark::command().try_get_matches_from(words(&line));
                if let Err(error) = parsed
                    && error.use_stderr()
                {
                    panic!("{page}:{}: {line}\n{error}", block.line);
                }
                count += 1;
            }
        }
    }
    assert!(count >= 10, "the commands are found: {count}");
}

/// Lines that begin with `tidemark`, after variables, without comments.
fn commands(block: &Block) -> Vec<String> {
    let text = block.text.replace("\\\n", " ");
    let lines = text.lines().map(|line| match line.find(" #") {
        Some(at) => &line[..at],
        None => line,
    });
    let words = lines.filter_map(|line| line.find("tidemark ").map(|at| line[at..].to_owned()));
    words.map(|line| line.replace('…', "")).collect()
}

/// The words of a command, as a shell takes them apart.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn words_are_taken_apart_as_by_a_shell() {
    let given = "search 'a \"b c\" -d' --path=\"x y\" '' e'f'g";
    let expected = ["search", "a \"b c\" -d", "--path=x y", "", "efg"];
    assert_eq!(words(given), expected);
}

/// Links between the pages lead somewhere.
#[test]
fn every_link_to_a_page_of_the_project_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for page in all_pages() {
        let text = read(&page);
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") {
                continue;
            }
            let folder = root.join(&page).parent().unwrap().to_owned();
            let target = match path {
                "" => root.join(&page),
                path => folder.join(path),
            };
            assert!(target.try_exists().unwrap(), "{page}: {link}");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let headings = text.lines().filter(|line| line.starts_with('#'));
                let is_there = headings.map(anchor_of).any(|found| found == anchor);
                assert!(is_there, "{page}: {link}");
            }
        }
    }
}

fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
