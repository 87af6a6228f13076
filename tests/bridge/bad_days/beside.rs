//! Reconciling beside others: another reconciliation, the service under pushes, its schedule, a change that hangs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::proxy::{Messages, Mishap, Proxy};
use super::{company, ends, in_sync, name, reconcile, reconcile_with, set_by_hand};
use crate::support::app::{PLACEHOLDER, TestApp, dn, group_dn, resources};
use crate::support::entra::{self, person};
use crate::support::http::Answer;
use crate::support::random::Random;
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, Slapd};
use crate::support::wait_for;
use crate::support::workplace::{Finished, Settings};

const URLS: &str = "SCIMBRIDGE__LDAP__URLS";
const TIMEOUT: &str = "SCIMBRIDGE__LDAP__TIMEOUT";
const SCHEDULE: &str = "SCIMBRIDGE__RECONCILE__SCHEDULE";

fn finished(child: Child) -> Finished {
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A reconciliation that goes on beside the story.
fn begin(app: &TestApp, variables: &[(&str, &str)]) -> Child {
    let mut command = app.workplace.command(&["reconcile"]);
    command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

#[test]
fn of_two_at_once_one_is_refused_and_hears_who_the_other_is() {
    let app = company(20, &Settings::default());
    set_by_hand(&app, &dn(&name(7)), "title", "Impostor");
    app.slapd.pause();
    let patient = [(TIMEOUT, "60s")];
    let mut both = vec![begin(&app, &patient), begin(&app, &patient)];
    let refused = wait_for("one of them to be refused", || {
        both.iter_mut().position(|child| child.try_wait().expect("its state").is_some())
    });
    let refused = finished(both.remove(refused));
    let other = both.remove(0);
    let holder = format!("another reconciliation is under way (process {} on ", other.id());
    ends(refused, 1, &[&holder, "wait for it, or stop it"]);
    // A look may run beside it, and an undoing may not.
    ends(app.workplace.run(&["undo"]), 0, &[]);
    app.slapd.resume();
    ends(finished(other), 0, &["title"]);
    in_sync(&app);
}

/// The next full minute, at which a schedule of every minute comes, is less than half a minute away.
fn wait_for_the_second_half_of_a_minute() {
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 60;
    wait_for("the second half of a minute", || (seconds() >= 30).then_some(()));
}

#[test]
fn the_schedule_repairs_and_says_so() {
    wait_for_the_second_half_of_a_minute();
    let app = company(20, &Settings::default().variable(SCHEDULE, "* * * * *"));
    set_by_hand(&app, &dn(&name(7)), "title", "Impostor");
    wait_for("the schedule to come", || (app.slapd.values(&dn(&name(7)), "title") == ["Clerk"]).then_some(()));
    wait_for("the log to say so", || app.log().lines().find(|line| says_reconciled(line, 1)).map(|_| ()));
    let listed = app.workplace.run(&["undo"]).succeeds().stdout;
    assert!(listed.contains("reconcile, by schedule"), "{listed}");
    in_sync(&app);
}

fn says_reconciled(line: &str, resources: usize) -> bool {
    line.contains(" reconciled ") && line.contains(&format!("resources={resources}")) && line.contains("run=")
}

#[test]
fn the_schedule_leaves_it_to_who_is_at_it() {
    wait_for_the_second_half_of_a_minute();
    let app = company(20, &Settings::default().variable(SCHEDULE, "* * * * *"));
    let proxy = Proxy::start(&app.slapd.url(), Messages::Searches, 3, Mishap::Hold);
    let mut other = begin(&app, &[(URLS, &proxy.url()), (TIMEOUT, "100s")]);
    wait_for("the other to be at it", || proxy.is_holding().then_some(()));
    set_by_hand(&app, &dn(&name(7)), "title", "Impostor");
    let said = format!("not reconciled: another reconciliation is under way (process {} on ", other.id());
    wait_for("the schedule to come", || app.log().contains(&said).then_some(()));
    assert_eq!(app.slapd.values(&dn(&name(7)), "title"), ["Impostor"]);
    proxy.release();
    assert!(other.wait().expect("it ends").success());
    ends(reconcile(&app, &[]), 0, &[]);
    in_sync(&app);
}

#[test]
fn a_change_of_the_service_that_hangs_is_left_to_it() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let proxy = Proxy::idle(&slapd.url());
    let settings = Settings::default().variable(URLS, &proxy.url()).variable(TIMEOUT, "60s");
    let app = TestApp::start_before(slapd, &settings);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let staff = app.create_group("Staff");
    app.add_members(&staff, &[&bob]);
    let direct = app.slapd.url();
    let title = json!([{"op": "Add", "path": "title", "value": "Countess"}]);
    let changes = [
        (format!("/Users/{ada}"), title, "user \"ada@contoso.com\""),
        (format!("/Groups/{staff}"), entra::add_members(&[&ada]), "group \"Staff\""),
    ];
    for (target, operations, named) in changes {
        set_by_hand(&app, &dn("bob"), "title", "Impostor");
        thread::scope(|scope| {
            proxy.expect(Messages::Changes);
            let push = scope.spawn(|| app.patch(&target, &operations));
            wait_for("the change to hang", || proxy.is_holding().then_some(()));
            // It waits for a while, does what it can, and leaves the rest.
            let impatient = reconcile_with(&app, &[], &[(URLS, &direct), (TIMEOUT, "1s")]);
            ends(impatient, 3, &[named, "another change of the same resource is still under way"]);
            assert!(app.slapd.people("title", "Impostor").is_empty());
            // Who has more patience sees the end of it.
            let patient = begin(&app, &[(URLS, &direct), (TIMEOUT, "20s")]);
            proxy.release();
            assert!([200, 204].contains(&push.join().unwrap().status));
            ends(finished(patient), 0, &[]);
        });
    }
    assert_eq!(app.slapd.values(&dn("ada"), "title"), ["Countess"]);
    assert_eq!(app.directory_members("Staff"), [dn("ada"), dn("bob")]);
    ends(reconcile_with(&app, &["--dry-run"], &[(URLS, &direct)]), 0, &[]);
}

const GROUPS: [&str; 3] = ["Staff", "Board", "Crew"];
const PUSHERS: usize = 4;
const USERS_EACH: usize = 4;
const PUSHES: usize = 60;

/// What a pusher has said of somebody, and was told to be done.
#[derive(Clone, Debug, Default)]
struct Said {
    id: String,
    name: String,
    title: String,
    active: bool,
    groups: BTreeSet<usize>,
}

/// Sends it until the answer is not "later": as Entra does.
fn push(send: impl Fn() -> Answer) -> Answer {
    wait_for("an answer that is not 503", || {
        let answer = send();
        answer.check_protocol();
        assert!(answer.status < 500 || answer.status == 503, "{} {}", answer.status, answer.text());
        (answer.status != 503).then_some(answer)
    })
}

fn replace(path: &str, value: Value) -> Value {
    json!([{"op": "Replace", "path": path, "value": value}])
}

struct Pusher<'a> {
    app: &'a TestApp,
    number: usize,
    groups: &'a [String],
    random: Random,
    made: usize,
    users: Vec<Said>,
}

