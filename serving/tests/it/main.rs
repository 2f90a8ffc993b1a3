//! The scorer from outside.

mod models;
mod scoring;
