//! What goes over the wire, seen by a receiver that is no browser: str0m itself, in this process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says where")]

mod common;

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::{Server, ask, ask_as, get, post};
use direct264::annexb::{NalKind, nals};
use direct264::config::Level;
use direct264::rtc::ProfileLevelId;
use serde_json::json;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, KeyframeRequestKind, MediaData, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::Extension;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// Until frames come, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A viewer without a screen.
struct Receiver {
    rtc: Rtc,
    socket: UdpSocket,
    mid: Mid,
    viewer: u64,
    answer: String,
}

fn offer(address: std::net::SocketAddr) -> (Rtc, String, SdpPendingOffer, Mid) {
    let mut rtc = RtcConfig::new()
        .clear_codecs()
        .enable_h264(true)
        .set_extension(12, Extension::PlayoutDelay)
        .build(Instant::now());
    rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
    let mut change = rtc.sdp_api();
    let mid = change.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    let (offer, pending) = change.apply().unwrap();
    (rtc, offer.to_sdp_string(), pending, mid)
}

impl Receiver {
    fn join(server: &Server) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut rtc, offer, pending, mid) = offer(socket.local_addr().unwrap());
        let (status, reply) = post(server.address, "/offer", &json!({ "sdp": offer }));
        assert_eq!(status, 200, "{reply}");
        let answer = reply["sdp"].as_str().unwrap().to_owned();
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap()).unwrap();
        Self { rtc, socket, mid, viewer: reply["viewer"].as_u64().unwrap(), answer }
    }

    /// The next frames, until enough.
    fn frames(&mut self, mut is_enough: impl FnMut(&MediaData) -> bool) -> Vec<MediaData> {
        let mut frames = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = vec![0; 2_000];
        loop {
            assert!(Instant::now() < deadline, "only {} frames came", frames.len());
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(packet) => {
                    self.socket.send_to(&packet.contents, packet.destination).unwrap();
                }
                Output::Event(Event::MediaData(frame)) => {
                    let was_enough = is_enough(&frame);
                    frames.push(frame);
                    if was_enough {
                        return frames;
                    }
                }
                Output::Event(_) => {}
                Output::Timeout(until) => {
                    let wait = until.saturating_duration_since(Instant::now());
                    let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(20));
                    self.socket.set_read_timeout(Some(wait)).unwrap();
                    let input = match self.socket.recv_from(&mut buffer) {
                        Ok((length, source)) => {
                            let destination = self.socket.local_addr().unwrap();
                            let contents = buffer[..length].try_into().unwrap();
                            let proto = Protocol::Udp;
                            Input::Receive(Instant::now(), Receive { proto, source, destination, contents })
                        }
                        Err(_) => Input::Timeout(Instant::now()),
                    };
                    self.rtc.handle_input(input).unwrap();
                }
            }
        }
    }

    fn some_frames(&mut self, count: usize) -> Vec<MediaData> {
        let mut left = count;
        self.frames(|_| {
            left -= 1;
            left == 0
        })
    }

    fn request_keyframe(&mut self) {
        self.rtc.writer(self.mid).unwrap().request_keyframe(None, KeyframeRequestKind::Pli).unwrap();
    }
}

fn is_idr(frame: &MediaData) -> bool {
    nals(&frame.data).any(|nal| nal.kind() == NalKind::IdrSlice)
}

