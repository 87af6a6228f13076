//! What an operator types, and what the program says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::app::TestApp;
use crate::support::slapd::signal;
use crate::support::wait_for;
use crate::support::workplace::{Finished, Settings, Workplace, bare, finish};

/// A folder with the example, a few keys of it set otherwise. There is no directory: nothing here needs one.
fn workplace(settings: Settings) -> Workplace {
    Workplace::new(&settings, "ldap://127.0.0.1:1")
}

fn check(settings: Settings) -> Finished {
    workplace(settings).run(&["check", "--config-only"])
}

#[test]
fn the_help_teaches() {
    let help = finish(bare(&["--help"])).succeeds();
    for word in ["serve", "adopt", "token", "groups", "check", "--config", "--version", "SCIMBRIDGE__", "Entra"] {
        assert!(help.stdout.contains(word), "the help speaks of {word}:\n{}", help.stdout);
    }
    assert_eq!(help.stderr, "", "help that was asked for is data");
    for command in ["serve", "adopt", "check", "token", "groups"] {
        let help = finish(bare(&[command, "--help"])).succeeds();
        assert!(help.stdout.contains("Usage"), "{}", help.stdout);
    }
    for command in ["create", "list", "revoke"] {
        assert!(finish(bare(&["token", "--help"])).stdout.contains(command), "{command}");
    }
}

#[test]
fn the_version_is_one_line() {
    let version = finish(bare(&["--version"])).succeeds();
    assert_eq!(version.stdout, format!("scimbridge {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unknown_command_says_so() {
    finish(bare(&["srve"])).fails_naming(&["srve", "serve"]);
    assert!(finish(bare(&[])).code.is_some_and(|code| code != 0), "no command is no success");
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let settings = Settings::default()
        .set("groups.on_colision", "\"reject\"")
        .set("groups.on_collision", "\"perhaps\"")
        .set("users.rdn", "\"employeeType\"")
        .set("users.base_dn", "\"not a dn\"")
        .add("[[users.attribute]]\nldap = \"description\"\ntemplate = \"{{ displayName\"")
        .add("[[users.attribute]]\nldap = \"street\"\nscim = 'addresses[type eq \"work\"'")
        .variable("SCIMBRIDGE__LDAP__TIMEOUT", "soon");
    check(settings).fails_naming(&[
        "on_colision",
        "on_collision",
        "perhaps",
        "employeeType",
        "base_dn",
        "description",
        "addresses",
        "timeout",
    ]);
}

#[test]
fn an_unknown_key_names_the_nearest() {
    check(Settings::default().set("ldap.bind_pasword", "\"x\"")).fails_naming(&["bind_pasword", "bind_password"]);
    check(Settings::default().set("servr.listen", "\"127.0.0.1:1\"")).fails_naming(&["servr", "server"]);
    check(Settings::default().add("[[users.attribute]]\nldap = \"l\"\nscm = \"title\"")).fails_naming(&["scm", "scim"]);
    check(Settings::default().variable("SCIMBRIDGE__LDAP__TIMEOT", "3s")).fails_naming(&["timeot", "timeout"]);
}

#[test]
fn each_mistake_is_told_by_the_name_of_its_key() {
    for (settings, named) in [
        (Settings::default().variable("SCIMBRIDGE__LDAP__URLS", "http://127.0.0.1"), "urls"),
        (Settings::default().variable("SCIMBRIDGE__SERVER__LISTEN", "nowhere"), "listen"),
        (Settings::default().variable("SCIMBRIDGE__SERVER__BASE_URL", "scim/v2"), "base_url"),
        (Settings::default().set("ldap.connections", "0"), "connections"),
        (Settings::default().set("users.on_delete", "\"forget\""), "on_delete"),
        (Settings::default().set("groups.base_dn", "\"\""), "base_dn"),
        (Settings::default().variable("SCIMBRIDGE__LOG__FORMAT", "xml"), "format"),
        (Settings::default().set("groups.member_ownership", "\"mine\""), "member_ownership"),
        (Settings::default().set("reconcile.max_deletes", "\"many\""), "max_deletes"),
        (Settings::default().variable("SCIMBRIDGE__RECONCILE__SCHEDULE", "0 0 31 2 *"), "never comes"),
        (Settings::default().variable("SCIMBRIDGE__RECONCILE__TIME_ZONE", "Mars"), "time_zone"),
        (Settings::default().add("[[users.attribute]]\nldap = \"l\""), "l"),
        (Settings::default().add("[[users.attribute]]\nldap = \"l\"\nscim = \"title\"\nownership = \"mine\""), "mine"),
    ] {
        check(settings).fails_naming(&[named]);
    }
}

#[test]
fn what_cannot_be_done_yet_is_refused_and_not_ignored() {
    check(Settings::default().set("users.on_delete", "\"disable\"")).fails_naming(&["on_delete"]);
    let postgres = Settings::default().variable("SCIMBRIDGE__STORE__URL", "postgres://localhost/scimbridge");
    check(postgres).fails_naming(&["postgres"]);
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let mut command = bare(&["check", "--config-only", "--config", "/nowhere/scimbridge.toml"]);
    command.env("SCIMBRIDGE__STORE__URL", "sqlite://unused.db");
    finish(command).fails_naming(&["/nowhere/scimbridge.toml"]);

    let broken = Workplace::with_file(&Settings::default(), "ldap://127.0.0.1:1", "[server\nlisten = 1\n");
    broken.run(&["check", "--config-only"]).fails_naming(&["config.toml"]);
}

#[test]
fn a_secret_may_come_from_a_file_but_not_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "from-a-file\n").unwrap();
    let path = format!("{:?}", file.display().to_string());
    // The stories give the password by a variable, which wins over whatever the file says of it.
    check(Settings::default().set("ldap.bind_password_file", "\"/nowhere/password\"")).succeeds();
    let by_variable = |path: &str| Settings::default().variable("SCIMBRIDGE__LDAP__BIND_PASSWORD_FILE", path);
    check(by_variable("/nowhere/password")).fails_naming(&["bind_password_file"]);
    check(Settings::default().variable("SCIMBRIDGE__LDAP__BIND_PASSWORD", ""))
        .fails_naming(&["bind_password", "empty"]);
    let twice = check(by_variable(path.trim_matches('"')));
    let twice = twice.fails_naming(&["bind_password", "bind_password_file"]);
    assert!(!twice.stderr.contains("from-a-file"), "a secret is not printed: {}", twice.stderr);
}

