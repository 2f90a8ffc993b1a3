//! The tracking crate from outside: one contract for every store, and what is special to each.

#[cfg(test)]
mod api;
#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod run_cache;
#[cfg(test)]
mod sqlite;
