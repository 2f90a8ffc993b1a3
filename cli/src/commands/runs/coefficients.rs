//! How certain the coefficients of a run are, as a table for people.

use rookery_ml::{Inference, StandardErrors, Term};

use crate::table::indented;

/// The table, what it is about above it, and what to know of it below.
pub(super) fn coefficients(inference: &Inference) -> Vec<String> {
    let mut lines = vec![format!("  {}", about(inference))];
    if let Some(problem) = &inference.problem {
        lines.push(format!("  no standard errors: {problem}"));
    }
    let percent = 100.0 * inference.level;
    let interval = format!("{percent} % INTERVAL");
    let of_odds = format!("{percent} % OF ODDS");
    let (is_multinomial, has_errors) = (
        inference.reference_class.is_some(),
        inference.standard_errors != StandardErrors::None,
    );
    let mut header = vec!["NAME", "COEFFICIENT"];
    if is_multinomial {
        header.insert(0, "CLASS");
    }
    if has_errors {
        header.extend(["STD ERROR", "Z", "P", &interval]);
    }
    header.push("ODDS RATIO");
    if has_errors {
        header.push(&of_odds);
    }
    let rows = inference
        .terms
        .iter()
        .map(|term| row(term, is_multinomial, has_errors));
    lines.extend(indented(&header, rows));
    for left_out in &inference.left_out {
        let why = match left_out.combination_of.is_empty() {
            true => "the same in all rows".to_string(),
            false => format!("a combination of {}", left_out.combination_of.join(", ")),
        };
        lines.push(format!("  {}: {why}", crate::table::printable(&left_out.name)));
    }
    lines.extend(inference.notes.iter().map(|note| format!("  note: {note}")));
    lines.extend(
        inference
            .separation
            .iter()
            .map(|text| format!("  warning: {text}")),
    );
    lines
}

fn about(inference: &Inference) -> String {
    let mut about = format!(
        "{} rows, ln L {:.6}, {} degrees of freedom",
        inference.rows, inference.log_likelihood, inference.degrees_of_freedom
    );
    let numbers = [
        ("AIC", inference.aic()),
        ("McFadden's R²", inference.mcfadden_r2()),
        ("condition number", inference.condition_number),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            about.push_str(&format!(", {name} {}", short(number)));
        }
    }
    about
}

fn row(term: &Term, is_multinomial: bool, has_errors: bool) -> Vec<String> {
    let cell = |number: Option<f64>| number.map_or_else(|| "-".to_string(), short);
    let between = |lower: Option<f64>, upper: Option<f64>| match (lower, upper) {
        (None, None) => "-".to_string(),
        (lower, upper) => format!("{} … {}", cell(lower), cell(upper)),
    };
    let mut row = vec![term.name.clone(), short(term.coefficient)];
    if is_multinomial {
        row.insert(0, format!("{} against {}", term.class, term.against));
    }
    if has_errors {
        row.extend([cell(term.standard_error), cell(term.z), cell(term.p_value)]);
        row.push(between(term.lower, term.upper));
    }
    row.push(cell(term.odds_ratio));
    if has_errors {
        row.push(between(term.odds_ratio_lower, term.odds_ratio_upper));
    }
    row
}

/// Five digits, with an exponent far from 1.
fn short(value: f64) -> String {
    let size = value.abs();
    match size == 0.0 || (1e-3..1e6).contains(&size) {
        true => {
            let before_point = [1e1, 1e2, 1e3, 1e4].iter().filter(|bound| size >= **bound);
            let digits = 4 - before_point.count();
            format!("{value:.digits$}")
        }
        false => format!("{value:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn inference() -> Inference {
        let term = |class: usize, name: &str, coefficient: f64, error: Option<f64>| {
            let number = |factor: f64| error.map(|error| factor * error);
            json!({
                "class": class, "against": 0, "name": name, "feature": null, "coefficient": coefficient,
                "standard_error": error, "z": number(1.5), "p_value": number(1e-9), "lower": number(-2.0),
                "upper": number(20000.0), "odds_ratio": 1.25, "odds_ratio_lower": number(0.5),
                "odds_ratio_upper": null,
            })
        };
        let value = json!({
            "standard_errors": "fisher", "problem": null, "notes": ["contrasts with class 0"], "family": "multinomial",
            "reference_class": 0, "level": 0.9, "rows": 254, "weight_sum": 254.0, "degrees_of_freedom": 4,
            "log_likelihood": -101.25, "null_log_likelihood": -202.5, "condition_number": 12.5,
            "terms": [term(1, "(intercept)", -12.345678, Some(0.25)), term(2, "BodyMass", 1.5e-5, None)],
            "left_out": [
                {"name": "unit", "feature": 1, "combination_of": []},
                {"name": "total", "feature": 2, "combination_of": ["a", "b"]},
            ],
            "separation": null,
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_table_says_what_is_known_and_what_is_not() {
        insta::assert_snapshot!(coefficients(&inference()).join("\n"), @r"
          254 rows, ln L -101.250000, 4 degrees of freedom, AIC 210.50, McFadden's R² 0.5000, condition number 12.500
          CLASS        NAME         COEFFICIENT  STD ERROR  Z       P          90 % INTERVAL     ODDS RATIO  90 % OF ODDS
          1 against 0  (intercept)  -12.346      0.2500     0.3750  2.500e-10  -0.5000 … 5000.0  1.2500      0.1250 … -
          2 against 0  BodyMass     1.500e-5     -          -       -          -                 1.2500      -
          unit: the same in all rows
          total: a combination of a, b
          note: contrasts with class 0
        ");
    }

    #[test]
    fn without_standard_errors_it_says_why() {
        let mut inference = inference();
        inference.standard_errors = StandardErrors::None;
        inference.problem = Some("an L1 penalty".to_string());
        let lines = coefficients(&inference);
        assert_eq!(lines[1], "  no standard errors: an L1 penalty");
        assert!(!lines[2].contains("STD ERROR"), "{lines:?}");
    }
}
