//! A WebRTC connection that sends one video: str0m, the socket that its packets go through, and nothing of the encoder.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use direct264::rtc::{ProfileLevelId, RtpClock};
use str0m::bwe::Bitrate as Bandwidth;
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::format::Codec;
use str0m::media::{Direction, Frequency, MediaAdded, MediaTime, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::Extension;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

use crate::socket::Socket;
use crate::stream::Coded;

/// What the network is taken to carry until it was measured, which takes a quarter of a second.
pub(crate) const FIRST_ESTIMATE_BPS: u64 = 4_000_000;
/// How many packets are kept for how long to be sent again, as str0m has it.
const RESENDS: (usize, Duration) = (1024, Duration::from_secs(3));
/// The estimate of what the network carries is looked at so often. str0m's event for it tells the average over its last
/// changes, and so of a cut a second too late.
const STATISTICS_EVERY: Duration = Duration::from_millis(50);
/// One that the other extensions leave free; the offer brings its own.
const EXTENSION_ID: u8 = 5;

/// Why a connection, and with it its viewer, ends.
pub(crate) type Ending = String;

/// What a sender must know of what came in.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Frames may go out.
    Connected,
    KeyframeRequest,
    EstimateBps(u64),
    RoundTrip(Duration),
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Next {
    Hear(Heard),
    /// Nothing before then, unless a packet comes.
    WaitUntil(Instant),
}

/// Where frames go.
#[derive(Debug, Clone, Copy)]
struct Video {
    mid: Mid,
    payload: Pt,
}

pub(crate) struct Connection {
    rtc: Rtc,
    socket: Socket,
    video: Option<Video>,
    is_connected: bool,
}

/// A certificate for all connections. Making one takes longer than all else that an answer needs, so it is made beforehand.
pub(crate) fn certificate() -> Result<DtlsCert, String> {
    let provider = str0m::crypto::from_feature_flags();
    provider.dtls_provider.generate_certificate().ok_or_else(|| "no certificate can be made".to_owned())
}

/// What sends H.264 and nothing else.
fn sender(address: SocketAddr, certificate: &DtlsCert) -> Result<Rtc, String> {
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

impl Connection {
    /// The answer's SDP to an offer, and what connects once the browser has that.
    pub(crate) fn answer(offer: &str, ip: IpAddr, certificate: &DtlsCert) -> Result<(String, Self), String> {
        let offer = SdpOffer::from_sdp_string(offer).map_err(|error| format!("this is no offer: {error}"))?;
        let socket = Socket::bind(ip).map_err(|error| format!("no UDP port of {ip}: {error}"))?;
        let mut rtc = sender(socket.address(), certificate)?;
        let answer =
            rtc.sdp_api().accept_offer(offer).map_err(|error| format!("the offer is refused: {error}"))?;
        let answer = answer.to_sdp_string();
        if !answer.contains("H264/90000") {
            return Err("the browser offers no H.264".to_owned());
        }
        Ok((answer, Self { rtc, socket, video: None, is_connected: false }))
    }

    /// Whether frames may go out.
    pub(crate) const fn is_ready(&self) -> bool {
        self.is_connected && self.video.is_some()
    }

    /// Sends what is to be sent, until something is heard or there is nothing more to do.
    pub(crate) fn poll(&mut self) -> Result<Next, Ending> {
        loop {
            match self.rtc.poll_output().map_err(|error| error.to_string())? {
                Output::Timeout(wake) => return Ok(Next::WaitUntil(wake)),
                Output::Transmit(packet) => self.socket.send(&packet.contents, packet.destination),
                Output::Event(event) => {
                    if let Some(heard) = self.hear(event)? {
                        return Ok(Next::Hear(heard));
                    }
                }
            }
        }
    }

    fn hear(&mut self, event: Event) -> Result<Option<Heard>, Ending> {
        Ok(match event {
            Event::Connected => {
                self.is_connected = true;
                Some(Heard::Connected)
            }
            Event::MediaAdded(media) => {
                self.add(media)?;
                None
            }
            Event::KeyframeRequest(_) => Some(Heard::KeyframeRequest),
            Event::PeerStats(statistics) => {
                statistics.bwe_tx.map(|estimate| Heard::EstimateBps(estimate.as_u64()))
            }
            Event::MediaEgressStats(statistics) => statistics.rtt.map(Heard::RoundTrip),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                return Err("its network is gone".to_owned());
            }
            Event::Closed => return Err("it closed the connection".to_owned()),
            _ => None,
        })
    }

    fn add(&mut self, media: MediaAdded) -> Result<(), Ending> {
        if !matches!(media.direction, Direction::SendOnly | Direction::SendRecv) {
            return Ok(());
        }
        let writer = self.rtc.writer(media.mid).ok_or("there is nothing to write to")?;
        let h264 = writer.payload_params().find(|params| params.spec().codec == Codec::H264);
        let payload = h264.ok_or("the browser takes no H.264")?.pt();
        self.video = Some(Video { mid: media.mid, payload });
        Ok(())
    }

    /// A packet that comes within `wait`, or the end of it.
    pub(crate) fn receive(&mut self, wait: Duration) -> Result<(), Ending> {
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

    /// Hands an access unit on. The next [`poll`](Self::poll) sends it.
    pub(crate) fn write(&mut self, coded: Coded) -> Result<(), Ending> {
        if coded.is_idr {
            self.forget_sent();
        }
        let video = self.video.ok_or("there is nothing to write to")?;
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
    pub(crate) fn forget_sent(&mut self) {
        let Some(video) = self.video else { return };
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(video.mid, None) {
            stream.set_rtx_cache(RESENDS.0, RESENDS.1, None);
        }
    }

    /// How long the oldest packet that was not sent yet has waited.
    pub(crate) fn queue_age(&mut self, now: Instant) -> Option<Duration> {
        let mut direct = self.rtc.direct_api();
        let queue = direct.stream_tx_by_mid(self.video?.mid, None)?.queue_info()?;
        // As of the pacer's last round; what was sent since has left nothing behind that is older.
        queue.first_unsent().map(|first| now.saturating_duration_since(first))
    }

    /// Has the network probed for as much.
    pub(crate) fn look_for(&mut self, bps: u64) {
        self.rtc.bwe().set_bitrate(Bandwidth::ZERO, Bandwidth::bps(bps));
    }

    /// So that the browser knows at once.
    pub(crate) fn say_goodbye(&mut self) {
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
