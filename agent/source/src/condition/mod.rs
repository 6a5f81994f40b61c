//! From tested samples to bytes that may be served: the conditioner of SP 800-90B 3.1.5 and the output modes.
//!
//! [`FullEntropy`] is the exclusive or of conditioned blocks and a DRBG (SP 800-90C's RBG3(XOR)): a bit of entropy in each bit
//! while the health tests pass, and still a DRBG if a source dies unnoticed. [`Stretched`] is a DRBG that is
//! seeded anew: 256 bits of computational security, never more. [`Raw`] is tested samples as they are.
//!
//! All state is wiped when it goes, and no type here can be printed.

mod conditioner;
mod drbg;
mod full_entropy;
mod raw;
mod stretched;

pub use conditioner::{Conditioner, OUTPUT};
pub use drbg::{HmacDrbg, SEED, personalization};
pub use full_entropy::FullEntropy;
pub use raw::{Raw, RawRefused};
pub use stretched::Stretched;
