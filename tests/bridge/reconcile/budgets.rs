//! A run that would do more than it may does nothing, says so, and says what allows it for once.

use serde_json::{Value, json};

use super::{command, delete_by_hand, is_in_sync, look, modify_by_hand, told};
use crate::support::app::{TestApp, dn, group_dn};
use crate::support::entra::group_with;
use crate::support::slapd::Flavor;
use crate::support::workplace::Settings;

const PEOPLE: usize = 10;

/// Ten people who are all in Staff: eleven resources and ten memberships.
fn ten_people(settings: Settings) -> (TestApp, Vec<String>) {
    let app = TestApp::start_with(Flavor::Plain, settings);
    let people: Vec<String> = (0..PEOPLE).map(|number| app.user(&name(number))).collect();
    let ids: Vec<&str> = people.iter().map(String::as_str).collect();
    app.create_group_with(&group_with("Staff", "entra-1", &ids));
    is_in_sync(&app);
    (app, people)
}

fn name(number: usize) -> String {
    format!("user{number}")
}

/// Lets so many waiting changes pile up while the directory is away, and leaves them to a run alone.
fn while_it_is_away(app: &TestApp, ask: impl Fn()) {
    app.slapd.stop();
    ask();
    app.kill();
    app.slapd.start_again();
}

