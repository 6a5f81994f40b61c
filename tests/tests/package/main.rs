//! How users get the program: the Debian package and `make install`, on machines that end with the test.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod build;
mod completion;
mod deb;
mod install;
mod service;
mod session;
