//! An hour of everything that Entra does, with a million users in the store: what becomes of the memory.
//!
//! Not a measurement of pace. Each client has lanes of its own through the people, so that it knows what each of them
//! must look like; an answer that is not as it must be is counted, shown and fails the soak.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::bench::Bench;
use super::client::Client;
use super::directory::{Slapd, project};
use super::people::{self, Group, Person, mixed, user_query};
use super::program::{Program, Workplace};
use super::raw::Raw;
use super::report::machine;
use super::rounds::{Stint, drive, median};
use super::seed::{Seeded, seed};

const CLIENTS: usize = 8;
const SERIES: &str = "person";
const GROUP: Group<'_> = Group { series: "everybody", number: 0 };
/// How many users one client has created and not deleted yet.
const KEPT: usize = 100;
/// How far into the list pages are asked for.
const PAGES: u64 = 20_000;
const BETWEEN: Duration = Duration::from_secs(10);
/// What the program may have after an hour, in megabytes.
const TARGET: f64 = 100.0;

/// How many there are.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    users: usize,
    /// Of these, the first so many are in the directory too.
    linked: usize,
    /// And the first so many of those in the group.
    members: usize,
}

pub(crate) async fn soak(bench: &Bench, time: Duration) -> Result<()> {
    let members = bench.scaled(50_000);
    let sizes = Sizes { users: bench.scaled(1_000_000), linked: bench.scaled(60_000), members };
    let person = |number| Person { series: SERIES, number };
    let group = GROUP.ldif((0..sizes.members).map(person));
    let slapd = Slapd::start((0..sizes.linked).map(|number| person(number).ldif()).chain([group]))?;
    let workplace = Workplace::new(&bench.program, &slapd.url())?;
    let seeded = Seeded { group: GROUP, members: (0..sizes.members).map(person).collect() };
    eprintln!("{} users are written into a store, {} of them are in the directory", sizes.users, sizes.linked);
    seed(&workplace, (0..sizes.users).map(person), std::iter::once(seeded)).await?;
    let (program, _) = workplace.start(&workplace.create_token()?).await?;
    let (began, tally) = (Instant::now(), Tally::default());
    let samples = RefCell::new(vec![(0.0, program.memory()?)]);
    let mut lanes = Vec::new();
    for (number, client) in program.clients(CLIENTS).await?.into_iter().enumerate() {
        lanes.push(Lane::new(client, number, sizes));
    }
    let load = drive(&mut lanes, Stint { time, most: usize::MAX }, async |lane: &mut Lane, _| lane.step(&tally).await);
    let measured = tokio::select! {
        measured = load => measured?,
        ended = sample(&program, &samples, began) => return ended,
    };
    samples.borrow_mut().push((began.elapsed().as_secs_f64(), program.memory()?));
    check(&slapd, &lanes).await?;
    let requests: usize = tally.requests.borrow().values().sum();
    let text = told(sizes, &samples.borrow(), &tally, measured.rate(), workplace.store_size()?);
    print!("{text}");
    if time >= Duration::from_secs(3_600) && bench.scale >= 1.0 {
        let path = project().join("benches/SOAK.md");
        let heading = "# An hour of mixed load\n\nWritten by `make soak`.\n\n";
        fs::write(&path, format!("{heading}{}\n{text}", machine()?))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let errors: usize = *tally.errors.borrow();
    ensure!(errors == 0, "{errors} of {requests} requests were not answered as they should");
    let complaints = workplace.complaints();
    ensure!(complaints.is_empty(), "the program complained:\n{complaints}");
    Ok(())
}

/// What was asked, and how often the answer was wrong.
#[derive(Debug, Default)]
struct Tally {
    requests: RefCell<BTreeMap<&'static str, usize>>,
    errors: RefCell<usize>,
}

impl Tally {
    fn note(&self, what: &'static str, outcome: Result<()>) {
        *self.requests.borrow_mut().entry(what).or_default() += 1;
        if let Err(error) = outcome {
            let mut errors = self.errors.borrow_mut();
            *errors += 1;
            if *errors <= 20 {
                eprintln!("  {what}: {error:#}");
            }
        }
    }
}

/// One client, and what it knows of its people: those whose number leaves its own when divided by [`CLIENTS`].
struct Lane {
    client: Client,
    number: usize,
    sizes: Sizes,
    random: u64,
    /// How many it has created in all.
    created: usize,
    /// Those that it has created and not deleted: number and id.
    there: Vec<(usize, String)>,
    disabled: BTreeSet<usize>,
    /// Who is in the group and was not when all began.
    joined: BTreeSet<usize>,
}

impl Lane {
    fn new(client: Client, number: usize, sizes: Sizes) -> Self {
        let (there, disabled, joined) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        Self { client, number, sizes, random: number as u64, created: 0, there, disabled, joined }
    }

    /// One request, of some kind.
    async fn step(&mut self, tally: &Tally) -> Result<()> {
        let (what, outcome) = match self.below(100) {
            0..40 => ("lookup", self.look_up().await),
            40..45 => ("lookup of nobody", self.look_up_nobody().await),
            45..65 => ("read by id", self.read().await),
            65..80 => ("PATCH of a user", self.rename().await),
            80..90 if self.there.len() < KEPT => ("create", self.create().await),
            80..90 => ("delete", self.delete().await),
            90..94 => ("member added or removed", self.join_or_leave().await),
            94..98 => ("disable or enable", self.disable_or_enable().await),
            _ => ("page of a list", self.list().await),
        };
        if let Err(error) = &outcome
            && error.downcast_ref::<std::io::Error>().is_some()
        {
            return outcome.context("the program is gone");
        }
        tally.note(what, outcome);
        Ok(())
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.random) as usize % limit
    }

    fn anybody(&mut self) -> Person<'static> {
        Person { series: SERIES, number: self.below(self.sizes.users) }
    }

    /// Somebody of this lane's own between two numbers.
    fn own(&mut self, from: usize, to: usize) -> Person<'static> {
        let place = self.below((to - from) / CLIENTS);
        Person { series: SERIES, number: from.next_multiple_of(CLIENTS) + place * CLIENTS + self.number }
    }

    async fn look_up(&mut self) -> Result<()> {
        let user_name = self.anybody().user_name();
        self.client.ask("GET", &user_query(&user_name), b"").await?.finds(&user_name)?;
        Ok(())
    }

    async fn look_up_nobody(&mut self) -> Result<()> {
        let user_name = format!("nobody{}@contoso.com", self.below(self.sizes.users));
        self.client.ask("GET", &user_query(&user_name), b"").await?.finds_nothing()
    }

    async fn read(&mut self) -> Result<()> {
        let person = self.anybody();
        let shown = self.client.ask("GET", &target(&person.id()), b"").await?.expect(200)?.shown()?;
        ensure!(shown.user_name == Some(person.user_name()), "another user: {shown:?}");
        Ok(())
    }

    async fn rename(&mut self) -> Result<()> {
        let person = self.own(0, self.sizes.members);
        let name = format!("Mary Renamed {}", self.below(1_000_000_000));
        let body = people::patch("Replace", "displayName", json!(name));
        let shown = self.client.ask("PATCH", &target(&person.id()), &body).await?.expect(200)?.shown()?;
        ensure!(shown.display_name.as_deref() == Some(&name), "another name: {shown:?}");
        Ok(())
    }

    async fn create(&mut self) -> Result<()> {
        let number = self.created * CLIENTS + self.number;
        self.created += 1;
        let person = Person { series: "soaked", number };
        let body = person.scim().to_string();
        let answer = self.client.ask("POST", "/scim/v2/Users", body.as_bytes()).await?;
        let shown = answer.expect(201)?.shown()?;
        ensure!(shown.user_name == Some(person.user_name()), "another user: {shown:?}");
        self.there.push((number, shown.id));
        Ok(())
    }

    async fn delete(&mut self) -> Result<()> {
        let place = self.below(self.there.len());
        let (_, id) = self.there.swap_remove(place);
        self.client.ask("DELETE", &target(&id), b"").await?.expect(204)?;
        Ok(())
    }

    async fn join_or_leave(&mut self) -> Result<()> {
        let person = self.own(self.sizes.members, self.sizes.linked - CLIENTS);
        let op = if self.joined.contains(&person.number) { "Remove" } else { "Add" };
        let body = people::member(op, &person.id());
        self.client.ask("PATCH", &format!("/scim/v2/Groups/{}", GROUP.id()), &body).await?.expect(204)?;
        toggle(&mut self.joined, person.number);
        Ok(())
    }

    async fn disable_or_enable(&mut self) -> Result<()> {
        let person = self.own(0, self.sizes.members);
        let is_active = self.disabled.contains(&person.number);
        let body = people::patch("Replace", "active", json!(if is_active { "True" } else { "False" }));
        let shown = self.client.ask("PATCH", &target(&person.id()), &body).await?.expect(200)?.shown()?;
        ensure!(shown.active == Some(is_active), "active is not {is_active}: {shown:?}");
        toggle(&mut self.disabled, person.number);
        Ok(())
    }

    async fn list(&mut self) -> Result<()> {
        let start = 1 + mixed(self.random) % PAGES.min(self.sizes.users as u64);
        let target = format!("/scim/v2/Users?startIndex={start}&count=100");
        let answer = self.client.ask("GET", &target, b"").await?;
        let page: serde_json::Value = serde_json::from_slice(answer.expect(200)?.body)?;
        let shown = page.get("Resources").and_then(|resources| resources.as_array()).map_or(0, Vec::len);
        ensure!(shown == 100 || self.sizes.users < 1_000, "{shown} users on a page of 100");
        Ok(())
    }
}

