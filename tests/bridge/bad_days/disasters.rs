//! The bad days: the directory goes away, hides a part of itself, or is not where it was; the store is lost. What was not
//! seen is not concluded from, nobody is deleted and nobody made twice, and whoever reads the words knows what to do.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use super::proxy::{Messages, Mishap, Proxy};
use super::{
    PASSWORD, company, delete_by_hand, ends, in_sync, name, people, reconcile, reconcile_with, set_by_hand, written,
};
use crate::support::app::{TestApp, dn};
use crate::support::entra::person;
use crate::support::slapd::{ADMIN_PASSWORD, SUFFIX};
use crate::support::workplace::{Finished, Settings};

const BRIDGE: &str = "cn=bridge,ou=policies,dc=example,dc=org";
const URLS: &str = "SCIMBRIDGE__LDAP__URLS";

/// The bridge's own identity, which has the rights that stand in `access`, and all others.
fn with_rights(app: &TestApp, access: &str) {
    with_lines(app, &format!("{access}access to *\n    by dn.exact=\"{BRIDGE}\" manage\n    by * break\n"));
}

/// The bridge's own identity and lines of the server's configuration.
fn with_lines(app: &TestApp, lines: &str) {
    if app.slapd.entry(BRIDGE).is_none() {
        app.slapd.by_hand(&format!(
            "dn: {BRIDGE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: bridge\n\
             userPassword: {ADMIN_PASSWORD}\n"
        ));
    }
    app.slapd.reconfigure(lines);
}

fn by_bridge(app: &TestApp, arguments: &[&str]) -> Finished {
    reconcile_with(app, arguments, &[("SCIMBRIDGE__LDAP__BIND_DN", BRIDGE)])
}

/// That a run ends as it should and no entry was written by it.
#[track_caller]
fn leaves_all(app: &TestApp, code: i32, words: &[&str], run: impl FnOnce() -> Finished) -> Finished {
    let before = written(app);
    let finished = ends(run(), code, words);
    let after = written(app);
    let differing: Vec<_> = after.iter().filter(|(anchor, entry)| before.get(*anchor) != Some(*entry)).collect();
    assert!(differing.is_empty() && after.len() == before.len(), "written: {differing:#?}: {finished:#?}");
    finished
}

/// The names of all entries by their anchors.
fn entries(app: &TestApp) -> BTreeMap<String, String> {
    written(app).into_iter().map(|(anchor, (dn, _))| (anchor, dn)).collect()
}

#[test]
fn a_directory_that_goes_away_while_it_is_read() {
    let app = company(1100, &Settings::default());
    set_by_hand(&app, &dn(&name(7)), "title", "Impostor");
    // In the first page, between two, in the last, in the groups.
    for at in [1, 1001, 1100, 1103] {
        eprintln!("cut at entry {at}");
        let proxy = Proxy::start(&app.slapd.url(), Messages::Entries, at, Mishap::Cut);
        let words = ["cannot compare the directory with what is wanted; nothing is changed", "directory"];
        leaves_all(&app, 1, &words, || reconcile_with(&app, &[], &[(URLS, &proxy.url())]));
    }
    ends(reconcile(&app, &[]), 0, &["title"]);
    in_sync(&app);
}

#[test]
fn a_directory_that_goes_away_while_it_is_changed() {
    let app = company(60, &Settings::default());
    let before = entries(&app);
    for (messages, at) in [(Messages::Changes, 1), (Messages::Changed, 1), (Messages::Changed, 20)] {
        eprintln!("cut at {messages:?} {at}");
        for number in 0..40 {
            set_by_hand(&app, &dn(&name(number)), "title", "Impostor");
        }
        let proxy = Proxy::start(&app.slapd.url(), messages, at, Mishap::Cut);
        // slapd 2.5 does not always survive that its client goes away right after an answer within a transaction.
        let alone = ("SCIMBRIDGE__LDAP__TRANSACTIONS", "off");
        let cut = reconcile_with(&app, &[], &[(URLS, &proxy.url()), alone]);
        ends(cut, 3, &["not tried: user", "cannot connect"]);
        assert_eq!(entries(&app), before);
        ends(reconcile(&app, &[]), 0, &[]);
        in_sync(&app);
        assert_eq!(entries(&app), before);
        assert_eq!(app.slapd.people("title", "Impostor"), []);
    }
}

