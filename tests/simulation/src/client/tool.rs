//! A tool that speaks all of EGD and knows what each answer must look like. Where the agent was told that it is a
//! QEMU, it first says something that no QEMU says: from then on it is sent nothing unsolicited, whoever serves it.

use std::collections::VecDeque;

use dataplane::Client as Kind;
use htb::Tick;
use soak::Rng;

use super::{Peer, Scope};
use crate::violation::{Check, MILLISECOND};

/// An answer that has not come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The level: so many bytes of four are left.
    Level(u8),
    /// A count of at most this.
    Count(u8),
    /// So many random bytes.
    Random(u8),
    /// The length of a process's id, and then its digits.
    PidLength,
    Pid(u8),
}

/// One tool.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) peer: Peer,
    dice: Rng,
    due: VecDeque<Due>,
    next: Tick,
    /// The agent has heard from it.
    known: bool,
    /// What came before that on this connection.
    strange: usize,
    /// It has said nothing on this connection.
    silent: bool,
    /// It has said that nothing more will come, and waits for what it is owed.
    ended: bool,
}

/// What a QEMU is pushed at once.
const PUSH: usize = 64;

impl Tool {
    pub(crate) fn new(peer: Peer, kind: Kind, dice: Rng, now: Tick) -> Self {
        Self {
            peer,
            dice,
            due: VecDeque::new(),
            next: now,
            known: kind == Kind::Egd,
            strange: 0,
            silent: true,
            ended: false,
        }
    }

    pub(super) fn next(&self) -> Tick {
        self.next
    }

    pub(super) fn act(&mut self, scope: &mut Scope<'_>) -> Result<bool, Check> {
        let mut did = self.read(scope)?;
        if self.next <= scope.now && !scope.closing {
            self.next = scope.now.after((20 + self.dice.below(400)) * MILLISECOND);
            self.speak();
            did = true;
        }
        Ok(did)
    }

    fn speak(&mut self) {
        if !self.known {
            return self.introduce();
        }
        if self.ended {
            return;
        }
        let mut words = Vec::new();
        if self.peer.wire.is_none() {
            self.due.clear();
            self.silent = true;
            if !self.peer.connect() || self.dice.once_in(3) {
                return;
            }
        }
        if std::mem::take(&mut self.silent) {
            // Who only ever reads is taken for a QEMU.
            words.push(0);
            self.due.push_back(Due::Level(4));
        }
        for _ in 0..=self.dice.below(4) {
            self.ask(&mut words);
        }
        // What is cut here goes out with the connection: it is small, and all of it or nothing goes.
        let wire = self.peer.wire.as_ref();
        let sent = wire.and_then(|wire| wire.send(&words));
        if sent != Some(words.len()) || self.dice.once_in(10) {
            self.peer.hang_up();
        } else if let Some(wire) = wire.filter(|_| self.dice.once_in(10)) {
            wire.end();
            self.ended = true;
        }
    }

    /// Asks for the level on a connection of its own, until there is an answer besides what a QEMU is pushed.
    fn introduce(&mut self) {
        self.known = self.strange % PUSH == 4;
        self.strange = 0;
        self.peer.hang_up();
        if !self.known && self.peer.connect() {
            // Should it be lost, there is no answer.
            let _ = self.peer.wire.as_ref().and_then(|wire| wire.send(&[0]));
        }
    }

    fn ask(&mut self, words: &mut Vec<u8>) {
        let wanted = u8::try_from(self.dice.below(256)).expect("a byte");
        match self.dice.below(5) {
            0 => {
                words.push(0);
                self.due.push_back(Due::Level(4));
            }
            1 => {
                words.extend([1, wanted]);
                self.due.push_back(Due::Count(wanted));
            }
            2 => {
                words.extend([2, wanted]);
                self.due.push_back(Due::Random(wanted));
            }
            3 => {
                words.extend([3, 0, 8, 4, 1, 2, 3, 4]);
            }
            _ => {
                words.push(4);
                self.due.push_back(Due::PidLength);
            }
        }
    }

    fn read(&mut self, scope: &mut Scope<'_>) -> Result<bool, Check> {
        let mut space = [0; 4096];
        let mut did = false;
        while let Some(wire) = &self.peer.wire {
            match wire.receive(&mut space) {
                Some(0) => break,
                Some(count) if !self.known => self.strange += count,
                Some(count) => self.parse(&space[..count], scope)?,
                None => self.hang_up(scope)?,
            }
            did = true;
        }
        Ok(did)
    }

    /// The other end is gone. Unless it died, whoever waits for what it is owed has been sent that.
    fn hang_up(&mut self, scope: &Scope<'_>) -> Result<(), Check> {
        self.peer.hang_up();
        if std::mem::take(&mut self.ended)
            && self.due.iter().any(|due| *due != Due::Random(0))
            && scope.calm < scope.now
        {
            let what = format!("client {} was cut off, and owed {:?}", self.peer.number, self.due);
            return Err(("P3", what));
        }
        Ok(())
    }

    fn parse(&mut self, mut bytes: &[u8], scope: &mut Scope<'_>) -> Result<(), Check> {
        while let Some((&first, rest)) = bytes.split_first() {
            let due = self.due.pop_front();
            let wrong = |what: &str| Err(("EGD", format!("client {}: {what}", self.peer.number)));
            match due {
                None => return wrong("bytes came that it did not ask for"),
                Some(Due::Random(0)) => continue,
                Some(Due::Random(left)) => {
                    let here = bytes.len().min(left.into());
                    let (random, after) = bytes.split_at(here);
                    self.peer.got(random, scope)?;
                    self.owe(Due::Random(left - u8::try_from(here).expect("at most what was left")));
                    bytes = after;
                    continue;
                }
                Some(Due::Level(1)) => {}
                Some(Due::Level(left)) => self.owe(Due::Level(left - 1)),
                Some(Due::Count(most)) if first > most => {
                    return wrong("it was offered more than it asked for");
                }
                Some(Due::Count(_)) => self.owe(Due::Random(first)),
                Some(Due::PidLength) => self.owe(Due::Pid(first)),
                Some(Due::Pid(_)) if !first.is_ascii_digit() => return wrong("a process's id is no number"),
                Some(Due::Pid(left)) => self.owe(Due::Pid(left - 1)),
            }
            bytes = rest;
        }
        Ok(())
    }

    fn owe(&mut self, due: Due) {
        if !matches!(due, Due::Random(0) | Due::Pid(0)) {
            self.due.push_front(due);
        }
    }
}
