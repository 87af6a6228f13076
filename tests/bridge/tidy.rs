//! The house is as it was drawn: what each module may import, where a foreign crate may be named, what the pure middle
//! may not know. The sources themselves are read; a line that breaks a rule is named.

use std::fs;
use std::path::Path;

use crate::support::slapd::project;

/// Which modules a module may import, of ours. `main` and `lib` tie everything together and are not listed.
const IMPORTS: [(&str, &[&str]); 9] = [
    ("scim", &[]),
    ("directory", &[]),
    ("mapping", &["scim", "directory"]),
    ("plan", &["directory"]),
    ("config", &["scim", "directory", "mapping", "plan"]),
    ("store", &["scim", "directory"]),
    ("ldap", &["directory"]),
    ("settle", &["scim", "directory", "mapping", "plan", "store", "ldap"]),
    ("http", &["scim", "store", "settle"]),
];

/// All modules: those of the table, and those that may import anything or that anything may import.
const MODULES: [&str; 11] =
    ["scim", "directory", "mapping", "plan", "config", "store", "ldap", "settle", "http", "cli", "telemetry"];

/// Crates that belong to one module alone.
const OWNERS: [(&str, &str); 6] = [
    ("ldap3", "ldap"),
    ("rusqlite", "store"),
    ("axum", "http"),
    ("clap", "cli"),
    ("opentelemetry", "telemetry"),
    ("metrics_exporter_prometheus", "telemetry"),
];

const PURE: [&str; 4] = ["scim", "directory", "mapping", "plan"];

/// What would make the middle depend on when, where or how often it is called.
const IMPURE: [&str; 12] = [
    "async ",
    ".await",
    "SystemTime",
    "Instant::now",
    "Uuid::new_v4",
    "getrandom",
    "std::env",
    "std::fs",
    "std::net",
    "tracing::",
    "tokio::",
    "println!",
];

struct Line {
    /// The file below `src`, such as `plan/diff.rs`.
    file: String,
    /// The module that the file belongs to: the first folder, or the file itself.
    module: String,
    number: usize,
    /// Without comments.
    code: String,
}

impl Line {
    fn at(&self) -> String {
        format!("src/{}:{}: {}", self.file, self.number, self.code.trim())
    }
}

fn sources() -> Vec<(String, String)> {
    let root = project().join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort();
    assert!(files.len() > 10, "the sources are there");
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("below src").to_string_lossy().into_owned();
            files.push((name, fs::read_to_string(&path).expect("a source")));
        }
    }
}

/// All lines of code, without comments and without tests, which may do what the code may not. A file's own tests stand
/// last, in `mod tests`, or in a file of that name.
fn code() -> Vec<Line> {
    let mut lines = Vec::new();
    for (file, text) in sources() {
        let module = file.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        if file.ends_with("/tests.rs") {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            if line.starts_with("mod tests") {
                break;
            }
            let code = match line.trim_start() {
                comment if comment.starts_with("//") => String::new(),
                _ => line.split(" // ").next().unwrap_or_default().to_owned(),
            };
            lines.push(Line { file: file.clone(), module: module.clone(), number: index + 1, code });
        }
    }
    lines
}

/// Whether `word` stands in the code as a word of its own.
fn names(code: &str, word: &str) -> bool {
    let inside = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(inside) && !code[at + word.len()..].starts_with(inside))
}

/// The modules of ours that a line of code imports: by `crate::x`, by `crate::{x, y}`, by the crate's own name.
fn imported(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in ["crate::", "scimbridge::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(list) => found.extend(first_segments(list)),
                None => found.extend(first_segments(rest).into_iter().take(1)),
            }
        }
    }
    found.retain(|name| MODULES.contains(&name.as_str()));
    found
}

/// The first segment of each path of a list such as `scim::{User, Group}, plan::Plan}`.
fn first_segments(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut segments = Vec::new();
    let mut segment = String::new();
    let mut first = true;
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                segments.push(std::mem::take(&mut segment));
                first = true;
            }
            _ if !first || depth > 0 => {}
            _ if character.is_alphanumeric() || character == '_' => segment.push(character),
            _ if character.is_whitespace() => {}
            _ => first = false,
        }
    }
    segments.push(segment);
    segments.retain(|segment| !segment.is_empty());
    segments
}