fn target(id: &str) -> String {
    format!("/scim/v2/Users/{id}")
}

fn toggle(set: &mut BTreeSet<usize>, number: usize) {
    if !set.remove(&number) {
        set.insert(number);
    }
}

/// Notes the program's memory again and again. Returns only when it cannot.
async fn sample(program: &Program, samples: &RefCell<Vec<(f64, f64)>>, began: Instant) -> Result<()> {
    loop {
        tokio::time::sleep(BETWEEN).await;
        let (seconds, memory) = (began.elapsed().as_secs_f64(), program.memory()?);
        samples.borrow_mut().push((seconds, memory));
        if samples.borrow().len().is_multiple_of(30) {
            eprintln!("  after {:.0} min: {memory:.0} MB", seconds / 60.0);
        }
    }
}

/// That the directory holds what the lanes know, of some.
async fn check(slapd: &Slapd, lanes: &[Lane]) -> Result<()> {
    let mut raw = Raw::connect(slapd.address).await?;
    for lane in lanes {
        for number in lane.disabled.iter().take(20) {
            let dn = Person { series: SERIES, number: *number }.dn();
            let locked = raw.values(&dn, "pwdAccountLockedTime").await?;
            ensure!(locked == [people::LOCKED], "{dn} is not locked: {locked:?}");
        }
        for number in lane.joined.iter().take(20) {
            raw.holds(&GROUP.dn(), "member", &Person { series: SERIES, number: *number }.dn()).await?;
        }
        for (number, _) in lane.there.iter().take(20) {
            let person = Person { series: "soaked", number: *number };
            raw.holds(&person.dn(), "uid", &person.user_name()).await?;
        }
    }
    Ok(())
}

