//! The labels of a StringIndexer over a column that is no text: they are numbers as Java writes them, and formats that
//! compare numbers need the numbers back.

use rookery_ml::ColumnKind;

/// Numbers that stand for labels, each with the label's index. A label that is no value of the column is left out: it
/// never occurs. Of two labels that are the same number (`0.0` and `-0.0`) the first counts.
pub(crate) fn numbers(kind: ColumnKind, labels: &[String]) -> Vec<(f64, usize)> {
    let mut numbers: Vec<(f64, usize)> = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let number = match kind {
            ColumnKind::Boolean => label.parse::<bool>().ok().map(|value| f64::from(u8::from(value))),
            ColumnKind::Integer => label.parse::<i64>().ok().map(|value| value as f64),
            ColumnKind::Float => label.parse::<f32>().ok().map(f64::from),
            ColumnKind::Double => label.parse::<f64>().ok(),
            ColumnKind::Text | ColumnKind::Vector => None,
        };
        match number {
            Some(number) if !number.is_nan() && numbers.iter().all(|(other, _)| *other != number) => {
                numbers.push((number, index));
            }
            _ => {}
        }
    }
    numbers
}

/// Whole numbers that stand for labels, each with the label's index.
pub(crate) fn whole_numbers(labels: &[String]) -> Vec<(i64, usize)> {
    let parsed = labels.iter().enumerate();
    parsed
        .filter_map(|(index, label)| Some((label.parse().ok()?, index)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_the_numbers_they_were() {
        let labels = ["1.0E7", "39.1", "-0.0", "0.0", "NaN", "Infinity"].map(str::to_owned);
        let doubles = numbers(ColumnKind::Double, &labels);
        assert_eq!(doubles, [(1e7, 0), (39.1, 1), (0.0, 2), (f64::INFINITY, 5)]);
        assert_eq!(numbers(ColumnKind::Float, &labels)[1], (f64::from(39.1_f32), 1));
        let truths = ["true", "false"].map(str::to_owned);
        assert_eq!(numbers(ColumnKind::Boolean, &truths), [(1.0, 0), (0.0, 1)]);
        let whole = ["9007199254740993", "x"].map(str::to_owned);
        assert_eq!(whole_numbers(&whole), [(9_007_199_254_740_993, 0)]);
    }
}
