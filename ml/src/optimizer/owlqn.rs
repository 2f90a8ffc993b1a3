//! What is special to OWL-QN (Andrew & Gao 2007, `breeze.optimize.OWLQN`): minimising f(x) + Σ λᵢ·|xᵢ| by
//! quasi-Newton steps that stay in one orthant, where |x| is smooth.

use crate::lanes;

/// Returns f(x) + Σ λᵢ·|xᵢ|.
pub(super) fn adjusted_value(point: &[f64], value: f64, l1: &[f64]) -> f64 {
    value + lanes::sum_by(point.len().min(l1.len()), |i| (l1[i] * point[i]).abs())
}

/// Returns g̃, the subgradient of smallest norm: for x ≠ 0 it is g + sign(x)·λ; at x = 0 it is what is left of g
/// after λ has pulled it towards 0.
pub(super) fn pseudo_gradient(point: &[f64], gradient: &[f64], l1: &[f64]) -> Vec<f64> {
    let coordinates = point.iter().zip(gradient).zip(l1);
    coordinates
        .map(|((x, g), l1)| pseudo_derivative(*x, *g, *l1))
        .collect()
}

fn pseudo_derivative(x: f64, g: f64, l1: f64) -> f64 {
    if l1 == 0.0 {
        g
    } else if x != 0.0 {
        g + sign(x) * l1
    } else if g - l1 > 0.0 {
        g - l1
    } else if g + l1 < 0.0 {
        g + l1
    } else {
        0.0
    }
}

/// Zeroes the components of `direction` that do not descend along −g̃.
pub(super) fn keep_descent(direction: &mut [f64], pseudo_gradient: &[f64]) {
    for (d, g) in direction.iter_mut().zip(pseudo_gradient) {
        *d = if *d * g < 0.0 { *d } else { 0.0 };
    }
}

/// Returns the first trial step: 0.5/‖∇f‖ (without L1) in the first iteration, else 1.
pub(super) fn first_step(first_iteration: bool, gradient: &[f64]) -> f64 {
    if first_iteration {
        0.5 / lanes::norm(gradient)
    } else {
        1.0
    }
}

/// Returns x + t·d, where a coordinate that leaves its orthant becomes 0. The orthant of x = 0 is that of −g̃.
pub(super) fn step(point: &[f64], pseudo_gradient: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    let coordinates = point.iter().zip(pseudo_gradient).zip(direction);
    coordinates
        .map(|((x, g), d)| {
            let orthant = if *x != 0.0 { sign(*x) } else { sign(-g) };
            let moved = x + step * d;
            if sign(moved) == orthant { moved } else { 0.0 }
        })
        .collect()
}

/// Returns −1, 0 or 1; unlike [`f64::signum`] it is 0 at 0.
fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pseudo_gradient_is_the_smallest_subgradient() {
        let point = [0.0, 0.0, 0.0, 2.0, -2.0, 0.0];
        let gradient = [3.0, -3.0, 0.5, 0.5, 0.5, 0.5];
        let l1 = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
        assert_eq!(
            pseudo_gradient(&point, &gradient, &l1),
            [2.0, -2.0, 0.0, 1.5, -0.5, 0.5]
        );
        assert_eq!(adjusted_value(&point, 1.0, &l1), 5.0);
    }

    #[test]
    fn a_step_does_not_cross_zero() {
        let (point, pseudo_gradient) = ([1.0, -1.0, 0.0, 0.0], [1.0, -1.0, 2.0, 2.0]);
        assert_eq!(
            step(&point, &pseudo_gradient, &[-2.0, 0.5, -1.0, 1.0], 1.0),
            [0.0, -0.5, -1.0, 0.0]
        );
    }
}
