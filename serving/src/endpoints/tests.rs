//! Endpoints with models that are slow, wrong or gone on purpose.

mod fakes;

mod acts;
mod aliases;
mod idle;
mod load;
mod over_http;
mod restarts;
mod shadows;
