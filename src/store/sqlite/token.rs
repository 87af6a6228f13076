//! Tokens, clients and access tokens, by the hashes of what they are let in with.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::super::{Credential, CredentialKind, Error, NewAccessToken, NewCredential, NewSecret, Presented, Secret};
use super::failure_or_taken;
use super::statement::{self, execute, execute_with, first};
use crate::scim::Scopes;

/// How many access tokens are kept for one secret: a client that asks for one with each request does not fill the store.
const MOST_ACCESS_TOKENS: i64 = 100;

pub(super) fn add(connection: &Connection, credential: &NewCredential, secret: &NewSecret) -> Result<(), Error> {
    execute_with(
        connection,
        "INSERT INTO credential (kind, name, client_id, scopes, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            credential.kind.as_str(),
            credential.name,
            credential.client_id,
            credential.scopes.to_string(),
            secret.created,
        ],
        failure_or_taken("keep who may ask", &credential.name),
    )?;
    insert_secret(connection, credential.kind, &credential.name, secret)
}

fn insert_secret(connection: &Connection, kind: CredentialKind, name: &str, secret: &NewSecret) -> Result<(), Error> {
    execute_with(
        connection,
        "INSERT INTO secret (hash, kind, name, created, expires, replaced) VALUES (?1, ?2, ?3, ?4, ?5, 0)",
        params![secret.hash, kind.as_str(), name, secret.created, secret.expires],
        failure_or_taken("keep a secret", name),
    )?;
    Ok(())
}

/// That it was asked is kept whatever the answer: a store whose tokens are all revoked later is not a new one.
pub(super) fn claim_first(connection: &Connection) -> Result<bool, Error> {
    let claimed = execute(
        connection,
        "claim the first token",
        "INSERT INTO setting (name, value) VALUES ('first token', 'claimed') ON CONFLICT (name) DO NOTHING",
        [],
    )?;
    if claimed == 0 {
        return Ok(false);
    }
    Ok(all(connection)?.is_empty())
}

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

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
        Ok(Row {
            kind: row.get("kind")?,
            name: row.get("name")?,
            client_id: row.get("client_id")?,
            scopes: row.get("scopes")?,
            made: row.get("made")?,
            created: row.get("created")?,
            expires: row.get("expires")?,
            used: row.get("used")?,
            used_from: row.get("used_from")?,
        })
    }
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Credential>, Error> {
    // The secret that counts comes before the one that it replaces.
    let rows = statement::all(
        connection,
        "read who may ask",
        "SELECT credential.kind, credential.name, client_id, scopes, credential.created AS made, secret.created,
                expires, used, used_from
         FROM credential JOIN secret ON secret.kind = credential.kind AND secret.name = credential.name
         ORDER BY replaced",
        [],
        Row::read,
    )?;
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

pub(super) fn rotate(
    connection: &Connection,
    kind: CredentialKind,
    name: &str,
    secret: &NewSecret,
    old_until: &str,
) -> Result<bool, Error> {
    let attempt = "replace a secret";
    for statement in [
        "DELETE FROM access_token WHERE secret_hash IN
             (SELECT hash FROM secret WHERE kind = ?1 AND name = ?2 AND replaced = 1)",
        "DELETE FROM secret WHERE kind = ?1 AND name = ?2 AND replaced = 1",
    ] {
        execute(connection, attempt, statement, params![kind.as_str(), name])?;
    }
    let replaced = execute(
        connection,
        attempt,
        "UPDATE secret SET replaced = 1, expires = CASE WHEN expires < ?3 THEN expires ELSE ?3 END
         WHERE kind = ?1 AND name = ?2",
        params![kind.as_str(), name, old_until],
    )?;
    if replaced == 0 {
        return Ok(false);
    }
    insert_secret(connection, kind, name, secret)?;
    Ok(true)
}

pub(super) fn remove(connection: &Connection, kind: CredentialKind, name: &str) -> Result<bool, Error> {
    let mut is_gone = false;
    for statement in [
        "DELETE FROM access_token WHERE secret_hash IN (SELECT hash FROM secret WHERE kind = ?1 AND name = ?2)",
        "DELETE FROM secret WHERE kind = ?1 AND name = ?2",
        "DELETE FROM credential WHERE kind = ?1 AND name = ?2",
    ] {
        is_gone = execute(connection, "forget who may ask", statement, params![kind.as_str(), name])? > 0;
    }
    Ok(is_gone)
}

struct PresentedRow {
    kind: String,
    name: String,
    client_id: Option<String>,
    scopes: String,
    secret_hash: String,
    expires: Option<String>,
}

impl PresentedRow {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<PresentedRow> {
        Ok(PresentedRow {
            kind: row.get("kind")?,
            name: row.get("name")?,
            client_id: row.get("client_id")?,
            scopes: row.get("scopes")?,
            secret_hash: row.get("secret_hash")?,
            expires: row.get("expires")?,
        })
    }

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

pub(super) fn bearer(connection: &Connection, hash: &str) -> Result<Option<Presented>, Error> {
    // An access token does not outlive the secret that it was given for.
    let row = first(
        connection,
        "look a token up",
        "SELECT credential.kind, credential.name, client_id, scopes, hash AS secret_hash, expires
         FROM secret JOIN credential ON credential.kind = secret.kind AND credential.name = secret.name
         WHERE hash = ?1 AND secret.kind = 'token'
         UNION ALL
         SELECT credential.kind, credential.name, client_id, access_token.scopes, secret_hash,
                CASE WHEN secret.expires < access_token.expires THEN secret.expires ELSE access_token.expires END
         FROM access_token JOIN secret ON secret.hash = secret_hash
             JOIN credential ON credential.kind = secret.kind AND credential.name = secret.name
         WHERE access_token.hash = ?1",
        params![hash],
        PresentedRow::read,
    )?;
    row.map(PresentedRow::presented).transpose()
}

pub(super) fn client_with_secret(connection: &Connection, hash: &str) -> Result<Option<Presented>, Error> {
    let row = first(
        connection,
        "look a client up",
        "SELECT credential.kind, credential.name, client_id, scopes, hash AS secret_hash, expires
         FROM secret JOIN credential ON credential.kind = secret.kind AND credential.name = secret.name
         WHERE hash = ?1 AND secret.kind = 'client'",
        params![hash],
        PresentedRow::read,
    )?;
    row.map(PresentedRow::presented).transpose()
}

pub(super) fn add_access_token(connection: &Connection, token: &NewAccessToken, now: &str) -> Result<(), Error> {
    let attempt = "keep an access token";
    execute(connection, attempt, "DELETE FROM access_token WHERE expires <= ?1", params![now])?;
    execute(
        connection,
        attempt,
        "DELETE FROM access_token WHERE hash IN
             (SELECT hash FROM access_token WHERE secret_hash = ?1 ORDER BY expires DESC LIMIT -1 OFFSET ?2)",
        params![token.secret_hash, MOST_ACCESS_TOKENS - 1],
    )?;
    execute(
        connection,
        attempt,
        "INSERT INTO access_token (hash, secret_hash, scopes, expires) VALUES (?1, ?2, ?3, ?4)",
        params![token.hash, token.secret_hash, token.scopes.to_string(), token.expires],
    )?;
    Ok(())
}

pub(super) fn note_use(connection: &Connection, secret_hash: &str, now: &str, address: &str) -> Result<(), Error> {
    execute(
        connection,
        "note that a token was used",
        "UPDATE secret SET used = ?2, used_from = ?3 WHERE hash = ?1",
        params![secret_hash, now, address],
    )?;
    Ok(())
}
