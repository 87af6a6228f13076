//! The example configuration is the operator's contract: it loads as it is, and no key of it is made up.

use std::fs;

use crate::support::slapd::project;
use crate::support::workplace::{bare, finish};

#[test]
fn the_example_is_a_good_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let example = project().join("config.example.toml");
    let mut command = bare(&["check", "--config-only", "--config"]);
    command.arg(&example).current_dir(folder.path());
    finish(command).succeeds();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a check of the configuration makes no files");
}

#[test]
fn the_configuration_of_the_containers_is_a_good_one_with_the_map_of_the_example() {
    let read = |name: &str| fs::read_to_string(project().join(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    // The volume that the directory's container fills.
    let (shipped, volume) = (read("docker/scimbridge.toml"), folder.path().display().to_string());
    assert!(shipped.contains("\"/run/openldap/"), "the names of the volume's files are replaced here");
    fs::write(&file, shipped.replace("/run/openldap", &volume)).unwrap();
    fs::write(folder.path().join("password"), "secret").unwrap();
    fs::write(folder.path().join("ca.pem"), "").unwrap();
    let mut command = bare(&["check", "--config-only", "--config"]);
    command.arg(&file).current_dir(folder.path());
    finish(command).succeeds();

    let map = |text: &str| -> Vec<String> {
        let ends = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let tables = text.split("\n[[users.attribute]]\n").skip(1);
        tables.map(|table| table.lines().take_while(ends).collect::<Vec<_>>().join("\n")).collect()
    };
    assert_eq!(map(&shipped), map(&read("config.example.toml")));
    assert!(map(&shipped).len() > 10);
}

#[test]
fn every_key_that_the_example_only_mentions_is_a_key() {
    // Each commented `# key = value` is switched on by itself: it may be refused (its feature is not there yet, or its
    // file is missing), but never as unknown.
    let example = fs::read_to_string(project().join("config.example.toml")).unwrap();
    let lines: Vec<&str> = example.lines().collect();
    let mut tried = 0;
    for (at, line) in lines.iter().enumerate() {
        let Some(setting) = line.strip_prefix("# ").filter(|text| is_setting(text)) else { continue };
        let mut changed = lines.clone();
        changed[at] = setting;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        fs::write(&file, changed.join("\n")).unwrap();
        let mut command = bare(&["check", "--config-only", "--config"]);
        command.arg(&file).current_dir(folder.path());
        let finished = finish(command);
        assert!(!finished.stderr.contains("unknown"), "line {}: {setting}\n{}", at + 1, finished.stderr);
        tried += 1;
    }
    assert!(tried > 0, "the example mentions optional keys as `# key = value`");
}

/// Whether a comment is a key that is switched off, and not a sentence or a line of a table that is.
fn is_setting(text: &str) -> bool {
    let inside_a_table = ["ldap", "scim", "template", "allocate", "ownership", "value", "default"];
    text.split_once(" = ").is_some_and(|(key, value)| {
        let key = key.trim_end();
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_value = value.starts_with(|first: char| "\"'[{tf".contains(first) || first.is_ascii_digit());
        is_key && is_value && !inside_a_table.contains(&key)
    })
}
