//! What was measured, on the terminal and in `benches/RESULTS.md`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::process::Command;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result};

use super::directory::{self, folder, project};
use super::rounds::{Row, median};

/// Rows and figures, in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    figures: Vec<Figure>,
}

/// What is told by itself, without a ratio.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What it should be below.
    pub(crate) target: Option<f64>,
}

impl Report {
    pub(crate) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn figure(&mut self, what: impl Into<String>, value: f64, unit: &'static str, target: Option<f64>) {
        self.figures.push(Figure { what: what.into(), value, unit, target });
    }

    /// The tables, in Markdown that is legible as it is.
    pub(crate) fn tables(&self) -> String {
        let mut text = String::new();
        let rows = self.rows.iter().map(|row| {
            vec![
                row.work.clone(),
                row.ours.clone(),
                format!("{:.0}", row.our_rate),
                row.theirs.clone(),
                format!("{:.0}", row.their_rate),
                format!("{:.2}", row.ratio),
                format!("{:.2}..{:.2}", row.least, row.most),
                row.target.map_or(String::new(), |target| verdict(row.ratio >= target, &format!("≥ {target}"))),
                format!("{:.0}%", row.driver * 100.0),
            ]
        });
        let head = ["work", "ours", "/s", "beside", "/s", "ratio", "min..max", "target", "driver"];
        text.push_str(&table(&head, rows.collect()));
        let figures = self.figures.iter().map(|figure| {
            vec![
                figure.what.clone(),
                format!("{:.1} {}", figure.value, figure.unit),
                figure.target.map_or(String::new(), |target| {
                    verdict(figure.value < target, &format!("< {target} {}", figure.unit))
                }),
            ]
        });
        text.push('\n');
        text.push_str(&table(&["figure", "value", "target"], figures.collect()));
        text
    }

    /// Writes all to `benches/RESULTS.md`.
    pub(crate) fn write(&self, rounds: usize, minutes: f64) -> Result<()> {
        let path = project().join("benches/RESULTS.md");
        let text = format!(
            "# Results\n\nWritten by `make bench`; by hand only together with what explains it. A ratio is the median of {rounds} \
             rounds, in each of which both sides\nwere measured in turn. `driver` is how much of one core the load itself \
             took. Memory after an hour of load: [SOAK.md](SOAK.md), by `make soak`.\n\n{}\n{}\nIt took {minutes:.0} \
             minutes.\n",
            machine()?,
            self.tables()
        );
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn verdict(is_met: bool, target: &str) -> String {
    format!("{target}: {}", if is_met { "met" } else { "NOT MET" })
}

/// A table whose columns are aligned.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&head).chain(&rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let mut text = line(&head);
    text.push_str(&line(&rule));
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

/// On what it was measured, when, and of what.
pub(crate) fn machine() -> Result<String> {
    let mut text = String::new();
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kilobytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes: f64 = kilobytes.and_then(|line| line.split_whitespace().next()).unwrap_or("0").parse()?;
    let lines = [
        ("date", humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
        ("commit", commit()),
        (
            "CPU",
            format!("{}, {} cores", model.map_or("unknown", |(_, model)| model), std::thread::available_parallelism()?),
        ),
        ("memory", format!("{:.0} GB", kilobytes / 1024.0 / 1024.0)),
        ("kernel", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned()),
        ("disk", format!("{:.2} ms for a write of 4 kB and its fdatasync (median)", sync_time()?)),
        ("slapd", directory::version()?),
    ];
    for (name, value) in lines {
        _ = writeln!(text, "- {name}: {value}");
    }
    Ok(text)
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let said = Command::new("git").arg("-C").arg(project()).args(arguments).output().ok()?;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    // What a run writes itself is no change of what was measured.
    let changes = git(&["status", "--porcelain", "--", ".", ":!benches/RESULTS.md", ":!benches/SOAK.md"]);
    if changes.is_none_or(|changes| changes.is_empty()) { commit } else { format!("{commit} + changes") }
}

/// How long the disk takes to keep a page, in milliseconds.
fn sync_time() -> Result<f64> {
    let folder = folder("disk")?;
    let mut file = File::create(folder.path().join("probe"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(&times))
}
