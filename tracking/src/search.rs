//! The filter and order strings of MLflow's searches: text in, typed syntax tree out.
//!
//! ```text
//! filter     = [clause] { "AND" [clause] }
//! clause     = column comparator value
//!            | column ["NOT"] "IN" "(" text { "," text } [","] ")"
//!            | column "IS" ["NOT"] "NULL"
//! comparator = "=" | "!=" | "<" | "<=" | ">" | ">=" | "LIKE" | "ILIKE"
//! column     = [entity "."] key              an attribute, if there is no entity
//! key        = word | `anything` | "anything"
//! value      = number | 'text' | "text"
//! order      = column ["ASC" | "DESC"]
//! ```
//!
//! There is no OR, no parentheses, no nesting. Keywords are case-insensitive, entities and keys are not. Quoted
//! text is what lies between the quotes, to the letter: a doubled quote or a quote behind a backslash does not end
//! it, but stays in it as it was written, as in MLflow.
//!
//! Which entities, attributes and comparators there are depends on what is searched, the [`Target`]. What a clause
//! means, for records that lack the key and for NaN too, is said at [`Clause`]; what comes first, at [`OrderBy`].
//!
//! In reading order: `target` (what can be searched by which attributes), `column`, `filter` and `order` (the
//! trees and how they print), `lexer`, `name` (a column's name to a column), `parser` and `clause`
//! (the tokens of a clause to the clause), `leftover` (what no clause is made of).

mod clause;
mod column;
mod filter;
mod leftover;
mod lexer;
mod name;
mod order;
mod parser;
mod target;
#[cfg(test)]
mod tests;

pub use column::{Column, DatasetField, MetricValue, NumberColumn, TextColumn};
pub use filter::{Clause, Filter, Number, NumberOp, TextOp};
pub use order::{OrderBy, OrderField, OrderTerm};
pub use target::{NumberAttribute, Target, TextAttribute};

/// The longest filter, in bytes: room for an `IN` list of some thousand ids.
pub const MAX_FILTER_BYTES: usize = 400_000;
/// The most clauses in a filter.
pub const MAX_CLAUSES: usize = 100;
/// The most values in all `IN` lists of a filter together; a database takes a bounded number of them.
pub const MAX_LIST_VALUES: usize = 10_000;
/// The longest term of an order, in bytes.
pub const MAX_ORDER_TERM_BYTES: usize = 2_000;
/// The most terms in an order.
pub const MAX_ORDER_TERMS: usize = 20;

/// The start of the text, enough to recognise it in a message.
fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 200;
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// The names as Python prints them, because MLflow's messages do: `'a', 'b'`.
fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    names.join(", ")
}
