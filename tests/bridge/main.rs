//! Stories: SCIM requests go in over real HTTP, and what is looked at is the SCIM answer and a real directory.
//!
//! Each story starts its own slapd and its own copy of the program (see `support`), so they run side by side and in any
//! order. What Entra sends is in `tests/fixtures/entra`, one file per form.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    reason = "a test that meets the unexpected ends there, and says so"
)]

#[path = "../support/mod.rs"]
mod support;

mod adopt;
mod auth;
mod bad_days;
mod binary;
mod bulk;
mod check;
mod cli;
mod concurrency;
mod crash;
mod cursor;
mod disable;
mod discovery;
mod docs;
mod drift;
mod ds389;
mod edges;
mod entra_setup;
mod etag;
mod example;
mod explain;
mod failure;
mod filters;
mod groups;
mod health;
mod jwt;
mod languages;
mod laws;
mod leaver;
mod limits;
mod list;
mod log;
mod logs;
mod member_lists;
mod metrics;
mod names;
mod numbers;
mod oauth;
mod outage;
mod passwords;
mod patch;
mod pause;
mod peer;
mod places;
mod preview;
mod query;
mod reconcile;
mod rehearsal;
mod secrets;
mod supervisor;

mod tidy;
mod tls;
mod together;
mod tokens;
mod tolerance;
mod transport;
mod twins;
mod users;
mod values;
