//! SQLite: a file that several processes may open at once, or memory.

mod open;
mod session;

pub(super) use open::SqliteFile;
