//! scimbridge: a SCIM 2.0 service provider that Microsoft Entra ID pushes users and groups to, and that makes
//! an LDAP directory agree.
//!
//! It keeps what Entra wants (the *desired* state) in a store, and changes the directory until it is so.
//!
//! ```text
//!    Entra ID                                              operator
//!       │ SCIM                   serve │ token │ check │ adopt │ reconcile │ log │ …
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
//!           │  ldap  │ ──▶ OpenLDAP, 389 Directory Server
//!           └────────┘
//! ```
//!
//! A SCIM write is *save the intent, then settle one resource*; there is no other way to change the directory.
//! `reconcile` is *find who is not as wanted, and settle them*: first before a copy of the store and an imagined directory
//! ([`ldap::Directory::rehearsal`]), which is the plan that is shown, then before the real ones, within that plan.
//!
//! To follow one PATCH of a user:
//!
//! 1. `http/resource.rs`, `patch`: takes the request apart; `http/write.rs`, `patch`, which a bulk request calls too:
//!    reads the body as a [`scim::Patch`] and calls [`settle::Push::patch`], which keeps in the log how it ends.
//! 2. `settle/write.rs`, `edit`: takes the locks, makes an earlier change that is still pending, lets
//!    [`scim::Patch::apply`] make the new document; `write_edit` checks that it can be an entry; `settle_wanted` saves
//!    the intent ([`store::Store::want`]); `settle_or_revert` settles, and turns a refused change around.
//! 3. `settle/user.rs`, `converge_user`: maps ([`mapping::user::map_user`]), observes the entry, keeps out who must not
//!    log in (`settle/disable.rs`) before anything else, compares ([`plan::diff()`]); `Bridge::carry_out` guards the plan
//!    and sends it, change by change ([`ldap::Directory::apply`]). A password that the request brought is set last.
//! 4. `settle_user` lets references follow a rename and records ([`store::Store::settle`]); the handler shows the
//!    resource.
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
//! | [`store`] | desired state, kept; the only place that knows `rusqlite` | `scim`, `directory` |
//! | [`ldap`] | the directory; the only place that knows `ldap3` | `directory` |
//! | [`settle`] | the one path | `scim`, `directory`, `mapping`, `plan`, `store`, `ldap` |
//! | [`http`] | what Entra can ask; the only place that knows `axum` | `scim`, `store`, `settle` |
//! | [`cli`] | what an operator can ask; the only place that knows `clap` | anything |
//! | [`telemetry`] | log lines, traces, metrics; the only place that knows `opentelemetry` | nothing; started by `cli` |
//!
//! # Invariants
//!
//! 1. Only [`settle`] changes the directory, and only through [`ldap::Directory::apply`]; passwords alone go by
//!    [`ldap::Directory::set_password`]. `adopt` changes nothing there, `preview` writes before a copy and an
//!    imagined directory, and `check --probe` writes as Entra would.
//! 2. A handler never builds a change. It parses, calls [`scim`], settles, answers.
//! 3. A DN is a [`directory::Dn`]. Nobody joins or splits DN strings.
//! 4. Only [`directory::flavor`] asks which directory server this is. Nothing asks which identity provider: what
//!    Entra sends outside the RFCs is read the same from everybody, in [`scim::quirks`] and where `scim` names it.
//! 5. Absence is concluded only from a complete search.
//! 6. Secrets are a type that cannot be printed. Passwords never reach the store or a log; in a plan that is shown or
//!    written they are hidden.
//! 7. What the dry run printed is what the run does: it may make no other change ([`plan::Allowance`]).
//! 8. The pure modules hold no `async`, no clock, no randomness, no environment and no logging.

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
