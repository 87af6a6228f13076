//! List answers and their pages: by index (RFC 7644 §3.4.2.4) and by cursor (RFC 9865).
//!
//! Not the query itself: that is [`super::Search`].

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::IntErrorKind;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::error::{Error, ScimType};
use super::resource::{Document, Kind, ResourceId};
use super::sort::{Place, Sort};

/// How many resources one answer holds at most.
pub const MAX_COUNT: u32 = 1000;
/// How many it holds when the client does not say.
pub const DEFAULT_COUNT: u32 = 100;

/// Which part of the result a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paging {
    /// By position.
    Index {
        /// The first result wanted, from 1.
        start_index: u32,
        /// How many are wanted; 0 asks for the total alone.
        count: u32,
    },
    /// By the place of the last result seen.
    Cursor {
        /// That place; `None` at the beginning.
        after: Option<Place>,
        /// How many are wanted, at least 1.
        count: u32,
    },
}

/// What a list is a list of: a cursor is good for the same one alone.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// Which kinds of resource.
    pub kinds: &'a [Kind],
    /// The filter as it came.
    pub filter: Option<&'a str>,
    /// What it is sorted by.
    pub sort: Option<&'a Sort>,
}

impl Listing<'_> {
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        (kinds, self.filter, self.sort.map(Sort::name)).hash(&mut hasher);
        hasher.finish()
    }

    /// The cursor of what comes after a place: of unreserved characters alone (RFC 9865 §2).
    pub fn cursor(&self, place: &Place) -> String {
        let key = place.key.as_ref().map(|key| key.to_json());
        let parts = json!([self.fingerprint(), place.kind.as_str(), place.created, place.id.as_str(), key]);
        URL_SAFE_NO_PAD.encode(parts.to_string())
    }

    fn place(&self, cursor: &str) -> Option<Place> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let parts: Vec<Value> = serde_json::from_slice(&bytes).ok()?;
        let [fingerprint, kind, created, id, key] = parts.as_slice() else {
            return None;
        };
        let kind = Kind::named(kind.as_str()?)?;
        let key = match (key, self.sort) {
            (Value::Null, _) => None,
            (key, Some(sort)) => Some(sort.key_from_json(kind, key)?),
            (_, None) => return None,
        };
        let place = Place { key, kind, created: created.as_str()?.to_owned(), id: ResourceId(id.as_str()?.to_owned()) };
        (fingerprint.as_u64() == Some(self.fingerprint())).then_some(place)
    }

    /// Reads `startIndex` and `count`, or `cursor` and `count` where there is a `cursor`, be it empty. Below-range
    /// values of the first two are taken for the smallest (RFC 7644 §3.4.2.4), too large counts for [`MAX_COUNT`].
    ///
    /// # Errors
    /// `invalidValue` when one of them is not a whole number, `invalidCursor` for a cursor that was not issued for this
    /// list, `invalidCount` for a count beside a cursor that is not positive (RFC 9865 §2.1).
    pub fn paging(
        &self,
        start_index: Option<&str>,
        count: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<Paging, Error> {
        let Some(cursor) = cursor else {
            let count = whole("count", count, 0, DEFAULT_COUNT)?.min(MAX_COUNT);
            return Ok(Paging::Index { start_index: whole("startIndex", start_index, 1, 1)?, count });
        };
        let invalid = |detail: &str| Error::new(ScimType::InvalidCount, detail.to_owned());
        let count = whole("count", count, 0, DEFAULT_COUNT).map_err(|error| invalid(&error.detail))?.min(MAX_COUNT);
        if count == 0 {
            return Err(invalid("beside a cursor, count must be at least 1"));
        }
        let after = match cursor.trim() {
            "" => None,
            cursor => Some(self.place(cursor).ok_or_else(|| {
                let detail = "the cursor was not issued for this query: begin with an empty one, and change nothing else \
                              between pages";
                Error::new(ScimType::InvalidCursor, detail)
            })?),
        };
        Ok(Paging::Cursor { after, count })
    }
}

