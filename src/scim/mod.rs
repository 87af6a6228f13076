//! The SCIM language: resources, paths, PATCH, filters, lists and discovery (RFC 7643, RFC 7644).
//!
//! Not a server: nothing here knows of HTTP, the store or the directory. What Entra does outside the RFCs is read in
//! [`quirks`] where a form can be turned into the RFC's own, and said in a comment where it changes what an
//! operation means ([`patch`]).

pub mod discovery;
pub mod error;
pub mod filter;
pub mod list;
pub mod patch;
pub mod path;
pub mod quirks;
pub mod resource;
pub mod schema;

pub use error::{Error, ScimType};
pub use filter::Search;
pub use list::{Paging, Projection};
pub use patch::{MemberChange, Patch, Patched};
pub use path::{AttributePath, Path};
pub use resource::{Document, Draft, Kind, Member, Resource, ResourceId};