#[test]
fn a_server_that_shows_only_so_many() {
    let app = company(600, &Settings::default());
    set_by_hand(&app, &dn(&name(7)), "title", "Impostor");
    let access = format!("access to *\n    by dn.exact=\"{BRIDGE}\" manage\n    by * break\n");
    for limit in ["size=500", "size.soft=500 size.hard=500", "size.pr=200 size.prtotal=500", "size.prtotal=disabled"] {
        eprintln!("limits {limit}");
        with_lines(&app, &format!("limits dn.exact=\"{BRIDGE}\" {limit}\n{access}"));
        let words = ["the directory does not show all entries", "limits", "nothing is concluded"];
        leaves_all(&app, 1, &words, || by_bridge(&app, &["--max-missing", "100%"]));
    }
    leaves_all(&app, 1, &[], || by_bridge(&app, &["--dry-run"]));
    with_lines(&app, &format!("limits dn.exact=\"{BRIDGE}\" size=unlimited\n{access}"));
    ends(by_bridge(&app, &[]), 0, &["title"]);
    in_sync(&app);
}

#[test]
fn a_server_that_gives_only_so_much_time() {
    let app = company(20, &Settings::default());
    set_by_hand(&app, &dn(&name(7)), "title", "Impostor");
    app.slapd.reconfigure_server("moduleload retcode\n");
    // Every operation begins late.
    with_lines(
        &app,
        &format!(
            "limits dn.exact=\"{BRIDGE}\" time=1\naccess to *\n    by dn.exact=\"{BRIDGE}\" manage\n    by * break\n\
             overlay retcode\nretcode-parent \"ou=retcodes,{SUFFIX}\"\nretcode-sleep 2\n"
        ),
    );
    let words = ["timeLimitExceeded", "nothing is changed"];
    leaves_all(&app, 1, &words, || by_bridge(&app, &[]));
}

#[test]
fn a_base_that_is_not_shown_any_longer() {
    let app = company(40, &Settings::default());
    let none = |what: &str| format!("access to {what}\n    by dn.exact=\"{BRIDGE}\" none\n    by * break\n");
    with_rights(&app, &none(&format!("dn.subtree=\"{}\"", people())));
    let words = ["users.base_dn", "or the bridge may not see it", "nothing is changed"];
    leaves_all(&app, 1, &words, || by_bridge(&app, &[]));
    leaves_all(&app, 1, &words, || by_bridge(&app, &["--max-missing", "100%"]));

    // The base alone is shown.
    with_rights(&app, &none(&format!("dn.children=\"{}\"", people())));
    let words = ["40 linked users are not among", "reconcile.max_missing", "ldap.bind_dn may still read"];
    leaves_all(&app, 3, &words, || by_bridge(&app, &["--dry-run"]));
    leaves_all(&app, 3, &words, || by_bridge(&app, &[]));

    // Not to whom an entry belongs.
    with_rights(&app, &none("attrs=entryUUID"));
    leaves_all(&app, 1, &["entryUUID", "nothing is changed"], || by_bridge(&app, &[]));
    with_rights(&app, "");
    leaves_all(&app, 0, &[], || by_bridge(&app, &[]));
}

