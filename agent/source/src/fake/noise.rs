//! A source whose faults are injected.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use rustix::event::PollFlags;

use crate::noise::{Noise, Open, OpenSource};
use crate::waker::lock;

/// How a source behaves until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FakeBehaviour {
    /// Good bytes, as many as are wanted.
    Good,
    /// Good bytes, so many at a time.
    Short(usize),
    /// The same byte for ever.
    Stuck(u8),
    /// Every tenth word of four bytes is zero, as a broken processor's was.
    Biased,
    /// Bytes that can be told apart by two of their bits only.
    FourValues,
    /// Bytes of which the first bit is always set.
    HighBit,
    /// This byte once, and then nothing.
    Once(u8),
    /// So many good bytes, and then nothing.
    Burst(usize),
    /// Nothing, for now.
    Dry,
    /// Nothing more.
    Ended,
    /// An error at every read.
    Broken,
    /// It cannot even be opened.
    Missing,
}

#[derive(Debug)]
struct State {
    manner: FakeBehaviour,
    dice: u64,
    /// All bytes it gave, in order.
    gave: Vec<u8>,
    reads: usize,
    opened: usize,
}

/// A source, and what a test knows of it.
#[derive(Clone, Debug)]
pub struct Fake(Arc<Mutex<State>>);

impl Fake {
    /// A good source, whose bytes follow from the seed.
    pub fn new(seed: u64) -> Self {
        let state = State { manner: FakeBehaviour::Good, dice: seed, gave: vec![], reads: 0, opened: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// From now on it behaves so.
    pub fn is(&self, manner: FakeBehaviour) {
        lock(&self.0).manner = manner;
    }

    /// All bytes it gave, in order.
    pub fn gave(&self) -> Vec<u8> {
        lock(&self.0).gave.clone()
    }

    /// How often it was read.
    pub fn reads(&self) -> usize {
        lock(&self.0).reads
    }

    /// How often it was opened.
    pub fn opened(&self) -> usize {
        lock(&self.0).opened
    }

    pub(crate) fn opener(&self) -> Open {
        let fake = self.clone();
        Box::new(move || {
            let mut state = lock(&fake.0);
            state.opened += 1;
            if state.manner == FakeBehaviour::Missing {
                let source = io::ErrorKind::NotFound.into();
                return Err(OpenSource::Open { path: "/dev/fake".into(), source });
            }
            Ok(Box::new(fake.clone()) as Box<dyn Noise>)
        })
    }
}

impl State {
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        let count = match self.manner {
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
            let good = self.roll();
            let good =
                if self.manner == FakeBehaviour::Biased && good.is_multiple_of(10) { 0 } else { good >> 32 };
            word.copy_from_slice(&good.to_le_bytes()[..word.len()]);
            match self.manner {
                FakeBehaviour::Stuck(byte) | FakeBehaviour::Once(byte) => word.fill(byte),
                FakeBehaviour::FourValues => word.iter_mut().for_each(|byte| *byte &= 3),
                FakeBehaviour::HighBit => word.iter_mut().for_each(|byte| *byte |= 0x80),
                _ => {}
            }
        }
        match self.manner {
            FakeBehaviour::Once(_) => self.manner = FakeBehaviour::Dry,
            FakeBehaviour::Burst(left) if left == count => self.manner = FakeBehaviour::Dry,
            FakeBehaviour::Burst(left) => self.manner = FakeBehaviour::Burst(left - count),
            _ => {}
        }
        self.gave.extend(&space[..count]);
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
}
