//! Tables that count keys before they are put in order.

use pulp::NullaryFnOnce;

use super::key;
use crate::lanes::LANES;
use crate::simd;

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
    pub(super) const MOST_VALUES: usize = 1 << 14;
    /// With fewer values the table would cost more than it saves.
    const FEWEST_VALUES: usize = 1 << 10;

    /// Counts values, none of which is NaN, with a shift of at least `shift`, the smallest with which they fit into the table;
    /// `None` where they are few.
    pub(super) fn count(&mut self, values: &[f64], shift: u32) -> Option<Counted> {
        if values.len() < Self::FEWEST_VALUES {
            return None;
        }
        let (negative, positive) = Span::of(values);
        let shift = shift.max(negative.shift()).max(positive.shift());
        let (below, above) = (negative.least >> shift, positive.least >> shift);
        let zero = negative.places(shift);
        self.places.clear();
        self.places.resize(zero + 1 + positive.places(shift), 0);
        // By sign. No branch on it: which one comes is hard to foresee.
        let offsets = [(zero as u64 + 1).wrapping_sub(above), 0_u64.wrapping_sub(below)];
        for value in values {
            let magnitude = value.abs().to_bits();
            let offset = offsets[usize::from(value.is_sign_negative())];
            let place = (magnitude >> shift).wrapping_add(offset) as usize;
            self.places[if magnitude == 0 { zero } else { place }] += 1;
        }
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
        Some(Counted { shift, counts })
    }
}

struct Spans<'a>(&'a [f64]);

impl NullaryFnOnce for Spans<'_> {
    type Output = (Span, Span);

    #[inline(always)]
    fn call(self) -> (Span, Span) {
        Span::both(self.0)
    }
}

/// The bits of the least and the largest magnitude of the values of one sign; none if the least is above the largest.
struct Span {
    least: u64,
    most: u64,
}

impl Span {
    /// Places of a table: 64 KiB.
    const PLACES: u64 = 1 << 14;

    /// The spans of the negative and of the positive numbers.
    fn of(values: &[f64]) -> (Span, Span) {
        simd::dispatch(Spans(values))
    }

    /// By their bits, without a comparison whose outcome would have to be kept: a sign is a mask, and what a mask takes away
    /// is above all magnitudes or 0.
    #[inline(always)]
    fn both(values: &[f64]) -> (Span, Span) {
        let (mut least, mut most) = ([[u64::MAX; LANES]; 2], [[0; LANES]; 2]);
        let mut add = |values: &[f64; LANES]| {
            for lane in 0..LANES {
                let bits = values[lane].to_bits();
                let (magnitude, negative) = (bits & (u64::MAX >> 1), ((bits as i64) >> 63) as u64);
                // Zero is no magnitude of either sign: one less than it is above all others.
                let from_0 = magnitude.wrapping_sub(1);
                least[0][lane] = least[0][lane].min(from_0 | !negative);
                least[1][lane] = least[1][lane].min(from_0 | negative);
                most[0][lane] = most[0][lane].max(magnitude & negative);
                most[1][lane] = most[1][lane].max(magnitude & !negative);
            }
        };
        let (chunks, rest) = values.as_chunks();
        chunks.iter().for_each(&mut add);
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        add(&last);
        let span = |sign: usize| Span {
            least: match least[sign].into_iter().fold(u64::MAX, u64::min) {
                // There are none.
                u64::MAX => f64::INFINITY.to_bits(),
                from_0 => from_0 + 1,
            },
            most: most[sign].into_iter().fold(0, u64::max),
        };
        (span(0), span(1))
    }

    fn is_empty(&self) -> bool {
        self.least > self.most
    }

    /// The smallest shift that leaves few enough places.
    fn shift(&self) -> u32 {
        let fits =
            |shift: &u32| self.is_empty() || (self.most >> shift) - (self.least >> shift) < Self::PLACES;
        (0..u64::BITS).find(fits).unwrap_or(u64::BITS - 1)
    }

    fn places(&self, shift: u32) -> usize {
        match self.is_empty() {
            true => 0,
            false => ((self.most >> shift) - (self.least >> shift) + 1) as usize,
        }
    }
}