#[test]
fn a_part_that_is_not_shown_any_longer() {
    let app = company(40, &Settings::default());
    let hidden = |numbers: std::ops::Range<usize>| -> String {
        let hide = |number| {
            format!("access to dn.exact=\"{}\"\n    by dn.exact=\"{BRIDGE}\" none\n    by * break\n", dn(&name(number)))
        };
        numbers.map(hide).collect()
    };
    with_rights(&app, &hidden(0..10));
    leaves_all(&app, 3, &["linked users are not among", "ldap.bind_dn"], || by_bridge(&app, &[]));

    // So few that they may have been deleted: they are not made twice.
    with_rights(&app, &hidden(0..2));
    leaves_all(&app, 3, &["failed: user \"user0000@contoso.com\"", "may not see"], || by_bridge(&app, &[]));
    with_rights(&app, "");
    leaves_all(&app, 0, &[], || by_bridge(&app, &[]));
}

#[test]
fn attributes_that_are_not_shown_any_longer() {
    let app = company(20, &Settings::default());
    let gone = app.lookup_user("user0005@contoso.com").unwrap()["id"].as_str().unwrap().to_owned();
    app.disable_user(&gone);
    for attribute in ["mail", "member", "userPassword", "objectClass", "uid", "cn", "pwdAccountLockedTime"] {
        for rights in ["none", "=w"] {
            eprintln!("{attribute}: {rights}");
            with_rights(
                &app,
                &format!("access to attrs={attribute}\n    by dn.exact=\"{BRIDGE}\" {rights}\n    by * break\n"),
            );
            let (names, directory) = (entries(&app), app.directory());
            let finished = by_bridge(&app, &[]);
            eprintln!("{:?}\n{}{}", finished.code, finished.stdout, finished.stderr);
            assert!([Some(0), Some(1), Some(3)].contains(&finished.code), "{finished:#?}");
            assert_eq!(entries(&app), names, "{attribute} {rights}");
            assert!(app.directory() == directory, "{attribute} {rights}\n{}", app.directory());
        }
    }
    with_rights(&app, "");
    leaves_all(&app, 0, &[], || by_bridge(&app, &[]));
}

#[test]
fn a_directory_that_may_only_be_read() {
    let app = company(20, &Settings::default());
    set_by_hand(&app, &dn(&name(7)), "title", "Impostor");
    delete_by_hand(&app, &dn(&name(8)));
    let read = format!("access to *\n    by dn.exact=\"{BRIDGE}\" read\n    by * break\n");
    with_rights(&app, &read);
    let words =
        ["failed: user \"user0007@contoso.com\"", "failed: user \"user0008@contoso.com\"", "insufficientAccess"];
    leaves_all(&app, 3, &words, || by_bridge(&app, &[]));
    app.slapd.reconfigure("readonly on\n");
    let finished = leaves_all(&app, 3, &["failed: user", "operation restricted"], || reconcile(&app, &[]));
    assert!(!finished.stdout.contains("scimbridge undo"), "there is nothing to take back: {finished:#?}");
    with_rights(&app, "");
    ends(by_bridge(&app, &[]), 0, &[]);
    in_sync(&app);
}

/// Takes away everything below a branch, as somebody does who meant another one.
fn empty(app: &TestApp, branch: &str) {
    let entries = app.slapd.entries(branch);
    for entry in entries.iter().rev().filter(|entry| entry.rdn() != branch) {
        delete_by_hand(app, &entry.dn);
    }
}

#[test]
fn a_base_that_somebody_has_emptied() {
    let app = company(40, &Settings::default());
    let before = app.view();
    empty(&app, "ou=groups");
    empty(&app, "ou=people");
    let words = ["40 linked users are not among the", "nothing is done", "--max-missing"];
    leaves_all(&app, 3, &words, || reconcile(&app, &[]));
    leaves_all(&app, 3, &words, || reconcile(&app, &["--dry-run"]));
    leaves_all(&app, 3, &["2 linked groups are not among"], || {
        reconcile(&app, &["--only", "groups", "--max-missing", "1"])
    });

    let dry = ends(reconcile(&app, &["--dry-run", "--max-missing", "100%"]), 2, &["42 entries added"]);
    let done = ends(reconcile(&app, &["--max-missing", "100%"]), 0, &["as run"]);
    assert!(done.stdout.starts_with(dry.stdout.trim_end()), "the dry run is the run");
    in_sync(&app);
    let without_passwords = |view: &str| -> Vec<String> {
        view.lines().filter(|line| !line.starts_with("userPassword")).map(str::to_owned).collect()
    };
    assert_eq!(without_passwords(&app.view()), without_passwords(&before));
}

