//! One page of a long answer, and where the next one starts.
//!
//! Paging is by key, not by offset: a cursor names the last item seen, so a page costs the same wherever it lies,
//! and records that arrive in between neither repeat nor hide others.

use crate::entities::Metric;
use crate::error::TrackingError;

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the listing's order.
    pub items: Vec<T>,
    /// What to ask the next page with; `None` if this one is the last. Opaque: only the listing that made it
    /// reads it.
    pub next_page_token: Option<String>,
}

impl<T> Page<T> {
    /// Returns the page of at most `max_results` items, given one item more than that if there are more.
    pub(crate) fn from_lookahead(
        mut items: Vec<T>,
        max_results: usize,
        token_after: impl Fn(&T) -> String,
    ) -> Self {
        let has_more = items.len() > max_results;
        items.truncate(max_results);
        let next_page_token = if has_more {
            items.last().map(token_after)
        } else {
            None
        };
        Page {
            items,
            next_page_token,
        }
    }
}

/// A place in a metric's history: right after this point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistoryCursor {
    pub(crate) timestamp_ms: i64,
    pub(crate) step: i64,
    pub(crate) value: f64,
}

impl HistoryCursor {
    /// The value travels as its bits: a double's decimal text is one rounding away from naming another point.
    pub(crate) fn token_after(point: &Metric) -> String {
        format!(
            "{}:{}:{:016x}",
            point.timestamp_ms,
            point.step,
            point.value.to_bits()
        )
    }

    pub(crate) fn parse(token: &str) -> Result<Self, TrackingError> {
        let parts: Vec<&str> = token.split(':').collect();
        let [timestamp, step, bits] = parts[..] else {
            return Err(unreadable(token));
        };
        let bits = u64::from_str_radix(bits, 16).map_err(|_| unreadable(token))?;
        Ok(HistoryCursor {
            timestamp_ms: parse(timestamp, token)?,
            step: parse(step, token)?,
            value: f64::from_bits(bits),
        })
    }
}

fn parse(number: &str, token: &str) -> Result<i64, TrackingError> {
    number.parse().map_err(|_| unreadable(token))
}

fn unreadable(token: &str) -> TrackingError {
    TrackingError::rejected(format!(
        "Invalid page token: {token:?} was not made by this listing"
    ))
}
