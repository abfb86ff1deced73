//! One viewer: a WebRTC connection and the stream that goes over it, on a thread of its own.
//!
//! Encoding happens on the same thread as the network: at these sizes it takes a few milliseconds, for which a packet can
//! wait, and nothing has to be handed from one thread to another.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use direct264::rtc::{MAX_QUEUE_AGE, may_encode};
use direct264::{Bitrate, FrameRate, FrameSize};
use str0m::config::DtlsCert;

use crate::connection::{Connection, Ending, FIRST_ESTIMATE_BPS, Heard, Next};
use crate::figures::{Figures, Lock};
use crate::picture::Source;
use crate::stream::{Coded, Plan, Stream};

/// The network is looked into for so many times what the encoder makes: str0m paces packets at little more than the
/// estimate, and an IDR is several times as large as the frames around it.
const HEADROOM: u64 = 3;
/// Commands, and the end of the server, are looked for at least so often.
const LONGEST_WAIT: Duration = Duration::from_millis(10);
/// A browser that asked for a stream and never connected is given up after this.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// What the page's buttons ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command {
    Keyframe,
    Bitrate(Bitrate),
    Size(FrameSize),
    Leave,
}

/// What the connections of a server have in common.
#[derive(Debug)]
pub(crate) struct Host {
    /// Where media comes from.
    pub(crate) ip: IpAddr,
    pub(crate) certificate: DtlsCert,
    pub(crate) is_stopping: Arc<AtomicBool>,
}

/// A viewer, as the server sees it.
#[derive(Debug)]
pub(crate) struct Handle {
    commands: Sender<Command>,
    pub(crate) figures: Arc<Lock<Figures>>,
    thread: JoinHandle<()>,
}

impl Handle {
    pub(crate) fn send(&self, command: Command) {
        // One that is gone needs no commands.
        let _ = self.commands.send(command);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    pub(crate) fn join(self) {
        let _ = self.thread.join();
    }
}

/// Answers an offer and starts the stream. The answer's SDP, and the viewer.
pub(crate) fn start(
    name: u64,
    offer: &str,
    host: &Host,
    plan: &Plan,
    source: Source,
) -> Result<(String, Handle), String> {
    let (answer, connection) = Connection::answer(offer, host.ip, &host.certificate)?;
    let figures = Arc::new(Lock::new(Figures::default()));
    let (commands, receiver) = mpsc::channel();
    let (plan, is_stopping, told) = (plan.clone(), Arc::clone(&host.is_stopping), Arc::clone(&figures));
    // The encoder is opened, and has its first picture, while the answer travels and the browser connects.
    let run = move || {
        let why = match first_picture(&plan, source, &told) {
            Ok((stream, first)) => Viewer {
                connection,
                stream,
                figures: Arc::clone(&told),
                commands: receiver,
                is_stopping,
                frame_every: interval(plan.frame_rate),
                first: Some(first),
                next_frame: Instant::now(),
                started: Instant::now(),
                round_trip: Duration::MAX,
            }
            .run(),
            Err(why) => why,
        };
        told.with(|figures| {
            eprintln!("viewer {name} left: {why}; {}", figures.summary());
            figures.ended = Some(why);
        });
    };
    let thread = thread::Builder::new().name(format!("viewer-{name}")).spawn(run);
    let thread = thread.map_err(|error| format!("no thread: {error}"))?;
    Ok((answer, Handle { commands, figures, thread }))
}

fn first_picture(
    plan: &Plan,
    source: Source,
    figures: &Arc<Lock<Figures>>,
) -> Result<(Stream, Coded), Ending> {
    let mut stream = Stream::open(plan, source, FIRST_ESTIMATE_BPS, Arc::clone(figures))
        .map_err(|error| format!("no encoder: {error}"))?;
    let first = stream.frame(None).map_err(failed)?.ok_or("there is no first picture")?;
    Ok((stream, first))
}

fn failed(error: direct264::Error) -> Ending {
    format!("encoding failed: {error}")
}

fn interval(rate: FrameRate) -> Duration {
    Duration::from_secs_f64(1.0 / rate.as_f64())
}

struct Viewer {
    connection: Connection,
    stream: Stream,
    figures: Arc<Lock<Figures>>,
    commands: Receiver<Command>,
    is_stopping: Arc<AtomicBool>,
    frame_every: Duration,
    /// Ready before the connection is.
    first: Option<Coded>,
    next_frame: Instant,
    started: Instant,
    round_trip: Duration,
}

impl Viewer {
    fn run(mut self) -> Ending {
        let why = match self.serve() {
            Ok(never) => match never {},
            Err(why) => why,
        };
        self.connection.say_goodbye();
        why
    }

