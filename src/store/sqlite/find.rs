//! Settled resources that fulfil a condition.

use sqlx::SqlitePool;

use super::super::{Error, Found, Position};
use super::row::Row;
use super::{condition, failure};
use crate::scim::index::Condition;
use crate::scim::{Kind, Resource};

pub(super) async fn page(
    reader: &SqlitePool,
    kind: Kind,
    condition: &Condition,
    offset: u32,
    limit: u32,
) -> Result<Found, Error> {
    let attempt = "read a page of resources";
    let page = || {
        let mut page = condition::selection_at_once("SELECT *", kind, condition);
        page.push(" ORDER BY created, id LIMIT ").push_bind(i64::from(limit));
        page.push(" OFFSET ").push_bind(i64::from(offset));
        page
    };
    if offset == 0 {
        let rows: Vec<Row> = page().build_query_as().fetch_all(reader).await.map_err(failure(attempt))?;
        let resources = resources(&rows)?;
        // A first page that is not full tells the total.
        if resources.len() < limit as usize {
            return Ok(Found { total: resources.len() as u64, resources });
        }
    }
    // In one transaction, so that the total and the page are of one state.
    let mut read = reader.begin().await.map_err(failure(attempt))?;
    let rows: Vec<Row> = page().build_query_as().fetch_all(&mut *read).await.map_err(failure(attempt))?;
    let mut count = condition::selection("SELECT COUNT(*)", kind, condition);
    let count = count.build_query_scalar::<i64>().fetch_one(&mut *read).await;
    let total = count.map_err(failure("count resources"))?.unsigned_abs();
    Ok(Found { total, resources: resources(&rows)? })
}

pub(super) async fn after(
    reader: &SqlitePool,
    kind: Kind,
    condition: &Condition,
    position: Option<&Position>,
    limit: u32,
) -> Result<Vec<Resource>, Error> {
    let mut page = condition::selection("SELECT *", kind, condition);
    if let Some(position) = position {
        condition::after(&mut page, position);
    }
    page.push(" ORDER BY created, id LIMIT ").push_bind(i64::from(limit));
    let rows: Vec<Row> = page.build_query_as().fetch_all(reader).await.map_err(failure("read resources in order"))?;
    resources(&rows)
}

pub(super) async fn count(reader: &SqlitePool, kind: Kind, condition: &Condition) -> Result<u64, Error> {
    let mut count = condition::selection("SELECT COUNT(*)", kind, condition);
    let count = count.build_query_scalar::<i64>().fetch_one(reader).await;
    Ok(count.map_err(failure("count resources"))?.unsigned_abs())
}

pub(super) fn resources(rows: &[Row]) -> Result<Vec<Resource>, Error> {
    rows.iter().filter_map(|row| row.resource().transpose()).collect()
}
