//! Values that travel to and from SQL as text.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;

use crate::error::TrackingError;

/// Reads one of our words, such as a status, from a column.
pub(super) fn in_text<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err = TrackingError>,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// Returns a list as JSON, for `json_each`: one statement then serves lists of any length.
pub(super) fn json<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(items).to_string()
}
