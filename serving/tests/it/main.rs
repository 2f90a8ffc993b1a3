//! The scorer from outside.

mod answers;
mod arrow_bodies;
mod asking;
mod damage;
mod decoding;
mod defaults;
mod fuzzing;
mod models;
mod scoring;
