//! A noise source with injected faults.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use rustix::event::PollFlags;

use crate::noise::{Nesting, Noise, OpenError, Opener, Provenance, SourceIdentity};
use crate::waker::lock;

/// How a source behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FakeBehaviour {
    /// Good bytes, as many as are wanted.
    Good,
    /// Good bytes, at most so many at a time.
    Short(usize),
    /// The bytes of [`Fake::generate`].
    Generated,
    /// The same byte forever.
    Stuck(u8),
    /// Every tenth word of four bytes is zero, as a broken processor's was.
    Biased,
    /// Bytes of which only two bits vary.
    FourValues,
    /// Bytes whose top bit is always set.
    HighBit,
    /// This byte once, and then nothing.
    Once(u8),
    /// So many good bytes, and then nothing.
    Burst(usize),
    /// Nothing for now.
    Dry,
    /// End of file.
    Ended,
    /// An error at every read.
    Broken,
    /// It cannot be opened.
    Missing,
}

/// Makes the bytes of a fault, one by one.
type Generator = Box<dyn FnMut() -> u8 + Send>;

struct State {
    behaviour: FakeBehaviour,
    generator: Option<Generator>,
    rng: u64,
    /// All bytes returned, in order.
    output: Vec<u8>,
    reads: usize,
    opened: usize,
    provenance: Arc<Provenance>,
}

/// A handle to the source; clones control the same source.
#[derive(Clone)]
pub struct Fake(Arc<Mutex<State>>);

impl Fake {
    /// A good source, whose bytes follow from the seed.
    pub fn new(seed: u64) -> Self {
        let state = State {
            behaviour: FakeBehaviour::Good,
            generator: None,
            rng: seed,
            output: vec![],
            reads: 0,
            opened: 0,
            provenance: Arc::default(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub fn set_behaviour(&self, behaviour: FakeBehaviour) {
        lock(&self.0).behaviour = behaviour;
    }

    /// Bytes of this generator from here on.
    pub fn generate(&self, generator: impl FnMut() -> u8 + Send + 'static) {
        let mut state = lock(&self.0);
        state.generator = Some(Box::new(generator));
        state.behaviour = FakeBehaviour::Generated;
    }

    /// How many bytes were returned.
    pub fn returned(&self) -> usize {
        lock(&self.0).output.len()
    }

    /// The byte that was returned after so many others.
    pub fn returned_at(&self, at: usize) -> Option<u8> {
        lock(&self.0).output.get(at).copied()
    }

    /// All bytes returned, in order.
    pub fn output(&self) -> Vec<u8> {
        lock(&self.0).output.clone()
    }

    pub fn reads(&self) -> usize {
        lock(&self.0).reads
    }

    pub fn opened(&self) -> usize {
        lock(&self.0).opened
    }

    /// Makes it the device of this number, of the hypervisor if it is `nested`.
    pub fn set_device(&self, number: u64, nested: bool) {
        let nesting = if nested { Nesting::Hypervisor } else { Nesting::NotKnown };
        let generator = nested.then(|| "virtio_rng.0".to_owned());
        let provenance = Provenance::of(SourceIdentity::Device(number)).nested(nesting, generator);
        lock(&self.0).provenance = Arc::new(provenance);
    }

    pub(crate) fn opener(&self) -> Opener {
        let fake = self.clone();
        Box::new(move || {
            let mut state = lock(&fake.0);
            state.opened += 1;
            if state.behaviour == FakeBehaviour::Missing {
                let source = io::ErrorKind::NotFound.into();
                return Err(OpenError::Open { path: "/dev/fake".into(), source });
            }
            Ok(Box::new(fake.clone()) as Box<dyn Noise>)
        })
    }
}

impl State {
    fn next_u64(&mut self) -> u64 {
        self.rng = self.rng.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.rng ^ (self.rng >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        let count = match self.behaviour {
            FakeBehaviour::Short(count) | FakeBehaviour::Burst(count) => count.min(space.len()),
            FakeBehaviour::Dry => return Err(io::ErrorKind::WouldBlock.into()),
            FakeBehaviour::Broken | FakeBehaviour::Missing => {
                return Err(io::Error::other("input/output error"));
            }
            FakeBehaviour::Ended => 0,
            FakeBehaviour::Once(_) => 1,
            _ => space.len(),
        };
        for word in space[..count].chunks_mut(4) {
            let good = self.next_u64();
            let good = if self.behaviour == FakeBehaviour::Biased && good.is_multiple_of(10) {
                0
            } else {
                good >> 32
            };
            word.copy_from_slice(&good.to_le_bytes()[..word.len()]);
            match self.behaviour {
                FakeBehaviour::Stuck(byte) | FakeBehaviour::Once(byte) => word.fill(byte),
                FakeBehaviour::Generated => {
                    let generator = self.generator.as_mut().expect("set with the behaviour");
                    for byte in word {
                        *byte = generator();
                    }
                }
                FakeBehaviour::FourValues => word.iter_mut().for_each(|byte| *byte &= 3),
                FakeBehaviour::HighBit => word.iter_mut().for_each(|byte| *byte |= 0x80),
                _ => {}
            }
        }
        match self.behaviour {
            FakeBehaviour::Once(_) => self.behaviour = FakeBehaviour::Dry,
            FakeBehaviour::Burst(left) if left == count => self.behaviour = FakeBehaviour::Dry,
            FakeBehaviour::Burst(left) => self.behaviour = FakeBehaviour::Burst(left - count),
            _ => {}
        }
        self.output.extend(&space[..count]);
        Ok(count)
    }
}

impl Noise for Fake {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        lock(&self.0).read(space)
    }

    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        None
    }

    fn provenance(&self) -> Arc<Provenance> {
        Arc::clone(&lock(&self.0).provenance)
    }
}
