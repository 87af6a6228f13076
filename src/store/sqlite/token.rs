//! Bearer tokens, by their hashes.

use sqlx::SqlitePool;

use super::super::{Error, TokenRecord};
use super::{failure, failure_or_taken};

pub(super) async fn add(writer: &SqlitePool, token: &TokenRecord, hash: &str) -> Result<(), Error> {
    sqlx::query("INSERT INTO token (name, hash, created) VALUES ($1, $2, $3)")
        .bind(&token.name)
        .bind(hash)
        .bind(&token.created)
        .execute(writer)
        .await
        .map_err(failure_or_taken("keep a token", &token.name))?;
    Ok(())
}

pub(super) async fn all(reader: &SqlitePool) -> Result<Vec<TokenRecord>, Error> {
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT name, created FROM token ORDER BY name")
        .fetch_all(reader)
        .await
        .map_err(failure("read tokens"))?;
    Ok(rows.into_iter().map(|(name, created)| TokenRecord { name, created }).collect())
}

pub(super) async fn remove(writer: &SqlitePool, name: &str) -> Result<bool, Error> {
    let done = sqlx::query("DELETE FROM token WHERE name = $1").bind(name).execute(writer).await;
    Ok(done.map_err(failure("forget a token"))?.rows_affected() > 0)
}

pub(super) async fn named(reader: &SqlitePool, hash: &str) -> Result<Option<String>, Error> {
    sqlx::query_scalar("SELECT name FROM token WHERE hash = $1")
        .bind(hash)
        .fetch_optional(reader)
        .await
        .map_err(failure("look a token up"))
}
