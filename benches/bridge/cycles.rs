//! Entra's two cycles: all users and groups for the first time, and what has changed since; beside the same writes in
//! plain LDAP on one connection, without the lookups that precede them.

use std::cell::RefCell;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::bench::{Bench, House};
use super::client::Client;
use super::people::{self, Group, Person};
use super::raw::Raw;
use super::report::Report;
use super::rounds::{Measured, Sides, Stint, drive};

const GROUP_SIZE: usize = 20;
const CLIENTS: usize = 32;
const RAW: &str = "LDAP, 1 connection";
const OURS: &str = "SCIM, 32 clients";

pub(crate) async fn measure(bench: &Bench, house: &House, report: &mut Report) -> Result<()> {
    let users = bench.scaled(10_000).max(500);
    let groups = users / 50;
    let (mut initial, mut incremental) = (Sides::default(), Sides::default());
    for round in 0..bench.rounds {
        eprintln!("  cycles of {users} users and {groups} groups, round {}", round + 1);
        let theirs = Cycle::new(house, "raw-cycle", round, (users, groups));
        let ours = Cycle::new(house, "cycle", round, (users, groups));
        let mut raw = Raw::several(1, house.slapd.address).await?;
        let mut clients = house.program.clients(CLIENTS).await?;
        initial.note(RAW, theirs.apply_all(&mut raw).await?);
        initial.note(OURS, ours.push_all(&mut clients).await?);
        incremental.note(RAW, theirs.apply_changes(&mut raw).await?);
        incremental.note(OURS, ours.push_changes(&mut clients).await?);
        ours.check().await?;
    }
    let work = format!("initial cycle, {users} users");
    report.row(initial.row(&work, OURS, RAW, Some(2.0))?);
    report.row(incremental.row(&format!("incremental cycle, {users} users"), OURS, RAW, None)?);
    Ok(())
}

/// One round's users and groups. Rates are of writes: the lookups between them are what they cost.
struct Cycle<'a> {
    house: &'a House,
    users: usize,
    groups: usize,
    user_series: String,
    group_series: String,
    /// What the program has called them.
    user_ids: RefCell<Vec<String>>,
    group_ids: RefCell<Vec<String>>,
}

/// What has changed when the second cycle begins.
enum Change {
    /// Their name and department.
    Profile(usize),
    Disabled(usize),
    /// Its first member has left.
    Left(usize),
    /// Somebody has joined who was in no group.
    Joined(usize),
}

impl<'a> Cycle<'a> {
    fn new(house: &'a House, series: &str, round: usize, (users, groups): (usize, usize)) -> Self {
        Self {
            house,
            users,
            groups,
            user_series: format!("{series}{round}-"),
            group_series: format!("{series} {round}"),
            user_ids: RefCell::new(vec![String::new(); users]),
            group_ids: RefCell::new(vec![String::new(); groups]),
        }
    }