#[test]
fn a_base_that_somebody_has_renamed() {
    let app = company(20, &Settings::default());
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modrdn\nnewrdn: ou=staff\ndeleteoldrdn: 1\n", people()));
    leaves_all(&app, 1, &["users.base_dn", "nothing is changed"], || reconcile(&app, &[]));
    leaves_all(&app, 1, &["users.base_dn"], || reconcile(&app, &["--max-missing", "100%"]));

    // The settings follow: everybody is found again, and those who list them too.
    let before = entries(&app);
    app.workplace.reconfigure(&Settings::default().set("users.base_dn", &format!("\"ou=staff,{SUFFIX}\"")));
    app.restart();
    ends(reconcile(&app, &[]), 0, &[]);
    assert_eq!(entries(&app), before);
    in_sync(&app);
    let moved = |number| format!("uid={}@contoso.com,ou=staff,{SUFFIX}", name(number));
    assert_eq!(app.directory_members("Board"), [moved(0), moved(1), moved(2)]);
}

#[test]
fn a_base_that_is_another_than_was_meant() {
    let app = company(20, &Settings::default());
    let wrong = |base: &str| [("SCIMBRIDGE__USERS__BASE_DN".to_owned(), base.to_owned())];
    for (base, code, words) in [
        (format!("ou=nowhere,{SUFFIX}"), 1, ["users.base_dn", "ou=nowhere"]),
        (format!("ou=policies,{SUFFIX}"), 3, ["belongs here and is not below", "ou=policies"]),
    ] {
        let variables = wrong(&base);
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        for arguments in [&[][..], &["--dry-run"], &["--max-missing", "100%"]] {
            leaves_all(&app, code, &words, || reconcile_with(&app, arguments, &variables));
        }
    }
    leaves_all(&app, 0, &[], || reconcile(&app, &[]));
}

#[test]
fn a_part_of_the_tree_that_is_on_another_server() {
    let app = company(40, &Settings::default());
    app.slapd.by_hand(&format!(
        "dn: ou=abroad,{0}\nobjectClass: referral\nobjectClass: extensibleObject\nou: abroad\n\
         ref: ldap://127.0.0.1:1/ou=abroad,{0}\n",
        people()
    ));
    leaves_all(&app, 0, &[], || reconcile(&app, &[]));
    delete_by_hand(&app, &dn(&name(7)));
    set_by_hand(&app, &dn(&name(8)), "title", "Impostor");
    let before = entries(&app);
    ends(reconcile(&app, &[]), 3, &["user0007@contoso.com", "on another server: nothing is concluded"]);
    assert_eq!(entries(&app), before);
    assert_eq!(app.slapd.values(&dn(&name(8)), "title"), ["Clerk"]);
}

/// The files of the store, the one of the database first.
const STORE: [&str; 3] = ["scimbridge.db", "scimbridge.db-wal", "scimbridge.db-shm"];

