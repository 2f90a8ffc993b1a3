//! What is left of a filter when its comparisons are taken away: MLflow's errors show it.

use crate::error::TrackingError;

use super::excerpt;
use super::lexer::{Kind, Token};
use super::target::Target;

/// The most pieces of a filter that a message shows.
const MAX_SHOWN: usize = 20;

/// The error for what begins with token `start` and is no clause. As in MLflow it shows what is left from there
/// on when all that could be a comparison is taken away.
pub(super) fn invalid_clause(
    target: Target,
    text: &str,
    tokens: &[Token<'_>],
    start: usize,
) -> TrackingError {
    if target == Target::LoggedModels {
        return TrackingError::rejected(format!(
            "Invalid filter string: {}. Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > 0.1 \
             AND params.lr = 0.01').",
            python_quoted(&excerpt(text))
        ));
    }
    let quote = if target == Target::Runs { "'" } else { "" };
    let mut shown: Vec<String> = Vec::new();
    // With a comma it is a list, which MLflow takes as a whole.
    let mut depth = 0_i32;
    let is_list = tokens.iter().any(|token| {
        depth += i32::from(token.kind == Kind::Open) - i32::from(token.kind == Kind::Close);
        token.kind == Kind::Comma && depth == 0
    });
    let mut rest = if is_list { tokens } else { &tokens[start..] };
    while let Some((first, behind)) = rest.split_first().filter(|_| shown.len() < MAX_SHOWN) {
        if let Some(len) = comparison(rest).filter(|_| !is_list) {
            rest = &rest[len..];
            continue;
        }
        let len = match first.kind {
            Kind::Open => closing(behind).map_or(1, |len| len + 2),
            _ if is_list && comparison(rest).is_some() => list_of_comparisons(rest),
            _ => 1,
        };
        if !first.is_keyword("and") {
            let raw = &text[first.start..rest[len - 1].end()];
            shown.push(format!("{quote}{}{quote}", excerpt(raw)));
        }
        rest = &rest[len..];
    }
    if shown.is_empty() {
        // What is wrong is only that no AND comes before it.
        let rest = &tokens[start..];
        let last = comparison(rest).unwrap_or(rest.len()).saturating_sub(1);
        let raw = rest
            .get(last)
            .map_or(text, |last| &text[rest[0].start..last.end()]);
        shown.push(format!("{quote}{}{quote}", excerpt(raw)));
    }
    TrackingError::rejected(format!(
        "Invalid clause(s) in filter string: {}. A filter is a list of comparisons joined by AND, such as \
         metrics.`my loss` < 0.1 AND params.solver = 'adam'",
        shown.join(", ")
    ))
}

/// The place of the parenthesis that closes the one before these tokens.
pub(super) fn closing(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().position(|token| match token.kind {
        Kind::Open => {
            depth += 1;
            false
        }
        Kind::Close if depth == 0 => true,
        Kind::Close => {
            depth -= 1;
            false
        }
        _ => false,
    })
}

/// The length of what could be a comparison at the start of these tokens.
fn comparison(tokens: &[Token<'_>]) -> Option<usize> {
    let [name, rest @ ..] = tokens else {
        return None;
    };
    if !matches!(name.kind, Kind::Name(_)) || name.is_keyword("and") {
        return None;
    }
    let not = usize::from(rest.first()?.is_keyword("not"));
    let op = rest.get(not)?;
    let behind = &rest[not + 1..];
    if op.is_keyword("is") {
        let not = usize::from(behind.first()?.is_keyword("not"));
        return behind.get(not)?.is_keyword("null").then_some(3 + not);
    }
    if op.is_keyword("in") {
        let list = behind.split_first().filter(|(open, _)| open.kind == Kind::Open);
        return Some(not + 4 + closing(list?.1)?);
    }
    let is_op = op.kind == Kind::Comparator || op.is_keyword("like") || op.is_keyword("ilike");
    let is_value = matches!(behind.first()?.kind, Kind::Number | Kind::Text(_) | Kind::Name(_));
    (is_op && is_value).then_some(not + 3)
}

/// The length of comparisons with commas between them at the start of these tokens, of which the first is there.
fn list_of_comparisons(tokens: &[Token<'_>]) -> usize {
    let mut len = 0;
    while let Some(more) = comparison(&tokens[len..]) {
        len += more;
        match tokens.get(len) {
            Some(comma) if comma.kind == Kind::Comma => len += 1,
            _ => break,
        }
    }
    len
}

/// The text as Python prints it, because MLflow's messages do.
pub(super) fn python_quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    format!("{quote}{text}{quote}")
}
