//! StringIndexer: numbers the distinct values of a column, most frequent first by default
//! (`org.apache.spark.ml.feature.StringIndexer`).

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::columns::has_columns;
use super::stage::{Fitting, Stage, Transform, foreign};
use super::{Attributes, FittedStage, HandleInvalid, StageSpec, StageStatistics};
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
/// (`1`, `1.0`, `true`). One column (`input`, `output`) or several at once (`inputs`, `outputs`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StringIndexer {
    /// The column to index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The column of indices (doubles) to add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The columns to index, where they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// The columns to add, one for each of `inputs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Spark's `stringOrderType`.
    #[serde(default)]
    pub order: StringOrder,
    /// What to do with nulls and unseen labels at transform time; nulls are never counted when fitting.
    #[serde(default)]
    pub handle_invalid: HandleInvalid,
}

has_columns!(StringIndexer);

/// A StringIndexer that knows its labels: the index of a label is its position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedStringIndexer {
    /// The parameters it was fitted with.
    pub params: StringIndexer,
    /// The labels of each column in index order. In a file those of an indexer of one column are a plain list.
    #[serde(with = "label_lists")]
    pub labels: Vec<Vec<String>>,
}

/// Labels in a model file: a list for `input`, a list of lists for `inputs`.
mod label_lists {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Lists<O, S> {
        One(O),
        Several(S),
    }

    pub(super) fn serialize<S: Serializer>(labels: &[Vec<String>], serializer: S) -> Result<S::Ok, S::Error> {
        let lists: Lists<&[String], _> = match labels {
            [one] => Lists::One(one),
            several => Lists::Several(several),
        };
        lists.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<String>>, D::Error> {
        Ok(
            match Lists::<Vec<String>, Vec<Vec<String>>>::deserialize(deserializer)? {
                Lists::One(one) => vec![one],
                Lists::Several(several) => several,
            },
        )
    }
}

/// Refuses columns that can't be indexed.
fn check_kinds(inputs: &[(&str, ColumnKind)]) -> Result<(), MlError> {
    match inputs.iter().find(|(_, kind)| *kind == ColumnKind::Vector) {
        Some((column, kind)) => Err(MlError::WrongKind {
            column: (*column).to_owned(),
            expected: "either string or numeric".to_owned(),
            actual: *kind,
        }),
        None => Ok(()),
    }
}

impl StringIndexer {
    /// Puts the labels of one column in order.
    fn ordered(&self, counts: BTreeMap<String, u64>) -> Vec<String> {
        // The map is in ascending label order and the sort is stable, so ties stay ascending.
        let mut counted: Vec<(String, u64)> = counts.into_iter().collect();
        match self.order {
            StringOrder::FrequencyDesc => counted.sort_by_key(|(_, count)| Reverse(*count)),
            StringOrder::FrequencyAsc => counted.sort_by_key(|(_, count)| *count),
            StringOrder::AlphabetDesc => counted.reverse(),
            StringOrder::AlphabetAsc => {}
        }
        counted.into_iter().map(|(label, _)| label).collect()
    }
}

/// Counts the labels of a column.
fn count(frame: &Frame, name: &str, counts: &mut BTreeMap<String, u64>) -> Result<(), MlError> {
    let column = frame.column(name)?;
    check_kinds(&[(name, column.kind())])?;
    column.add_text_counts(counts);
    Ok(())
}

impl Stage for StringIndexer {
    fn inputs(&self) -> Vec<&str> {
        self.columns().read()
    }

    fn outputs(&self) -> Vec<&str> {
        self.columns().added()
    }

    fn drops_rows(&self) -> bool {
        self.handle_invalid == HandleInvalid::Skip
    }

    fn check(&self, inputs: &[(&str, ColumnKind)]) -> Result<Vec<ColumnKind>, MlError> {
        self.columns().check("StringIndexer")?;
        check_kinds(inputs)?;
        Ok(vec![ColumnKind::Double; inputs.len()])
    }

    fn no_statistics(&self) -> StageStatistics {
        match self.columns().read().len() {
            1 => StageStatistics::LabelCounts(BTreeMap::new()),
            several => StageStatistics::LabelCountsOf(vec![BTreeMap::new(); several]),
        }
    }

    fn accumulate(&self, frame: &Frame, statistics: &mut StageStatistics) -> Result<(), MlError> {
        let inputs = self.columns().read();
        match (statistics, inputs.as_slice()) {
            (StageStatistics::LabelCounts(counts), [input]) => count(frame, input, counts),
            (StageStatistics::LabelCountsOf(counts), inputs) if counts.len() == inputs.len() => inputs
                .iter()
                .zip(counts)
                .try_for_each(|(input, counts)| count(frame, input, counts)),
            _ => Err(foreign()),
        }
    }

