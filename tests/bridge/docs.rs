//! What the documentation shows works: every configuration of it is checked, every command of it is run.
//!
//! A block of TOML is a part of a configuration: it is put into the example, tables of the map by their LDAP attribute.
//! A block of shell is run, page by page and in order, beside a running `serve`; the words after `sh` say otherwise:
//! `make`: targets of the Makefile; `compose`: what `make compose-test` goes through; `root`: what changes the machine.
//! Of these the shell and the program's own parser of arguments only read what they are. Proxies' configurations are
//! tried by `scripts/check-proxies`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

use crate::support::app::TestApp;
use crate::support::certificates::Certificates;
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, Slapd, project};
use crate::support::workplace::{Finished, Settings, Workplace, bare, finish};

/// A fenced block of a page.
#[derive(Debug)]
struct Block {
    page: String,
    line: usize,
    /// The words behind the fence.
    info: Vec<String>,
    text: String,
}

impl Block {
    fn at(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    fn is(&self, language: &str) -> bool {
        self.info.first().is_some_and(|word| word == language)
    }

    /// Its commands, one each: lines that a backslash joins are one, and comments are none.
    fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![
        project().join("README.md"),
        project().join("docker/README.md"),
        project().join("packaging/systemd/README.md"),
    ];
    for entry in fs::read_dir(project().join("docs")).expect("the documentation") {
        pages.push(entry.expect("a page").path());
    }
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md") && page.is_file());
    pages.sort();
    pages
}

fn blocks_of(page: &Path) -> Vec<Block> {
    let name = page.strip_prefix(project()).expect("a page of the project").display().to_string();
    let text = fs::read_to_string(page).expect("a page");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                let info = info.split_whitespace().map(str::to_owned).collect();
                open = Some(Block { page: name.clone(), line: index + 1, info, text: String::new() });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name}: a block that does not end");
    blocks
}

fn blocks() -> Vec<Block> {
    pages().iter().flat_map(|page| blocks_of(page)).collect()
}

/// Puts a part of a configuration into a whole one.
fn merge(whole: &mut Table, part: Table) {
    for (key, value) in part {
        match (whole.get_mut(&key), value) {
            (Some(Value::Table(whole)), Value::Table(part)) => merge(whole, part),
            (Some(Value::Array(whole)), Value::Array(part)) if key == "attribute" => {
                let attribute = |table: &Value| table.get("ldap").cloned();
                whole.retain(|known| !part.iter().any(|new| attribute(new) == attribute(known)));
                whole.extend(part);
            }
            (_, value) => _ = whole.insert(key, value),
        }
    }
}

fn example() -> Table {
    fs::read_to_string(project().join("config.example.toml")).unwrap().parse().expect("the example is TOML")
}

#[test]
fn configurations_are_good() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand("dn: ou=disabled,dc=example,dc=org\nobjectClass: organizationalUnit\nou: disabled\n");
    let certificates = Certificates::new();
    let mut tried = 0;
    for block in blocks().iter().filter(|block| block.is("toml")) {
        let mut whole = example();
        merge(&mut whole, block.text.parse().unwrap_or_else(|error| panic!("{}: {error}", block.at())));
        let workplace = Workplace::with_file(&Settings::default(), &slapd.url(), &whole.to_string());
        for (file, shown) in [("server.pem", "scimbridge.pem"), ("key.pem", "scimbridge.key")] {
            fs::copy(certificates.path(file), workplace.path(shown)).unwrap();
        }
        let checked = workplace.run(&["check", "--config-only"]);
        assert_eq!(checked.code, Some(0), "{}: {checked:#?}", block.at());
        let checked = workplace.run(&["check"]);
        assert_eq!(checked.code, Some(0), "{}: {checked:#?}", block.at());
        tried += 1;
    }
    assert!(tried > 20, "only {tried} configurations");
}

/// Every name of the command line that the documentation uses is one, in whatever block it stands.
#[test]
fn commands_are_understood() {
    let mut tried = 0;
    for block in blocks().iter().filter(|block| block.is("sh")) {
        let shell = Command::new("bash").args(["-n", "-c", &block.text]).output().expect("bash");
        assert!(shell.status.success(), "{}: {}", block.at(), String::from_utf8_lossy(&shell.stderr));
        for command in block.commands() {
            let Some(arguments) = arguments_of(&command) else { continue };
            let arguments = arguments.split(['|', '>', '#', ';', '&']).next().unwrap_or_default();
            let words = words(arguments);
            let words: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
            let understood = finish(bare(&words));
            assert_eq!(understood.code, Some(0), "{}: {command}\n{}", block.at(), understood.stderr);
            tried += 1;
        }
    }
    assert!(tried > 10, "only {tried} commands");
}

