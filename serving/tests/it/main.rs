//! The scorer from outside.

mod arrow_bodies;
mod asking;
mod decoding;
mod fuzzing;
mod models;
mod scoring;
