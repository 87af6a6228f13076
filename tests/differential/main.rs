//! Our PATCH and our filters beside those of somebody else: thousands of generated requests are answered by the library
//! and by scim2-models, which is written in another language by people who never saw ours, from the same RFCs.
//!
//! The two need not agree: Entra asks for things that the RFCs do not have, and the RFCs leave things open. But every
//! kind of difference is listed beside the cases, with its reason, and the list is held to be complete and true: a
//! difference that nothing explains fails the test, and so does an explanation that nothing needs.
//!
//! scim2-models lives in a venv that `scripts/oracle-venv` makes. Without it these tests say that they are skipped, or
//! fail if `SCIMBRIDGE_REQUIRE_ORACLE` is set. `cargo test --test differential -- --nocapture` shows how many cases
//! each explanation explains.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that meets the unexpected ends there, and says so"
)]

mod difference;
mod filter;
mod oracle;
mod ours;
mod patch;
mod resource;
