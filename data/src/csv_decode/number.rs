//! Numbers at the front of some text, for the form that nearly all have: `-12.75`, `1e-3`. Up to fifteen digits are taken at
//! once, without a branch on how many there are, else eight at a time; the result is exact or not given, and whoever asked
//! takes the field to `schema::parse_double` and its like.
//!
//! Exactness: a decimal m·10ᵉ with m ≤ 2⁵³ and |e| ≤ 22 is one correctly rounded operation on two exact doubles (Clinger,
//! "How to Read Floating Point Numbers Accurately", 1990). Such a double rounds on to the right float unless it lies just
//! half way between two: all half ways are doubles, so rounding to doubles first never carries a number across one.

/// Digits that a `u64` always holds.
const MOST_DIGITS: usize = 19;
/// The largest power of ten that is a double.
const MOST_EXACT_POWER: usize = 22;

const POWERS: [f64; MOST_EXACT_POWER + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
const WHOLE_POWERS: [u64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// A double and the bytes that it was made of.
pub(super) fn double(text: &[u8]) -> Option<(f64, usize)> {
    let (decimal, length) = Decimal::scan(text)?;
    Some((decimal.double()?, length))
}

/// A float and the bytes that it was made of.
pub(super) fn float(text: &[u8]) -> Option<(f32, usize)> {
    /// What a double has more bits than a float, for numbers that are normal in both.
    const DROPPED: u64 = (1 << 29) - 1;
    let (decimal, length) = Decimal::scan(text)?;
    let double = decimal.double()?;
    let is_half_way = double.to_bits() & DROPPED == 1 << 28;
    let is_small = double.abs() < f64::from(f32::MIN_POSITIVE) && double != 0.0;
    (!is_half_way && !is_small).then_some((double as f32, length))
}

/// A whole number and the bytes that it was made of.
pub(super) fn whole(text: &[u8]) -> Option<(i64, usize)> {
    let (negative, start) = sign(text);
    let (digits, value) = digits(&text[start..], 0);
    // One digit less than a u64 holds: whatever they are, an i64 holds them.
    (1..MOST_DIGITS).contains(&digits).then(|| {
        let value = value as i64;
        (if negative { -value } else { value }, start + digits)
    })
}

/// ±mantissa·10^exponent.
struct Decimal {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Decimal {
    /// Digits with an optional fraction and exponent; both parts of a fraction must have digits.
    #[inline(always)]
    fn scan(text: &[u8]) -> Option<(Self, usize)> {
        let (negative, start) = sign(text);
        if let Some((mantissa, after, length)) = text[start..].first_chunk().and_then(short) {
            let exponent = -(after as i32);
            let decimal = Decimal {
                negative,
                mantissa,
                exponent,
            };
            return Some((decimal, start + length));
        }
        let (before, mut mantissa) = digits(&text[start..], 0);
        let mut end = start + before;
        let mut after = 0;
        if text.get(end) == Some(&b'.') {
            (after, mantissa) = digits(&text[end + 1..], mantissa);
            if after == 0 {
                return None;
            }
            end += 1 + after;
        }
        if before == 0 || before + after > MOST_DIGITS {
            return None;
        }
        let mut exponent = -(after as i32);
        if matches!(text.get(end), Some(b'e' | b'E')) {
            let (value, length) = self::exponent(&text[end + 1..])?;
            exponent += value;
            end += 1 + length;
        }
        let decimal = Decimal {
            negative,
            mantissa,
            exponent,
        };
        Some((decimal, end))
    }

    #[inline(always)]
    fn double(&self) -> Option<f64> {
        if self.mantissa > 1 << f64::MANTISSA_DIGITS {
            return None;
        }
        let power = *POWERS.get(self.exponent.unsigned_abs() as usize)?;
        let mantissa = self.mantissa as f64;
        let value = if self.exponent < 0 {
            mantissa / power
        } else {
            mantissa * power
        };
        // Not by a branch: signs are hard to foresee.
        Some(f64::from_bits(value.to_bits() ^ u64::from(self.negative) << 63))
    }
}

/// A number of at most 15 digits, with or without a fraction, that ends within 16 bytes: its digits as one number, how many
/// of them are behind the point, and its length.
#[inline(always)]
fn short(text: &[u8; 16]) -> Option<(u64, usize, usize)> {
    const EACH: u128 = u128::from_ne_bytes([1; 16]);
    // Digits become 0 to 9, anything else is above; what is carried goes to bytes behind the number only.
    let values = u128::from_le_bytes(*text) ^ (EACH * b'0' as u128);
    let others = (values | values.wrapping_add(EACH * 6)) & (EACH * 0xf0);
    let before = others.trailing_zeros() as usize / 8;
    let is_point = *text.get(before)? == b'.';
    let next = (others & !(0xff << (8 * before))).trailing_zeros() as usize / 8;
    let length = if is_point { next } else { before };
    let after = length.saturating_sub(before + 1);
    if before == 0 || (is_point && after == 0) || matches!(text.get(length)?, b'e' | b'E') {
        return None;
    }
    let whole = (1_u128 << (8 * before)) - 1;
    let digits = if is_point {
        values & whole | values >> 8 & !whole
    } else {
        values
    };
    // Moved up, the digits have zeros in front of them, and what is behind them is gone.
    let digits = digits << (8 * (16 - before - after));
    let (high, low) = (eight_digits(digits as u64), eight_digits((digits >> 64) as u64));
    Some((high * 100_000_000 + low, after, length))
}

/// Whether there is a minus, and its length.
#[inline(always)]
fn sign(text: &[u8]) -> (bool, usize) {
    let negative = text.first() == Some(&b'-');
    (negative, usize::from(negative))
}

/// At most four digits after an optional sign: the value and the bytes.
fn exponent(text: &[u8]) -> Option<(i32, usize)> {
    let start = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let (digits, value) = digits(&text[start..], 0);
    if !(1..=4).contains(&digits) {
        return None;
    }
    let value = value as i32;
    Some((if text[0] == b'-' { -value } else { value }, start + digits))
}

/// How many digits there are, and `before` with them behind it; wrong where there are too many for a `u64`.
#[inline(always)]
fn digits(text: &[u8], before: u64) -> (usize, u64) {
    let (mut count, mut value) = (0, before);
    while let Some(eight) = text[count..].first_chunk() {
        let word = u64::from_le_bytes(*eight);
        let (some, of_some) = leading_digits(word);
        value = value.wrapping_mul(WHOLE_POWERS[some]).wrapping_add(of_some);
        count += some;
        if some < 8 {
            return (count, value);
        }
    }
    for byte in &text[count..] {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    (count, value)
}

/// How many of the eight bytes of `word`, the lowest first, are digits, and their value.
#[inline(always)]
fn leading_digits(word: u64) -> (usize, u64) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // A byte's highest bit is set if it is above '9' or below '0'; carries go to bytes behind such a one only.
    let above = word.wrapping_add(EACH * (0x7f - b'9' as u64));
    let below = word.wrapping_sub(EACH * b'0' as u64);
    let others = (above | below) & (EACH * 0x80);
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // Moved up, the digits have zeros in front of them.
    (count, eight_digits(below << (64 - 8 * count)))
}

/// The number of eight digits, each a byte, the first one lowest.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    // Neighbours are put together three times: 8 numbers below 10, 4 below 100, 2 below 10,000.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema;

    fn check(text: &str) {
        check_at_the_end(text);
        // With bytes behind it a short number is taken at once.
        check_at_the_end(&format!("{text},2.5,0123456789"));
    }

    fn check_at_the_end(text: &str) {
        let bytes = text.as_bytes();
        if let Some((value, length)) = double(bytes) {
            let expected = schema::parse_double(&text[..length]).expect("a number");
            assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
        }
        if let Some((value, length)) = float(bytes) {
            let expected = schema::parse_float(&text[..length]).expect("a number");
            assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
        }
        if let Some((value, length)) = whole(bytes) {
            assert_eq!(Some(value), schema::parse_long(&text[..length]), "{text}");
        }
    }

    #[test]
    fn plain_numbers_are_taken() {
        assert_eq!(double(b"0.869293,"), Some((0.869293, 8)));
        assert_eq!(double(b"-12.75e-3\n"), Some((-12.75e-3, 9)));
        assert_eq!(double(b"9007199254740993"), None);
        assert_eq!(
            double(b"-0,").map(|(x, _)| x.to_bits()),
            Some((-0.0_f64).to_bits())
        );
        assert_eq!(float(b"39.1"), Some((39.1, 4)));
        assert_eq!(whole(b"-1234567890123,"), Some((-1_234_567_890_123, 14)));
        assert_eq!(whole(b"9223372036854775808"), None);
    }

    #[test]
    fn short_numbers_are_taken_at_once() {
        assert_eq!(short(b"1,2.5,3456789,12"), Some((1, 0, 1)));
        assert_eq!(short(b"0.52,-1.25,12345"), Some((52, 2, 4)));
        assert_eq!(short(b"12345.678901234\n"), Some((12_345_678_901_234, 9, 15)));
        assert_eq!(short(b"123456789012345,"), Some((123_456_789_012_345, 0, 15)));
        assert_eq!(short(b"7.5.25,123456789"), Some((75, 1, 3)));
        assert_eq!(
            short("7.5\u{2c0},1234567890".as_bytes().first_chunk().unwrap()),
            Some((75, 1, 3))
        );
        assert_eq!(
            short("7\u{2c0}8.2,1234567890".as_bytes().first_chunk().unwrap()),
            Some((7, 0, 1))
        );
        for other in [
            b"1234567890123456",
            b"1.23456789012345",
            b".5,2345678901234",
            b"5.,2345678901234",
            b"1e5,345678901234",
            b"1.5E7,5678901234",
            b",123456789012345",
        ] {
            assert_eq!(short(other), None);
        }
    }

    #[test]
    fn what_is_half_way_between_floats_is_left_to_others() {
        // 1 + 2^-24 rounds to even, a little more rounds up: as doubles they are the same.
        assert_eq!(float(b"1.00000005960464477"), None);
        assert_eq!(float(b"16777217"), None);
        assert_eq!(float(b"1e-40"), None);
        assert_eq!(float(b"1e22").map(|(x, _)| x), Some(1e22));
    }

    #[test]
    fn other_forms_are_left_to_others() {
        for text in [
            "", "-", "+1", ".5", "5.", "-.5", "1.e3", "1e", "1e+", "1e12345", "NaN", "inf", " 1", "--1",
        ] {
            assert_eq!(double(text.as_bytes()), None, "{text}");
        }
        // The bytes behind are for whoever asked to judge.
        assert_eq!(double(b"0x10"), Some((0.0, 1)));
        assert_eq!(whole(b"1_000"), Some((1, 1)));
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_the_casts(x in any::<f64>(), digits in 0_usize..20, tail in "[,\n\r x.e]?[0-9]{0,9}") {
            check(&format!("{x}{tail}"));
            check(&format!("{x:e}{tail}"));
            check(&format!("{x:.digits$}{tail}"));
            check(&format!("{}{tail}", x as f32));
        }

        #[test]
        fn short_decimals_are_those_of_the_casts(m in 0_u64..10_000_000_000_000_000, point in 0_usize..16, e in -30..30_i32) {
            let mut text = m.to_string();
            if point > 0 && point < text.len() {
                text.insert(point, '.');
            }
            check(&text);
            check(&format!("-{text}e{e},"));
        }

        #[test]
        fn any_bytes_are_judged_alike(text in "[-+0-9.eE,:/\u{e9}]{0,24}") {
            check(&text);
        }

        #[test]
        fn eight_bytes_are_split_where_digits_end(bytes in any::<[u8; 8]>(), digits in 0_usize..9) {
            let mut bytes = bytes;
            bytes.iter_mut().take(digits).for_each(|byte| *byte = b'0' + *byte % 10);
            let expected = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let value = bytes[..expected].iter().fold(0, |value, byte| value * 10 + u64::from(byte - b'0'));
            prop_assert_eq!(leading_digits(u64::from_le_bytes(bytes)), (expected, value));
        }
    }
}
