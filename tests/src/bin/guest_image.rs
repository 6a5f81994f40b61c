//! Writes the kernel and the initramfs that the tests' guests boot, for whoever boots them by other means.
#![forbid(unsafe_code)]

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};
use entropool_tests::Image;

fn main() -> Result<()> {
    let dir = env::args_os().nth(1).context("usage: guest-image DIRECTORY")?;
    Image::build()?.write(&PathBuf::from(dir))
}
