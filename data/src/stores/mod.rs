//! Where files are, and how they are read there: on this machine's disk, in an object store, on a web server, or on the
//! driver's disk by way of the driver's port. One code path serves all of them.
//!
//! On the driver, `find.rs` turns the path of a source into [`SourceFile`]s. A plan names none of those: it names numbers
//! under the URL of its dataset (`announced_store.rs`). What the numbers stand for, and what it takes to read it, is
//! announced to each worker before ([`Announcement`]), and a worker's [`WorkerSources`] has nothing else to offer.

mod address;
mod announced_store;
mod announcement;
mod bounds;
mod disk;
mod driver_access;
mod environment;
mod failure;
mod find;
mod granted;
mod identity;
mod names;
mod options;
mod providers;
mod reading;
mod secrets;
mod source_file;
mod store;
mod worker_sources;

pub use announcement::{AnnouncedFile, AnnouncedPlace, Announcement, Grant};
pub use driver_access::{ClientTls, DriverAccess, SOURCES_ROUTE};
pub use environment::Environment;
pub use identity::Identity;
pub use options::StoreOptions;
pub use secrets::Secrets;
pub use source_file::SourceFile;
pub use worker_sources::WorkerSources;

pub(crate) use announced_store::{AnnouncedStore, dataset_of, location_of, url_of};
pub(crate) use announcement::Announcer;
pub(crate) use find::find_files;
pub(crate) use names::{compression_of, format_of};
pub(crate) use reading::{FileChunks, each_file, error_in, open};
