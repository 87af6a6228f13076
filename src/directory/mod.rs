//! The LDAP language: names, values, entries and changes of a directory (RFC 4510 ff.).
//!
//! Not a client: nothing here opens a connection, reads a clock or logs. Invariant: a DN is a [`Dn`]
//! and an attribute name an [`AttributeName`] from the edge on; nobody joins or splits strings.

pub mod attribute;
pub mod backend;
pub mod change;
pub mod dn;
pub mod entry;
pub mod flavor;
pub mod generalized_time;
pub mod imagine;
mod json;
pub mod number;
pub mod schema;
pub mod syntax;
pub mod twins;
pub mod violation;

pub use attribute::{AttributeName, Matching, Value};
pub use backend::Backend;
pub use change::{Action, Change, Modification, Tolerance};
pub use dn::{Dn, Rdn};
pub use entry::{
    Anchor, Attributes, BeforeDisable, DesiredAttribute, DesiredEntry, Entry, Link, Names, Naming, Ownership, Placement,
};
pub use flavor::{AccountLock, Flavor, Transactions};
pub use generalized_time::GeneralizedTime;
pub use number::NumberRange;
pub use schema::Schema;
pub use syntax::Syntax;
pub use twins::{Difference, Twins, twins};
