//! The `scimbridge` program: parses arguments, runs the command, turns the outcome into an exit code.

use std::process::ExitCode;

/// A fifth of the time of a write went into the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    scimbridge::cli::main()
}
