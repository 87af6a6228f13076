//! Creates, patches and disables, at several numbers of clients, beside the same operations in plain LDAP.

use std::cell::{Cell, RefCell};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::bench::{Bench, House};
use super::client::Client;
use super::people::{self, Person};
use super::raw::Raw;
use super::report::Report;
use super::rounds::drive;
use super::rounds::{Measured, Sides, Stint};

/// The directory's own pace, which ours is held against.
const ONE: &str = "LDAP, 1 connection";
const MANY: &str = "LDAP, 32 connections";

/// A kind of write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Patch,
    Disable,
}

/// What a round may use up of the people who are there.
pub(crate) const MOST: usize = 1_500;

/// Measures one kind of write, and looks into the directory for what it left.
pub(crate) async fn measure(bench: &Bench, house: &House, write: Write, report: &mut Report) -> Result<()> {
    let mut sides = Sides::default();
    let place = Place { house, write, ours: Cell::new(0), theirs: Cell::new(0), touched: RefCell::default() };
    let stint = Stint { time: bench.time(), most: MOST };
    for round in 0..bench.rounds {
        eprintln!("  {write:?}, round {}", round + 1);
        sides.note(ONE, place.theirs(1, stint).await?);
        for clients in bench.clients() {
            if clients == 32 {
                sides.note(MANY, place.theirs(32, stint).await?);
            }
            sides.note(&ours(clients), place.ours(clients, stint).await?);
        }
        if !bench.clients().any(|clients| clients == 32) {
            sides.note(MANY, place.theirs(32, stint).await?);
        }
        place.check().await?;
    }
    let work = match write {
        Write::Create => "create a user",
        Write::Patch => "PATCH displayName",
        Write::Disable => "disable a user",
    };
    for clients in bench.clients() {
        let (against_one, against_many) = match (write, clients) {
            (Write::Create, 1) => (Some(0.8), None),
            (Write::Create | Write::Patch, 32) => (None, Some(1.8)),
            _ => (None, None),
        };
        report.row(sides.row(work, &ours(clients), ONE, against_one)?);
        report.row(sides.row(work, &ours(clients), MANY, against_many)?);
    }
    Ok(())
}

fn ours(clients: usize) -> String {
    format!("SCIM, {clients} client{}", if clients == 1 { "" } else { "s" })
}

/// Where one kind of write is done: our side goes through the people from the first on, theirs from the last back, so
/// that nobody is patched by both.
struct Place<'a> {
    house: &'a House,
    write: Write,
    ours: Cell<usize>,
    theirs: Cell<usize>,
    /// Who was written through the program in this round, and a value that they must have now.
    touched: RefCell<Vec<(String, &'static str, String)>>,
}

impl Place<'_> {
    async fn ours(&self, clients: usize, stint: Stint) -> Result<Measured> {
        let mut clients = self.house.program.clients(clients).await?;
        let first = self.ours.get();
        let measured =
            drive(&mut clients, stint, async |client, number| self.push(client, first + number).await).await?;
        self.ours.set(first + measured.operations);
        Ok(measured)
    }

    async fn theirs(&self, connections: usize, stint: Stint) -> Result<Measured> {
        let mut connections = Raw::several(connections, self.house.slapd.address).await?;
        let first = self.theirs.get();
        let measured =
            drive(&mut connections, stint, async |raw, number| self.apply(raw, first + number).await).await?;
        self.theirs.set(first + measured.operations);
        Ok(measured)
    }

    /// One write through the program.
    async fn push(&self, client: &mut Client, number: usize) -> Result<()> {
        if self.write == Write::Create {
            let person = Person { series: "created", number };
            let body = person.scim().to_string();
            let answer = client.ask("POST", "/scim/v2/Users", body.as_bytes()).await?;
            let shown = answer.expect(201)?.shown()?;
            ensure!(shown.user_name.as_deref() == Some(&person.user_name()), "another user: {shown:?}");
            ensure!(!shown.id.is_empty(), "no id: {shown:?}");
            self.note(person, "employeeNumber", number.to_string());
            return Ok(());
        }
        let person = self.house.person(number)?;
        let target = format!("/scim/v2/Users/{}", person.id());
        if self.write == Write::Disable {
            let answer = client.ask("PATCH", &target, &people::patch("Replace", "active", json!("False"))).await?;
            ensure!(answer.expect(200)?.shown()?.active == Some(false), "still active: {person:?}");
            self.note(person, "pwdAccountLockedTime", people::LOCKED.to_owned());
            return Ok(());
        }
        let name = new_name(number);
        let answer = client.ask("PATCH", &target, &people::patch("Replace", "displayName", json!(name))).await?;
        let shown = answer.expect(200)?.shown()?;
        ensure!(shown.display_name.as_deref() == Some(&name), "another name: {shown:?}");
        self.note(person, "displayName", name);
        Ok(())
    }

    /// The same in plain LDAP.
    async fn apply(&self, raw: &mut Raw, number: usize) -> Result<()> {
        match self.write {
            Write::Create => raw.add_person(Person { series: "added", number }).await,
            // The example's map makes `cn` of the displayName.
            Write::Patch => {
                let name = new_name(number);
                raw.replace(&self.house.person_from_the_end(number)?.dn(), &[("cn", &name), ("displayName", &name)])
                    .await
            }
            Write::Disable => raw.lock(&self.house.person_from_the_end(number)?.dn()).await,
        }
    }

    fn note(&self, person: Person<'_>, attribute: &'static str, value: String) {
        let mut touched = self.touched.borrow_mut();
        // A sample is enough.
        if touched.len() < 40 || person.number.is_multiple_of(50) {
            touched.push((person.dn(), attribute, value));
        }
    }

    /// That the directory holds what was answered with success.
    async fn check(&self) -> Result<()> {
        let mut raw = Raw::connect(self.house.slapd.address).await?;
        let touched = self.touched.take();
        ensure!(!touched.is_empty(), "nothing was written");
        for (dn, attribute, value) in touched {
            let held = raw.values(&dn, attribute).await?;
            ensure!(held == [value.as_str()], "{dn} has {attribute} {held:?} in the directory, not {value:?}");
        }
        if self.write == Write::Create {
            // Both sides must have done the same work.
            let made = raw.entry(&Person { series: "created", number: 0 }.dn()).await?;
            let expected = Person { series: "created", number: 0 }.entry();
            let mut expected: Vec<(String, String)> =
                expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            expected.sort();
            ensure!(made == expected, "the program makes another entry than plain LDAP does: {made:#?}");
        }
        Ok(())
    }
}

fn new_name(number: usize) -> String {
    format!("Mary Renamed {number}")
}

impl House {
    fn person_from_the_end(&self, number: usize) -> Result<Person<'static>> {
        self.people.checked_sub(number + 1).map(|number| self.person(number)).context("nobody is left to write to")?
    }
}
