//! Tokens, clients and access tokens, by the hashes of what they are let in with.

use std::collections::BTreeMap;

use sqlx::{Sqlite, SqlitePool, Transaction};

use super::super::{Credential, CredentialKind, Error, NewAccessToken, NewCredential, NewSecret, Presented, Secret};
use super::run::Notes;
use super::{begin, commit, failure, failure_or_taken};
use crate::scim::Scopes;

/// How many access tokens are kept for one secret: a client that asks for one with each request does not fill the store.
const MOST_ACCESS_TOKENS: i64 = 100;

pub(super) async fn add(writer: &SqlitePool, credential: &NewCredential, secret: &NewSecret) -> Result<(), Error> {
    let mut write = begin(writer).await?;
    sqlx::query("INSERT INTO credential (kind, name, client_id, scopes, created) VALUES ($1, $2, $3, $4, $5)")
        .bind(credential.kind.as_str())
        .bind(&credential.name)
        .bind(&credential.client_id)
        .bind(credential.scopes.to_string())
        .bind(&secret.created)
        .execute(&mut *write)
        .await
        .map_err(failure_or_taken("keep who may ask", &credential.name))?;
    insert_secret(&mut write, credential.kind, &credential.name, secret).await?;
    commit(write).await
}

async fn insert_secret(
    write: &mut Transaction<'static, Sqlite>,
    kind: CredentialKind,
    name: &str,
    secret: &NewSecret,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO secret (hash, kind, name, created, expires, replaced) VALUES ($1, $2, $3, $4, $5, 0)")
        .bind(&secret.hash)
        .bind(kind.as_str())
        .bind(name)
        .bind(&secret.created)
        .bind(&secret.expires)
        .execute(&mut **write)
        .await
        .map_err(failure_or_taken("keep a secret", name))?;
    Ok(())
}

/// That it was asked is kept whatever the answer: a store whose tokens are all revoked later is not a new one.
pub(super) async fn claim_first(writer: &SqlitePool) -> Result<bool, Error> {
    let claimed = sqlx::query(
        "INSERT INTO setting (name, value) VALUES ('first token', 'claimed') ON CONFLICT (name) DO NOTHING",
    )
    .execute(writer)
    .await
    .map_err(failure("claim the first token"))?;
    if claimed.rows_affected() == 0 {
        return Ok(false);
    }
    Ok(all(writer).await?.is_empty())
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    name: String,
    client_id: Option<String>,
    scopes: String,
    made: String,
    created: String,
    expires: Option<String>,
    used: Option<String>,
    used_from: Option<String>,
}

pub(super) async fn all(reader: &SqlitePool) -> Result<Vec<Credential>, Error> {
    // The secret that counts comes before the one that it replaces.
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT credential.kind, credential.name, client_id, scopes, credential.created AS made, secret.created,
                expires, used, used_from
         FROM credential JOIN secret ON secret.kind = credential.kind AND secret.name = credential.name
         ORDER BY replaced",
    )
    .fetch_all(reader)
    .await
    .map_err(failure("read who may ask"))?;
    let mut credentials: BTreeMap<(CredentialKind, String), Credential> = BTreeMap::new();
    for row in rows {
        let kind = kind_of(&row.kind, &row.name)?;
        let used = row.used.zip(row.used_from);
        let secret = Secret { created: row.created, expires: row.expires, used };
        if let Some(known) = credentials.get_mut(&(kind, row.name.clone())) {
            known.replaced = Some(secret);
            continue;
        }
        let credential = Credential {
            kind,
            name: row.name.clone(),
            client_id: row.client_id,
            scopes: scopes_of(&row.scopes, &row.name)?,
            created: row.made,
            current: secret,
            replaced: None,
        };
        credentials.insert((kind, row.name), credential);
    }
    Ok(credentials.into_values().collect())
}

fn kind_of(text: &str, name: &str) -> Result<CredentialKind, Error> {
    CredentialKind::named(text).ok_or_else(|| Error::DamagedCredential { what: "kind", name: name.to_owned() })
}

fn scopes_of(text: &str, name: &str) -> Result<Scopes, Error> {
    text.parse().map_err(|_| Error::DamagedCredential { what: "scopes", name: name.to_owned() })
}

pub(super) async fn rotate(
    writer: &SqlitePool,
    kind: CredentialKind,
    name: &str,
    secret: &NewSecret,
    old_until: &str,
) -> Result<bool, Error> {
    let attempt = "replace a secret";
    let mut write = begin(writer).await?;
    for statement in [
        "DELETE FROM access_token WHERE secret_hash IN
             (SELECT hash FROM secret WHERE kind = $1 AND name = $2 AND replaced = 1)",
        "DELETE FROM secret WHERE kind = $1 AND name = $2 AND replaced = 1",
    ] {
        let done = sqlx::query(statement).bind(kind.as_str()).bind(name).execute(&mut *write).await;
        done.map_err(failure(attempt))?;
    }
    let replaced = sqlx::query(
        "UPDATE secret SET replaced = 1, expires = CASE WHEN expires < $3 THEN expires ELSE $3 END
         WHERE kind = $1 AND name = $2",
    )
    .bind(kind.as_str())
    .bind(name)
    .bind(old_until)
    .execute(&mut *write)
    .await
    .map_err(failure(attempt))?;
    if replaced.rows_affected() == 0 {
        return Ok(false);
    }
    insert_secret(&mut write, kind, name, secret).await?;
    commit(write).await?;
    Ok(true)
}

