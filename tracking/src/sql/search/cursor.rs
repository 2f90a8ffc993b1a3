//! [`Cursor`]: the place behind a row, and the page token that carries it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Scope;
use super::bound::{Bound, OwnedValue};
use super::keys::Key;
use crate::error::TrackingError;
use crate::search::{Filter, OrderBy};
use crate::sql::fault::Sql;
use crate::sql::session::Columns;

/// The values of a row's keys.
#[derive(Debug, Clone)]
pub(super) struct Cursor(Vec<OwnedValue>);

/// Where a cursor lies, seen from the rows of one step.
#[derive(Debug)]
pub(super) enum Place {
    /// Before all of them.
    Before,
    /// Among them: those that satisfy this come behind it.
    Inside(String),
    /// Behind all of them.
    Behind,
}

#[derive(Serialize, Deserialize)]
struct Token {
    /// The listing it belongs to.
    of: String,
    after: Vec<TokenValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TokenValue {
    Int(i64),
    /// A double's bits: its decimal text is one rounding away from naming another place.
    Bits(u64),
    Text(String),
}

/// Names a listing, so that it knows its own tokens.
pub(super) fn listing_id(scope: &Scope<'_>, filter: &Filter, order: &OrderBy) -> String {
    let listing = format!("{scope:?} {filter:?} {order:?}");
    URL_SAFE_NO_PAD.encode(&Sha256::digest(listing)[..12])
}

impl Cursor {
    /// Reads the keys behind the `width` columns that were asked for.
    pub(super) fn read(row: &dyn Columns, width: usize, keys: &[Key]) -> Sql<Self> {
        let mut column = width;
        let values = keys.iter().map(|key| match key {
            Key::Fixed(value) => Ok(value.clone()),
            Key::Column { .. } => {
                let value = OwnedValue::of(row.value(column)?)?;
                column += 1;
                Ok(value)
            }
        });
        Ok(Cursor(values.collect::<Sql<_>>()?))
    }

    pub(super) fn token(&self, listing_id: &str) -> String {
        let after = self.0.iter().map(|value| match value {
            OwnedValue::Int(value) => TokenValue::Int(*value),
            OwnedValue::Real(value) => TokenValue::Bits(value.to_bits()),
            OwnedValue::Text(value) => TokenValue::Text(value.clone()),
        });
        let token = Token {
            of: listing_id.to_owned(),
            after: after.collect(),
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).expect("numbers and texts have a JSON form"))
    }

    pub(super) fn parse(token: &str, listing_id: &str) -> Result<Self, TrackingError> {
        let json = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| TrackingError::rejected("Invalid page token, could not base64-decode"))?;
        let token: Token = serde_json::from_slice(&json)
            .ok()
            .filter(|token: &Token| token.of == listing_id)
            .ok_or_else(foreign)?;
        let values = token.after.into_iter().map(|value| match value {
            TokenValue::Int(value) => OwnedValue::Int(value),
            TokenValue::Bits(bits) => OwnedValue::Real(f64::from_bits(bits)),
            TokenValue::Text(value) => OwnedValue::Text(value),
        });
        Ok(Cursor(values.collect()))
    }

    /// Compares the cursor with the rows of a step that has these keys.
    pub(super) fn condition(&self, keys: &[Key], bound: &mut Bound) -> Sql<Place> {
        if self.0.len() != keys.len() {
            return Err(foreign().into());
        }
        let mut pairs: Vec<(&str, &str, &OwnedValue)> = Vec::new();
        for (key, value) in keys.iter().zip(&self.0) {
            match key {
                Key::Fixed(fixed) => match compare(fixed, value)? {
                    std::cmp::Ordering::Equal => {}
                    // The first keys are the fixed ones, and their order is ascending.
                    std::cmp::Ordering::Greater => return Ok(Place::Before),
                    std::cmp::Ordering::Less => return Ok(Place::Behind),
                },
                Key::Column { sql, ascending } => {
                    pairs.push((sql, if *ascending { ">" } else { "<" }, value))
                }
            }
        }
        Ok(Place::Inside(behind(&pairs, bound)))
    }
}

/// `a >= ? AND (a > ? OR (a = ? AND (b > ? OR …)))`: the first comparison is one that an index can start from.
fn behind(pairs: &[(&str, &str, &OwnedValue)], bound: &mut Bound) -> String {
    let Some((&(sql, sign, value), rest)) = pairs.split_first() else {
        return "FALSE".to_owned();
    };
    let value = bound.add(value.clone());
    if rest.is_empty() {
        return format!("{sql} {sign} {value}");
    }
    let rest = behind(rest, bound);
    format!("({sql} {sign}= {value} AND ({sql} {sign} {value} OR ({rest})))")
}

fn compare(fixed: &OwnedValue, value: &OwnedValue) -> Sql<std::cmp::Ordering> {
    match (fixed, value) {
        (OwnedValue::Int(fixed), OwnedValue::Int(value)) => Ok(fixed.cmp(value)),
        // What stands for a value that is not there.
        (OwnedValue::Real(_), OwnedValue::Real(_)) | (OwnedValue::Text(_), OwnedValue::Text(_)) => {
            Ok(std::cmp::Ordering::Equal)
        }
        _ => Err(foreign().into()),
    }
}

fn foreign() -> TrackingError {
    TrackingError::rejected("Invalid page token: it was not made by this search")
}
