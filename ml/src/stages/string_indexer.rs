//! StringIndexer: numbers the distinct values of a column, most frequent first by default
//! (`org.apache.spark.ml.feature.StringIndexer`).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HandleInvalid;
use crate::error::MlError;
use crate::frame::{Column, ColumnData, ColumnKind, Frame};

/// Which label gets index 0. Strings compare by their UTF-8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StringOrder {
    /// The most frequent first, ties by label ascending.
    #[default]
    FrequencyDesc,
    /// The rarest first, ties by label ascending.
    FrequencyAsc,
    /// Labels descending.
    AlphabetDesc,
    /// Labels ascending.
    AlphabetAsc,
}

/// Parameters of a StringIndexer. Columns other than text are cast to text first, as Spark casts them
/// (`1`, `1.0`, `true`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StringIndexer {
    /// The column to index.
    pub input: String,
    /// The column of indices (doubles) to add.
    pub output: String,
    /// Spark's `stringOrderType`.
    #[serde(default)]
    pub order: StringOrder,
    /// What to do with nulls and unseen labels at transform time; nulls are never counted when fitting.
    #[serde(default)]
    pub handle_invalid: HandleInvalid,
}

/// A StringIndexer that knows its labels: the index of a label is its position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedStringIndexer {
    /// The parameters it was fitted with.
    pub params: StringIndexer,
    /// The labels in index order.
    pub labels: Vec<String>,
}

/// Checks the kind of the input and returns the kind of the output.
pub(super) fn check(inputs: &[(&str, ColumnKind)]) -> Result<ColumnKind, MlError> {
    for (column, kind) in inputs {
        if *kind == ColumnKind::Vector {
            let expected = "either string or numeric".to_owned();
            return Err(MlError::WrongKind {
                column: (*column).to_owned(),
                expected,
                actual: *kind,
            });
        }
    }
    Ok(ColumnKind::Double)
}

impl StringIndexer {
    /// Counts the labels of `frame`.
    pub(super) fn count(&self, frame: &Frame, counts: &mut BTreeMap<String, u64>) -> Result<(), MlError> {
        let column = frame.column(&self.input)?;
        check(&[(&self.input, column.kind())])?;
        for row in (0..frame.rows()).filter(|row| !column.is_null(*row)) {
            let Some(label) = column.text(row) else { continue };
            match counts.get_mut(label.as_ref()) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(label.into_owned(), 1);
                }
            }
        }
        Ok(())
    }

    /// Puts the labels in order.
    pub(super) fn fit(&self, counts: BTreeMap<String, u64>) -> FittedStringIndexer {
        // The map is in ascending label order and the sort is stable, so ties stay ascending.
        let mut counted: Vec<(String, u64)> = counts.into_iter().collect();
        match self.order {
            StringOrder::FrequencyDesc => counted.sort_by_key(|(_, count)| Reverse(*count)),
            StringOrder::FrequencyAsc => counted.sort_by_key(|(_, count)| *count),
            StringOrder::AlphabetDesc => counted.reverse(),
            StringOrder::AlphabetAsc => {}
        }
        let labels = counted.into_iter().map(|(label, _)| label).collect();
        FittedStringIndexer {
            params: self.clone(),
            labels,
        }
    }
}

impl FittedStringIndexer {
    pub(super) fn transform(&self, frame: Frame) -> Result<Frame, MlError> {
        let column = frame.column(&self.params.input)?;
        check(&[(&self.params.input, column.kind())])?;
        let index_of: BTreeMap<&str, usize> = self
            .labels
            .iter()
            .enumerate()
            .map(|(index, label)| (label.as_str(), index))
            .collect();
        let mut indices = vec![0.0; frame.rows()];
        let mut kept = vec![true; frame.rows()];
        for row in 0..frame.rows() {
            let label = if column.is_null(row) {
                None
            } else {
                column.text(row)
            };
            let found = label.as_ref().and_then(|label| index_of.get(label.as_ref()));
            match (found, self.params.handle_invalid) {
                (Some(index), _) => indices[row] = *index as f64,
                (None, HandleInvalid::Keep) => indices[row] = self.labels.len() as f64,
                (None, HandleInvalid::Skip) => kept[row] = false,
                (None, HandleInvalid::Error) => return Err(self.invalid(frame.origin(row), label.as_deref())),
            }
        }
        let frame = frame.with_column(&self.params.output, Column::new(ColumnData::Double(indices)))?;
        if kept.contains(&false) {
            frame.retain(&kept)
        } else {
            Ok(frame)
        }
    }

