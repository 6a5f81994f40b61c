//! Figures of a tree of Rust code, by rules that are written down: `docs/structure.md` has them.
//!
//! It reads production code only, the part that is shipped, and reads it as text: nothing is compiled, so that any
//! checkout can be measured by the same program. It refuses to judge; the limits are in this crate's tests. Start with
//! [`Figures::measure`].
#![forbid(unsafe_code)]

mod circles;
mod code;
mod figures;
mod journeys;
mod metadata;
mod parse;
mod resolve;
mod syntax;
mod translation;

pub use circles::{Circle, Edge};
pub use figures::{Distribution, Figures, Repeated};
pub use journeys::{Journey, journeys};
pub use translation::Translation;
