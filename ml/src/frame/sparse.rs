//! Vectors of which only some elements are kept: those that are not mentioned are 0.

use crate::error::MlError;

/// Vectors of equal width in compressed sparse rows: what is not mentioned is 0. An element that is mentioned may be 0,
/// too, or NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseVectors {
    width: usize,
    /// Row r has the elements `starts[r]..starts[r + 1]`.
    starts: Vec<usize>,
    /// Ascending within a row.
    indices: Vec<u32>,
    values: Vec<f64>,
}

impl SparseVectors {
    /// Returns no rows of `width` elements each.
    pub fn empty(width: usize) -> Self {
        SparseVectors {
            width,
            starts: vec![0],
            indices: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Returns the rows whose elements are at `starts[r]..starts[r + 1]` of `indices` and `values`; `starts` has one entry
    /// more than there are rows, the first being 0 and the last the number of elements.
    ///
    /// # Errors
    /// [`MlError::Shape`] if lengths do not agree, starts descend, or indices do not ascend below `width` within a row.
    pub fn new(
        width: usize,
        starts: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<f64>,
    ) -> Result<Self, MlError> {
        let shape = |what, expected, got| Err(MlError::Shape { what, expected, got });
        if indices.len() != values.len() {
            return shape("values of sparse vectors", indices.len(), values.len());
        }
        let ends = (starts.first().copied(), starts.last().copied());
        if ends != (Some(0), Some(values.len())) {
            let got = ends.1.unwrap_or_default();
            return shape("elements of sparse vectors", values.len(), got);
        }
        if let Some(pair) = starts.array_windows().find(|[start, end]| start > end) {
            return shape("start of a sparse vector", pair[0], pair[1]);
        }
        let vectors = SparseVectors {
            width,
            starts,
            indices,
            values,
        };
        for row in 0..vectors.rows() {
            check_indices(width, vectors.indices(row))?;
        }
        Ok(vectors)
    }

    /// Adds a row of the elements (index, value), ascending by index.
    ///
    /// # Errors
    /// [`MlError::Shape`] if the indices do not ascend below the width; the row is not added then.
    pub fn push(&mut self, elements: impl IntoIterator<Item = (u32, f64)>) -> Result<(), MlError> {
        let start = self.indices.len();
        for (index, value) in elements {
            self.indices.push(index);
            self.values.push(value);
        }
        if let Err(error) = check_indices(self.width, &self.indices[start..]) {
            self.indices.truncate(start);
            self.values.truncate(start);
            return Err(error);
        }
        self.starts.push(self.indices.len());
        Ok(())
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns the number of elements of each row, those that are not mentioned included.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns how many elements are mentioned in all rows together.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns whether no element is mentioned in any row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns which elements of `row` are mentioned, ascending; none of a row that does not exist.
    pub fn indices(&self, row: usize) -> &[u32] {
        self.indices.get(self.range(row)).unwrap_or_default()
    }

    /// Returns the values of the elements that [`indices`](SparseVectors::indices) mentions.
    pub fn values(&self, row: usize) -> &[f64] {
        self.values.get(self.range(row)).unwrap_or_default()
    }

    /// Returns index and value of each element of `row` that is mentioned, ascending by index.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (u32, f64)> + '_ {
        let values = self.values(row).iter().copied();
        self.indices(row).iter().copied().zip(values)
    }

    /// Returns the values of all rows, zeros included, row by row.
    pub fn to_dense(&self) -> Vec<f64> {
        let mut dense = vec![0.0; self.rows() * self.width];
        for (row, values) in dense.chunks_exact_mut(self.width.max(1)).enumerate() {
            for (index, value) in self.row(row) {
                values[index as usize] = value;
            }
        }
        dense
    }

    /// Returns the rows whose `mask` is true.
    #[must_use]
    pub fn retain(self, mask: &[bool]) -> Self {
        let mut kept = SparseVectors::empty(self.width);
        for row in (0..self.rows()).filter(|row| mask.get(*row) == Some(&true)) {
            kept.indices.extend_from_slice(self.indices(row));
            kept.values.extend_from_slice(self.values(row));
            kept.starts.push(kept.indices.len());
        }
        kept
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        match self.starts.get(row..) {
            Some([start, end, ..]) => *start..*end,
            _ => 0..0,
        }
    }
}

fn check_indices(width: usize, indices: &[u32]) -> Result<(), MlError> {
    let shape = |what, expected: usize, got: u32| {
        let got = got as usize;
        Err(MlError::Shape { what, expected, got })
    };
    if let Some([before, index]) = indices.array_windows().find(|[before, index]| before >= index) {
        return shape("index in sparse vector of at least", *before as usize + 1, *index);
    }
    match indices.last() {
        Some(last) if *last as usize >= width => shape("index in sparse vector below", width, *last),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> SparseVectors {
        SparseVectors::new(4, vec![0, 2, 2, 3], vec![1, 3, 0], vec![2.0, f64::INFINITY, -1.0]).expect("sound")
    }

    #[test]
    fn rows_are_read_kept_and_written_out() {
        let vectors = vectors();
        assert_eq!((vectors.rows(), vectors.width(), vectors.len()), (3, 4, 3));
        assert_eq!(vectors.row(0).collect::<Vec<_>>(), [(1, 2.0), (3, f64::INFINITY)]);
        assert_eq!((vectors.row(1).count(), vectors.row(9).count()), (0, 0));
        let dense = [
            0.0,
            2.0,
            0.0,
            f64::INFINITY,
            0.0,
            0.0,
            0.0,
            0.0,
            -1.0,
            0.0,
            0.0,
            0.0,
        ];
        assert_eq!(vectors.to_dense(), dense);
        let kept = vectors.retain(&[false, true, true]);
        assert_eq!(kept.to_dense(), dense[4..]);
        assert!(SparseVectors::empty(0).to_dense().is_empty());
    }

    #[test]
    fn a_row_pushed_is_that_row() {
        let mut built = SparseVectors::empty(4);
        for row in 0..3 {
            built.push(vectors().row(row)).expect("sound");
        }
        assert_eq!(built, vectors());
        assert!(built.push([(1, 1.0), (4, 1.0)]).is_err());
        assert_eq!(built, vectors(), "a row that is refused leaves nothing");
    }

    #[test]
    fn mistakes_are_named() {
        let error = |starts: &[usize], indices: &[u32], values: usize| {
            SparseVectors::new(4, starts.to_vec(), indices.to_vec(), vec![1.0; values])
                .expect_err("unsound")
                .to_string()
        };
        let values = error(&[0, 2], &[0, 1], 3);
        assert_eq!(values, "values of sparse vectors: expected 2, got 3");
        for starts in [&[][..], &[0, 3], &[1, 2]] {
            let text = error(starts, &[0, 1], 2);
            assert!(
                text.starts_with("elements of sparse vectors: expected 2"),
                "{text}"
            );
        }
        let descending = error(&[0, 2, 1, 2], &[0, 1], 2);
        assert_eq!(descending, "start of a sparse vector: expected 2, got 1");
        let twice = error(&[0, 2], &[1, 1], 2);
        assert_eq!(twice, "index in sparse vector of at least: expected 2, got 1");
        assert_eq!(
            error(&[0, 1], &[4], 1),
            "index in sparse vector below: expected 4, got 4"
        );
    }
}