fn told(sizes: Sizes, samples: &[(f64, f64)], tally: &Tally, rate: f64, store: u64) -> String {
    let memory: Vec<f64> = samples.iter().map(|(_, memory)| *memory).collect();
    let (first, last) = (memory.first().copied().unwrap_or_default(), memory.last().copied().unwrap_or_default());
    let most = memory.iter().copied().fold(0.0, f64::max);
    let minutes = samples.last().map_or(0.0, |(seconds, _)| seconds / 60.0);
    let verdict = if last < TARGET { "met" } else { "NOT MET" };
    let mut text = String::new();
    let Sizes { users, linked, members } = sizes;
    _ = writeln!(text, "- {users} users in the store, {linked} in the directory, a group of {members}");
    _ = writeln!(text, "- {minutes:.0} minutes, {CLIENTS} clients, {rate:.0} requests/s");
    _ = writeln!(
        text,
        "- memory: first {first:.1} MB, median {:.1} MB, max {most:.1} MB, last {last:.1} MB \
         (target < {TARGET} MB: {verdict})",
        median(&memory)
    );
    _ = writeln!(text, "- growth over the second half: {:.1} MB an hour", growth(samples));
    _ = writeln!(text, "- the store and its log in the end: {} MB", store / 1_000_000);
    for (what, count) in tally.requests.borrow().iter() {
        _ = writeln!(text, "- {what}: {count}");
    }
    _ = writeln!(text, "- errors: {}", tally.errors.borrow());
    text
}

/// The slope of the second half of the samples, in megabytes an hour.
fn growth(samples: &[(f64, f64)]) -> f64 {
    let half = samples.get(samples.len() / 2..).unwrap_or_default();
    let count = half.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| half.iter().map(of).sum::<f64>() / count;
    let (time, memory) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let spread: f64 = half.iter().map(|sample| (sample.0 - time).powi(2)).sum();
    let shared: f64 = half.iter().map(|sample| (sample.0 - time) * (sample.1 - memory)).sum();
    if spread > 0.0 { shared / spread * 3_600.0 } else { 0.0 }
}
