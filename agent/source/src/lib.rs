//! Where random bytes come from, and the memory in which they wait to be served.
//!
//! Start with [`Supply`]: what a pool draws from. Behind it stand a source ([`Kernel`]) and a [`Buffer`],
//! locked memory that wipes what was taken.
//!
//! What it refuses to do: to hand out a byte twice, to print one, to keep one after it was served, to write
//! one anywhere, and to block.
#![deny(unsafe_code)]

mod buffer;
pub mod condition;
pub mod fips;
pub mod health;
mod kernel;
mod memory;
mod supply;

pub use buffer::{Buffer, CAPACITY};
pub use kernel::Kernel;
pub use memory::MapMemory;
pub use supply::{CONTIGUOUS, Supply};
