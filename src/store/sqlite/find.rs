//! Settled resources that fulfil a condition.

use rusqlite::{Connection, params};

use super::super::{Error, Found, Position};
use super::row::{Row, SELECT};
use super::statement::{column, first};
use super::{condition, failure};
use crate::scim::index::Condition;
use crate::scim::{Kind, Resource};

pub(super) fn page(
    connection: &Connection,
    kind: Kind,
    condition: &Condition,
    offset: u32,
    limit: u32,
) -> Result<Found, Error> {
    let attempt = "read a page of resources";
    let page = || {
        let mut page = condition::selection_at_once(SELECT, kind, condition);
        page.push(" ORDER BY created, id LIMIT ").push_bind(i64::from(limit));
        page.push(" OFFSET ").push_bind(i64::from(offset));
        resources(&page.all(connection, attempt, Row::read)?)
    };
    if offset == 0 {
        let resources = page()?;
        // A first page that is not full tells the total.
        if resources.len() < limit as usize {
            return Ok(Found { total: resources.len() as u64, resources });
        }
    }
    // In one transaction, so that the total and the page are of one state.
    let read = connection.unchecked_transaction().map_err(failure(attempt))?;
    let found = Found { resources: page()?, total: count(connection, kind, condition)? };
    read.finish().map_err(failure(attempt))?;
    Ok(found)
}

pub(super) fn after(
    connection: &Connection,
    kind: Kind,
    condition: &Condition,
    position: Option<&Position>,
    limit: u32,
) -> Result<Vec<Resource>, Error> {
    let mut page = condition::selection(SELECT, kind, condition);
    if let Some(position) = position {
        condition::after(&mut page, position);
    }
    page.push(" ORDER BY created, id LIMIT ").push_bind(i64::from(limit));
    resources(&page.all(connection, "read resources in order", Row::read)?)
}

pub(super) fn count(connection: &Connection, kind: Kind, condition: &Condition) -> Result<u64, Error> {
    let attempt = "count resources";
    if *condition == Condition::ALWAYS {
        let statement = "SELECT number FROM census WHERE kind = ?1";
        let number: Option<i64> = first(connection, attempt, statement, params![kind.as_str()], column)?;
        return Ok(number.unwrap_or_default().unsigned_abs());
    }
    let count = condition::selection("SELECT COUNT(*)", kind, condition);
    let count: i64 = count.one(connection, attempt, column)?;
    Ok(count.unsigned_abs())
}

pub(super) fn resources(rows: &[Row]) -> Result<Vec<Resource>, Error> {
    rows.iter().filter_map(|row| row.resource().transpose()).collect()
}
