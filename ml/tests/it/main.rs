//! The crate against the outside: Spark's stored answers, linfa, and laws that must hold for any rows.

mod fixtures;
mod laws;
mod linfa;
mod model_file;
mod spark_converged;
mod spark_lab;
mod spark_sql;
mod spark_stages;
mod sparse;
mod stage_laws;
