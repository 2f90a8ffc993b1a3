//! [`Bounds`]: how much a body may become in memory. A few bytes of a binary format can stand for any number of equal rows, or
//! for a text that is there once and meant a million times.

/// Rows that any body may hold; a body of more bytes may have a row for each.
const ROWS: usize = 1_000_000;
/// Bodies may become this many times as large as they are…
const EXPANSION: usize = 16;
/// …counted from this size on, in bytes.
const SMALL_BODY_BYTES: usize = 16 << 20;

/// How much a body may become in memory.
#[derive(Debug)]
pub(super) struct Bounds {
    most_rows: usize,
    rows: usize,
    most_bytes: usize,
    bytes: usize,
}

impl Bounds {
    /// Those of a body of so many bytes.
    pub(super) fn of(body_bytes: usize) -> Self {
        Self {
            most_rows: body_bytes.max(ROWS),
            rows: 0,
            most_bytes: body_bytes.max(SMALL_BODY_BYTES).saturating_mul(EXPANSION),
            bytes: 0,
        }
    }

    /// Counts rows.
    ///
    /// # Errors
    /// There are too many with them.
    pub(super) fn add_rows(&mut self, rows: usize) -> Result<(), String> {
        self.rows = self.rows.saturating_add(rows);
        match self.rows > self.most_rows {
            true => Err(format!(
                "it holds {} rows, of which at most {} are taken at once",
                self.rows, self.most_rows
            )),
            false => Ok(()),
        }
    }

    /// Counts bytes of something unpacked.
    ///
    /// # Errors
    /// There are too many with them.
    pub(super) fn add_bytes(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes > self.most_bytes {
            true => Err(format!(
                "it takes more than {} bytes once it is unpacked, which is too much",
                self.most_bytes
            )),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_with_the_body() {
        let mut small = Bounds::of(100);
        assert_eq!(small.add_rows(ROWS), Ok(()));
        assert!(small.add_rows(1).expect_err("one more").contains("1000001 rows"));
        assert_eq!(small.add_bytes(256 << 20), Ok(()));
        assert!(small.add_bytes(1).is_err());
        assert!(Bounds::of(0).add_rows(usize::MAX).is_err() && Bounds::of(0).add_bytes(usize::MAX).is_err());
        let mut large = Bounds::of(1 << 30);
        assert_eq!(
            (large.add_rows(1 << 30), large.add_bytes(16 << 30)),
            (Ok(()), Ok(()))
        );
    }
}
