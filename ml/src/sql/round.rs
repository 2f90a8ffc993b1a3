//! Rounding to decimal places as Java's `BigDecimal` does it, on the digits of a number's shortest text.

use super::{SqlType, Value, node};

/// What becomes of a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// Away from zero: `round`.
    Up,
    /// To the even neighbour: `bround`.
    Even,
}

/// Rounds a number to `places` decimal places, before the point where they are negative.
pub(super) fn round(value: &Value, kind: SqlType, places: i64, half: Half) -> Result<Value, String> {
    let places = places.clamp(-400, 400);
    Ok(match value {
        Value::Double(value) if value.is_finite() => Value::Double(parsed(&format!("{value}"), places, half)),
        Value::Float(value) if value.is_finite() => Value::Float(
            rounded(&format!("{value}"), places, half)
                .parse()
                .unwrap_or(f32::NAN),
        ),
        Value::Whole(value) if places < 0 => {
            let rounded = rounded(&value.to_string(), places, half).parse().ok();
            node::whole(kind, rounded, "round")?
        }
        other => other.clone(),
    })
}

fn parsed(text: &str, places: i64, half: Half) -> f64 {
    rounded(text, places, half).parse().unwrap_or(f64::NAN)
}

/// Rounds a plain decimal text.
fn rounded(text: &str, places: i64, half: Half) -> String {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => ("-", magnitude),
        None => ("", text),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let digits: Vec<u8> = whole
        .bytes()
        .chain(fraction.bytes())
        .map(|digit| digit - b'0')
        .collect();
    let kept = whole.len() as i64 + places;
    if kept >= digits.len() as i64 {
        return text.to_owned();
    }
    let (mut head, rest) = match usize::try_from(kept) {
        Ok(kept) => (digits[..kept].to_vec(), &digits[kept..]),
        // All digits are behind a zero.
        Err(_) => (vec![], &[0][..]),
    };
    let is_half = rest[0] == 5 && rest[1..].iter().all(|digit| *digit == 0);
    let is_odd = head.last().is_some_and(|digit| digit % 2 == 1);
    let goes_up = match half {
        Half::Even if is_half => is_odd,
        _ => rest[0] >= 5,
    };
    if goes_up {
        let nines = head.iter().rev().take_while(|digit| **digit == 9).count();
        let position = head.len() - nines;
        head[position..].fill(0);
        match position.checked_sub(1) {
            Some(position) => head[position] += 1,
            None => head.insert(0, 1),
        }
    }
    let exponent = -places;
    let head: String = head.iter().map(|digit| char::from(b'0' + digit)).collect();
    let head = if head.is_empty() { "0" } else { &head };
    match exponent {
        // The digits end before the point: zeros follow.
        exponent if exponent >= 0 => format!("{sign}{head}{}", "0".repeat(exponent as usize)),
        _ => format!("{sign}{head}e{exponent}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_where_they_are_sent() {
        let up = |value: f64, places| parsed(&format!("{value}"), places, Half::Up);
        assert_eq!(
            (up(2.5, 0), up(-2.5, 0), up(1.005, 2), up(0.45, 1)),
            (3.0, -3.0, 1.01, 0.5)
        );
        assert_eq!(
            (up(99.95, 1), up(9.99, 0), up(1e300, 2), up(1234.0, -2)),
            (100.0, 10.0, 1e300, 1200.0)
        );
        assert_eq!(
            (up(49.0, -2), up(50.0, -2), up(5.0, -3), up(0.5, 0)),
            (0.0, 100.0, 0.0, 1.0)
        );
        let even = |value: f64| parsed(&format!("{value}"), 0, Half::Even);
        assert_eq!(
            (even(0.5), even(1.5), even(2.5), even(2.500001)),
            (0.0, 2.0, 2.0, 3.0)
        );
    }
}
