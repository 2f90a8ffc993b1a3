//! The crate against the outside: Spark's stored answers, linfa, and laws that must hold for any rows.

mod class_weights;
mod early_stopping;
mod fixtures;
mod inference;
mod laws;
mod linfa;
mod model_file;
mod solvers;
mod spark_converged;
mod spark_lab;
mod spark_sql;
mod spark_stages;
mod sparse;
mod stage_laws;
