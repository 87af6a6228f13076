//! Entra's matching query, with few and with many users in the store, beside a server that looks for nothing; and what
//! the program is like with so many users: how soon it answers, how much memory it has.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::answer::Ceiling;
use super::bench::Bench;
use super::client::Client;
use super::directory::Slapd;
use super::people::{Person, mixed, user_query};
use super::program::{Program, Workplace};
use super::report::Report;
use super::rounds::{Sides, Stint, drive, median};
use super::seed::seed;

/// How many different users are looked up.
const SAMPLE: usize = 20_000;
const CEILING: &str = "axum";

/// A program whose store holds so many users, whom the directory need not know: lookups never ask it.
pub(crate) struct Crowd {
    pub(crate) workplace: Workplace,
    pub(crate) program: Program,
    series: &'static str,
    size: usize,
}

impl Crowd {
    pub(crate) async fn gather(bench: &Bench, slapd: &Slapd, series: &'static str, size: usize) -> Result<Self> {
        let workplace = Workplace::new(&bench.program, &slapd.url())?;
        let began = Instant::now();
        seed(&workplace, (0..size).map(|number| Person { series, number }), std::iter::empty()).await?;
        eprintln!(
            "a store of {size} users made in {:.0} s: {} MB",
            began.elapsed().as_secs_f64(),
            workplace.store_size()? / 1_000_000
        );
        let token = workplace.create_token()?;
        let (program, _) = workplace.start(&token).await?;
        Ok(Self { workplace, program, series, size })
    }

    /// One of those who are looked up, spread over all.
    fn user_name(&self, number: usize) -> String {
        let number = mixed((number % SAMPLE) as u64) as usize % self.size;
        Person { series: self.series, number }.user_name()
    }

    /// What the program answers to each lookup.
    async fn answers(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut client = self.program.clients(1).await?.pop().context("no client")?;
        let mut answers = Vec::new();
        for number in 0..SAMPLE {
            let user_name = self.user_name(number);
            let target = user_query(&user_name);
            let answer = client.ask("GET", &target, b"").await?;
            answer.finds(&user_name)?;
            let body = answer.body.to_vec();
            answers.push((target, body));
        }
        Ok(answers)
    }

    async fn look_up(&self, clients: &mut [Client], time: Duration) -> Result<super::rounds::Measured> {
        let stint = Stint { time, most: usize::MAX };
        drive(clients, stint, async |client: &mut Client, number| {
            let user_name = self.user_name(number);
            client.ask("GET", &user_query(&user_name), b"").await?.finds(&user_name)?;
            Ok(())
        })
        .await
    }
}

/// Lookups among few and many users.
pub(crate) async fn measure(bench: &Bench, few: &Crowd, many: &Crowd, report: &mut Report) -> Result<()> {
    let ceiling = {
        let (mut answers, others) = (few.answers().await?, many.answers().await?);
        answers.extend(others);
        Ceiling::start(&answers)?
    };
    let numbers: Vec<usize> = bench.clients().filter(|&clients| clients <= 32).collect();
    let ours = |clients: usize, crowd: &Crowd| format!("SCIM, {} users, {clients} clients", crowd.size);
    let theirs = |clients: usize| format!("{CEILING}, {clients} clients");
    let mut sides = Sides::default();
    for round in 0..bench.rounds {
        eprintln!("  lookups, round {}", round + 1);
        for &clients in &numbers {
            let mut ours_few = few.program.clients(clients).await?;
            sides.note(&ours(clients, few), few.look_up(&mut ours_few, bench.time()).await?);
            let mut ceilings = ceiling.clients(clients).await?;
            sides.note(&theirs(clients), many.look_up(&mut ceilings, bench.time()).await?);
            let mut ours_many = many.program.clients(clients).await?;
            sides.note(&ours(clients, many), many.look_up(&mut ours_many, bench.time()).await?);
        }
    }
    for clients in numbers {
        let target = (clients > 1).then_some(0.4);
        report.row(sides.row("look a user up", &ours(clients, few), &theirs(clients), None)?);
        report.row(sides.row("look a user up", &ours(clients, many), &theirs(clients), target)?);
        report.row(sides.row("look a user up", &ours(clients, many), &ours(clients, few), None)?);
        let (rate, driver) = (sides.rate(&theirs(clients)), sides.driver(&theirs(clients)));
        report.figure(format!("the driver's own ceiling, {clients} clients of axum"), rate, "requests/s", None);
        report.figure("  of a core that the driver took for it", driver * 100.0, "%", None);
    }
    Ok(())
}

/// How soon the program answers with many users in the store, and its memory before it has done anything.
pub(crate) async fn standing(few: &mut Crowd, many: &mut Crowd, report: &mut Report) -> Result<()> {
    let mut starts = Vec::new();
    for _ in 0..5 {
        let token = many.program.token.clone();
        many.program.stop();
        let (program, time) = many.workplace.start(&token).await?;
        starts.push(time.as_secs_f64() * 1e3);
        many.program = program;
    }
    let what = format!("from exec to the first answer, {} users", many.size);
    report.figure(what, median(&starts), "ms", Some(100.0));
    for crowd in [few, many] {
        let token = crowd.program.token.clone();
        crowd.program.stop();
        crowd.program = crowd.workplace.start(&token).await?.0;
        // What it does by itself after its start is over by then.
        tokio::time::sleep(Duration::from_secs(2)).await;
        report.figure(format!("memory at rest, {} users", crowd.size), crowd.program.memory()?, "MB", None);
    }
    Ok(())
}
