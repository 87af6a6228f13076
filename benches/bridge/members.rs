//! Members added one at a time to groups of several sizes, beside the same modify into a group of the same size.

use std::cell::{Cell, RefCell};

use anyhow::{Context as _, Result};

use super::bench::{Bench, House, Size};
use super::client::Client;
use super::people::{self, Group, Person};
use super::raw::Raw;
use super::report::Report;
use super::rounds::{Measured, Sides, Stint, drive};

/// So few at a time, that the groups stay about as large as their rows say.
const MOST: usize = 200;
/// How many people there are beyond the members of the large group, for so many rounds.
pub(crate) fn spare(rounds: usize) -> usize {
    2 * MOST * rounds
}

const RAW: &str = "LDAP, 1 connection";
const OURS: &str = "SCIM, 1 client";
const OURS_MANY: &str = "SCIM, 32 clients";

pub(crate) async fn measure(bench: &Bench, house: &House, report: &mut Report) -> Result<()> {
    for size in house.sizes {
        let is_large = size.groups == 1;
        let place = Place { house, size, ours: Cell::new(0), theirs: Cell::new(0), added: RefCell::default() };
        let mut sides = Sides::default();
        let stint = Stint { time: bench.time(), most: MOST };
        for round in 0..bench.rounds {
            eprintln!("  members of groups of {}, round {}", size.members, round + 1);
            sides.note(RAW, place.theirs(stint).await?);
            sides.note(OURS, place.ours(1, stint).await?);
            if is_large {
                sides.note(OURS_MANY, place.ours(32, stint).await?);
            }
            place.check().await?;
        }
        let work = format!("add a member to {}", size.members);
        report.row(sides.row(&work, OURS, RAW, is_large.then_some(0.8))?);
        if is_large {
            report.row(sides.row(&work, OURS_MANY, RAW, None)?);
        }
    }
    Ok(())
}

struct Place<'a> {
    house: &'a House,
    size: Size,
    ours: Cell<usize>,
    theirs: Cell<usize>,
    /// The groups and members of this round, of both sides.
    added: RefCell<Vec<(String, String)>>,
}

impl Place<'_> {
    async fn ours(&self, clients: usize, stint: Stint) -> Result<Measured> {
        let mut clients = self.house.program.clients(clients).await?;
        let first = self.ours.get();
        let measured = drive(&mut clients, stint, async |client: &mut Client, number| {
            let (group, person) = self.pair(self.size.ours, first + number)?;
            let target = format!("/scim/v2/Groups/{}", group.id());
            client.ask("PATCH", &target, &people::member("Add", &person.id())).await?.expect(204)?;
            self.note(group, person, number);
            Ok(())
        });
        let measured = measured.await?;
        self.ours.set(first + measured.operations);
        Ok(measured)
    }

    async fn theirs(&self, stint: Stint) -> Result<Measured> {
        let mut connections = Raw::several(1, self.house.slapd.address).await?;
        let first = self.theirs.get();
        let measured = drive(&mut connections, stint, async |raw: &mut Raw, number| {
            let (group, person) = self.pair(self.size.theirs, first + number)?;
            raw.add_member(&group.dn(), &person.dn()).await?;
            self.note(group, person, number);
            Ok(())
        });
        let measured = measured.await?;
        self.theirs.set(first + measured.operations);
        Ok(measured)
    }

    /// The group and who is added to it: from the end of the people, none of whom is in any group at first.
    fn pair(&self, series: &'static str, number: usize) -> Result<(Group<'static>, Person<'static>)> {
        let person = self.house.people.checked_sub(number + 1).context("nobody is left to add")?;
        Ok((Group { series, number: number % self.size.groups }, self.house.person(person)?))
    }

    fn note(&self, group: Group<'_>, person: Person<'_>, number: usize) {
        if number.is_multiple_of(20) {
            self.added.borrow_mut().push((group.dn(), person.dn()));
        }
    }

    async fn check(&self) -> Result<()> {
        let mut raw = Raw::connect(self.house.slapd.address).await?;
        for (group, member) in self.added.take() {
            raw.holds(&group, "member", &member).await?;
        }
        Ok(())
    }
}
