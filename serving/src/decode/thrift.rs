//! A walk over a struct in Thrift's compact protocol, in which Parquet writes what it says of itself: what is announced is seen
//! to be there, before a reader allocates it.
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

/// Structs, lists and maps within one another, at most.
const DEPTH_MAX: usize = 24;

/// What is told of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Integer(i64),
    /// A list, a set or a map with so many elements.
    Elements(usize),
}

/// Takes what is told, or refuses it.
pub(super) type Visit<'a> = dyn FnMut(&[i16], Told) -> Result<(), String> + 'a;

/// Goes over the struct that `bytes` begin with and tells `visit` of each integer and each list by the numbers of the fields that
/// lead there; elements of lists have their list's. Returns the struct's length in bytes.
///
/// # Errors
/// It ends too early, is no such struct, or `visit` does not want it.
pub(super) fn walk(bytes: &[u8], visit: &mut Visit<'_>) -> Result<usize, String> {
    let mut walk = Walk {
        bytes,
        at: 0,
        depth: 0,
        path: Vec::new(),
        visit,
    };
    walk.fields()?;
    Ok(walk.at)
}

struct Walk<'a, 'b> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    path: Vec<i16>,
    visit: &'a mut Visit<'b>,
}

/// The types of fields, in which a truth value stands in the type itself.
mod kind {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

impl Walk<'_, '_> {
    fn fields(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("it is nested too deeply".to_string());
        }
        let mut last: i16 = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                self.depth -= 1;
                return Ok(());
            }
            last = match head >> 4 {
                0 => i16::try_from(zigzag(self.varint()?)).map_err(|_| damaged())?,
                delta => last.checked_add(i16::from(delta)).ok_or_else(damaged)?,
            };
            self.path.push(last);
            match head & 0x0f {
                kind::TRUE | kind::FALSE => {}
                other => self.value(other)?,
            }
            self.path.pop();
        }
    }

    fn value(&mut self, kind: u8) -> Result<(), String> {
        match kind {
            // Within a list truth values take a byte.
            kind::TRUE | kind::FALSE | kind::BYTE => self.skip(1),
            kind::I16 | kind::I32 | kind::I64 => {
                let value = zigzag(self.varint()?);
                (self.visit)(&self.path, Told::Integer(value))
            }
            kind::DOUBLE => self.skip(8),
            kind::UUID => self.skip(16),
            kind::BINARY => {
                let length = self.varint()?;
                self.skip(usize::try_from(length).map_err(|_| damaged())?)
            }
            kind::LIST | kind::SET => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                self.elements(count, &[head & 0x0f])
            }
            kind::MAP => match self.varint()? {
                0 => Ok(()),
                count => {
                    let kinds = self.byte()?;
                    self.elements(count, &[kinds >> 4, kinds & 0x0f])
                }
            },
            kind::STRUCT => self.fields(),
            _ => Err(damaged()),
        }
    }

    fn elements(&mut self, count: u64, kinds: &[u8]) -> Result<(), String> {
        let count = usize::try_from(count).map_err(|_| damaged())?;
        // Every element takes a byte at least.
        if count > self.bytes.len() - self.at {
            return Err("it ends within a list".to_string());
        }
        (self.visit)(&self.path, Told::Elements(count))?;
        self.depth += 1;
        for _ in 0..count {
            kinds.iter().try_for_each(|kind| self.value(*kind))?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, String> {
        let byte = self.bytes.get(self.at).copied().ok_or_else(damaged)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, length: usize) -> Result<(), String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        self.at = end.ok_or_else(damaged)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged())
    }
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn damaged() -> String {
    "what it says of itself is damaged".to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = Vec<(Vec<i16>, Told)>;

    fn told(bytes: &[u8]) -> Result<(usize, Fields), String> {
        let mut told = Vec::new();
        let length = walk(bytes, &mut |path, what| {
            told.push((path.to_vec(), what));
            Ok(())
        })?;
        Ok((length, told))
    }

    #[test]
    fn fields_are_told_by_their_numbers() {
        // 1: i32 -3, 2: true, 4: struct {1: i64 300}, 5: list of two i16, 6: binary, and what comes after the struct.
        let bytes = [
            0x15, 5, 0x11, 0x2c, 0x16, 0xd8, 0x04, 0, 0x19, 0x24, 2, 4, 0x18, 2, 9, 9, 0, 77,
        ];
        let (length, told) = told(&bytes).expect("sound");
        assert_eq!(length, bytes.len() - 1);
        assert_eq!(
            told,
            [
                (vec![1], Told::Integer(-3)),
                (vec![4, 1], Told::Integer(300)),
                (vec![5], Told::Elements(2)),
                (vec![5], Told::Integer(1)),
                (vec![5], Told::Integer(2)),
            ]
        );
        for end in 0..length {
            assert!(self::told(&bytes[..end]).is_err(), "it was cut at {end}");
        }
    }

    #[test]
    fn what_is_announced_and_not_there_is_refused() {
        for bytes in [
            // Lists of 2^31 - 1 structs, a map of as many, a binary of 2^45 bytes, an integer without an end.
            &[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0][..],
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x55, 0, 0],
            &[0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x08, 0],
            &[
                0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,
            ],
            &[0x1e, 0],
            &[],
        ] {
            assert!(told(bytes).is_err(), "{bytes:?}");
        }
        let nested = [0x1c].repeat(1000);
        assert!(told(&nested).expect_err("deep").contains("deeply"));
    }
}