fn whole(name: &str, text: Option<&str>, least: i64, otherwise: u32) -> Result<u32, Error> {
    let Some(text) = text else {
        return Ok(otherwise);
    };
    let number = match text.trim().parse::<i64>() {
        Ok(number) => number,
        // Of however many digits, it lies beyond the end of every list, or before the beginning.
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => i64::MAX,
        Err(error) if *error.kind() == IntErrorKind::NegOverflow => i64::MIN,
        Err(_) => {
            return Err(Error::new(ScimType::InvalidValue, format!("{name} must be a whole number, not '{text}'")));
        }
    };
    Ok(u32::try_from(number.max(least)).unwrap_or(u32::MAX))
}

/// A page of a list, before it is written.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// How many resources there are in all.
    pub total: u64,
    /// Those of the page.
    pub resources: Vec<Document>,
    /// Where the next page begins, when there is one and the client pages by cursor.
    pub next_cursor: Option<String>,
}

impl Page {
    /// A ListResponse. A query is always answered by one, also for no hits.
    pub fn response(self, paging: &Paging) -> Value {
        let mut response = json!({
            "schemas": [scim_v2::schema_urns::LIST_RESPONSE],
            "totalResults": self.total,
        });
        if let Some(members) = response.as_object_mut() {
            if let Paging::Index { start_index, .. } = paging {
                members.insert("startIndex".to_owned(), json!(start_index));
            }
            members.insert("itemsPerPage".to_owned(), json!(self.resources.len()));
            members.extend(self.next_cursor.map(|cursor| ("nextCursor".to_owned(), json!(cursor))));
            members.insert("Resources".to_owned(), self.resources.into_iter().map(Value::Object).collect());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::Schema;

    const PLAIN: Listing = Listing { kinds: &[Kind::User], filter: None, sort: None };

    #[test]
    fn pages_by_index_are_read_as_the_rfc_says() {
        let read = |start, count| PLAIN.paging(start, count, None).unwrap();
        assert_eq!(read(None, None), Paging::Index { start_index: 1, count: DEFAULT_COUNT });
        assert_eq!(read(Some("-3"), Some("-1")), Paging::Index { start_index: 1, count: 0 });
        assert_eq!(read(Some("6"), Some("5000")), Paging::Index { start_index: 6, count: MAX_COUNT });
        let many = "9".repeat(30);
        assert_eq!(read(Some(&many), Some(&many)), Paging::Index { start_index: u32::MAX, count: MAX_COUNT });
        assert_eq!(read(Some(&format!("-{many}")), None), Paging::Index { start_index: 1, count: DEFAULT_COUNT });
        assert!(PLAIN.paging(Some("one"), None, None).is_err());
    }

    #[test]
    fn a_cursor_leads_back_to_its_place_in_its_own_list() {
        let schema = Schema::standard(Kind::User);
        let sort = Sort::read(&[&schema], Some("title"), None).unwrap();
        let sorted = Listing { sort: sort.as_ref(), ..PLAIN };
        for (listing, key) in [(PLAIN, None), (sorted, None), (sorted, Some(json!("chief\u{10ffff}/\"")))] {
            let key = key.map(|key| sort.as_ref().unwrap().key_from_json(Kind::User, &key).unwrap());
            let place = Place { key, kind: Kind::User, created: "2026".to_owned(), id: ResourceId("U1".to_owned()) };
            let cursor = listing.cursor(&place);
            assert!(cursor.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c)), "{cursor}");
            let expected = Paging::Cursor { after: Some(place), count: 2 };
            assert_eq!(listing.paging(None, Some("2"), Some(&cursor)).unwrap(), expected);
            let other = Listing { filter: Some("title pr"), ..listing };
            assert_eq!(other.paging(None, None, Some(&cursor)).unwrap_err().scim_type, ScimType::InvalidCursor);
        }
    }

    #[test]
    fn bad_cursors_and_counts_are_told_apart() {
        let refused = |count, cursor| PLAIN.paging(None, count, Some(cursor)).unwrap_err().scim_type;
        assert_eq!(refused(None, "nonsense"), ScimType::InvalidCursor);
        assert_eq!(refused(None, "W10"), ScimType::InvalidCursor);
        assert_eq!(refused(Some("0"), ""), ScimType::InvalidCount);
        assert_eq!(refused(Some("many"), ""), ScimType::InvalidCount);
        assert_eq!(PLAIN.paging(None, None, Some("")).unwrap(), Paging::Cursor { after: None, count: DEFAULT_COUNT });
    }
}
