//! What is told of the whole.

use std::io;
use std::path::Path;

use rusqlite::{Connection, params};

use super::super::{Backlog, Conclusion, Error, Reconciled};
use super::statement::{all, execute, one};

pub(super) fn backlog(connection: &Connection) -> Result<Backlog, Error> {
    // Each by its index, as `pending` finds them.
    let (resources, oldest): (i64, Option<String>) = one(
        connection,
        "count what is pending",
        "SELECT COUNT(*), MIN(pending_since) FROM
            (SELECT id, pending_since FROM resource WHERE intent IS NOT NULL
             UNION SELECT id, pending_since FROM resource WHERE previous_dn IS NOT NULL
             UNION SELECT id, pending_since FROM resource
                WHERE id IN (SELECT group_id FROM member WHERE state <> 'settled')) AS pending",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(Backlog { resources: resources.unsigned_abs(), oldest })
}

/// The file and what is written beside it until it is gathered.
pub(super) fn size(database: &Path) -> Result<u64, Error> {
    let failed = |source: io::Error| Error::Access { attempt: "see how large the store is", source: source.into() };
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let beside = match std::fs::metadata(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        seen => seen.map_err(failed)?.len(),
    };
    Ok(std::fs::metadata(database).map_err(failed)?.len() + beside)
}

pub(super) fn note_reconciliation(connection: &Connection, reconciled: &Reconciled) -> Result<(), Error> {
    execute(
        connection,
        "keep how a reconciliation ended",
        "INSERT INTO reconciliation (conclusion, started, finished, drift) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (conclusion) DO UPDATE SET started = excluded.started, finished = excluded.finished,
             drift = excluded.drift",
        params![
            reconciled.conclusion.as_str(),
            reconciled.started,
            reconciled.finished,
            reconciled.drift.map(|drift| serde_json::json!(drift).to_string()),
        ],
    )?;
    Ok(())
}

pub(super) fn reconciliations(connection: &Connection) -> Result<Vec<Reconciled>, Error> {
    let rows: Vec<(String, String, String, Option<String>)> = all(
        connection,
        "read how reconciliations ended",
        "SELECT conclusion, started, finished, drift FROM reconciliation ORDER BY finished DESC, conclusion",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    // What another version wrote, and this one does not know, is only not shown.
    let known = rows.into_iter().filter_map(|(conclusion, started, finished, drift)| {
        let drift = drift.and_then(|drift| serde_json::from_str(&drift).ok());
        Some(Reconciled { conclusion: Conclusion::named(&conclusion)?, started, finished, drift })
    });
    Ok(known.collect())
}