    fn invalid(&self, row: usize, label: Option<&str>) -> MlError {
        let text = match label {
            Some(label) => {
                format!("Unseen label: {label}. To handle unseen labels, set Param handleInvalid to keep.")
            }
            None => "StringIndexer encountered NULL value. To handle or skip NULLS, try setting \
                     StringIndexer.handleInvalid."
                .to_owned(),
        };
        MlError::Value {
            column: self.params.input.clone(),
            row,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(values: &[Option<&str>]) -> Frame {
        let data = values
            .iter()
            .map(|value| value.unwrap_or_default().to_owned())
            .collect();
        let validity = Some(values.iter().map(Option::is_some).collect());
        let column = Column {
            data: ColumnData::Text(data),
            validity,
        };
        Frame::new(values.len())
            .with_column("s", column)
            .expect("one column")
    }

    fn fitted(order: StringOrder, handle_invalid: HandleInvalid, frame: &Frame) -> FittedStringIndexer {
        let stage = StringIndexer {
            input: "s".into(),
            output: "i".into(),
            order,
            handle_invalid,
        };
        let mut counts = BTreeMap::new();
        stage.count(frame, &mut counts).expect("text can be counted");
        stage.fit(counts)
    }

    fn indices(frame: &Frame) -> Vec<f64> {
        let column = frame.column("i").expect("the output");
        (0..frame.rows()).filter_map(|row| column.number(row)).collect()
    }

    /// The rows behind Spark's stored answers: b, a, c, c, d and a null.
    fn sample() -> Frame {
        text(&[Some("b"), Some("a"), Some("c"), Some("c"), Some("d"), None])
    }

    #[test]
    fn the_four_orders_are_sparks() {
        let cases = [
            (StringOrder::FrequencyDesc, ["c", "a", "b", "d"]),
            (StringOrder::FrequencyAsc, ["a", "b", "d", "c"]),
            (StringOrder::AlphabetDesc, ["d", "c", "b", "a"]),
            (StringOrder::AlphabetAsc, ["a", "b", "c", "d"]),
        ];
        for (order, labels) in cases {
            assert_eq!(
                fitted(order, HandleInvalid::Error, &sample()).labels,
                labels,
                "{order:?}"
            );
        }
    }

    #[test]
    fn invalid_values_fail_are_skipped_or_kept_as_in_spark() {
        let stage = |handle_invalid| fitted(StringOrder::FrequencyDesc, handle_invalid, &sample());
        let unseen = text(&[Some("a"), Some("zzz")]);
        let error = stage(HandleInvalid::Error)
            .transform(unseen.clone())
            .expect_err("zzz is unseen");
        assert_eq!(
            error.to_string(),
            "column s, row 1: Unseen label: zzz. To handle unseen labels, set Param handleInvalid to keep."
        );
        let error = stage(HandleInvalid::Error)
            .transform(sample())
            .expect_err("row 5 is null")
            .to_string();
        assert!(
            error.starts_with("column s, row 5: StringIndexer encountered NULL value."),
            "{error}"
        );

        let transform = |handle_invalid, frame| stage(handle_invalid).transform(frame).expect("no error");
        assert_eq!(indices(&transform(HandleInvalid::Skip, unseen.clone())), [1.0]);
        assert_eq!(indices(&transform(HandleInvalid::Keep, unseen)), [1.0, 4.0]);
        assert_eq!(
            indices(&transform(HandleInvalid::Skip, sample())),
            [2.0, 1.0, 0.0, 0.0, 3.0]
        );
        assert_eq!(
            indices(&transform(HandleInvalid::Keep, sample())),
            [2.0, 1.0, 0.0, 0.0, 3.0, 4.0]
        );
    }

    #[test]
    fn numbers_are_indexed_by_sparks_text() {
        let labels = |data| {
            let frame = Frame::new(2)
                .with_column("s", Column::new(data))
                .expect("one column");
            fitted(StringOrder::AlphabetAsc, HandleInvalid::Error, &frame).labels
        };
        assert_eq!(labels(ColumnData::Integer(vec![1, 10])), ["1", "10"]);
        assert_eq!(labels(ColumnData::Double(vec![1.0, 1e7])), ["1.0", "1.0E7"]);
        assert_eq!(labels(ColumnData::Float(vec![39.1, 2.0])), ["2.0", "39.1"]);
        assert_eq!(labels(ColumnData::Boolean(vec![true, false])), ["false", "true"]);
    }
}
