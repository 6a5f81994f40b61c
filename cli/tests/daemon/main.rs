//! Tests of the real program: a daemon in a directory of its own, and all commands.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod api_clients;
mod commands;
mod config_changes;
mod connections;
mod directories;
mod failover;
mod host_clone;
mod hung_mount;
mod manifest_files;
mod nested_sources;
mod plan;
mod rejections;
mod restart;
mod secrets;
mod source_failures;
mod source_health;
mod sources;
mod supervision;
mod support;
mod upstream;
