//! One viewer: a WebRTC connection and the stream that goes over it, on a thread of its own.
//!
//! Encoding happens on the same thread as the network: at these sizes it takes a few milliseconds, for which a packet can
//! wait, and nothing has to be handed from one thread to another.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use direct264::rtc::{MAX_QUEUE_AGE, ProfileLevelId, RtpClock, may_encode};
use direct264::{Bitrate, FrameRate, FrameSize};
use str0m::bwe::Bitrate as Bandwidth;
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::format::Codec;
use str0m::media::{Direction, Frequency, MediaTime, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::Extension;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

use crate::figures::{Figures, Lock};
use crate::picture::Source;
use crate::socket::Socket;
use crate::stream::{Coded, Plan, Stream};

/// What the network is taken to carry until it was measured, which takes a quarter of a second.
const FIRST_ESTIMATE_BPS: u64 = 4_000_000;
/// The network is looked into for so many times what the encoder makes: str0m paces packets at little more than the
/// estimate, and an IDR is several times as large as the frames around it.
const HEADROOM: u64 = 3;
/// Commands, and the end of the server, are looked for at least so often.
const LONGEST_WAIT: Duration = Duration::from_millis(10);
/// How many packets are kept for how long to be sent again, as str0m has it.
const RESENDS: (usize, Duration) = (1024, Duration::from_secs(3));
/// A browser that asked for a stream and never connected is given up after this.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// The estimate of what the network carries is looked at so often. str0m's event for it tells the average over its last
/// changes, and so of a cut a second too late.
const STATISTICS_EVERY: Duration = Duration::from_millis(50);

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
    let offer = SdpOffer::from_sdp_string(offer).map_err(|error| format!("this is no offer: {error}"))?;
    let socket = Socket::bind(host.ip).map_err(|error| format!("no UDP port of {}: {error}", host.ip))?;
    let mut rtc = connection(socket.address(), &host.certificate)?;
    let answer =
        rtc.sdp_api().accept_offer(offer).map_err(|error| format!("the offer is refused: {error}"))?;
    let answer = answer.to_sdp_string();
    if !answer.contains("H264/90000") {
        return Err("the browser offers no H.264".to_owned());
    }
    let figures = Arc::new(Lock::new(Figures::default()));
    let (commands, receiver) = mpsc::channel();
    let (plan, is_stopping, told) = (plan.clone(), Arc::clone(&host.is_stopping), Arc::clone(&figures));
    // The encoder is opened, and has its first picture, while the answer travels and the browser connects.
    let run = move || {
        let why = match first_picture(&plan, source, &told) {
            Ok((stream, first)) => Viewer {
                rtc,
                socket,
                stream,
                figures: Arc::clone(&told),
                commands: receiver,
                is_stopping,
                frame_every: interval(plan.frame_rate),
                video: None,
                is_connected: false,
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

/// A certificate for all viewers. Making one takes longer than all else that an answer needs, so it is made beforehand.
pub(crate) fn certificate() -> Result<DtlsCert, String> {
    let provider = str0m::crypto::from_feature_flags();
    provider.dtls_provider.generate_certificate().ok_or_else(|| "no certificate can be made".to_owned())
}

/// Sends H.264 and nothing else.
fn connection(address: SocketAddr, certificate: &DtlsCert) -> Result<Rtc, String> {
    let mut config = RtcConfig::new()
        .set_dtls_cert(certificate.clone())
        .clear_codecs()
        .set_extension(EXTENSION_ID, Extension::PlayoutDelay)
        .enable_bwe(Some(Bandwidth::bps(FIRST_ESTIMATE_BPS)))
        .set_stats_interval(Some(STATISTICS_EVERY));
    let (payload, resend) = (Pt::from(108), Pt::from(109));
    config.codec_config().add_h264(payload, Some(resend), true, ProfileLevelId::BROWSER.as_u32());
    let mut rtc = config.build(Instant::now());
    let candidate = Candidate::host(address, "udp").map_err(|error| error.to_string())?;
    rtc.add_local_candidate(candidate);
    Ok(rtc)
}

/// One that the other extensions leave free; the offer brings its own.
const EXTENSION_ID: u8 = 5;

fn interval(rate: FrameRate) -> Duration {
    Duration::from_secs_f64(1.0 / rate.as_f64())
}

/// Where frames go.
#[derive(Debug, Clone, Copy)]
struct Video {
    mid: Mid,
    payload: Pt,
}

/// Why a viewer's thread ends.
type Ending = String;

struct Viewer {
    rtc: Rtc,
    socket: Socket,
    stream: Stream,
    figures: Arc<Lock<Figures>>,
    commands: Receiver<Command>,
    is_stopping: Arc<AtomicBool>,
    frame_every: Duration,
    video: Option<Video>,
    is_connected: bool,
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
        self.say_goodbye();
        why
    }

    fn serve(&mut self) -> Result<std::convert::Infallible, Ending> {
        loop {
            let wake = self.send_and_listen()?;
            self.obey()?;
            let now = Instant::now();
            if let Some(video) = self.video.filter(|_| self.is_connected) {
                if now >= self.next_frame || self.is_keyframe_due(video.mid, now) {
                    self.frame(video, now)?;
                    // Everything that was written is sent before anything else is waited for.
                    continue;
                }
            } else if now.saturating_duration_since(self.started) > CONNECT_WITHIN {
                return Err("it never connected".to_owned());
            }
            let until = if self.is_connected { wake.min(self.next_frame) } else { wake };
            self.receive(until.saturating_duration_since(now).min(LONGEST_WAIT))?;
        }
    }

    /// Sends what is to be sent and hears what has happened; until when there is nothing to do.
    fn send_and_listen(&mut self) -> Result<Instant, Ending> {
        loop {
            match self.rtc.poll_output().map_err(|error| error.to_string())? {
                Output::Timeout(wake) => return Ok(wake),
                Output::Transmit(packet) => self.socket.send(&packet.contents, packet.destination),
                Output::Event(event) => self.hear(event)?,
            }
        }
    }

    fn hear(&mut self, event: Event) -> Result<(), Ending> {
        let now = Instant::now();
        match event {
            Event::Connected => {
                self.is_connected = true;
                self.next_frame = now;
            }
            Event::MediaAdded(media)
                if matches!(media.direction, Direction::SendOnly | Direction::SendRecv) =>
            {
                let writer = self.rtc.writer(media.mid).ok_or("there is nothing to write to")?;
                let h264 = writer.payload_params().find(|params| params.spec().codec == Codec::H264);
                let payload = h264.ok_or("the browser takes no H.264")?.pt();
                self.video = Some(Video { mid: media.mid, payload });
            }
            Event::KeyframeRequest(_) => self.stream.request_keyframe(now),
            Event::PeerStats(statistics) => {
                if let Some(estimate) = statistics.bwe_tx {
                    let is_deep_cut = self.stream.estimate(estimate.as_u64(), now);
                    if is_deep_cut.map_err(|error| error.to_string())? {
                        self.forget_sent();
                    }
                }
            }
            Event::MediaEgressStats(statistics) => {
                if let Some(round_trip) = statistics.rtt {
                    // The shortest one: a receiver that was slow to answer once has its next requests answered all the same.
                    self.round_trip = self.round_trip.min(round_trip);
                    self.stream.set_round_trip(self.round_trip);
                    self.figures.with(|figures| figures.round_trip = Some(round_trip));
                }
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                return Err("its network is gone".to_owned());
            }
            Event::Closed => return Err("it closed the connection".to_owned()),
            _ => {}
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

    /// Has the network probed for what the viewer wants.
    fn look_for_bandwidth(&mut self) {
        let desired = Bandwidth::bps(HEADROOM * u64::from(self.stream.wish().bps()));
        self.rtc.bwe().set_bitrate(Bandwidth::ZERO, desired);
    }

    fn frame(&mut self, video: Video, now: Instant) -> Result<(), Ending> {
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
                self.look_for_bandwidth();
                let queue_age = self.queue_age(video.mid, now);
                self.stream.frame(queue_age).map_err(failed)?
            }
        };
        self.figures.with(|figures| figures.was_late(due.elapsed()));
        let Some(coded) = coded else { return Ok(()) };
        if coded.is_idr {
            self.forget_sent();
        }
        let writer = self.rtc.writer(video.mid).ok_or("there is nothing to write to")?;
        let time = MediaTime::new(coded.timestamp.0.unsigned_abs(), Frequency::NINETY_KHZ);
        // Shown as soon as it is decoded: the receiver keeps no buffer against jitter.
        writer
            .playout_delay(MediaTime::ZERO, MediaTime::ZERO)
            .write(video.payload, coded.captured, time, coded.bytes)
            .map_err(|error| error.to_string())
    }

    /// What an IDR makes needless, the one that comes now or after a cut, is not sent again, though the receiver asks for it.
    /// What comes after may be: a resend that is refused freezes Chromium for the three seconds until it sends a PLI.
    fn forget_sent(&mut self) {
        let Some(video) = self.video else { return };
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(video.mid, None) {
            stream.set_rtx_cache(RESENDS.0, RESENDS.1, None);
        }
    }

    /// Whether an IDR is wanted that need not wait for the next frame's turn. It waits while packets do: it would be skipped.
    fn is_keyframe_due(&mut self, mid: Mid, now: Instant) -> bool {
        self.stream.is_keyframe_due(now) && may_encode(self.queue_age(mid, now), MAX_QUEUE_AGE)
    }

    /// How long the oldest packet that was not sent yet has waited.
    fn queue_age(&mut self, mid: Mid, now: Instant) -> Option<Duration> {
        let mut direct = self.rtc.direct_api();
        let queue = direct.stream_tx_by_mid(mid, None)?.queue_info()?;
        // As of the pacer's last round; what was sent since has left nothing behind that is older.
        queue.first_unsent().map(|first| now.saturating_duration_since(first))
    }

    fn receive(&mut self, wait: Duration) -> Result<(), Ending> {
        let destination = self.socket.address();
        let received = self.socket.receive(wait).map_err(|error| format!("its socket: {error}"))?;
        let now = Instant::now();
        let input = match received {
            Some((packet, source)) => match packet.try_into() {
                Ok(contents) => {
                    Input::Receive(now, Receive { proto: Protocol::Udp, source, destination, contents })
                }
                // Neither STUN nor DTLS nor RTP.
                Err(_) => return Ok(()),
            },
            None => Input::Timeout(now),
        };
        self.rtc.handle_input(input).map_err(|error| error.to_string())?;
        if self.rtc.is_alive() { Ok(()) } else { Err("the connection is over".to_owned()) }
    }

    /// So that the browser knows at once.
    fn say_goodbye(&mut self) {
        if self.rtc.close().is_err() {
            return;
        }
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                Output::Transmit(packet) => self.socket.send(&packet.contents, packet.destination),
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
    }
}

/// 90 kHz on both sides.
const _: () = assert!(RtpClock::HZ == 90_000);
