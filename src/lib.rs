//! scimbridge: a SCIM 2.0 service provider that Microsoft Entra ID pushes users and groups to, and that makes
//! an LDAP directory agree.
//!
//! It keeps what Entra wants (the *desired* state) in a store, and changes the directory until it is so.
//!
//! ```text
//!    Entra ID                                              operator
//!       │ SCIM                                        serve │ token │ check
//!       ▼                                                   ▼
//!   ┌────────┐     ┌─────────┐                         ┌─────────┐
//!   │  http  │ ──▶ │  store  │ desired, links, intents │   cli   │
//!   └────────┘     └─────────┘                         └─────────┘
//!       │               │
//!       └───────┬───────┘
//!               ▼
//!           settle:  load ▶ map ▶ observe ▶ diff ▶ guard ▶ apply ▶ record
//!                    I/O    pure   I/O      pure   pure    I/O     I/O
//!               │
//!               ▼
//!           ┌────────┐
//!           │  ldap  │ ──▶ OpenLDAP
//!           └────────┘
//! ```
//!
//! A SCIM write is *save the intent, then settle one resource*; there is no other way to change the directory.
//! To follow one PATCH: `http::resource::patch` reads it, [`scim::Patch::apply`] makes the new document,
//! [`settle::Bridge::patch`] saves what is wanted, `settle::user` maps it ([`mapping::user::map_user`]), looks at
//! the entry, compares ([`plan::diff()`]), and [`ldap::Directory::apply`] sends the modify.
//!
//! # Modules
//!
//! | module | what | may import |
//! | --- | --- | --- |
//! | [`scim`] | the SCIM language; pure | nothing |
//! | [`directory`] | the LDAP language; pure | nothing |
//! | [`mapping`] | SCIM to directory; pure | `scim`, `directory` |
//! | [`plan`] | desired against observed; pure | `directory` |
//! | [`config`] | what an operator decided | `scim`, `directory`, `mapping`, `plan` |
//! | [`store`] | desired state, kept; the only place that knows `sqlx` | `scim`, `directory` |
//! | [`ldap`] | the directory; the only place that knows `ldap3` | `directory` |
//! | [`settle`] | the one path | `scim`, `directory`, `mapping`, `plan`, `store`, `ldap` |
//! | [`http`] | what Entra can ask; the only place that knows `axum` | `scim`, `store`, `settle` |
//! | [`cli`] | what an operator can ask; the only place that knows `clap` | anything |
//! | [`telemetry`] | logging | nothing |
//!
//! # Invariants
//!
//! 1. Only [`settle`] changes the directory, and only through [`ldap::Directory::apply`].
//! 2. A handler never builds a change. It parses, calls [`scim`], settles, answers.
//! 3. A DN is a [`directory::Dn`]. Nobody joins or splits DN strings.
//! 4. Only [`directory::flavor`] asks which directory server this is; only [`scim::quirks`] asks which identity
//!    provider.
//! 5. Absence is concluded only from a complete search.
//! 6. Secrets are a type that cannot be printed. Passwords never reach the store, a log or a plan.
//! 7. The pure modules hold no `async`, no clock, no randomness, no environment and no logging.

pub mod cli;
pub mod config;
pub mod directory;
pub mod http;
pub mod ldap;
pub mod mapping;
pub mod plan;
pub mod scim;
pub mod settle;
pub mod store;
pub mod telemetry;