    fn person(&self, number: usize) -> Person<'_> {
        Person { series: &self.user_series, number }
    }

    fn group(&self, number: usize) -> Group<'_> {
        Group { series: &self.group_series, number }
    }

    fn member(&self, group: usize, place: usize) -> usize {
        (group * GROUP_SIZE + place) % self.users
    }

    fn newcomer(&self, group: usize) -> usize {
        self.users - 1 - group
    }

    fn writes(&self) -> usize {
        self.users + self.groups * (1 + GROUP_SIZE)
    }

    /// 5% of the users changed, 1% disabled, 2% of the memberships.
    fn change(&self, number: usize) -> Option<Change> {
        let (profiles, disabled) = (self.users / 20, self.users / 100);
        let memberships = self.groups * GROUP_SIZE / 50;
        let rest = number.checked_sub(profiles + disabled);
        match rest {
            _ if number < profiles => Some(Change::Profile(number)),
            None => Some(Change::Disabled(number)),
            Some(rest) if rest >= memberships => None,
            Some(rest) if rest % 2 == 0 => Some(Change::Left(rest)),
            Some(rest) => Some(Change::Joined(rest)),
        }
    }

    fn changes(&self) -> usize {
        (0..).take_while(|&number| self.change(number).is_some()).count()
    }

    async fn apply_all(&self, raw: &mut [Raw]) -> Result<Measured> {
        let users =
            drive(raw, Stint::all(self.users), async |raw: &mut Raw, number| raw.add_person(self.person(number)).await);
        let users = users.await?;
        let groups = drive(raw, Stint::all(self.groups), async |raw: &mut Raw, number| {
            let group = self.group(number);
            raw.add_group(&group.dn(), &group.name()).await?;
            for place in 0..GROUP_SIZE {
                raw.add_member(&group.dn(), &self.person(self.member(number, place)).dn()).await?;
            }
            Ok(())
        });
        Ok(Measured { operations: self.writes(), ..users.and(groups.await?) })
    }

    async fn push_all(&self, clients: &mut [Client]) -> Result<Measured> {
        let users = drive(clients, Stint::all(self.users), async |client: &mut Client, number| {
            let person = self.person(number);
            client.ask("GET", &people::user_query(&person.user_name()), b"").await?.finds_nothing()?;
            let body = person.scim().to_string();
            let shown = client.ask("POST", "/scim/v2/Users", body.as_bytes()).await?.expect(201)?.shown()?;
            ensure!(shown.user_name == Some(person.user_name()), "another user: {shown:?}");
            keep(&self.user_ids, number, shown.id)
        });
        let users = users.await?;
        let groups = drive(clients, Stint::all(self.groups), async |client: &mut Client, number| {
            let group = self.group(number);
            client.ask("GET", &people::group_query(&group.name()), b"").await?.finds_nothing()?;
            let body = group.scim().to_string();
            let shown = client.ask("POST", "/scim/v2/Groups", body.as_bytes()).await?.expect(201)?.shown()?;
            ensure!(shown.display_name == Some(group.name()), "another group: {shown:?}");
            let target = format!("/scim/v2/Groups/{}", shown.id);
            keep(&self.group_ids, number, shown.id)?;
            for place in 0..GROUP_SIZE {
                let member = kept(&self.user_ids, self.member(number, place))?;
                client.ask("PATCH", &target, &people::member("Add", &member)).await?.expect(204)?;
            }
            Ok(())
        });
        Ok(Measured { operations: self.writes(), ..users.and(groups.await?) })
    }

    async fn apply_changes(&self, raw: &mut [Raw]) -> Result<Measured> {
        drive(raw, Stint::all(self.changes()), async |raw: &mut Raw, number| {
            match self.change(number).context("no change")? {
                Change::Profile(number) => {
                    let name = new_name(number);
                    let values = [("cn", &*name), ("displayName", &*name), ("departmentNumber", "Moved")];
                    raw.replace(&self.person(number).dn(), &values).await
                }
                Change::Disabled(number) => raw.lock(&self.person(number).dn()).await,
                Change::Left(number) => {
                    raw.remove_member(&self.group(number).dn(), &self.person(self.member(number, 0)).dn()).await
                }
                Change::Joined(number) => {
                    raw.add_member(&self.group(number).dn(), &self.person(self.newcomer(number)).dn()).await
                }
            }
        })
        .await
    }

    async fn push_changes(&self, clients: &mut [Client]) -> Result<Measured> {
        drive(clients, Stint::all(self.changes()), async |client: &mut Client, number| {
            match self.change(number).context("no change")? {
                Change::Profile(number) => {
                    let department = format!("{}:department", people::ENTERPRISE);
                    let operations = json!([
                        {"op": "Replace", "path": "displayName", "value": new_name(number)},
                        {"op": "Replace", "path": department, "value": "Moved"},
                    ]);
                    self.edit_user(client, number, &people::patches(operations)).await
                }
                Change::Disabled(number) => {
                    self.edit_user(client, number, &people::patch("Replace", "active", json!("False"))).await
                }
                Change::Left(number) => self.edit_group(client, number, "Remove", self.member(number, 0)).await,
                Change::Joined(number) => self.edit_group(client, number, "Add", self.newcomer(number)).await,
            }
        })
        .await
    }

    async fn edit_user(&self, client: &mut Client, number: usize, body: &[u8]) -> Result<()> {
        let target = format!("/scim/v2/Users/{}", kept(&self.user_ids, number)?);
        client.ask("GET", &target, b"").await?.expect(200)?;
        let shown = client.ask("PATCH", &target, body).await?.expect(200)?.shown()?;
        ensure!(shown.user_name == Some(self.person(number).user_name()), "another user: {shown:?}");
        Ok(())
    }

    async fn edit_group(&self, client: &mut Client, number: usize, op: &str, member: usize) -> Result<()> {
        let target = format!("/scim/v2/Groups/{}", kept(&self.group_ids, number)?);
        client.ask("GET", &format!("{target}?excludedAttributes=members"), b"").await?.expect(200)?;
        let body = people::member(op, &kept(&self.user_ids, member)?);
        client.ask("PATCH", &target, &body).await?.expect(204)?;
        Ok(())
    }

    /// That the directory holds what the program was told, of some.
    async fn check(&self) -> Result<()> {
        let mut raw = Raw::connect(self.house.slapd.address).await?;
        let (profiles, disabled) = (self.users / 20, self.users / 100);
        for number in (0..self.users).step_by((self.users / 50).max(1)) {
            raw.holds(&self.person(number).dn(), "uid", &self.person(number).user_name()).await?;
        }
        for number in (0..profiles).step_by((profiles / 10).max(1)) {
            raw.holds(&self.person(number).dn(), "displayName", &new_name(number)).await?;
        }
        for number in profiles..profiles + disabled.min(10) {
            let locked = raw.values(&self.person(number).dn(), "pwdAccountLockedTime").await?;
            ensure!(locked == [people::LOCKED], "{number} is not locked: {locked:?}");
        }
        let changed = self.groups * GROUP_SIZE / 50;
        for number in 0..self.groups.min(changed + 10) {
            let places = 0..GROUP_SIZE;
            let mut expected: Vec<usize> = places.map(|place| self.member(number, place)).collect();
            if number < changed && number % 2 == 0 {
                expected.remove(0);
            } else if number < changed {
                expected.push(self.newcomer(number));
            }
            let mut expected: Vec<String> = expected.into_iter().map(|number| self.person(number).dn()).collect();
            expected.sort();
            let held = raw.values(&self.group(number).dn(), "member").await?;
            ensure!(held == expected, "{} has these members: {held:?}", self.group(number).name());
        }
        Ok(())
    }
}

fn new_name(number: usize) -> String {
    format!("Mary Moved {number}")
}

fn keep(ids: &RefCell<Vec<String>>, number: usize, id: String) -> Result<()> {
    *ids.borrow_mut().get_mut(number).context("nobody of that number")? = id;
    Ok(())
}

fn kept(ids: &RefCell<Vec<String>>, number: usize) -> Result<String> {
    ids.borrow().get(number).cloned().context("nobody of that number")
}
