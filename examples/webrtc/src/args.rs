//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use direct264::{BackendOrder, Bitrate, FrameRate, FrameSize};

use crate::stream::Limits;

/// Serves a page that plays, over WebRTC, what direct264 encodes. Open the address that it prints in a browser.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen, for pages (TCP) and for media (UDP, on ports of its own). An address of this machine that the
    /// viewers can reach; whoever reaches it may watch and press every button
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8264", value_parser = address)]
    pub(crate) bind: SocketAddr,
    /// Play this clip in a loop: 4:2:0 with 8 bits, as ffmpeg writes it with -pix_fmt yuv420p. Without it a landscape is
    /// drawn
    #[arg(long, value_name = "FILE.y4m")]
    pub(crate) input: Option<PathBuf>,
    /// The size that a viewer starts with; the page can ask for another one
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "640x360", value_parser = size)]
    pub(crate) size: FrameSize,
    /// Frames per second; those of the clip, or 30
    #[arg(long, value_parser = frame_rate)]
    pub(crate) fps: Option<FrameRate>,
    /// The most that a viewer starts with, such as 1M, 2.5M or 800k (bit/s); less where the network carries less
    #[arg(long, default_value = "1M", value_parser = bitrate)]
    pub(crate) bitrate: Bitrate,
    /// auto (NVENC, and openh264 where there is none or it fails), nvenc or openh264
    #[arg(long, default_value = "auto")]
    pub(crate) backend: BackendOrder,
    /// How many may watch at a time. Each has an encoder of its own; the next one is told to wait
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) viewers: u8,
    /// For tests: adds this script to the page
    #[arg(long, hide = true)]
    pub(crate) drive: Option<PathBuf>,
    /// For tests: leaves out what a test must notice
    #[arg(long, hide = true)]
    pub(crate) sabotage: Option<Sabotage>,
}

/// What a server can be made to do wrong, to see that the tests notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// Requests for a keyframe are counted and forgotten.
    Keyframes,
    /// Bitrates that are asked for never reach the encoder.
    Bitrate,
    /// Sizes that are asked for are forgotten.
    Size,
    /// There is nothing to fall back to.
    Failover,
}

const EXAMPLES: &str = "\
Examples:
  direct264-webrtc
      the landscape at 640x360, on this machine alone; open http://127.0.0.1:8264
  direct264-webrtc --input clip.y4m --size 1280x720 --bitrate 3M
      a clip, made with: ffmpeg -i film.mp4 -pix_fmt yuv420p clip.y4m
  direct264-webrtc --bind 192.168.1.20:8264
      for the whole network that has this address
  examples/webrtc/on-the-double
      on a stand-in for an NVIDIA driver, where the page has a button that breaks the hardware

Log: one line on stderr for whoever comes, goes, or changes backend. Ctrl-C stops it.";

fn address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:8264".to_owned())?;
    if address.ip().is_unspecified() {
        // It goes into what a browser is told to send to.
        return Err("name one address of this machine, not all of them".to_owned());
    }
    Ok(address)
}

/// `1280x720`, within what the page may ask for.
pub(crate) fn size(text: &str) -> Result<FrameSize, String> {
    let (width, height) = text.split_once('x').ok_or("write it like 1280x720")?;
    let side = |text: &str| text.parse::<u32>().map_err(|_| "write it like 1280x720".to_owned());
    Limits::size(side(width)?, side(height)?)
}

fn frame_rate(text: &str) -> Result<FrameRate, String> {
    let hz = text.parse().map_err(|_| "write a whole number, such as 30".to_owned())?;
    if !(1..=120).contains(&hz) {
        return Err("1 to 120 are taken".to_owned());
    }
    FrameRate::hz(hz).map_err(|error| error.to_string())
}

fn bitrate(text: &str) -> Result<Bitrate, String> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b'M') => (&text[..text.len() - 1], 1e6),
        Some(b'k') => (&text[..text.len() - 1], 1e3),
        _ => (text, 1.0),
    };
    let number: f64 = number.parse().map_err(|_| "write it like 1M, 2.5M or 800k".to_owned())?;
    Limits::bitrate((number * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn nobody_else_is_served_unless_told_otherwise() {
        let args = Args::parse_from(["direct264-webrtc"]);
        assert_eq!(args.bind, "127.0.0.1:8264".parse().unwrap());
        assert_eq!((args.viewers, args.sabotage), (4, None));
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(bitrate("2.5M").unwrap().bps(), 2_500_000);
        assert_eq!(bitrate("800k").unwrap().bps(), 800_000);
        assert_eq!(size("642x362").unwrap(), FrameSize::new(642, 362).unwrap());
        assert!(address("127.0.0.1:0").is_ok());
    }

    #[test]
    fn what_cannot_work_is_refused_in_words() {
        assert!(address("0.0.0.0:80").unwrap_err().contains("one address"));
        assert!(address("localhost").unwrap_err().contains("IP address"));
        assert!(size("640").unwrap_err().contains("1280x720"));
        assert!(size("8x8").unwrap_err().contains("160x90"));
        for text in ["", "fast", "1G", "NaN", "-1M", "5"] {
            assert!(bitrate(text).is_err(), "{text}");
        }
    }
}
