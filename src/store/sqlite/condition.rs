//! Conditions as SQL.

use sqlx::{QueryBuilder, Sqlite};

use super::super::Position;
use crate::scim::index::{Condition, IndexEntry};
use crate::scim::{Kind, ResourceId};

/// `SELECT` of the settled resources of a kind that fulfil a condition.
pub(super) fn selection(select: &'static str, kind: Kind, condition: &Condition) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(select);
    query.push(" FROM resource WHERE document IS NOT NULL AND kind = ").push_bind(kind.as_str()).push(" AND ");
    push(&mut query, kind, condition);
    query
}

/// The same, of those alone that come after a position.
pub(super) fn after(query: &mut QueryBuilder<Sqlite>, position: &Position) {
    query.push(" AND (created, id) > (").push_bind(position.created.clone());
    query.push(", ").push_bind(position.id.0.clone()).push(")");
}

fn push(query: &mut QueryBuilder<Sqlite>, kind: Kind, condition: &Condition) {
    match condition {
        Condition::All(inner) => push_joined(query, kind, inner, " AND ", "1 = 1"),
        Condition::Any(inner) => push_joined(query, kind, inner, " OR ", "1 = 0"),
        Condition::Not(inner) => {
            query.push("NOT (");
            push(query, kind, inner);
            query.push(")");
        }
        Condition::Id(ResourceId(id)) => {
            query.push("id = ").push_bind(id.clone());
        }
        Condition::Member(ResourceId(id)) => {
            query.push(
                "id IN (SELECT group_id FROM member WHERE state IN ('settled', 'renewing', 'leaving') AND member_id = ",
            );
            query.push_bind(id.clone()).push(")");
        }
        Condition::HasMembers => {
            query.push(
                "EXISTS (SELECT 1 FROM member WHERE group_id = resource.id AND state IN ('settled', 'renewing', 'leaving'))",
            );
        }
        Condition::Equals(IndexEntry { key, value }) => {
            push_lookup(query, kind, key);
            query.push(" AND value = ").push_bind(value.clone()).push(")");
        }
        Condition::StartsWith(IndexEntry { key, value }) => {
            push_lookup(query, kind, key);
            query.push(" AND value >= ").push_bind(value.clone());
            if let Some(end) = end_of_prefix(value) {
                query.push(" AND value < ").push_bind(end);
            }
            query.push(")");
        }
        Condition::Present(key) => {
            push_lookup(query, kind, key);
            query.push(")");
        }
    }
}

fn push_joined(
    query: &mut QueryBuilder<Sqlite>,
    kind: Kind,
    inner: &[Condition],
    between: &'static str,
    of_none: &'static str,
) {
    query.push("(");
    for (index, condition) in inner.iter().enumerate() {
        if index > 0 {
            query.push(between);
        }
        push(query, kind, condition);
    }
    if inner.is_empty() {
        query.push(of_none);
    }
    query.push(")");
}

fn push_lookup(query: &mut QueryBuilder<Sqlite>, kind: Kind, key: &str) {
    query.push("id IN (SELECT resource_id FROM lookup WHERE kind = ").push_bind(kind.as_str());
    query.push(" AND attribute = ").push_bind(key.to_owned());
}

/// The first text after all that start like this one; `None` when there is no such text. Texts are compared by their
/// bytes, which is by their characters' numbers.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut start = prefix.to_owned();
    while let Some(last) = start.pop() {
        // The range skips what is no character.
        if let Some(next) = (last..=char::MAX).nth(1) {
            start.push(next);
            return Some(start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_text() {
        assert_eq!(end_of_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
    }
}
