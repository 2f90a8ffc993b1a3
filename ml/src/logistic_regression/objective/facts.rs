//! What others must know of an objective: which coordinates take part, how they are scaled and penalised.

use super::Objective;

impl Objective {
    pub(crate) fn fits_intercept(&self) -> bool {
        self.fit_intercept
    }

    /// W_k, the weights of the classes' rows, by label.
    pub(crate) fn label_weights(&self) -> &[f64] {
        &self.label_weights
    }

    /// Whether rows weigh by their class.
    pub(crate) fn weighs_classes(&self) -> bool {
        !self.class_weights.is_empty()
    }

    /// Whether there is an L2 penalty.
    pub(crate) fn is_l2(&self) -> bool {
        self.l2 != 0.0
    }

    /// Whether there is an L1 penalty.
    pub(crate) fn is_l1(&self) -> bool {
        self.l1 != 0.0
    }

    /// Whether a feature varies.
    pub(crate) fn takes_part(&self, feature: usize) -> bool {
        self.inverse_std[feature] != 0.0
    }

    pub(crate) fn is_penalized(&self, feature: usize) -> bool {
        self.l2 != 0.0 && self.penalty_scale[feature] != 0.0
    }

    /// The second derivative of the L2 penalty by a feature's coefficient; 0 for the intercept, which is behind the features.
    pub(crate) fn penalty_curvature(&self, feature: usize) -> f64 {
        self.penalty_scale
            .get(feature)
            .map_or(0.0, |scale| self.l2 * scale * scale)
    }

    pub(crate) fn mean(&self, feature: usize) -> f64 {
        self.mean[feature]
    }

    /// What a feature is centred by; 0 for the 1 behind the features.
    pub(crate) fn centre(&self, feature: usize) -> f64 {
        match self.fit_intercept {
            true => self.mean.get(feature).copied().unwrap_or(0.0),
            false => 0.0,
        }
    }

    /// What a feature is multiplied by, once centred; 1 for the 1 behind the features.
    pub(crate) fn scale(&self, feature: usize) -> f64 {
        self.inverse_std.get(feature).copied().unwrap_or(1.0)
    }
}