impl Pusher<'_> {
    fn create(&mut self) -> Said {
        let name = format!("p{}n{}", self.number, self.made);
        self.made += 1;
        let answer = push(|| self.app.post("/Users", &person(&name))).expect(201).json();
        let id = answer["id"].as_str().unwrap().to_owned();
        Said { id, name, active: true, ..Said::default() }
    }

    fn say(&self, id: &str, operations: &Value) {
        push(|| self.app.patch(&format!("/Users/{id}"), operations)).expect(200);
    }

    fn step(&mut self, number: usize) {
        let at = self.random.below(self.users.len());
        let group = self.random.below(self.groups.len());
        let mut user = self.users[at].clone();
        match self.random.below(10) {
            0..=2 => {
                user.title = format!("Title {number}");
                self.say(&user.id, &replace("title", json!(user.title)));
            }
            3 => {
                user.name = format!("p{}r{number}", self.number);
                self.say(&user.id, &replace("userName", json!(format!("{}@contoso.com", user.name))));
            }
            4..=5 => {
                user.active = !user.active;
                self.say(&user.id, &replace("active", json!(if user.active { "True" } else { "False" })));
            }
            6 => {
                push(|| self.app.delete(&format!("/Users/{}", user.id))).expect(204);
                user = self.create();
            }
            _ => {
                let target = format!("/Groups/{}", self.groups[group]);
                let operations = if user.groups.remove(&group) {
                    entra::remove_members(&[&user.id])
                } else {
                    user.groups.insert(group);
                    entra::add_members(&[&user.id])
                };
                push(|| self.app.patch(&target, &operations)).expect(204);
            }
        }
        self.users[at] = user;
    }
}

/// A change by hand of something that may have changed meanwhile, so that it may be refused.
fn try_by_hand(app: &TestApp, ldif: &str) {
    let mut child = Command::new("ldapmodify")
        .args(["-x", "-H", &app.slapd.url(), "-D", "cn=admin,dc=example,dc=org", "-w", ADMIN_PASSWORD])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ldapmodify runs");
    child.stdin.take().unwrap().write_all(ldif.as_bytes()).ok();
    child.wait().expect("ldapmodify ends");
}

/// Somebody at the directory, with their own ideas.
fn meddle(app: &TestApp, random: &mut Random) {
    let people = app.slapd.entries("ou=people");
    let Some(person) = random.pick_if_any(&people).filter(|person| person.rdn() != "ou=people") else {
        return;
    };
    let group: &&str = random.pick(&GROUPS);
    let (dn, group) = (&person.dn, group_dn(group));
    let modify =
        |target: &str, change: &str| try_by_hand(app, &format!("dn: {target}\nchangetype: modify\n{change}\n"));
    match random.below(7) {
        0 => modify(dn, "replace: street\nstreet: Elm Street"),
        1 => modify(dn, "delete: pwdAccountLockedTime"),
        2 => modify(&group, &format!("add: member\nmember: {dn}")),
        3 => modify(&group, &format!("delete: member\nmember: {dn}")),
        4 => modify(dn, "replace: displayName\ndisplayName: Impostor"),
        5 => {
            let stray = random.below(1_000_000);
            try_by_hand(app, &format!("dn: {dn}\nchangetype: modrdn\nnewrdn: uid=stray{stray}\ndeleteoldrdn: 1\n"));
        }
        _ => try_by_hand(app, &format!("dn: {dn}\nchangetype: delete\n")),
    }
}

