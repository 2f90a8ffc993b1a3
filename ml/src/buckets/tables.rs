//! Tables that count keys before they are put in order.

use super::key;
use crate::number::{self, Number, Span};

/// Counts of few keys, found by hashing: a value costs less than in an ordered map.
pub(super) struct Table {
    /// Key and count; an empty slot has the count 0.
    slots: Vec<(u64, u64)>,
    used: usize,
}

impl Table {
    const BITS: u32 = 12;
    /// Slots that may be used: with few enough, keys seldom meet.
    const MOST: usize = (1 << Self::BITS) / 4;

    pub(super) fn new() -> Self {
        Self {
            slots: vec![(0, 0); 1 << Self::BITS],
            used: 0,
        }
    }

    /// Counts `key`; whether there was room for it.
    pub(super) fn add(&mut self, key: u64) -> bool {
        // Fibonacci hashing: neighbours, which keys often are, go to slots far apart.
        let mut slot = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - Self::BITS)) as usize;
        loop {
            let (known, count) = &mut self.slots[slot];
            if *count > 0 && *known == key {
                *count += 1;
                return true;
            }
            if *count == 0 {
                if self.used == Self::MOST {
                    return false;
                }
                (*known, *count) = (key, 1);
                self.used += 1;
                return true;
            }
            slot = (slot + 1) % self.slots.len();
        }
    }

    /// Hands out the counts, in no particular order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.used = 0;
        let slots = self.slots.iter_mut().filter(|(_, count)| *count > 0);
        slots.map(std::mem::take)
    }
}

/// Counts in a table with a place for each key between the least and the largest of either sign: a place is found without
/// a look at what is there.
#[derive(Default)]
pub(super) struct Dense {
    /// The negative numbers by their magnitude, zero, the positive numbers by their magnitude.
    places: Vec<u32>,
}

/// What was counted: keys without their last `shift` bits, ascending, each once.
pub(super) struct Counted {
    pub(super) shift: u32,
    pub(super) counts: Vec<(u64, u64)>,
}

impl Dense {
    /// Most values at once.
    pub(super) const MOST_VALUES: usize = 1 << 17;
    /// With fewer values the table would cost more than it saves.
    const FEWEST_VALUES: usize = 1 << 10;
    /// Places of a table for the numbers of one sign: 64 KiB.
    const PLACES: u64 = 1 << 14;
    /// Values whose places are found before they are counted.
    const AT_ONCE: usize = 1 << 10;

    /// Counts values, none of which is NaN, with a shift of at least `shift`, the smallest with which they fit into the table;
    /// `None` where they are few, or lie as no table has places for.
    pub(super) fn count<T: Number>(&mut self, values: &[T], shift: u32) -> Option<Counted> {
        if values.len() < Self::FEWEST_VALUES {
            return None;
        }
        let [negative, positive] = number::spans(values);
        let shift = shift.max(shift_of(negative)).max(shift_of(positive));
        if ![negative, positive]
            .iter()
            .all(|span| T::has_high_bits(*span, shift))
        {
            return None;
        }
        let zero = places(negative, shift);
        self.places.clear();
        self.places.resize(zero + 1 + places(positive, shift), 0);
        let first_positive = zero as u32 + 1;
        let offsets = [
            0_u32.wrapping_sub(T::high_bits(negative.least, shift)),
            first_positive.wrapping_sub(T::high_bits(positive.least, shift)),
        ];
        let mut found = [0; Self::AT_ONCE];
        for values in values.chunks(Self::AT_ONCE) {
            let found = &mut found[..values.len()];
            number::places(values, shift, offsets, zero as u32, found);
            for place in found {
                self.places[*place as usize] += 1;
            }
        }
        Some(self.counted(shift, negative.least >> shift, zero, positive.least >> shift))
    }

    /// What the table holds: the place of `zero`, before it the negative numbers, whose magnitudes begin with `below` without
    /// the last `shift` bits, behind it the positive ones, which begin with `above`.
    fn counted(&self, shift: u32, below: u64, zero: usize, above: u64) -> Counted {
        // Keys ascend with the numbers, so those of negative ones descend with their magnitudes.
        let (negatives, rest) = self.places.split_at(zero);
        let (first, zero) = (key(-f64::from_bits(1)) >> shift, key(0.0) >> shift);
        let negatives = negatives.iter().enumerate().rev();
        let negatives = negatives.map(|(place, count)| (first - (below + place as u64), *count));
        let positives = (above..)
            .zip(&rest[1..])
            .map(|(high, count)| (zero + high, *count));
        let all = negatives.chain([(zero, rest[0])]).chain(positives);
        let mut counts: Vec<(u64, u64)> = Vec::new();
        for (key, count) in all.filter(|(_, count)| *count > 0) {
            match counts.last_mut() {
                // Zero and what is next to it.
                Some((last, counted)) if *last == key => *counted += u64::from(count),
                _ => counts.push((key, u64::from(count))),
            }
        }
        Counted { shift, counts }
    }
}

/// The smallest shift that leaves few enough places.
fn shift_of(span: Span) -> u32 {
    let fits = |shift: &u32| span.is_empty() || (span.most >> shift) - (span.least >> shift) < Dense::PLACES;
    (0..u64::BITS).find(fits).unwrap_or(u64::BITS - 1)
}

fn places(span: Span, shift: u32) -> usize {
    match span.is_empty() {
        true => 0,
        false => ((span.most >> shift) - (span.least >> shift) + 1) as usize,
    }
}
