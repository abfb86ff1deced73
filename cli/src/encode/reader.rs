//! Reads frames on a separate thread, so that reading overlaps with encoding and Ctrl-C works while the input is
//! silent.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::interrupt::Interrupt;
use super::source::Frames;
use crate::failure::Failure;

/// Frame buffers: the encoder holds one, the reader another.
const BUFFERS: usize = 2;
/// The interval of checks for Ctrl-C while the input is silent.
const PATIENCE: Duration = Duration::from_millis(50);

/// The next result of the reader thread.
#[derive(Debug)]
pub(super) enum Next {
    /// A frame's pixels. The caller gives the buffer back.
    Frame(Vec<u8>),
    /// The input ended between two frames.
    End,
    /// The input ended within a frame or failed: one clause with frame and byte.
    Failed(String),
    /// The user pressed Ctrl-C.
    Interrupted,
}

/// The consumer's end of the reader thread.
#[derive(Debug)]
pub(super) struct FrameReader {
    coming: Receiver<Next>,
    empty: Sender<Vec<u8>>,
    interrupt: Interrupt,
}

impl FrameReader {
    /// Starts the reader thread.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub(super) fn start(frames: Frames, interrupt: &Interrupt) -> Result<Self, Failure> {
        let (to_here, coming) = mpsc::channel();
        let (empty, to_fill) = mpsc::channel();
        for _ in 0..BUFFERS {
            // The send cannot fail: this function still holds the receiver.
            let _ = empty.send(Vec::new());
        }
        let reading = thread::Builder::new().name("reader".into());
        // The thread is never joined, since it may wait for input for ever. It ends with the process.
        reading
            .spawn(move || read_all(frames, &to_fill, &to_here))
            .map_err(|error| Failure::before(format!("no thread to read with: {error}")))?;
        Ok(Self { coming, empty, interrupt: interrupt.clone() })
    }

    /// Waits for the next frame, the end or Ctrl-C.
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

    /// Gives a frame's buffer back to the reader thread.
    pub(super) fn give_back(&self, pixels: Vec<u8>) {
        // After the end of the input the reader thread is gone and needs no buffer.
        let _ = self.empty.send(pixels);
    }
}

/// Fills buffers until the input ends or the consumer is gone.
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
