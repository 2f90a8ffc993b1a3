//! Numbers as text the way Java's `Double.toString` and `Float.toString` write them.
//!
//! Spark casts a number to a string with these, so the labels of a `StringIndexer` over a number column, and the
//! numbers inside Spark's error texts, depend on it: `1.0`, not `1`; `1.0E7`, not `10000000`.

/// Returns `value` as Java's `Double.toString` writes it.
pub(crate) fn double_text(value: f64) -> String {
    special(value).unwrap_or_else(|| layout(&format!("{value:e}"), &format!("{value}"), value.abs()))
}

/// Returns `value` as Java's `Float.toString` writes it.
pub(crate) fn float_text(value: f32) -> String {
    let wide = f64::from(value);
    special(wide).unwrap_or_else(|| layout(&format!("{value:e}"), &format!("{value}"), wide.abs()))
}

/// Returns a vector as Spark's `DenseVector.toString` writes it, e.g. `[NaN,1.0]`.
pub(crate) fn vector_text(values: &[f64]) -> String {
    let texts: Vec<String> = values.iter().map(|value| double_text(*value)).collect();
    format!("[{}]", texts.join(","))
}

fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("NaN".to_owned())
    } else if value.is_infinite() {
        Some(if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned())
    } else {
        None
    }
}

/// Chooses between plain and computerised scientific notation: plain for 10⁻³ ≤ |value| < 10⁷ and for zero.
fn layout(scientific: &str, plain: &str, magnitude: f64) -> String {
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return if plain.contains('.') {
            plain.to_owned()
        } else {
            format!("{plain}.0")
        };
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_floats_read_like_java() {
        let cases = [
            (1.0, "1.0"),
            (-1.0, "-1.0"),
            (0.5, "0.5"),
            (-0.0, "-0.0"),
            (0.001, "0.001"),
            (0.00099, "9.9E-4"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (1.25e-10, "1.25E-10"),
            (1e22, "1.0E22"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in cases {
            assert_eq!(double_text(value), text);
        }
        assert_eq!(float_text(39.1), "39.1", "a float keeps its own shortest digits");
        assert_eq!(double_text(f64::from(39.1_f32)), "39.099998474121094");
        assert_eq!(vector_text(&[f64::NAN, 1.0]), "[NaN,1.0]");
    }
}
