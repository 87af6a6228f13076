//! The SCIM language: resources, paths, PATCH, filters, lists and discovery (RFC 7643, RFC 7644).
//!
//! Not a server: nothing here knows of HTTP, the store or the directory. What Entra does outside the RFCs is read in
//! [`quirks`] where a form can be turned into the RFC's own, and said in a comment where it changes what an
//! operation means ([`patch`]).

pub mod bulk;
pub mod compare;
pub mod discovery;
pub mod error;
pub mod filter;
pub mod index;
pub mod list;
pub mod password;
pub mod patch;
pub mod path;
pub mod projection;
pub mod quirks;
pub mod redact;
pub mod resource;
pub mod schema;
pub mod scope;
pub mod sort;
pub mod version;

pub use error::{Error, ScimType};
pub use filter::Search;
pub use index::{Condition, Index};
pub use list::Paging;
pub use password::Password;
pub use patch::{MemberChange, Patch, Patched};
pub use path::{AttributePath, Path};
pub use projection::Projection;
pub use resource::{Document, Draft, Kind, Member, Resource, ResourceId, Surroundings};
pub use schema::Schema;
pub use scope::{Access, NoScope, Scope, Scopes};
pub use sort::Sort;
pub use version::{Precondition, Versions};
