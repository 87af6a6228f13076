//! How fast the program is, beside the directory alone: ratios of the SCIM side to the same work in plain LDAP, each
//! pair measured in turn, in one run.
//!
//! Not a load test of somebody's installation: it starts a private OpenLDAP and the release binary and sends nothing
//! anywhere else. Invariant: every answer is checked, and what was written is looked for in the directory; a wrong
//! answer ends the bench, since numbers of wrong work are worth nothing.

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench speaks to whoever started it")]

mod bench;
mod client;
mod directory;
mod people;
mod program;
mod raw;
mod report;
mod rounds;
mod seed;
mod writes;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use bench::{Bench, House};
use report::Report;
use writes::Write;

/// Measures the program beside the directory alone: `cargo bench --bench bridge -- [OPTIONS]`.
///
/// Without a selection it writes benches/RESULTS.md.
#[derive(Debug, Parser)]
#[command(name = "bridge")]
struct Arguments {
    /// Only these families of rows
    #[arg(long, value_delimiter = ',')]
    only: Vec<Family>,
    /// Only these numbers of clients
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// How often each side is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Of smaller sets, for a quick look: 0.1 is a tenth
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Another binary than the one just built, to compare two builds
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Family {
    Creates,
    Patches,
    Disables,
}

impl Arguments {
    fn is_selection(&self) -> bool {
        !self.only.is_empty()
            || !self.clients.is_empty()
            || self.rounds < 5
            || self.scale != 1.0
            || self.program.is_some()
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // One thread: the driver must leave the cores to what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<()> {
    ensure!(arguments.rounds > 0 && arguments.scale > 0.0, "--rounds and --scale must be more than 0");
    let began = Instant::now();
    let clients = if arguments.clients.is_empty() { vec![1, 8, 32, 128] } else { arguments.clients.clone() };
    let bench = Bench {
        program: arguments.program.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_scimbridge"))),
        rounds: arguments.rounds,
        scale: arguments.scale,
        clients,
    };
    let wanted: BTreeSet<Family> = match arguments.only.as_slice() {
        [] => Family::value_variants().iter().copied().collect(),
        only => only.iter().copied().collect(),
    };
    let mut report = Report::default();
    let writes =
        [(Family::Creates, Write::Create), (Family::Patches, Write::Patch), (Family::Disables, Write::Disable)];
    if writes.iter().any(|(family, _)| wanted.contains(family)) {
        let house = House::build(&bench).await?;
        for (_, write) in writes.iter().filter(|(family, _)| wanted.contains(family)) {
            writes::measure(&bench, &house, *write, &mut report).await?;
        }
        let complaints = house.workplace.complaints();
        ensure!(complaints.is_empty(), "the program complained:\n{complaints}");
    }
    print!("{}", report.tables());
    if !arguments.is_selection() {
        report.write(arguments.rounds, began.elapsed().as_secs_f64() / 60.0)?;
    }
    Ok(())
}
