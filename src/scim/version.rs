//! Versions of resources as entity tags (RFC 7644 §3.14), and what a client demands of them.
//!
//! All tags are weak: they say that a resource means the same, not that its bytes are the same. So all are compared
//! weakly, in `If-Match` too.

/// The entity tag of a version.
pub fn tag(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// The versions that a header or a bulk operation names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// `*`: whichever there is.
    Any,
    /// One of these, each without its `W/` and its quotes.
    These(Vec<String>),
}

impl Versions {
    /// Reads `*`, or entity tags with commas between them. A tag without quotes is taken as it stands.
    pub fn parse(text: &str) -> Versions {
        if text.trim() == "*" {
            return Versions::Any;
        }
        let tag = |tag: &str| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag);
            tag.trim_matches('"').to_owned()
        };
        Versions::These(text.split(',').map(tag).filter(|tag| !tag.is_empty()).collect())
    }

    /// Whether a resource of that version is among them.
    pub fn include(&self, version: i64) -> bool {
        match self {
            Versions::Any => true,
            Versions::These(tags) => tags.contains(&version.to_string()),
        }
    }
}

/// What a client demands of a resource's version before it is read or written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// `If-Match`: it is one of these.
    pub matches: Option<Versions>,
    /// `If-None-Match`: it is none of these.
    pub matches_none: Option<Versions>,
}

impl Precondition {
    /// Whether a write may go ahead: `If-Match` names the version, and `If-None-Match` does not.
    pub fn permits(&self, version: i64) -> bool {
        self.matches.as_ref().is_none_or(|versions| versions.include(version)) && !self.is_known(version)
    }

    /// Whether the client says that it has this version.
    pub fn is_known(&self, version: i64) -> bool {
        self.matches_none.as_ref().is_some_and(|versions| versions.include(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, version: i64, expected: bool) {
        assert_eq!(Versions::parse(header).include(version), expected, "{header}");
    }

    #[test]
    fn tags_are_compared_weakly() {
        check("*", 1, true);
        check("W/\"7\"", 7, true);
        check("\"7\"", 7, true);
        check("w/7", 7, true);
        check("W/\"6\", W/\"7\"", 7, true);
        check("W/\"6\"", 7, false);
        check("W/\"77\"", 7, false);
        check("", 7, false);
        assert_eq!(Versions::parse(&tag(7)), Versions::These(vec!["7".to_owned()]));
    }

    #[test]
    fn a_write_needs_the_version_that_it_names() {
        let named = |matches: Option<&str>, matches_none: Option<&str>| Precondition {
            matches: matches.map(Versions::parse),
            matches_none: matches_none.map(Versions::parse),
        };
        assert!(named(None, None).permits(7));
        assert!(named(Some("W/\"7\""), None).permits(7));
        assert!(!named(Some("W/\"6\""), None).permits(7));
        assert!(!named(None, Some("*")).permits(7));
        assert!(named(None, Some("W/\"6\"")).permits(7));
    }
}