pub(super) async fn remove(writer: &SqlitePool, kind: CredentialKind, name: &str) -> Result<bool, Error> {
    let mut write = begin(writer).await?;
    let mut is_gone = false;
    for statement in [
        "DELETE FROM access_token WHERE secret_hash IN (SELECT hash FROM secret WHERE kind = $1 AND name = $2)",
        "DELETE FROM secret WHERE kind = $1 AND name = $2",
        "DELETE FROM credential WHERE kind = $1 AND name = $2",
    ] {
        let done = sqlx::query(statement).bind(kind.as_str()).bind(name).execute(&mut *write).await;
        is_gone = done.map_err(failure("forget who may ask"))?.rows_affected() > 0;
    }
    commit(write).await?;
    Ok(is_gone)
}

#[derive(sqlx::FromRow)]
struct PresentedRow {
    kind: String,
    name: String,
    client_id: Option<String>,
    scopes: String,
    secret_hash: String,
    expires: Option<String>,
}

impl PresentedRow {
    fn presented(self) -> Result<Presented, Error> {
        Ok(Presented {
            kind: kind_of(&self.kind, &self.name)?,
            scopes: scopes_of(&self.scopes, &self.name)?,
            name: self.name,
            client_id: self.client_id,
            secret_hash: self.secret_hash,
            expires: self.expires,
        })
    }
}

pub(super) async fn bearer(reader: &SqlitePool, hash: &str) -> Result<Option<Presented>, Error> {
    // An access token does not outlive the secret that it was given for.
    let row: Option<PresentedRow> = sqlx::query_as(
        "SELECT credential.kind, credential.name, client_id, scopes, hash AS secret_hash, expires
         FROM secret JOIN credential ON credential.kind = secret.kind AND credential.name = secret.name
         WHERE hash = $1 AND secret.kind = 'token'
         UNION ALL
         SELECT credential.kind, credential.name, client_id, access_token.scopes, secret_hash,
                CASE WHEN secret.expires < access_token.expires THEN secret.expires ELSE access_token.expires END
         FROM access_token JOIN secret ON secret.hash = secret_hash
             JOIN credential ON credential.kind = secret.kind AND credential.name = secret.name
         WHERE access_token.hash = $1",
    )
    .bind(hash)
    .fetch_optional(reader)
    .await
    .map_err(failure("look a token up"))?;
    row.map(PresentedRow::presented).transpose()
}

pub(super) async fn client_with_secret(reader: &SqlitePool, hash: &str) -> Result<Option<Presented>, Error> {
    let row: Option<PresentedRow> = sqlx::query_as(
        "SELECT credential.kind, credential.name, client_id, scopes, hash AS secret_hash, expires
         FROM secret JOIN credential ON credential.kind = secret.kind AND credential.name = secret.name
         WHERE hash = $1 AND secret.kind = 'client'",
    )
    .bind(hash)
    .fetch_optional(reader)
    .await
    .map_err(failure("look a client up"))?;
    row.map(PresentedRow::presented).transpose()
}

pub(super) async fn add_access_token(writer: &SqlitePool, token: &NewAccessToken, now: &str) -> Result<(), Error> {
    let attempt = "keep an access token";
    let mut write = begin(writer).await?;
    let expired = sqlx::query("DELETE FROM access_token WHERE expires <= $1").bind(now).execute(&mut *write).await;
    expired.map_err(failure(attempt))?;
    sqlx::query(
        "DELETE FROM access_token WHERE hash IN
             (SELECT hash FROM access_token WHERE secret_hash = $1 ORDER BY expires DESC LIMIT -1 OFFSET $2)",
    )
    .bind(&token.secret_hash)
    .bind(MOST_ACCESS_TOKENS - 1)
    .execute(&mut *write)
    .await
    .map_err(failure(attempt))?;
    sqlx::query("INSERT INTO access_token (hash, secret_hash, scopes, expires) VALUES ($1, $2, $3, $4)")
        .bind(&token.hash)
        .bind(&token.secret_hash)
        .bind(token.scopes.to_string())
        .bind(&token.expires)
        .execute(&mut *write)
        .await
        .map_err(failure(attempt))?;
    commit(write).await
}

pub(super) async fn note_use(notes: &Notes, secret_hash: &str, now: &str, address: &str) -> Result<(), Error> {
    let update = sqlx::query("UPDATE secret SET used = $2, used_from = $3 WHERE hash = $1");
    notes.execute("note that a token was used", update.bind(secret_hash).bind(now).bind(address)).await
}
