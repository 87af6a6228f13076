//! How much is measured, and the places where it is.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::directory::Slapd;
use super::members;
use super::people::{Group, Person};
use super::program::{Program, Workplace};
use super::seed::{Seeded, seed};
use super::writes;

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) program: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) scale: f64,
    pub(crate) clients: Vec<usize>,
}

impl Bench {
    /// So many, at this scale.
    pub(crate) fn scaled(&self, number: usize) -> usize {
        ((number as f64 * self.scale) as usize).max(10)
    }

    /// Those of the usual numbers of clients that were asked for.
    pub(crate) fn clients(&self) -> impl Iterator<Item = usize> {
        self.clients.iter().copied()
    }

    /// How long a side is measured in a round.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs_f64(1.5 * self.scale.clamp(0.2, 1.0))
    }
}

/// Groups of one size, of which each side has its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) ours: &'static str,
    pub(crate) theirs: &'static str,
    pub(crate) groups: usize,
    pub(crate) members: usize,
}

/// A directory with people and groups, and the program in front of it, whose store knows them.
pub(crate) struct House {
    pub(crate) program: Program,
    pub(crate) workplace: Workplace,
    pub(crate) slapd: Slapd,
    /// How many people there are.
    pub(crate) people: usize,
    pub(crate) sizes: [Size; 3],
}

const PEOPLE: &str = "person";

impl House {
    pub(crate) async fn build(bench: &Bench) -> Result<Self> {
        let large = bench.scaled(50_000);
        let sizes = [
            Size { ours: "ten", theirs: "raw-ten", groups: 250, members: 10 },
            Size { ours: "thousand", theirs: "raw-thousand", groups: 10, members: bench.scaled(1_000) },
            Size { ours: "large", theirs: "raw-large", groups: 1, members: large },
        ];
        // Those beyond the large group are who is added to groups; and each is disabled once at most.
        let people =
            (large + members::spare(bench.rounds)).max(bench.rounds * (bench.clients.len() + 2) * writes::MOST);
        eprintln!("{people} people and their groups are written into a directory and a store");
        let person = |number| Person { series: PEOPLE, number };
        let all = sizes.iter().flat_map(|size| {
            let groups =
                (0..size.groups).flat_map(|number| [size.ours, size.theirs].map(|series| Group { series, number }));
            groups.map(move |group| group.ldif((0..size.members).map(person)))
        });
        let slapd = Slapd::start((0..people).map(|number| person(number).ldif()).chain(all))?;
        let workplace = Workplace::new(&bench.program, &slapd.url())?;
        let groups = sizes.iter().flat_map(|size| (0..size.groups).map(move |number| (size, number)));
        let groups = groups.map(|(size, number)| Seeded {
            group: Group { series: size.ours, number },
            members: (0..size.members).map(person).collect(),
        });
        seed(&workplace, (0..people).map(person), groups).await?;
        let token = workplace.create_token()?;
        let (program, _) = workplace.start(&token).await?;
        Ok(Self { program, workplace, slapd, people, sizes })
    }

    pub(crate) fn person(&self, number: usize) -> Result<Person<'static>> {
        ensure!(number < self.people, "there are only {} people", self.people);
        Ok(Person { series: PEOPLE, number })
    }
}