#[test]
fn what_a_browser_needs_is_in_the_answer_and_on_every_frame() {
    let server = Server::start(&["--backend", "openh264", "--size", "1280x720", "--bitrate", "2M"]);
    let mut receiver = Receiver::join(&server);
    assert!(receiver.answer.contains("packetization-mode=1;profile-level-id=42e01f"), "{}", receiver.answer);
    assert!(receiver.answer.contains("playout-delay"), "{}", receiver.answer);

    let frames = receiver.some_frames(40);
    assert!(is_idr(&frames[0]), "a stream begins with an IDR");
    for frame in &frames {
        let delay = (frame.ext_vals.play_delay_min, frame.ext_vals.play_delay_max);
        let zero = Some(0);
        assert_eq!((delay.0.map(|time| time.numer()), delay.1.map(|time| time.numer())), (zero, zero));
        let kinds: Vec<_> = nals(&frame.data).map(|nal| nal.kind()).collect();
        if is_idr(frame) {
            assert!(matches!(kinds[..], [NalKind::Sps, NalKind::Pps, NalKind::IdrSlice, ..]), "{kinds:?}");
            // One level for the whole stream, with room for the largest size of the page, 1080p.
            let level = ProfileLevelId::from_stream(&frame.data).unwrap().level();
            assert_eq!(level, Level::from_idc(40));
        }
    }
    // The clock of the captures: 39 intervals of about 3000 ticks, each its own.
    let ticks: Vec<u64> = frames.iter().map(|frame| frame.time.numer()).collect();
    assert!(ticks.is_sorted_by(|a, b| a < b), "{ticks:?}");
    let mean = (ticks[39] - ticks[0]) / 39;
    assert!((2_900..=6_000).contains(&mean), "{mean} ticks a frame");
}

#[test]
fn two_requests_at_once_are_one_idr_and_a_size_is_another() {
    let server = Server::start(&["--backend", "openh264"]);
    let mut receiver = Receiver::join(&server);
    receiver.some_frames(20);
    let before = server.figures(receiver.viewer)["idrs"].as_u64().unwrap();
    receiver.request_keyframe();
    receiver.request_keyframe();
    receiver.frames(is_idr);
    receiver.some_frames(20);
    assert_eq!(server.figures(receiver.viewer)["idrs"], before + 1);

    let path = format!("/viewer/{}/size", receiver.viewer);
    assert_eq!(post(server.address, &path, &json!({ "size": "320x180" })).0, 200);
    receiver.frames(is_idr);
    let figures = server.figures(receiver.viewer);
    assert_eq!((&figures["idrs"], &figures["size"]), (&json!(before + 2), &json!([320, 180])));
}

