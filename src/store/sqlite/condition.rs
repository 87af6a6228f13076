//! Conditions as SQL.

use super::super::Position;
use super::statement::Query;
use crate::scim::index::{Condition, IndexEntry};
use crate::scim::{Kind, ResourceId};

/// `SELECT` of the settled resources of a kind that fulfil a condition.
pub(super) fn selection(select: &'static str, kind: Kind, condition: &Condition) -> Query {
    select_where(select, " FROM resource WHERE settled = 1 AND kind = ", kind, condition)
}

/// The same, once, to be put in order. SQLite has no statistics here: it would go through all resources of the kind in
/// their order, also to find the one of a name. The `+` hides the kind from its planner, so that few are looked up.
pub(super) fn selection_at_once(select: &'static str, kind: Kind, condition: &Condition) -> Query {
    if !is_narrow(condition) {
        return selection(select, kind, condition);
    }
    select_where(select, " FROM resource WHERE settled = 1 AND +kind = ", kind, condition)
}

fn select_where(select: &'static str, from: &'static str, kind: Kind, condition: &Condition) -> Query {
    let mut query = Query::new(select);
    query.push(from).push_bind(kind.as_str().to_owned()).push(" AND ");
    push(&mut query, kind, condition);
    query
}

/// Whether few resources can be expected to fulfil it.
pub(super) fn is_narrow(condition: &Condition) -> bool {
    match condition {
        Condition::Id(_) | Condition::Member(_) | Condition::Equals(_) => true,
        Condition::All(inner) => inner.iter().any(is_narrow),
        Condition::Any(inner) => !inner.is_empty() && inner.iter().all(is_narrow),
        Condition::Not(_) | Condition::HasMembers | Condition::StartsWith(_) | Condition::Present(_) => false,
    }
}

/// Narrows a selection to those that come after a position.
pub(super) fn after(query: &mut Query, position: &Position) {
    query.push(" AND (created, id) > (").push_bind(position.created.clone());
    query.push(", ").push_bind(position.id.0.clone()).push(")");
}

fn push(query: &mut Query, kind: Kind, condition: &Condition) {
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

fn push_joined(query: &mut Query, kind: Kind, inner: &[Condition], between: &'static str, of_none: &'static str) {
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

fn push_lookup(query: &mut Query, kind: Kind, key: &str) {
    query.push("id IN (SELECT resource_id FROM lookup WHERE kind = ").push_bind(kind.as_str().to_owned());
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
    use rusqlite::Connection;

    use super::super::migrations;
    use super::*;

    /// How SQLite goes about the query, a line for each table.
    fn plan(mut query: Query) -> String {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::run(&mut connection).unwrap();
        query.push(" ORDER BY created, id LIMIT 100");
        let steps: Vec<String> = query.all(&connection, "explain a query", |row| row.get(3)).unwrap();
        steps.join("\n")
    }

    #[test]
    fn lookups_and_walks_use_an_index_each() {
        const EXPLAIN: &str = "EXPLAIN QUERY PLAN SELECT *";
        let named = Condition::Equals(IndexEntry { key: "username".to_owned(), value: "ada".to_owned() });
        let other = Condition::Id(ResourceId("U1".to_owned()));
        let member = Condition::Member(ResourceId("U1".to_owned()));
        for narrow in [
            named.clone(),
            other.clone(),
            member.clone(),
            Condition::All(vec![named.clone(), Condition::Not(Box::new(member.clone()))]),
            Condition::Any(vec![named.clone(), other.clone(), member]),
        ] {
            let plan = plan(selection_at_once(EXPLAIN, Kind::User, &Condition::All(vec![narrow])));
            assert!(!plan.contains("resource_in_order"), "{plan}");
            assert!(plan.contains("SEARCH resource USING INDEX sqlite_autoindex_resource_1 (id=?)"), "{plan}");
            assert!(!plan.contains("SCAN"), "{plan}");
        }
        for wide in [Condition::ALWAYS, Condition::Not(Box::new(named.clone())), Condition::Present("title".to_owned())]
        {
            let plan = plan(selection_at_once(EXPLAIN, Kind::User, &wide));
            assert!(plan.contains("SEARCH resource USING INDEX resource_in_order (kind=?)"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
        // A walk through many that have one value must not sort them again on each page.
        for condition in [Condition::ALWAYS, Condition::All(vec![named])] {
            let mut page = selection(EXPLAIN, Kind::User, &condition);
            after(&mut page, &Position { created: "2026".to_owned(), id: ResourceId("U1".to_owned()) });
            let plan = plan(page);
            let index = "SEARCH resource USING INDEX resource_in_order (kind=? AND (created,id)>(?,?))";
            assert!(plan.contains(index), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn a_prefix_ends_before_the_next_text() {
        assert_eq!(end_of_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
    }
}
