//! Margins and sums over the columns of a tile, four columns at a time.

use super::real::{Real, Value};
use super::tile::{alike, typed};
use crate::block::Values;

/// Adds Σⱼ Cⱼ·xᵢⱼ to the margins of the rows from `start` on, feature by feature; and what [`add_products`] adds for the rows
/// from `before` on, whose multipliers are there.
#[inline(always)]
pub(super) fn add_margins<R: Real, const L: usize>(
    columns: &[Values],
    coefficients: &[R],
    (start, margins): (usize, &mut [R]),
    (before, multipliers): (usize, &[R]),
    sums: &mut [[R; L]],
) {
    let (range, done) = (start..start + margins.len(), before..before + multipliers.len());
    let (fours, rest) = columns.as_chunks::<4>();
    let (c_of_fours, c_of_rest) = coefficients.split_at(fours.len() * 4);
    let (sums_of_fours, sums_of_rest) = sums.split_at_mut(fours.len() * 4);
    let of_fours = c_of_fours
        .as_chunks::<4>()
        .0
        .iter()
        .zip(sums_of_fours.as_chunks_mut::<4>().0);
    for (columns, (c, sums)) in fours.iter().zip(of_fours) {
        alike!(columns, x => {
            let tile = (x.map(|x| &x[range.clone()]), &mut *margins);
            four_of_both(*c, tile, (x.map(|x| &x[done.clone()]), multipliers), sums);
        }, {
            margins_one_by_one(columns, c, start, margins);
            products_one_by_one(columns, before, multipliers, sums);
        });
    }
    margins_one_by_one(rest, c_of_rest, start, margins);
    products_one_by_one(rest, before, multipliers, sums_of_rest);
}

/// Adds Σᵢ mᵢ·xᵢⱼ over the rows from `start` on to the lanes of each feature.
#[inline(always)]
pub(super) fn add_products<R: Real, const L: usize>(
    columns: &[Values],
    start: usize,
    multipliers: &[R],
    sums: &mut [[R; L]],
) {
    let range = start..start + multipliers.len();
    let (fours, rest) = columns.as_chunks::<4>();
    let (sums_of_fours, sums_of_rest) = sums.split_at_mut(fours.len() * 4);
    for (columns, sums) in fours.iter().zip(sums_of_fours.as_chunks_mut::<4>().0) {
        alike!(columns, x => four_products(x.map(|x| &x[range.clone()]), multipliers, sums),
            products_one_by_one(columns, start, multipliers, sums));
    }
    products_one_by_one(rest, start, multipliers, sums_of_rest);
}

/// Margins of one tile and products of another one: as far as both go, in one loop.
#[inline(always)]
fn four_of_both<T: Value, R: Real, const L: usize>(
    c: [R; 4],
    (x, margins): ([&[T]; 4], &mut [R]),
    (done, multipliers): ([&[T]; 4], &[R]),
    sums: &mut [[R; L]; 4],
) {
    let both = margins.len().min(multipliers.len());
    let (margins, margins_left) = margins.split_at_mut(both);
    let (multipliers, multipliers_left) = multipliers.split_at(both);
    {
        let [x0, x1, x2, x3] = x.map(|x| x[..both].as_chunks::<L>().0);
        let [d0, d1, d2, d3] = done.map(|x| x[..both].as_chunks::<L>().0);
        let [mut s0, mut s1, mut s2, mut s3] = *sums;
        let tile = margins
            .as_chunks_mut::<L>()
            .0
            .iter_mut()
            .zip(x0)
            .zip(x1)
            .zip(x2)
            .zip(x3);
        let other = multipliers
            .as_chunks::<L>()
            .0
            .iter()
            .zip(d0)
            .zip(d1)
            .zip(d2)
            .zip(d3);
        for (((((margin, x0), x1), x2), x3), ((((m, d0), d1), d2), d3)) in tile.zip(other) {
            *margin = add_four(c, [x0, x1, x2, x3], margin);
            s0 = add_product(d0, m, s0);
            s1 = add_product(d1, m, s1);
            s2 = add_product(d2, m, s2);
            s3 = add_product(d3, m, s3);
        }
        *sums = [s0, s1, s2, s3];
    }
    four_margins(c, x.map(|x| &x[both..]), margins_left);
    four_products(done.map(|x| &x[both..]), multipliers_left, sums);
}

