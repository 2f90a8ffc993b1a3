//! Tables of what is accepted and refused, the same as in MLflow 3.17 but where a table says otherwise, and
//! properties that hold for every text.

mod accepted;
mod properties;
mod refused;
mod refused_orders;

use super::*;

fn parse(target: Target, text: &str) -> Filter {
    Filter::parse(target, text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn order(target: Target, terms: &[&str]) -> Result<OrderBy, crate::TrackingError> {
    let terms: Vec<String> = terms.iter().map(|&term| term.to_owned()).collect();
    OrderBy::parse(target, &terms)
}
