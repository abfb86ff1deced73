//! Reads frames on a thread of its own: the next one comes while the last one is encoded, and Ctrl-C is heard
//! although the input is silent.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::interrupt::Interrupt;
use super::source::Frames;
use crate::failure::Failure;

/// One being encoded, one being read.
const BUFFERS: usize = 2;
/// How long Ctrl-C may go unheard while the input is silent.
const PATIENCE: Duration = Duration::from_millis(50);

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// A frame's pixels; to be given back.
    Frame(Vec<u8>),
    /// The input has ended between two frames.
    End,
    /// The input has ended otherwise: one clause with frame and byte.
    Failed(String),
    /// The user wants it to end.
    Interrupted,
}

/// The receiving end of the thread that reads.
#[derive(Debug)]
pub(super) struct Reader {
    coming: Receiver<Next>,
    empty: Sender<Vec<u8>>,
    interrupt: Interrupt,
}

impl Reader {
    /// Starts reading.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(frames: Frames, interrupt: &Interrupt) -> Result<Self, Failure> {
        let (to_here, coming) = mpsc::channel();
        let (empty, to_fill) = mpsc::channel();
        for _ in 0..BUFFERS {
            // Cannot fail: `to_fill` is right here.
            let _ = empty.send(Vec::new());
        }
        let reading = thread::Builder::new().name("reader".into());
        // Never joined: it may wait for input that never comes, and ends with the process.
        reading
            .spawn(move || read_all(frames, &to_fill, &to_here))
            .map_err(|error| Failure::before(format!("no thread to read with: {error}")))?;
        Ok(Self { coming, empty, interrupt: interrupt.clone() })
    }

    /// Waits for what comes next.
    pub(super) fn next(&self) -> Next {
        loop {
            if self.interrupt.is_raised() {
                return Next::Interrupted;
            }
            match self.coming.recv_timeout(PATIENCE) {
                Ok(next) => return next,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Next::Failed("reading has stopped".into()),
            }
        }
    }

    /// Gives a frame's room back, to be filled again.
    pub(super) fn give_back(&self, pixels: Vec<u8>) {
        // Once the input has ended nobody needs it.
        let _ = self.empty.send(pixels);
    }
}

/// Fills what is empty until the input ends or nobody listens.
fn read_all(mut frames: Frames, to_fill: &Receiver<Vec<u8>>, to_there: &Sender<Next>) {
    for mut pixels in to_fill {
        let next = match frames.read(&mut pixels) {
            Ok(true) => Next::Frame(pixels),
            Ok(false) => Next::End,
            Err(why) => Next::Failed(why.to_string()),
        };
        let is_last = !matches!(next, Next::Frame(_));
        if to_there.send(next).is_err() || is_last {
            return;
        }
    }
}