#[inline(always)]
fn four_margins<T: Value, R: Real>(c: [R; 4], x: [&[T]; 4], margins: &mut [R]) {
    let rows = margins.len();
    let [x0, x1, x2, x3] = x.map(|x| &x[..rows]);
    for row in 0..rows {
        let margin = x0[row].to::<R>().mul_add(c[0], margins[row]);
        let margin = x1[row].to::<R>().mul_add(c[1], margin);
        let margin = x2[row].to::<R>().mul_add(c[2], margin);
        margins[row] = x3[row].to::<R>().mul_add(c[3], margin);
    }
}

#[inline(always)]
fn four_products<T: Value, R: Real, const L: usize>(x: [&[T]; 4], multipliers: &[R], sums: &mut [[R; L]; 4]) {
    let [x0, x1, x2, x3] = x.map(|x| x[..multipliers.len()].as_chunks::<L>().0);
    let [mut s0, mut s1, mut s2, mut s3] = *sums;
    let columns = x0.iter().zip(x1).zip(x2).zip(x3);
    for ((((x0, x1), x2), x3), m) in columns.zip(multipliers.as_chunks::<L>().0) {
        s0 = add_product(x0, m, s0);
        s1 = add_product(x1, m, s1);
        s2 = add_product(x2, m, s2);
        s3 = add_product(x3, m, s3);
    }
    *sums = [s0, s1, s2, s3];
}

#[inline(always)]
fn margins_one_by_one<R: Real>(columns: &[Values], coefficients: &[R], start: usize, margins: &mut [R]) {
    for (values, c) in columns.iter().zip(coefficients) {
        typed!(values, x => one_margin(&x[start..], *c, margins));
    }
}

#[inline(always)]
fn one_margin<T: Value, R: Real>(x: &[T], c: R, margins: &mut [R]) {
    for (margin, x) in margins.iter_mut().zip(x) {
        *margin = (*x).to::<R>().mul_add(c, *margin);
    }
}

#[inline(always)]
fn products_one_by_one<R: Real, const L: usize>(
    columns: &[Values],
    start: usize,
    multipliers: &[R],
    sums: &mut [[R; L]],
) {
    for (values, sums) in columns.iter().zip(sums) {
        typed!(values, x => *sums = products(&x[start..start + multipliers.len()], multipliers, *sums));
    }
}

#[inline(always)]
fn products<T: Value, R: Real, const L: usize>(x: &[T], multipliers: &[R], mut sums: [R; L]) -> [R; L] {
    for (x, m) in x.as_chunks::<L>().0.iter().zip(multipliers.as_chunks::<L>().0) {
        sums = add_product(x, m, sums);
    }
    sums
}

/// Lanes at a time, by value: element by element of slices the compiler makes shuffles of it.
#[inline(always)]
fn add_product<T: Value, R: Real, const L: usize>(x: &[T; L], m: &[R; L], sums: [R; L]) -> [R; L] {
    let x: [R; L] = x.map(Value::to);
    std::array::from_fn(|lane| x[lane].mul_add(m[lane], sums[lane]))
}

#[inline(always)]
fn add_four<T: Value, R: Real, const L: usize>(c: [R; 4], x: [&[T; L]; 4], margin: &[R; L]) -> [R; L] {
    let mut margin = *margin;
    for (c, x) in c.into_iter().zip(x) {
        let x: [R; L] = x.map(Value::to);
        margin = std::array::from_fn(|lane| x[lane].mul_add(c, margin[lane]));
    }
    margin
}
