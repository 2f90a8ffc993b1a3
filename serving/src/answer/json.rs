//! Answers as JSON, written as Python writes it: `{"predictions": [1.0]}`.

use bytes::Bytes;

use crate::decode::Options;
use crate::scored::Scored;
use crate::{Contribution, Scorer};

/// The answer to a request: the class of each row, or, with options, an object for each.
pub(super) fn body(scorer: &Scorer, scored: &Scored, options: Options) -> Bytes {
    let mut text = String::with_capacity(32 + 8 * scored.rows);
    text.push_str("{\"predictions\": ");
    let is_plain = options == Options::default();
    // Names are the same in every row.
    let names: Vec<String> = match options.contributions {
        true => scorer
            .feature_names()
            .iter()
            .map(|name| serde_json::Value::from(name.as_str()).to_string())
            .collect(),
        false => Vec::new(),
    };
    list(&mut text, scored.positions(), |text, position| match position {
        Some(position) if is_plain => number(text, scored.predictions.prediction[position]),
        Some(position) => object(text, scorer, scored, options, &names, position),
        None => text.push_str("null"),
    });
    text.push('}');
    text.into()
}

fn object(
    text: &mut String,
    scorer: &Scorer,
    scored: &Scored,
    options: Options,
    names: &[String],
    position: usize,
) {
    text.push_str("{\"prediction\": ");
    number(text, scored.predictions.prediction[position]);
    if options.probabilities {
        text.push_str(", \"probabilities\": ");
        list(text, scored.probabilities(position), |text, value| {
            number(text, *value)
        });
    }
    if options.contributions {
        text.push_str(", \"contributions\": ");
        let contributions = scorer.contributions(&scored.features(position));
        list(text, contributions, |text, of_class| {
            contribution(text, &of_class, names)
        });
    }
    text.push('}');
}

fn contribution(text: &mut String, of_class: &Contribution, names: &[String]) {
    text.push_str("{\"intercept\": ");
    number(text, of_class.intercept);
    text.push_str(", \"features\": {");
    for (position, (name, value)) in names.iter().zip(&of_class.features).enumerate() {
        text.push_str(if position == 0 { "" } else { ", " });
        text.push_str(name);
        text.push_str(": ");
        number(text, *value);
    }
    text.push_str("}}");
}

fn list<T>(text: &mut String, values: impl IntoIterator<Item = T>, write: impl Fn(&mut String, T)) {
    text.push('[');
    for (position, value) in values.into_iter().enumerate() {
        text.push_str(if position == 0 { "" } else { ", " });
        write(text, value);
    }
    text.push(']');
}

/// A number with every digit, as `1.0`; JSON has no infinity and no NaN, so those are null.
fn number(text: &mut String, value: f64) {
    match value.is_finite() {
        true => text.push_str(&format!("{value:?}")),
        false => text.push_str("null"),
    }
}