    fn fit(&self, statistics: StageStatistics, _known: &Attributes) -> Result<Fitting, MlError> {
        let counts = match statistics {
            StageStatistics::LabelCounts(counts) => vec![counts],
            StageStatistics::LabelCountsOf(counts) => counts,
            _ => return Err(foreign()),
        };
        if counts.len() != self.columns().read().len() {
            return Err(foreign());
        }
        let labels = counts.into_iter().map(|counts| self.ordered(counts)).collect();
        Ok(Fitting::Done(FittedStage::StringIndexer(FittedStringIndexer {
            params: self.clone(),
            labels,
        })))
    }
}

impl FittedStringIndexer {
    /// Returns input, output and labels of each column.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str, &[String])> {
        let labels = self.labels.iter().map(Vec::as_slice);
        self.params
            .columns()
            .pairs()
            .zip(labels)
            .map(|((input, output), labels)| (input, output, labels))
    }

    /// The indices of one column; `kept` loses the rows to be dropped.
    fn indices(
        &self,
        frame: &Frame,
        input: &str,
        labels: &[String],
        kept: &mut [bool],
    ) -> Result<Vec<f64>, MlError> {
        let column = frame.column(input)?;
        check_kinds(&[(input, column.kind())])?;
        let present = |row: usize| (!column.is_null(row)).then(|| column.text(row)).flatten();
        let texts: Vec<Option<Cow<'_, str>>> = (0..frame.rows()).map(present).collect();
        // Of what the frame has: with many labels a map of them all would cost more than the frame.
        let mut index_of: HashMap<&str, Option<usize>> =
            texts.iter().flatten().map(|text| (text.as_ref(), None)).collect();
        for (index, label) in labels.iter().enumerate() {
            if let Some(found) = index_of.get_mut(label.as_str()) {
                *found = Some(index);
            }
        }
        let mut indices = vec![0.0; frame.rows()];
        for (row, label) in texts.iter().enumerate() {
            let found = label.as_ref().and_then(|label| *index_of.get(label.as_ref())?);
            match (found, self.params.handle_invalid) {
                (Some(index), _) => indices[row] = index as f64,
                (None, HandleInvalid::Keep) => indices[row] = labels.len() as f64,
                (None, HandleInvalid::Skip) => kept[row] = false,
                (None, HandleInvalid::Error) => {
                    return Err(invalid(input, frame.origin(row), label.as_deref()));
                }
            }
        }
        Ok(indices)
    }
}

impl Transform for FittedStringIndexer {
    fn spec(&self) -> StageSpec {
        StageSpec::StringIndexer(self.params.clone())
    }

    fn transform(&self, mut frame: Frame) -> Result<Frame, MlError> {
        let mut kept = vec![true; frame.rows()];
        for (input, output, labels) in self.columns() {
            let indices = self.indices(&frame, input, labels, &mut kept)?;
            frame = frame.with_column(output, Column::new(ColumnData::Double(indices)))?;
        }
        if kept.contains(&false) {
            frame.retain(&kept)
        } else {
            Ok(frame)
        }
    }

    fn describe(&self, known: &mut Attributes) {
        for (_, output, labels) in self.columns() {
            let mut values = labels.to_vec();
            if self.params.handle_invalid == HandleInvalid::Keep {
                // Spark's name for the extra index.
                values.push("__unknown".to_owned());
            }
            known.put_scalar(output, Some(values));
        }
    }
}

fn invalid(column: &str, row: usize, label: Option<&str>) -> MlError {
    let text = match label {
        Some(label) => {
            format!("Unseen label: {label}. To handle unseen labels, set Param handleInvalid to keep.")
        }
        None => "StringIndexer encountered NULL value. To handle or skip NULLS, try setting \
                 StringIndexer.handleInvalid."
            .to_owned(),
    };
    let column = column.to_owned();
    MlError::Value { column, row, text }
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
            input: Some("s".into()),
            output: Some("i".into()),
            order,
            handle_invalid,
            ..StringIndexer::default()
        };
        let mut statistics = stage.no_statistics();
        stage
            .accumulate(frame, &mut statistics)
            .expect("text can be counted");
        match stage.fit(statistics, &Attributes::default()) {
            Ok(Fitting::Done(FittedStage::StringIndexer(fitted))) => fitted,
            other => panic!("unexpected {other:?}"),
        }
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
                [labels],
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
            fitted(StringOrder::AlphabetAsc, HandleInvalid::Error, &frame)
                .labels
                .remove(0)
        };
        assert_eq!(labels(ColumnData::Integer(vec![1, 10])), ["1", "10"]);
        assert_eq!(labels(ColumnData::Double(vec![1.0, 1e7])), ["1.0", "1.0E7"]);
        assert_eq!(labels(ColumnData::Float(vec![39.1, 2.0])), ["2.0", "39.1"]);
        assert_eq!(labels(ColumnData::Boolean(vec![true, false])), ["false", "true"]);
    }
}
