//! Closed loops, and what is made of their figures: each side once a round, in turn, and ratios within a round.
//!
//! Invariant: a ratio never compares what was measured in different rounds, between which the machine may have had other
//! things to do.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;

/// How long a side is measured in a round: until the time is over or the work is done, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stint {
    pub(crate) time: Duration,
    pub(crate) most: usize,
}

impl Stint {
    /// All of the work, however long it takes.
    pub(crate) fn all(most: usize) -> Self {
        Self { time: Duration::MAX, most }
    }
}

/// How a stint went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) operations: usize,
    pub(crate) seconds: f64,
    /// How much of one core the driver itself used.
    pub(crate) driver: f64,
}

impl Measured {
    pub(crate) fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds
    }

    /// Both one after the other.
    pub(crate) fn and(&self, other: Measured) -> Measured {
        let seconds = self.seconds + other.seconds;
        let driver = (self.driver * self.seconds + other.driver * other.seconds) / seconds;
        Measured { operations: self.operations + other.operations, seconds, driver }
    }
}

/// Lets every connection do the next piece of work as soon as it has done one. Each piece has a number, from 0 on. The
/// first that fails ends all.
pub(crate) async fn drive<C, F>(connections: &mut [C], stint: Stint, act: F) -> Result<Measured>
where
    F: AsyncFn(&mut C, usize) -> Result<()>,
{
    let next = Cell::new(0);
    let processor = processor_time()?;
    let began = Instant::now();
    let workers = connections.iter_mut().map(async |connection| {
        while next.get() < stint.most && began.elapsed() < stint.time {
            let number = next.replace(next.get() + 1);
            act(connection, number).await.with_context(|| format!("operation {number}"))?;
        }
        anyhow::Ok(())
    });
    try_join_all(workers).await?;
    let seconds = began.elapsed().as_secs_f64();
    let driver = (processor_time()? - processor) / seconds;
    Ok(Measured { operations: next.get(), seconds, driver })
}

/// What was measured of each side, by its label, round by round.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    rates: BTreeMap<String, Vec<f64>>,
    drivers: BTreeMap<String, Vec<f64>>,
}

impl Sides {
    pub(crate) fn note(&mut self, label: &str, measured: Measured) {
        eprintln!(
            "    {label}: {:.0}/s ({} in {:.2} s, driver {:.0}%)",
            measured.rate(),
            measured.operations,
            measured.seconds,
            measured.driver * 100.0
        );
        self.rates.entry(label.to_owned()).or_default().push(measured.rate());
        self.drivers.entry(label.to_owned()).or_default().push(measured.driver);
    }

    /// One side over another.
    pub(crate) fn row(&self, work: &str, ours: &str, theirs: &str, target: Option<f64>) -> Result<Row> {
        let rates = |label: &str| self.rates.get(label).with_context(|| format!("{label} was not measured"));
        let (our_rates, their_rates) = (rates(ours)?, rates(theirs)?);
        let ratios: Vec<f64> = our_rates.iter().zip(their_rates).map(|(ours, theirs)| ours / theirs).collect();
        Ok(Row {
            work: work.to_owned(),
            ours: ours.to_owned(),
            theirs: theirs.to_owned(),
            our_rate: median(our_rates),
            their_rate: median(their_rates),
            ratio: median(&ratios),
            least: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            most: ratios.iter().copied().fold(0.0, f64::max),
            driver: median(self.drivers.get(ours).map(Vec::as_slice).unwrap_or_default()),
            target,
        })
    }

    pub(crate) fn rate(&self, label: &str) -> f64 {
        median(self.rates.get(label).map(Vec::as_slice).unwrap_or_default())
    }

    pub(crate) fn driver(&self, label: &str) -> f64 {
        median(self.drivers.get(label).map(Vec::as_slice).unwrap_or_default())
    }
}

/// A line of the table: how many times as much one side did as the other.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
    /// Operations a second.
    pub(crate) our_rate: f64,
    pub(crate) their_rate: f64,
    pub(crate) ratio: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// How much of one core the driver used while it measured our side.
    pub(crate) driver: f64,
    /// What the ratio should at least be.
    pub(crate) target: Option<f64>,
}

/// The one in the middle, or what lies between the two there; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { at(middle) } else { (at(middle.saturating_sub(1)) + at(middle)) / 2.0 }
}

/// How many seconds this process has computed.
fn processor_time() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/schedstat").context("no /proc/self/schedstat")?;
    // Of this thread, which is the driver: the others only wait.
    let nanoseconds: f64 = text.split_whitespace().next().context("an empty schedstat")?.parse()?;
    Ok(nanoseconds / 1e9)
}
