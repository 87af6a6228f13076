//! Statements, each prepared once for a connection, and what they answer.

use std::borrow::Cow;

use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params_from_iter};

use super::super::Error;
use super::failure;

/// Runs a statement. Returns how many rows it has changed.
pub(super) fn execute(
    connection: &Connection,
    attempt: &'static str,
    statement: &str,
    params: impl Params,
) -> Result<usize, Error> {
    execute_with(connection, statement, params, failure(attempt))
}

/// The same, with an error of the caller's making.
pub(super) fn execute_with(
    connection: &Connection,
    statement: &str,
    params: impl Params,
    failure: impl Fn(rusqlite::Error) -> Error,
) -> Result<usize, Error> {
    connection.prepare_cached(statement).and_then(|mut statement| statement.execute(params)).map_err(failure)
}

/// All rows of the answer.
pub(super) fn all<T>(
    connection: &Connection,
    attempt: &'static str,
    statement: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let rows = || connection.prepare_cached(statement)?.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>();
    rows().map_err(failure(attempt))
}

/// The first row of the answer, if it has one.
pub(super) fn first<T>(
    connection: &Connection,
    attempt: &'static str,
    statement: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, Error> {
    let row = || connection.prepare_cached(statement)?.query_row(params, read).optional();
    row().map_err(failure(attempt))
}

/// The one row of the answer.
pub(super) fn one<T>(
    connection: &Connection,
    attempt: &'static str,
    statement: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<T, Error> {
    let row = || connection.prepare_cached(statement)?.query_row(params, read);
    row().map_err(failure(attempt))
}

/// The first column, for the reading functions above.
pub(super) fn column<T: rusqlite::types::FromSql>(row: &Row<'_>) -> rusqlite::Result<T> {
    row.get(0)
}

/// A statement that is put together, with its values.
#[derive(Debug)]
pub(super) struct Query {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

impl Query {
    pub(super) fn new(text: &'static str) -> Query {
        Query { text: Cow::Borrowed(text), values: Vec::new() }
    }

    /// Adds text of the program's own.
    pub(super) fn push(&mut self, text: &'static str) -> &mut Query {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds a value.
    pub(super) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Query {
        self.values.push(value.into());
        self.text.to_mut().push('?');
        self
    }

    /// Adds values with commas between them.
    pub(super) fn push_list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Query {
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.push_bind(value);
        }
        self
    }

    /// Adds rows of values, as `VALUES` takes them.
    pub(super) fn push_rows<const N: usize>(&mut self, rows: impl IntoIterator<Item = [Value; N]>) -> &mut Query {
        for (index, row) in rows.into_iter().enumerate() {
            self.push(if index > 0 { ", (" } else { "(" });
            self.push_list(row);
            self.push(")");
        }
        self
    }

    pub(super) fn execute(&self, connection: &Connection, attempt: &'static str) -> Result<usize, Error> {
        execute(connection, attempt, &self.text, self.params())
    }

    pub(super) fn all<T>(
        &self,
        connection: &Connection,
        attempt: &'static str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        all(connection, attempt, &self.text, self.params(), read)
    }

    pub(super) fn one<T>(
        &self,
        connection: &Connection,
        attempt: &'static str,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        one(connection, attempt, &self.text, self.params(), read)
    }

    fn params(&self) -> impl Params + use<'_> {
        params_from_iter(self.values.iter().map(|value| value as &dyn ToSql))
    }
}