#[test]
fn a_store_that_is_lost() {
    let mut app = company(40, &Settings::default());
    let leaver = app.lookup_user("user0005@contoso.com").unwrap()["id"].as_str().unwrap().to_owned();
    app.disable_user(&leaver);
    app.kill();
    for file in STORE {
        fs::remove_file(app.workplace.path(file)).ok();
    }
    app.token = app.workplace.create_token("entra");
    app.restart();
    leaves_all(&app, 0, &["42 "], || reconcile(&app, &[]));
    leaves_all(&app, 0, &["42 "], || reconcile(&app, &["--max-missing", "100%", "--max-deletes", "100%"]));
    leaves_all(&app, 1, &["stop it"], || reconcile(&app, &["--adopt"]));

    app.kill();
    leaves_all(&app, 0, &["40 adopted", "2 adopted"], || reconcile(&app, &["--adopt"]));
    leaves_all(&app, 0, &["40 linked"], || reconcile(&app, &["--adopt"]));
    app.restart();
    in_sync(&app);
    let before = entries(&app);
    let found = app.lookup_user("user0003@contoso.com").unwrap();
    // As Entra goes on: it finds everybody by name and says what it wants of them.
    app.post("/Users", &person("user0003")).refuses(409, "uniqueness", &["user0003@contoso.com"]);
    let id = found["id"].as_str().unwrap();
    app.put(&format!("/Users/{id}"), &person("user0003")).expect(200);
    assert_eq!(app.lookup_user("user0005@contoso.com").unwrap()["active"], false);
    assert!(app.is_locked(&dn("user0005")));
    assert_eq!(entries(&app), before, "nobody is there twice");
    assert_eq!(app.slapd.values(&dn("user0003"), "displayName"), ["User0003 Contoso"]);
    let staff = app.lookup_groups("Staff").remove(0)["id"].as_str().unwrap().to_owned();
    app.remove_members(&staff, &[id]);
    assert_eq!(app.directory_members("Staff").len(), 39);
    in_sync(&app);
}

