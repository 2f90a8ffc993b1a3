//! What text means as a number or a truth value: Spark's casts, the same for a file of training and for a request.
//!
//! Source: Spark SQL `Cast` in ANSI mode (the default since Spark 4), `UTF8String.toIntExact` and
//! `Cast.processFloatingPointSpecialLiterals`.

/// Spark's string to boolean: `t true y yes 1` and `f false n no 0` in any case, white space trimmed.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is_one_of = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["t", "true", "y", "yes", "1"]) {
        Some(true)
    } else if is_one_of(["f", "false", "n", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// Spark's string to int: an optional sign and digits, white space trimmed; no fraction, no overflow.
pub fn parse_int(text: &str) -> Option<i32> {
    text.trim().parse().ok()
}

/// Spark's string to long, see [`parse_int`].
pub fn parse_long(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

/// Spark's string to float: rounded once, straight to 32 bits; `nan`, `inf`, `infinity` in any case.
pub fn parse_float(text: &str) -> Option<f32> {
    text.trim().parse().ok()
}

/// Spark's string to double, see [`parse_float`].
pub fn parse_double(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_a_32_bit_round_trip() {
        assert_eq!(parse_float("39.1").map(f64::from), Some(39.099998474121094));
        assert_eq!(parse_double("39.1"), Some(39.1));
    }

    #[test]
    fn a_float_is_rounded_once() {
        // Rounding to 64 bits first would give the neighbour below.
        let text = "1.00000005960464477540";
        assert_eq!(parse_float(text), Some(1.0000001));
        assert_eq!(parse_double(text).map(|d| d as f32), Some(1.0));
    }

    #[test]
    fn casts_follow_spark_in_ansi_mode() {
        assert_eq!(parse_int(" 42 "), Some(42));
        assert_eq!(parse_int("+7"), Some(7));
        assert_eq!(parse_int("1.0"), None);
        assert_eq!(parse_int("2147483648"), None);
        assert_eq!(parse_long("2147483648"), Some(2_147_483_648));
        assert_eq!(parse_float("abc"), None);
        assert_eq!(parse_float(""), None);
        assert_eq!(parse_float("1e3"), Some(1000.0));
        assert!(parse_double("NaN").is_some_and(f64::is_nan));
        assert_eq!(parse_double("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_boolean("Yes"), Some(true));
        assert_eq!(parse_boolean("2"), None);
    }
}
