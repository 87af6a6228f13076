//! How fast the program is, beside the directory alone: ratios of the SCIM side to the same work in plain LDAP, each
//! pair measured in turn, in one run.
//!
//! Not a load test of somebody's installation: it starts a private OpenLDAP and the release binary and sends nothing
//! anywhere else. Invariant: every answer is checked, and what was written is looked for in the directory; a wrong
//! answer ends the bench, since numbers of wrong work are worth nothing.

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench speaks to whoever started it")]

mod answer;
mod bench;
mod client;
mod cycles;
mod directory;
mod lookups;
mod members;
mod people;
mod program;
mod raw;
mod report;
mod rounds;
mod seed;
mod soak;
mod writes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use bench::{Bench, House};
use directory::Slapd;
use lookups::Crowd;
use report::Report;
use writes::Write;

/// Measures the program beside the directory alone: `cargo bench --bench bridge -- [OPTIONS]`.
///
/// Without a selection it writes benches/RESULTS.md.
#[derive(Debug, Parser)]
#[command(name = "bridge")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only these families of rows
    #[arg(long, value_delimiter = ',')]
    only: Vec<Family>,
    /// Only these numbers of clients, of those families that have several
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// How often each side is measured
    #[arg(long, default_value_t = ROUNDS)]
    rounds: usize,
    /// Of smaller sets, for a quick look: 0.1 is a tenth
    #[arg(long, default_value_t = 1.0, global = true)]
    scale: f64,
    /// Another binary than the one just built, to compare two builds
    #[arg(long, value_name = "PATH", global = true)]
    program: Option<PathBuf>,
    /// Be the server that only gives the answers of a file
    #[arg(long, hide = true)]
    answers: Option<PathBuf>,
    /// What cargo says to every bench
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sample the memory of the program under a mixed load, with 1,000,000 users in the store; an hour or more of it
    /// writes benches/SOAK.md
    Soak {
        /// For how long, such as 10m or 1h
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
        time: Duration,
    },
}

const ROUNDS: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Family {
    /// POST of a user
    Creates,
    /// PATCH of a user's displayName
    Patches,
    /// PATCH of a user's active to false
    Disables,
    /// PATCHes that add one member, to groups of 10, 1,000 and 50,000
    Members,
    /// Entra's initial and incremental cycle
    Cycles,
    /// Entra's matching query, with 1,000 and 1,000,000 users in the store
    Lookups,
    /// Time of the start and memory at rest, with as many
    Standing,
}

impl Arguments {
    fn is_selection(&self) -> bool {
        let is_smaller = self.rounds < ROUNDS || self.scale != 1.0;
        !self.only.is_empty() || !self.clients.is_empty() || is_smaller || self.program.is_some()
    }

    fn wants(&self, family: Family) -> bool {
        self.only.is_empty() || self.only.contains(&family)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(answers) = &arguments.answers {
        return answer::serve(answers);
    }
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
    if let Some(Command::Soak { time }) = arguments.command {
        return soak::soak(&bench, time).await;
    }
    let mut report = Report::default();
    measure_writes(&arguments, &bench, &mut report).await?;
    measure_reads(&arguments, &bench, &mut report).await?;
    print!("{}", report.tables());
    if !arguments.is_selection() {
        report.write(arguments.rounds, began.elapsed().as_secs_f64() / 60.0)?;
    }
    Ok(())
}

/// What changes the directory: all of it in one house, so that entries grow in number as they do in a real one.
async fn measure_writes(arguments: &Arguments, bench: &Bench, report: &mut Report) -> Result<()> {
    let writes =
        [(Family::Creates, Write::Create), (Family::Patches, Write::Patch), (Family::Disables, Write::Disable)];
    let wanted: Vec<Write> =
        writes.iter().filter(|(family, _)| arguments.wants(*family)).map(|(_, write)| *write).collect();
    let (members, cycles) = (arguments.wants(Family::Members), arguments.wants(Family::Cycles));
    if wanted.is_empty() && !members && !cycles {
        return Ok(());
    }
    let house = House::build(bench).await?;
    for write in wanted {
        writes::measure(bench, &house, write, report).await?;
    }
    if members {
        members::measure(bench, &house, report).await?;
    }
    if cycles {
        cycles::measure(bench, &house, report).await?;
    }
    let complaints = house.workplace.complaints();
    ensure!(complaints.is_empty(), "the program complained:\n{complaints}");
    Ok(())
}

/// What only the store is asked.
async fn measure_reads(arguments: &Arguments, bench: &Bench, report: &mut Report) -> Result<()> {
    let (lookups, standing) = (arguments.wants(Family::Lookups), arguments.wants(Family::Standing));
    if !lookups && !standing {
        return Ok(());
    }
    let slapd = Slapd::start(std::iter::empty())?;
    let mut few = Crowd::gather(bench, &slapd, "few", 1_000).await?;
    let mut many = Crowd::gather(bench, &slapd, "many", bench.scaled(1_000_000)).await?;
    if lookups {
        lookups::measure(bench, &few, &many, report).await?;
    }
    if standing {
        lookups::standing(&mut few, &mut many, report).await?;
    }
    Ok(())
}