#[track_caller]
fn none(broken: Vec<String>, rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    none(silent.map(|(file, _)| format!("src/{file}:1")).collect(), "a file begins with `//!`");
}

#[test]
fn the_house_has_the_rooms_that_were_drawn() {
    let mut modules: Vec<String> = code().into_iter().map(|line| line.module).collect();
    modules.sort();
    modules.dedup();
    modules.retain(|module| !MODULES.contains(&module.as_str()) && module != "main" && module != "lib");
    none(modules, "modules that are not in the design");
}

#[test]
fn modules_import_what_they_may() {
    let mut broken = Vec::new();
    for line in code() {
        let Some((_, allowed)) = IMPORTS.iter().find(|(module, _)| *module == line.module) else { continue };
        for name in imported(&line.code) {
            if name != line.module && name != "telemetry" && !allowed.contains(&name.as_str()) {
                broken.push(line.at());
            }
        }
    }
    none(broken, "imports that the table does not allow");
}

#[test]
fn imports_are_one_to_a_line_so_that_they_can_be_read() {
    // The rule above reads lines: a list of modules over several lines would escape it.
    let open = code().into_iter().filter(|line| line.code.trim_end().ends_with("crate::{"));
    none(open.map(|line| line.at()).collect(), "write `use crate::module::…` one by one");
    // So would a path that climbs out of its module.
    let climbs = code().into_iter().filter(|line| {
        let depth = line.file.matches('/').count();
        let ups = line.code.matches("super::").count();
        let file_is_module_root = line.file.ends_with("/mod.rs") || depth == 0;
        ups > depth || (ups == depth && depth > 0 && file_is_module_root)
    });
    none(climbs.map(|line| line.at()).collect(), "paths that leave their module by `super`");
}

#[test]
fn foreign_crates_are_named_in_one_place() {
    let mut broken = Vec::new();
    for line in code() {
        for (name, owner) in OWNERS {
            if line.module != owner && names(&line.code, name) {
                broken.push(format!("{name} belongs to {owner}: {}", line.at()));
            }
        }
    }
    none(broken, "crates outside of their module");
}

#[test]
fn the_middle_is_pure() {
    let mut broken = Vec::new();
    for line in code().iter().filter(|line| PURE.contains(&line.module.as_str())) {
        if IMPURE.iter().any(|word| line.code.contains(word)) {
            broken.push(line.at());
        }
    }
    none(broken, "scim, directory, mapping and plan have no clock, no chance, no world");
}

#[test]
fn every_tolerance_is_shown_by_its_fixture() {
    let quirks = fs::read_to_string(project().join("src/scim/quirks.rs")).unwrap();
    let rows: Vec<&str> = quirks.lines().filter(|line| line.starts_with("//! |")).skip(2).collect();
    let fixtures = rows.iter().filter_map(|row| row.rsplit('|').nth(1)).map(|cell| cell.trim().trim_matches('`'));
    let named: Vec<&str> = fixtures.filter(|fixture| !fixture.is_empty()).collect();
    let file = |fixture: &str| project().join("tests/fixtures/entra").join(fixture).with_extension("json");
    let missing: Vec<String> =
        named.iter().filter(|fixture| !file(fixture).is_file()).map(|fixture| (*fixture).to_owned()).collect();
    assert!(named.len() > rows.len() / 2, "the table names fixtures: {rows:#?}");
    none(missing, "a fixture that scim/quirks.rs names is not there");
}

#[test]
fn the_reader_of_imports_can_see() {
    for (code, expected) in [
        ("use crate::scim::patch;", vec!["scim"]),
        ("use crate::{scim::{User, Group}, plan};", vec!["scim", "plan"]),
        ("    let plan = crate::plan::diff(&crate::ldap::read());", vec!["plan", "ldap"]),
        ("use scimbridge::cli;", vec!["cli"]),
        ("use scimbridge_other::cli;", vec![]),
        ("use std::fs;", vec![]),
    ] {
        assert_eq!(imported(code), expected, "{code}");
    }
    assert!(names("use ldap3::Ldap;", "ldap3") && !names("my_ldap3_thing()", "ldap3"));
}
