//! From tokens to the shapes of clauses: what stands where, not yet whether it goes together.

use crate::error::TrackingError;

use super::clause;
use super::filter::Filter;
use super::leftover;
use super::lexer::{self, Kind, Token};
use super::target::Target;
use super::{MAX_CLAUSES, MAX_FILTER_BYTES, MAX_LIST_VALUES, excerpt};

type Result<T> = std::result::Result<T, TrackingError>;

pub(super) fn filter(target: Target, text: &str) -> Result<Filter> {
    if text.len() > MAX_FILTER_BYTES {
        return Err(TrackingError::rejected(format!(
            "Invalid filter string: it has {} bytes, at most {MAX_FILTER_BYTES} are allowed",
            text.len()
        )));
    }
    let tokens = lexer::tokens(text);
    let second = tokens
        .iter()
        .position(|token| token.raw == ";")
        .map(|end| end + 1);
    if second.is_some_and(|second| second < tokens.len()) {
        return Err(TrackingError::rejected(format!(
            "Search filter contained multiple expression {}. Provide AND-ed expression list.",
            leftover::python_quoted(&excerpt(text))
        )));
    }
    let mut parser = Parser {
        target,
        text,
        tokens: &tokens,
        next: 0,
        list_values: 0,
    };
    let mut clauses = Vec::new();
    while parser.skip_ands(!clauses.is_empty())? {
        if clauses.len() == MAX_CLAUSES {
            return Err(TrackingError::rejected(format!(
                "Invalid filter string: it has more than {MAX_CLAUSES} clauses"
            )));
        }
        let shape = parser.shape()?;
        clauses.push(clause::clause(target, shape)?);
    }
    Ok(Filter { target, clauses })
}

/// A clause whose parts are known and not yet understood.
pub(super) struct Shape<'a> {
    pub(super) name: lexer::Name<'a>,
    pub(super) condition: Condition<'a>,
}

pub(super) enum Condition<'a> {
    Compare { op: String, value: Token<'a> },
    In { negated: bool, list: List<'a> },
    Null { negated: bool },
}

pub(super) struct List<'a> {
    /// Or why it is no list of texts: what is compared with it may take no list at all, which comes first.
    pub(super) values: Result<Vec<&'a str>>,
    /// The whole list as it was written, for messages.
    pub(super) raw: &'a str,
}

struct Parser<'a> {
    target: Target,
    text: &'a str,
    tokens: &'a [Token<'a>],
    next: usize,
    list_values: usize,
}

impl<'a> Parser<'a> {
    /// Skips every AND, as MLflow does: one too many, at either end too, harms nobody. Returns whether a clause
    /// follows; after another clause it must not follow without an AND, which MLflow lets pass.
    fn skip_ands(&mut self, is_needed: bool) -> Result<bool> {
        let start = self.next;
        while self.take_keyword("and") {}
        if self.peek().is_some() && self.next == start && is_needed {
            return Err(self.invalid_clause(start));
        }
        Ok(self.peek().is_some())
    }

    fn shape(&mut self) -> Result<Shape<'a>> {
        let start = self.next;
        let invalid = |parser: &Self| parser.invalid_clause(start);
        let first = self.take().ok_or_else(|| invalid(self))?;
        let Kind::Name(name) = first.kind else {
            let is_comparison = self.peek().is_some_and(|token| token.kind == Kind::Comparator);
            return Err(
                if is_comparison && matches!(first.kind, Kind::Number | Kind::Text(_)) {
                    TrackingError::rejected(format!(
                        "Invalid comparison clause. Expected 'Identifier' found '{}'",
                        excerpt(first.raw)
                    ))
                } else {
                    invalid(self)
                },
            );
        };
        let condition = if self.take_keyword("is") {
            let negated = self.take_keyword("not");
            if !self.take_keyword("null") {
                return Err(invalid(self));
            }
            Condition::Null { negated }
        } else if self.take_keyword("in") {
            let list = self.list(start)?;
            Condition::In { negated: false, list }
        } else {
            let negated = self.take_keyword("not");
            if negated && self.take_keyword("in") {
                let list = self.list(start)?;
                Condition::In { negated: true, list }
            } else {
                let op = self.comparator(negated).ok_or_else(|| invalid(self))?;
                let value = self
                    .take()
                    .filter(|token| matches!(token.kind, Kind::Number | Kind::Text(_) | Kind::Name(_)));
                Condition::Compare {
                    op,
                    value: value.ok_or_else(|| invalid(self))?,
                }
            }
        };
        Ok(Shape { name, condition })
    }

    /// Takes anything that looks like a comparator; whether it is one for this column is decided later.
    fn comparator(&mut self, negated: bool) -> Option<String> {
        const WORDS: [&str; 4] = ["like", "ilike", "rlike", "regexp"];
        let token = self.take()?;
        if token.kind == Kind::Comparator && !negated {
            return Some(token.raw.to_owned());
        }
        let is_word = WORDS.iter().any(|word| token.is_keyword(word));
        let not = if negated { "NOT " } else { "" };
        is_word.then(|| format!("{not}{}", token.raw.to_ascii_uppercase()))
    }

    /// Takes everything between parentheses.
    fn list(&mut self, clause_start: usize) -> Result<List<'a>> {
        let invalid = |parser: &Self| parser.invalid_clause(clause_start);
        let open = self
            .take()
            .filter(|token| token.kind == Kind::Open)
            .ok_or_else(|| invalid(self))?;
        let rest = &self.tokens[self.next..];
        let len = leftover::closing(rest).ok_or_else(|| invalid(self))?;
        self.next += len + 1;
        Ok(List {
            values: self.list_values(&rest[..len]),
            raw: &self.text[open.start..rest[len].end()],
        })
    }

    fn list_values(&mut self, tokens: &[Token<'a>]) -> Result<Vec<&'a str>> {
        let ill_formed = |what: &str| {
            TrackingError::rejected(format!(
                "While parsing a list in the query, expected a non-empty list of string values, but got {what}"
            ))
        };
        if tokens.is_empty() {
            return Err(ill_formed("empty list"));
        }
        let mut values = Vec::new();
        // A trailing comma is fine.
        for pair in tokens.chunks(2) {
            match (pair[0].text_value(), pair[0].kind) {
                (Some(value), _) => values.push(value),
                (None, Kind::Number | Kind::Name(_)) => {
                    return Err(TrackingError::rejected(format!(
                        "While parsing a list in the query, expected string value, punctuation, or whitespace, but \
                         got different type in list: {}",
                        excerpt(pair[0].raw)
                    )));
                }
                _ => return Err(ill_formed("ill-formed list.")),
            }
            if pair.get(1).is_some_and(|token| token.kind != Kind::Comma) {
                return Err(ill_formed("ill-formed list."));
            }
        }
        self.list_values += values.len();
        if self.list_values > MAX_LIST_VALUES {
            return Err(TrackingError::rejected(format!(
                "Invalid filter string: its lists have more than {MAX_LIST_VALUES} values"
            )));
        }
        Ok(values)
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.next += usize::from(token.is_some());
        token
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_next = self.peek().is_some_and(|token| token.is_keyword(keyword));
        self.next += usize::from(is_next);
        is_next
    }

    fn invalid_clause(&self, start: usize) -> TrackingError {
        leftover::invalid_clause(self.target, self.text, self.tokens, start)
    }
}