#[test]
fn one_viewer_too_many_is_told_and_a_place_that_is_left_is_free() {
    let server = Server::start(&["--backend", "openh264", "--viewers", "2", "--size", "320x180"]);
    let (mut first, mut second) = (Receiver::join(&server), Receiver::join(&server));
    first.some_frames(3);
    second.some_frames(3);
    let (_, offer, ..) = offer("127.0.0.1:9".parse().unwrap());
    let (status, reply) = post(server.address, "/offer", &json!({ "sdp": offer }));
    assert_eq!(status, 503);
    assert!(reply["error"].as_str().unwrap().contains("All 2 places are taken"), "{reply}");
    // A keyframe for one is none for the other.
    let idrs = |viewer| server.figures(viewer)["idrs"].clone();
    let before = idrs(second.viewer);
    first.request_keyframe();
    first.frames(is_idr);
    assert_eq!(idrs(second.viewer), before);

    assert_eq!(post(server.address, &format!("/viewer/{}/leave", first.viewer), &json!({})).0, 200);
    let deadline = Instant::now() + PATIENCE;
    while server.figures(first.viewer)["ended"].is_null() {
        assert!(Instant::now() < deadline, "the viewer does not leave");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Its thread is gone a moment later.
    while server.about()["viewers"] != 1 {
        assert!(Instant::now() < deadline, "the viewer's place stays taken");
        std::thread::sleep(Duration::from_millis(5));
    }
    Receiver::join(&server).some_frames(3);
}

#[test]
fn a_clip_is_played_in_a_loop_and_scaled() {
    let path =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clip-{}.y4m", std::process::id()));
    // Five pictures at 60 a second, so that it ends soon.
    let mut clip = b"YUV4MPEG2 W64 H48 F60:1 Ip A1:1 C420jpeg\n".to_vec();
    for picture in 0..5_u8 {
        clip.extend(b"FRAME\n");
        clip.extend(std::iter::repeat_n(40 * picture, 64 * 48 * 3 / 2));
    }
    std::fs::write(&path, clip).unwrap();
    let server =
        Server::start(&["--backend", "openh264", "--size", "320x240", "--input", path.to_str().unwrap()]);
    let mut receiver = Receiver::join(&server);
    let frames = receiver.some_frames(30);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(server.figures(receiver.viewer)["size"], json!([320, 240]));
    let mean = (frames[29].time.numer() - frames[0].time.numer()) / 29;
    assert!((1_400..3_000).contains(&mean), "{mean} ticks a frame of a clip at 60 a second");
}

#[test]
fn what_is_asked_wrongly_is_refused_in_words() {
    let server = Server::start(&["--backend", "openh264"]);
    let refused = |path: &str, body: serde_json::Value, status: u16, word: &str| {
        let (got, reply) = post(server.address, path, &body);
        assert_eq!(got, status, "{path} {reply}");
        assert!(reply["error"].as_str().unwrap().contains(word), "{path} {reply}");
    };
    refused("/offer", json!({ "sdp": "v=0" }), 400, "no offer");
    refused("/offer", json!(7), 400, "no sdp");
    refused("/viewer/1/keyframe", json!({}), 404, "no such viewer");
    refused("/offer", json!({ "sdp": "x".repeat(70_000) }), 413, "64 KiB");
    refused("/hardware", json!({ "broken": true }), 409, "real");
    refused("/nothing", json!({}), 404, "nothing here");
    let mut receiver = Receiver::join(&server);
    receiver.some_frames(2);
    let path = |button: &str| format!("/viewer/{}/{button}", receiver.viewer);
    refused(&path("size"), json!({ "size": "9000x9000" }), 400, "1920x1080");
    refused(&path("bitrate"), json!({ "bps": 5 }), 400, "outside");
    refused(&path("explode"), json!({}), 400, "no such button");

    // A page of another site may neither watch nor press buttons, nor one that has a name of its own for this machine.
    let (status, _) = ask(server.address, "POST", "/offer", "Origin: http://elsewhere.example\r\n", "{}");
    assert_eq!(status, 403);
    for (name, status) in [("elsewhere.example:8264", 403), ("localhost:8264", 200), ("[::1]:8264", 200)] {
        assert_eq!(ask_as(server.address, name, "GET", "/server", "", "").0, status, "{name}");
    }
}

#[test]
fn who_never_ends_a_request_holds_nobody_up() {
    let server = Server::start(&["--backend", "openh264"]);
    let mut stuck: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    for stream in &mut stuck {
        write!(stream, "POST /offer HTTP/1.1\r\nHost: {}\r\nContent-Length: 5000\r\n\r\n{{", server.address)
            .unwrap();
    }
    Receiver::join(&server).some_frames(5);
    assert_eq!(server.about()["viewers"], 1);
    assert_eq!(server.interrupt().code(), Some(0));
}

#[test]
fn media_comes_from_the_address_of_the_page_alone() {
    let server = Server::start(&["--backend", "openh264"]);
    assert!(server.address.ip().is_loopback());
    let receiver = Receiver::join(&server);
    let candidates: Vec<&str> =
        receiver.answer.lines().filter(|line| line.starts_with("a=candidate")).collect();
    assert!(matches!(candidates[..], [one] if one.contains(" 127.0.0.1 ")), "{candidates:?}");
}

#[test]
fn the_page_is_one_file() {
    let server = Server::start(&["--backend", "openh264"]);
    let (status, page) = get(server.address, "/");
    assert_eq!(status, 200);
    assert!(page.starts_with("<!doctype html>"));
    for outside in ["http://", "https://", "<link rel=\"stylesheet", "src=\"", "@import", "url("] {
        assert!(!page.contains(outside), "the page asks for {outside}");
    }
}

#[test]
fn ctrl_c_ends_the_server_with_viewers_and_without() {
    let server = Server::start(&["--backend", "openh264"]);
    let mut receiver = Receiver::join(&server);
    receiver.some_frames(5);
    assert_eq!(server.interrupt().code(), Some(0));
    assert_eq!(Server::start(&[]).interrupt().code(), Some(0));
}
