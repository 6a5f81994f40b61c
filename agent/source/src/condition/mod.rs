//! From tested samples to bytes that may be served: the conditioner of SP 800-90B 3.1.5 and the output modes.
//!
//! [`FullEntropy`] is the XOR of conditioned blocks and a DRBG (SP 800-90C's RBG3(XOR)): a bit of entropy in each bit
//! while the health tests pass, and still a DRBG if a source fails undetected. [`Stretched`] is a DRBG with regular
//! reseeds: 256 bits of computational security, never more.
//!
//! All state is wiped when it is dropped, and no type here can be printed.

mod conditioner;
mod drbg;
mod full_entropy;
mod self_test;
mod stretched;

pub use conditioner::{Conditioner, NEEDED, OUTPUT};
pub use drbg::{HmacDrbg, SEED, personalization};
pub use full_entropy::FullEntropy;
pub use self_test::SelfTestFailed;
pub(crate) use self_test::self_test;
pub use stretched::Stretched;
