//! Scopes: which kinds of resource a client may read, and which it may write.
//!
//! Not who has them: that is known where clients are let in. Invariant: who may write may read, since every answer to
//! a write shows the resource, and Entra reads before it writes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::resource::Kind;

/// What is done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// It is shown.
    Read,
    /// It is created, changed or deleted.
    Write,
}

/// A kind of resource, and what may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The kind of resource.
    pub kind: Kind,
    /// What may be done.
    pub access: Access,
}

impl Scope {
    /// All that there are.
    pub const ALL: [Scope; 4] = [
        Scope { kind: Kind::User, access: Access::Read },
        Scope { kind: Kind::User, access: Access::Write },
        Scope { kind: Kind::Group, access: Access::Read },
        Scope { kind: Kind::Group, access: Access::Write },
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match (self.kind, self.access) {
            (Kind::User, Access::Read) => "users:read",
            (Kind::User, Access::Write) => "users:write",
            (Kind::Group, Access::Read) => "groups:read",
            (Kind::Group, Access::Write) => "groups:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A word that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of users:read, users:write, groups:read, groups:write")]
pub struct NoScope(pub String);

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Scope, NoScope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| NoScope(text.to_owned()))
    }
}

/// All that somebody may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Everything.
    pub fn all() -> Scopes {
        Scopes(Scope::ALL.into())
    }

    /// Whether that may be done.
    pub fn allow(&self, scope: Scope) -> bool {
        let write = Scope { access: Access::Write, ..scope };
        self.0.contains(&scope) || self.0.contains(&write)
    }

    /// Whether nothing may be done.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Scopes {
        Scopes(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|scope| scope.as_str()).collect();
        formatter.write_str(&words.join(" "))
    }
}

impl FromStr for Scopes {
    type Err = NoScope;

    /// Words with blanks between them (RFC 6749 §3.3).
    fn from_str(text: &str) -> Result<Scopes, NoScope> {
        text.split_whitespace().map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_may_read() {
        let writer: Scopes = "users:write".parse().unwrap();
        let allowed: Vec<&str> =
            Scope::ALL.into_iter().filter(|scope| writer.allow(*scope)).map(Scope::as_str).collect();
        assert_eq!(allowed, ["users:read", "users:write"]);
        let reader: Scopes = "groups:read".parse().unwrap();
        assert!(!reader.allow(Scope { kind: Kind::Group, access: Access::Write }));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = Scopes::all().to_string();
        assert_eq!(text, "users:read users:write groups:read groups:write");
        assert_eq!(text.parse(), Ok(Scopes::all()));
        assert_eq!("".parse::<Scopes>().map(|scopes| scopes.is_empty()), Ok(true));
        assert_eq!("users:read scim".parse::<Scopes>(), Err(NoScope("scim".to_owned())));
    }
}