/// What the program is called with: by itself, in its container, or as the user of its name.
fn arguments_of(command: &str) -> Option<&str> {
    let by_itself = command.strip_prefix("scimbridge ");
    by_itself.or_else(|| command.split_once(" scimbridge scimbridge ").map(|(_, arguments)| arguments))
}

/// The words of a command, as the shell would split them.
fn words(arguments: &str) -> Vec<String> {
    let script = format!("printf '%s\\n' {arguments}");
    let split = Command::new("bash").args(["-c", &script]).output().expect("bash");
    String::from_utf8_lossy(&split.stdout).lines().filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn commands_do_what_they_should() {
    let mut ran: BTreeMap<String, usize> = BTreeMap::new();
    for page in pages() {
        let blocks: Vec<Block> = blocks_of(&page).into_iter().filter(|block| block.info == ["sh"]).collect();
        if blocks.is_empty() {
            continue;
        }
        let app = TestApp::start();
        app.user("ada");
        app.create_group("Staff");
        for block in &blocks {
            for command in block.commands() {
                let finished = run(&app, &command);
                let fine = match finished.code {
                    Some(0) => true,
                    // There is something to do, which is what was asked.
                    Some(2) => command.contains("--dry-run"),
                    _ => false,
                };
                assert!(fine, "{}: {command}\n{finished:#?}", block.at());
                *ran.entry(block.page.clone()).or_default() += 1;
            }
        }
    }
    assert!(ran.values().sum::<usize>() > 10, "{ran:?}");
}

/// Runs a command as somebody would who has read the page: where `serve` runs, with its configuration.
fn run(app: &TestApp, command: &str) -> Finished {
    let shims = app.workplace.path("bin");
    let shim = shims.join("scimbridge");
    if !shim.is_file() {
        fs::create_dir_all(&shims).unwrap();
        let binary = env!("CARGO_BIN_EXE_scimbridge");
        let config = app.workplace.path("config.toml");
        fs::write(&shim, format!("#!/bin/sh\nexec {binary} \"$@\" --config {}\n", config.display())).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&shim, executable).unwrap();
    }
    let mut shell = Command::new("timeout");
    shell.args(["60", "bash", "-euo", "pipefail", "-c", command]);
    let known = app.workplace.command(&[]);
    shell.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let path = format!("{}:{}", shims.display(), std::env::var("PATH").unwrap_or_default());
    shell
        .env("PATH", path)
        .env("TOKEN", &app.token)
        .env("BRIDGE", format!("http://{}/scim/v2", app.address()))
        .env("LDAP", app.slapd.url());
    shell.env("LDAP_PASSWORD", ADMIN_PASSWORD);
    shell.current_dir(app.workplace.folder()).stdin(std::process::Stdio::null());
    finish(shell)
}

#[test]
fn make_targets_are_there() {
    let makefile = fs::read_to_string(project().join("Makefile")).unwrap();
    for block in blocks().iter().filter(|block| block.info == ["sh", "make"]) {
        for command in block.commands() {
            let Some(target) = command.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next()) else {
                continue;
            };
            assert!(makefile.contains(&format!("\n{target}:")), "{}: {command}", block.at());
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.starts_with('#') {
                continue;
            }
            let file = link.split('#').next().unwrap_or_default();
            let target = page.parent().expect("a folder").join(file);
            assert!(target.exists(), "{}: {link}", page.display());
            followed += 1;
        }
    }
    assert!(followed > 5, "only {followed} links");
}

/// The table of what Entra's log says quotes the program in its third column.
#[test]
fn what_is_quoted_is_what_the_program_says() {
    let page = fs::read_to_string(project().join("docs/entra.md")).unwrap();
    let (_, table) = page.split_once("## What Entra's log says").expect("the section");
    let rows = table.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5"));
    let quotes: Vec<&str> = rows.filter_map(|row| row.split('|').nth(3)?.split('`').nth(1)).collect();
    assert!(quotes.len() > 8, "{quotes:?}");
    for quote in quotes {
        let mut look = Command::new("grep");
        look.args(["--recursive", "--quiet", "--fixed-strings", "--", quote]).arg(project().join("src"));
        assert!(look.status().expect("grep").success(), "nothing in src says {quote:?}");
    }
}