#[test]
fn pushes_are_not_undone_by_runs_beside_them() {
    beside_pushes(Flavor::AsShipped, 1);
}

#[test]
fn the_same_where_the_server_keeps_no_references() {
    beside_pushes(Flavor::Plain, 2);
}

fn beside_pushes(flavor: Flavor, seed: u64) {
    let app = TestApp::start_with(flavor, Settings::default().variable(TIMEOUT, "20s"));
    let groups: Vec<String> = GROUPS.iter().map(|name| app.create_group(name)).collect();
    let pushed = AtomicBool::new(false);
    let no_limits = ["--max-missing", "100%", "--max-deletes", "100%", "--max-disables", "100%"];
    let no_limits = [&no_limits[..], &["--max-changes", "100%", "--max-member-removals", "100%"]].concat();
    let said: Vec<Said> = thread::scope(|scope| {
        let (app, groups, pushed) = (&app, &groups, &pushed);
        let pushers: Vec<_> = (0..PUSHERS)
            .map(|number| {
                scope.spawn(move || {
                    let random = Random::of_seed(seed * 100 + number as u64);
                    let mut pusher = Pusher { app, number, groups, random, made: 0, users: Vec::new() };
                    for _ in 0..USERS_EACH {
                        let user = pusher.create();
                        pusher.users.push(user);
                    }
                    (0..PUSHES).for_each(|number| pusher.step(number));
                    pusher.users
                })
            })
            .collect();
        scope.spawn(move || {
            let mut random = Random::of_seed(seed * 100 + 99);
            while !pushed.load(Ordering::Relaxed) {
                meddle(app, &mut random);
            }
        });
        let limits = &no_limits;
        let reconciler = scope.spawn(move || {
            let mut codes: BTreeMap<Option<i32>, usize> = BTreeMap::new();
            while !pushed.load(Ordering::Relaxed) {
                let run = reconcile(app, limits);
                if run.code != Some(0) {
                    eprintln!("{:?}\n{}{}", run.code, run.stdout, run.stderr);
                }
                *codes.entry(run.code).or_default() += 1;
            }
            codes
        });
        let done: Vec<_> = pushers.into_iter().map(|pusher| pusher.join()).collect();
        pushed.store(true, Ordering::Relaxed);
        let codes = reconciler.join().unwrap();
        eprintln!("runs beside the pushes, by exit code: {codes:?}");
        assert!(codes.keys().all(|code| matches!(code, Some(0 | 3))), "{codes:?}");
        done.into_iter().flat_map(|users| users.unwrap()).collect()
    });

    ends(reconcile(&app, &no_limits), 0, &[]);
    in_sync(&app);
    let people = app.slapd.entries("ou=people");
    assert_eq!(people.len(), said.len() + 1, "the people and their branch: {people:#?}");
    for user in &said {
        let shown = app.read_user(&user.id);
        assert_eq!(shown["userName"], format!("{}@contoso.com", user.name));
        assert_eq!(shown["active"], user.active, "{user:?}");
        let entry = app.slapd.entry(&dn(&user.name)).unwrap_or_else(|| panic!("{user:?} has no entry"));
        let title = Some(user.title.clone()).filter(|title| !title.is_empty());
        assert_eq!(entry.values("title"), title.into_iter().collect::<Vec<_>>(), "{user:?}");
        assert_eq!(entry.values("street"), Vec::<String>::new());
        assert_eq!(app.is_locked(&entry.dn), !user.active, "{user:?}");
    }
    for (number, group) in groups.iter().enumerate() {
        let members: Vec<&Said> = said.iter().filter(|user| user.groups.contains(&number)).collect();
        let ids: BTreeSet<String> = members.iter().map(|user| user.id.clone()).collect();
        assert_eq!(app.members(group), ids, "{}", GROUPS[number]);
        let mut values: Vec<String> = members.iter().map(|user| dn(&user.name)).collect();
        values.sort();
        if values.is_empty() {
            values.push(PLACEHOLDER.to_owned());
        }
        let mut listed = app.directory_members(GROUPS[number]);
        // What somebody put in by hand when its entry had another name already is nobody's, and is left.
        listed.retain(|value| values.contains(value) || app.slapd.entry(value).is_some());
        assert_eq!(listed, values, "{}", GROUPS[number]);
    }
    assert_eq!(resources(&app.get("/Users?count=1000").expect(200).json()).len(), said.len());
}