#[test]
fn an_older_copy_of_the_store() {
    let app = company(40, &Settings::default());
    let id = |number: usize| {
        app.lookup_user(&format!("{}@contoso.com", name(number))).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (gone, leaver, married, mover) = (id(4), id(5), id(6), id(7));
    let staff = app.lookup_groups("Staff").remove(0)["id"].as_str().unwrap().to_owned();
    app.kill();
    let copied: Vec<&str> = STORE.into_iter().filter(|file| app.workplace.path(file).exists()).collect();
    for file in &copied {
        fs::copy(app.workplace.path(file), app.workplace.path(&format!("old-{file}"))).unwrap();
    }
    app.restart();
    app.delete(&format!("/Users/{gone}")).expect(204);
    app.disable_user(&leaver);
    app.rename_user(&married, "king@contoso.com");
    app.remove_members(&staff, &[&mover]);
    app.patch_user(&mover, &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
    app.user("newcomer");
    app.kill();
    for file in STORE {
        fs::remove_file(app.workplace.path(file)).ok();
    }
    for file in copied {
        fs::copy(app.workplace.path(&format!("old-{file}")), app.workplace.path(file)).unwrap();
    }
    app.restart();
    let before = entries(&app);
    // It says what is wanted as it was then, and whoever looks sees that before it is done.
    let words = ["user0004@contoso.com", "missing", "renamed", "2 members added", "newcomer", "nobody pushed it"];
    leaves_all(&app, 2, &words, || reconcile(&app, &["--dry-run"]));
    ends(reconcile(&app, &[]), 0, &["as run"]);
    in_sync(&app);
    let after = entries(&app);
    assert!(before.keys().all(|anchor| after.contains_key(anchor)), "nobody is deleted");
    assert_eq!(after.len(), before.len() + 1, "who was deleted since is there again");
    assert!(!app.slapd.bind(&dn(&name(4)), PASSWORD), "and has no password");
    assert!(app.is_locked(&dn(&name(5))), "who was disabled since is not let in");
    assert!(app.slapd.entry(&dn("newcomer")).is_some(), "who came since stays");
}

#[test]
fn a_store_that_was_written_in_the_future() {
    let app = company(20, &Settings::default());
    app.kill();
    let store = rusqlite::Connection::open(app.workplace.path("scimbridge.db")).unwrap();
    let future = "UPDATE resource SET created = '2099-01-01T00:00:00.000Z', modified = '2099-01-01T00:00:00.000Z'";
    store.execute(future, []).unwrap();
    drop(store);
    app.restart();
    set_by_hand(&app, &dn(&name(7)), "title", "Impostor");
    delete_by_hand(&app, &dn(&name(8)));
    ends(reconcile(&app, &[]), 0, &["title", "1 entry added"]);
    in_sync(&app);
    let user = app.lookup_user(&format!("{}@contoso.com", name(9))).unwrap();
    app.patch_user(user["id"].as_str().unwrap(), &json!([{"op": "Replace", "path": "title", "value": "Countess"}]));
    in_sync(&app);
    let all = BTreeMap::from([("Countess", 1), ("Clerk", 19), ("Impostor", 0)]);
    for (title, number) in all {
        assert_eq!(app.slapd.people("title", title).len(), number, "{title}");
    }
}

/// Moves the first of the people below a branch of their own.
fn move_to_berlin(app: &TestApp, people_there: usize) -> String {
    let berlin = format!("ou=berlin,{}", people());
    app.slapd.by_hand(&format!("dn: {berlin}\nobjectClass: organizationalUnit\nou: berlin\n"));
    for name in (0..people_there).map(name) {
        app.slapd.by_hand(&format!(
            "dn: {}\nchangetype: modrdn\nnewrdn: uid={name}@contoso.com\ndeleteoldrdn: 0\nnewsuperior: {berlin}\n",
            dn(&name)
        ));
        // With her next push it is known where she is.
        let user = app.lookup_user(&format!("{name}@contoso.com")).unwrap();
        app.patch_user(user["id"].as_str().unwrap(), &json!([{"op": "Replace", "path": "title", "value": "Lady"}]));
    }
    in_sync(app);
    berlin
}

#[test]
fn a_branch_that_is_not_shown_any_longer() {
    let app = company(40, &Settings::default());
    let berlin = move_to_berlin(&app, 2);
    set_by_hand(&app, &dn(&name(7)), "title", "Impostor");
    let hidden = format!("access to dn.subtree=\"{berlin}\"\n    by dn.exact=\"{BRIDGE}\" none\n    by * break\n");
    with_rights(&app, &hidden);
    // So few that they may have been deleted: and they are not made a second time where new people are put.
    let before = entries(&app);
    let words = ["user0000@contoso.com", &berlin, "nothing is concluded", "ldap.bind_dn"];
    ends(by_bridge(&app, &["--dry-run"]), 3, &words);
    let user = app.lookup_user("user0000@contoso.com").unwrap();
    ends(by_bridge(&app, &["--only", user["id"].as_str().unwrap()]), 3, &words);
    ends(by_bridge(&app, &[]), 3, &words);
    assert_eq!(entries(&app), before);
    assert_eq!(app.slapd.values(&dn(&name(7)), "title"), ["Clerk"]);
    with_rights(&app, "");
    leaves_all(&app, 0, &[], || by_bridge(&app, &[]));

    // It was deleted indeed, and comes again.
    for number in 0..2 {
        delete_by_hand(&app, &format!("uid={}@contoso.com,{berlin}", name(number)));
    }
    delete_by_hand(&app, &berlin);
    let before = entries(&app);
    ends(by_bridge(&app, &[]), 3, &words);
    assert_eq!(entries(&app), before);
    app.slapd.by_hand(&format!("dn: {berlin}\nobjectClass: organizationalUnit\nou: berlin\n"));
    ends(by_bridge(&app, &[]), 0, &["2 entries added"]);
    in_sync(&app);
    // Where they stood.
    let again = |number| format!("uid={}@contoso.com,{berlin}", name(number));
    assert_eq!(app.directory_members("Board"), [again(0), again(1), dn(&name(2))]);
}
