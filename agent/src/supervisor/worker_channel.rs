//! The supervisor's end of the way to one worker: what that says, and when it is to be looked at.

use std::io::{self, ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::{Sleep, sleep};

use super::proc_status::ProcStatus;
use super::restart_policy::Id;
use super::watchdog::{Watchdog, WatchdogAction};
use super::{ANSWERS, ASKED, SERVES};

const SPACE: usize = rustix::cmsg_space!(ScmRights(1));

/// What there is about a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerMessage {
    /// It serves.
    Serves,
    /// It will say nothing more.
    Closed,
    /// It is to be looked at.
    Due,
}

pub(super) struct WorkerChannel {
    pub(super) id: Id,
    stream: UnixStream,
    /// Where its loop says whether it sleeps.
    beat: Option<OwnedFd>,
    watch: Watchdog,
    due: Option<Pin<Box<Sleep>>>,
}

impl WorkerChannel {
    pub(super) fn new(id: Id, stream: UnixStream) -> Self {
        Self { id, stream, beat: None, watch: Watchdog::default(), due: None }
    }

    /// What comes next, if it has.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<WorkerMessage> {
        while let Poll::Ready(heard) = self.poll_heard(context) {
            match heard {
                Ok(SERVES) => return Poll::Ready(WorkerMessage::Serves),
                Ok(ANSWERS) => {
                    self.watch.answered();
                    self.wind();
                }
                // A word of a later version.
                Ok(_) => {}
                Err(_) => return Poll::Ready(WorkerMessage::Closed),
            }
        }
        let Some(due) = &mut self.due else { return Poll::Pending };
        ready!(due.as_mut().poll(context));
        Poll::Ready(WorkerMessage::Due)
    }

    fn poll_heard(&mut self, context: &mut Context<'_>) -> Poll<io::Result<u8>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.hear() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                heard => return Poll::Ready(heard),
            }
        }
    }

    /// The next byte that it has said.
    fn hear(&mut self) -> io::Result<u8> {
        let stream = &self.stream;
        let (byte, beside) = stream.try_io(Interest::READABLE, || receive(stream))?;
        if let Some(beat) = beside {
            self.beat = Some(beat);
        }
        Ok(byte)
    }

    /// Whether, before it died, it said that it serves.
    pub(super) fn had_served(mut self) -> bool {
        std::iter::from_fn(|| self.hear().ok()).any(|byte| byte == SERVES)
    }

    /// Looks at it, asks it if that is due, and says what else is to be done.
    pub(super) fn look(&mut self) -> WatchdogAction {
        let act = self.watch.look(ProcStatus::of(self.id, self.beat.as_ref()));
        if act == WatchdogAction::Ask {
            // One that takes no more of them has not answered those of before.
            let _ = self.stream.try_write(&[ASKED]);
        }
        self.wind();
        act
    }

    fn wind(&mut self) {
        self.due = self.watch.next().map(|pause| Box::pin(sleep(pause)));
    }
}

fn receive(stream: &UnixStream) -> io::Result<(u8, Option<OwnedFd>)> {
    let (mut byte, mut space) = ([0], [MaybeUninit::uninit(); SPACE]);
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut byte)];
    let got = recvmsg(stream, parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let beside = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    if got.bytes == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok((byte[0], beside)) }
}