#[test]
fn serve_does_not_start_on_a_file_with_mistakes() {
    workplace(Settings::default().set("groups.on_collision", "\"perhaps\"")).run(&["serve"]).fails_naming(&["perhaps"]);
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let place = workplace(Settings::default());
    let empty = place.run(&["token", "list"]).succeeds();
    let token = place.create_token("entra");
    let other = place.create_token("entra-test");
    assert_ne!(token, other);
    assert!(token.len() >= 32, "hard to guess: {} characters", token.len());

    let list = place.run(&["token", "list"]).succeeds();
    assert_ne!(list.stdout, empty.stdout);
    assert!(list.stdout.contains("entra") && list.stdout.contains("entra-test"), "{}", list.stdout);
    assert!(!list.stdout.contains(&token) && !list.stdout.contains(&other), "a token is shown once");

    place.run(&["token", "create", "entra"]).fails_naming(&["entra"]);
    place.run(&["token", "revoke", "entra-test"]).succeeds();
    assert!(!place.run(&["token", "list"]).succeeds().stdout.contains("entra-test"));
    place.run(&["token", "revoke", "entra-test"]).fails_naming(&["entra-test"]);

    let mode = fs::metadata(place.path("scimbridge.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the store is for its owner alone");
}

#[test]
fn a_stop_by_either_signal_is_a_success() {
    for name in ["-TERM", "-INT"] {
        let place = workplace(Settings::default());
        let mut child = place.command(&["serve"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert!(line.starts_with("listening on http://127.0.0.1:"), "{line:?}");
        signal(name, &child);
        let status = wait_for("the program to end", || child.try_wait().unwrap());
        assert!(status.success(), "{name}: {status}");
    }
}

#[test]
fn a_port_that_is_taken_is_said() {
    let app = TestApp::start();
    let address = app.address().to_string();
    let settings = Settings::default().variable("SCIMBRIDGE__SERVER__LISTEN", &address);
    workplace(settings).run(&["serve"]).fails_naming(&[&address]);
}