    fn serve(&mut self) -> Result<std::convert::Infallible, Ending> {
        loop {
            let wake = self.send_and_listen()?;
            self.obey()?;
            let now = Instant::now();
            let is_ready = self.connection.is_ready();
            if is_ready && (now >= self.next_frame || self.is_keyframe_due(now)) {
                self.frame(now)?;
                // Everything that was written is sent before anything else is waited for.
                continue;
            }
            if !is_ready && now.saturating_duration_since(self.started) > CONNECT_WITHIN {
                return Err("it never connected".to_owned());
            }
            let until = if is_ready { wake.min(self.next_frame) } else { wake };
            self.connection.receive(until.saturating_duration_since(now).min(LONGEST_WAIT))?;
        }
    }

    /// Sends what is to be sent and hears what has happened; until when there is nothing to do.
    fn send_and_listen(&mut self) -> Result<Instant, Ending> {
        loop {
            match self.connection.poll()? {
                Next::WaitUntil(wake) => return Ok(wake),
                Next::Hear(heard) => self.hear(&heard)?,
            }
        }
    }

    fn hear(&mut self, heard: &Heard) -> Result<(), Ending> {
        let now = Instant::now();
        match *heard {
            Heard::Connected => self.next_frame = now,
            Heard::KeyframeRequest => self.stream.request_keyframe(now),
            Heard::EstimateBps(bps) => {
                if self.stream.estimate(bps, now).map_err(|error| error.to_string())? {
                    self.connection.forget_sent();
                }
            }
            Heard::RoundTrip(round_trip) => {
                // The shortest one: a receiver that was slow to answer once has its next requests answered all the same.
                self.round_trip = self.round_trip.min(round_trip);
                self.stream.set_round_trip(self.round_trip);
                self.figures.with(|figures| figures.round_trip = Some(round_trip));
            }
        }
        Ok(())
    }

    fn obey(&mut self) -> Result<(), Ending> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err("the server stops".to_owned());
        }
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Keyframe => self.stream.request_keyframe(Instant::now()),
                Command::Size(size) => self.stream.set_size(size),
                Command::Bitrate(wish) => {
                    self.stream.set_wish(wish).map_err(|error| error.to_string())?;
                }
                Command::Leave => return Err("it closed the page".to_owned()),
            }
        }
        Ok(())
    }

    fn frame(&mut self, now: Instant) -> Result<(), Ending> {
        let due = self.next_frame;
        self.next_frame += self.frame_every;
        // One that is asked for between two others takes the place of the next; after a stall there is nothing to catch up.
        if self.next_frame < now || self.next_frame > now + self.frame_every {
            self.next_frame = now + self.frame_every;
        }
        let coded = match self.first.take() {
            Some(first) => Some(first),
            None => {
                // Not before the first picture is out: a probe has packets wait for their turn.
                self.connection.look_for(HEADROOM * u64::from(self.stream.wish().bps()));
                let queue_age = self.connection.queue_age(now);
                self.stream.frame(queue_age).map_err(failed)?
            }
        };
        self.figures.with(|figures| figures.was_late(due.elapsed()));
        match coded {
            Some(coded) => self.connection.write(coded),
            None => Ok(()),
        }
    }

    /// Whether an IDR is wanted that need not wait for the next frame's turn. It waits while packets do: it would be skipped.
    fn is_keyframe_due(&mut self, now: Instant) -> bool {
        self.stream.is_keyframe_due(now) && may_encode(self.connection.queue_age(now), MAX_QUEUE_AGE)
    }
}