/// One budget, what makes a run want `planned` of what it limits, and limits that let through one less, and that many.
struct Case {
    setting: &'static str,
    planned: usize,
    too_little: [&'static str; 2],
    enough: [&'static str; 2],
    drift: fn(&TestApp, &[String]),
}

const CASES: [Case; 5] = [
    Case {
        setting: "max_deletes",
        planned: 3,
        // Of eleven resources.
        too_little: ["2", "18%"],
        enough: ["3", "19%"],
        drift: |app, people| {
            while_it_is_away(app, || {
                people.iter().take(3).for_each(|id| _ = app.delete(&format!("/Users/{id}")).expect(503));
            });
        },
    },
    Case {
        setting: "max_disables",
        planned: 3,
        // Of ten users.
        too_little: ["2", "20%"],
        enough: ["3", "21%"],
        drift: |app, people| {
            people.iter().take(3).for_each(|id| _ = app.disable_user(id));
            (0..3).for_each(|number| modify_by_hand(app, &dn(&name(number)), "delete: pwdAccountLockedTime"));
        },
    },
    Case {
        setting: "max_changes",
        planned: 4,
        too_little: ["3", "27%"],
        enough: ["4", "28%"],
        drift: |app, _| (0..4).for_each(|number| modify_by_hand(app, &dn(&name(number)), "add: title\ntitle: Boss")),
    },
    Case {
        setting: "max_member_removals",
        planned: 3,
        // Of seven memberships: those that wait to go are wanted no more.
        too_little: ["2", "28%"],
        enough: ["3", "29%"],
        drift: |app, people| {
            let staff = app.lookup_groups("Staff")[0]["id"].as_str().unwrap().to_owned();
            while_it_is_away(app, || {
                let leaving = crate::support::entra::remove_members(&people[..3]);
                app.patch(&format!("/Groups/{staff}"), &leaving).expect(503);
            });
        },
    },
    Case {
        setting: "max_missing",
        planned: 3,
        too_little: ["2", "20%"],
        enough: ["3", "21%"],
        drift: |app, _| (0..3).for_each(|number| delete_by_hand(app, &dn(&name(number)))),
    },
];

/// Budgets of which one alone can stop anything.
fn only(setting: &str, limit: &str) -> Settings {
    super::roomy().set(&format!("reconcile.{setting}"), &format!("\"{limit}\""))
}

/// The command that a refusal names, as its arguments.
#[track_caller]
fn printed_command(output: &str) -> Vec<String> {
    let at = output.find("scimbridge ").unwrap_or_else(|| panic!("a command is named: {output}"));
    let line = output[at..].lines().next().unwrap_or_default();
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

#[test]
fn past_a_budget_nothing_at_all_is_done_until_it_is_allowed() {
    let mut story = String::new();
    for Case { setting, planned, too_little, enough, drift } in CASES {
        let (app, people) = ten_people(super::roomy());
        drift(&app, &people);
        for limit in too_little {
            app.workplace.reconfigure(&only(setting, limit));
            let shown = look(&app, &["reconcile", "--dry-run"], 3);
            let refused = look(&app, &["reconcile"], 3);
            assert_eq!(refused.stdout, shown.stdout, "{setting} = {limit}");
            let said = shown.stdout.clone() + &shown.stderr;
            assert!(said.contains(&format!("reconcile.{setting} = {limit}")), "{said}");
            assert!(said.contains(&planned.to_string()), "{said}");
            let lines = said.lines().filter(|line| line.contains("refused: ") || line.contains("hint: "));
            story.push_str(&lines.map(|line| told(&app, line) + "\n").collect::<String>());
            let allowed = printed_command(&said);
            let arguments: Vec<&str> = allowed.iter().map(String::as_str).chain(["--dry-run"]).collect();
            look(&app, &arguments, 2);
        }
        for limit in enough {
            app.workplace.reconfigure(&only(setting, limit));
            look(&app, &["reconcile", "--dry-run"], 2);
        }
        app.workplace.reconfigure(&only(setting, too_little[0]));
        let refused = look(&app, &["reconcile"], 3);
        let allowed = printed_command(&(refused.stdout + &refused.stderr));
        command(&app, &allowed.iter().map(String::as_str).collect::<Vec<_>>(), 0);
        is_in_sync(&app);
    }
    insta::assert_snapshot!("refusals", story);
}

#[test]
fn several_budgets_at_once_are_allowed_by_one_command() {
    let (app, people) = ten_people(Settings::default());
    people.iter().take(3).for_each(|id| _ = app.disable_user(id));
    (0..3).for_each(|number| modify_by_hand(&app, &dn(&name(number)), "delete: pwdAccountLockedTime"));
    let staff = app.lookup_groups("Staff")[0]["id"].as_str().unwrap().to_owned();
    while_it_is_away(&app, || {
        let leaving = crate::support::entra::remove_members(&people[..3]);
        app.patch(&format!("/Groups/{staff}"), &leaving).expect(503);
    });
    let refused = look(&app, &["reconcile"], 3);
    insta::assert_snapshot!("two_refusals", told(&app, &(refused.stdout.clone() + &refused.stderr)));
    let allowed = printed_command(&(refused.stdout + &refused.stderr));
    command(&app, &allowed.iter().map(String::as_str).collect::<Vec<_>>(), 0);
    is_in_sync(&app);
    assert_eq!(app.directory_members("Staff").len(), PEOPLE - 3);
}

#[test]
fn what_is_allowed_by_the_way_is_one() {
    // A percentage of a small directory lets one through, and nothing lets none.
    let (app, _) = ten_people(only("max_changes", "1%"));
    modify_by_hand(&app, &dn("user0"), "add: title\ntitle: Boss");
    look(&app, &["reconcile", "--dry-run", "--max-changes", "0"], 3);
    look(&app, &["reconcile", "--dry-run", "--max-changes", "0%"], 3);
    command(&app, &["reconcile"], 0);
    modify_by_hand(&app, &dn("user0"), "add: title\ntitle: Boss");
    modify_by_hand(&app, &group_dn("Staff"), &format!("delete: member\nmember: {}", dn("user1")));
    look(&app, &["reconcile"], 3);
    look(&app, &["reconcile", "--dry-run", "--only", "users"], 2);
}

#[test]
fn a_refusal_is_told_to_programs_and_a_plan_does_not_get_round_it() {
    let (app, _) = ten_people(only("max_changes", "1"));
    (0..2).for_each(|number| modify_by_hand(&app, &dn(&name(number)), "add: title\ntitle: Boss"));
    let path = app.workplace.path("plan.json").display().to_string();
    let shown = look(&app, &["reconcile", "--dry-run", "--format", "json", "--out", &path], 3).stdout;
    let plan: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        plan["refusals"],
        json!([{
            "setting": "reconcile.max_changes", "flag": "--max-changes", "planned": 2, "allowed": 1, "limit": "1",
            "total": 11
        }])
    );
    look(&app, &["reconcile", "--plan", &path], 3);
    command(&app, &["reconcile", "--plan", &path, "--max-changes", "2"], 0);
    is_in_sync(&app);
}
