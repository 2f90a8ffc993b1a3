//! The table as text: CSV for programs.

use std::fmt::Write as _;

use super::report::{Inference, Term};

const HEADER: &str = "class,against,name,coefficient,standard_error,z,p_value,lower,upper,odds_ratio,odds_ratio_lower,\
                      odds_ratio_upper";

impl Inference {
    /// Returns the coefficients as CSV with a header: numbers as they read back bit for bit, nothing where there is none.
    pub fn to_csv(&self) -> String {
        let mut csv = format!("{HEADER}\n");
        for term in &self.terms {
            let numbers = numbers(term).map(|number| number.map(|n| n.to_string()).unwrap_or_default());
            let name = quoted(&term.name);
            let (class, against, coefficient) = (term.class, term.against, term.coefficient);
            // Writing to a string can't fail.
            let _ = writeln!(
                csv,
                "{class},{against},{name},{coefficient},{}",
                numbers.join(",")
            );
        }
        csv
    }
}

fn numbers(term: &Term) -> [Option<f64>; 8] {
    [
        term.standard_error,
        term.z,
        term.p_value,
        term.lower,
        term.upper,
        term.odds_ratio,
        term.odds_ratio_lower,
        term.odds_ratio_upper,
    ]
}

fn quoted(name: &str) -> String {
    match name.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn names_are_quoted_where_csv_needs_it() {
        assert_eq!(quoted("Culmen Length"), "Culmen Length");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
