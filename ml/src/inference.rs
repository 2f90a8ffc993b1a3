//! What a careful reader asks of a fit: how certain is each coefficient, and is anything wrong with the rows?
//!
//! After a training two more passes over its rows are asked for ([`InferencePass`]): their second moments, and the second
//! derivatives of the loss at the solution. With H the Hessian of the mean loss and its L2 penalty in the optimiser's
//! space, and W = Σwᵢ, the covariance of the coefficients is (W·H)⁻¹, taken to raw features and contrasts of classes by the
//! linear map that takes the coefficients there (the delta rule, exact for a linear map).
//!
//! - Without a penalty, W·H is the observed Fisher information, which for the logistic link is the expected one too
//!   (McCullagh and Nelder, Generalized Linear Models, 1989, §2.5), and these are the standard errors of R's `glm` and of
//!   statsmodels.
//! - With an L2 penalty, (W·H)⁻¹ is the covariance of the normal approximation to the posterior under the Gaussian prior
//!   that the penalty is (Laplace's approximation). Its intervals also cover the shrinkage that a sandwich around the
//!   penalised estimate leaves out, and hold their level about right on average (Nychka, JASA 83, 1988; Wood, Generalized
//!   Additive Models, 2017, §6.10); so it is taken and not the sandwich of le Cessie and van Houwelingen (1992).
//! - With an L1 penalty there are none: the estimate has no normal distribution, and the coefficients that were selected
//!   are not those of a model given in advance.
//!
//! Multinomial coefficients are told as contrasts with a reference class, the first that has rows: log-odds of a class
//! against it, which the rows determine, as each class's own coefficients are not. Instance weights count as frequencies:
//! a row of weight 2 is two rows.

mod cholesky;
mod collinearity;
mod information;
mod normal;
mod report;
mod separation;
mod table;

pub use information::InferencePass;
pub use report::{Inference, LeftOut, StandardErrors, Term};
pub(crate) use separation::separates;

#[cfg(test)]
pub(crate) use information::second_moments;
