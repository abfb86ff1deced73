//! The options of `direct264 encode` and their help.

use std::num::NonZeroU8;
use std::path::PathBuf;

use direct264::colour::{ColourMatrix, ColourRange};
use direct264::config::Profile;
use direct264::{Bitrate, FrameRate, FrameSize, PixelFormat, QpRange};

use super::at::At;
use crate::backend::{NamedOrder, OrderParser};
use crate::values::{self, GpuName, IdrPeriod};

/// Options of `direct264 encode`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EncodeArgs {
    /// A .y4m file (8-bit 4:2:0, progressive), a raw file (then --size is needed), or - for stdin
    pub(super) input: PathBuf,

    /// The H.264 file to write, or - for stdout [default: INPUT's name with .h264; stdout for stdin]
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: Option<PathBuf>,

    /// Backend that encodes [default: $DIRECT264_BACKEND, else auto]
    #[arg(long, value_parser = OrderParser)]
    pub(super) backend: Option<NamedOrder>,

    /// The GPU for NVENC, by index or UUID
    #[arg(long, value_name = "INDEX|UUID", value_parser = values::gpu)]
    pub(super) gpu: Option<GpuName>,

    /// Bitrate in bits per second: 6M, 2.5M, 800k or 2500000 [default: by size and frame rate, printed at the end]
    #[arg(long, value_parser = values::bitrate)]
    pub(super) bitrate: Option<Bitrate>,

    /// Highest bitrate that the stream's level has room for [default: twice the bitrate, or more by --at]
    #[arg(long, value_name = "BITRATE", value_parser = values::bitrate)]
    pub(super) max_bitrate: Option<Bitrate>,

    /// Frame rate: 30, 29.97 or 30000/1001 [default: the y4m header's, else 30]
    #[arg(long, value_parser = values::frame_rate)]
    pub(super) fps: Option<FrameRate>,

    /// Size of raw input, which has no header; required for it
    #[arg(long, value_name = "WxH", value_parser = values::size)]
    pub(super) size: Option<FrameSize>,

    /// Pixel format of raw input: i420, nv12, rgb24, bgr24, rgba or bgra [default: i420]
    #[arg(long, value_name = "FORMAT", value_parser = values::pixel_format)]
    pub(super) pixel_format: Option<PixelFormat>,

    /// Encode an IDR every N frames; never: only at the start and by --at
    #[arg(long, value_name = "N|never", default_value = "never", value_parser = values::idr_period)]
    pub(super) idr_every: IdrPeriod,

    /// The H.264 profile; baseline is constrained baseline, which every browser decodes
    #[arg(long, value_enum, default_value_t = ProfileName::Baseline)]
    pub(super) profile: ProfileName,

    /// Change the stream at a frame, counted from 0; may be repeated. ACTION is idr, bitrate=2M, fps=15 or
    /// size=1280x720, which scales the input from that frame on
    #[arg(long, value_name = "FRAME:ACTION", value_parser = At::parse)]
    pub(super) at: Vec<At>,

    /// Write one JSON line for each frame and event to FILE (- is stdout)
    #[arg(long, value_name = "FILE")]
    pub(super) stats: Option<PathBuf>,

    /// The colour matrix of YUV input, and for the conversion of RGB input
    #[arg(long, value_enum, default_value_t = MatrixName::Bt709)]
    pub(super) colour: MatrixName,

    /// The colour range [default: the y4m header's, else limited]
    #[arg(long, value_enum)]
    pub(super) range: Option<RangeName>,

    /// Range of the quantisers, within 0 (finest) and 51 (coarsest) [default: 10..51]
    #[arg(long, value_name = "MIN..MAX", value_parser = values::qp_range)]
    pub(super) qp: Option<QpRange>,

    /// Slices per picture [default: by size]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(super) slices: Option<NonZeroU8>,

    /// Threads of openh264, at most as many as slices [default: by cores]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(super) threads: Option<NonZeroU8>,

    /// Print errors alone, without progress bar and summary
    #[arg(short, long)]
    pub(super) quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  direct264 encode clip.y4m                     writes clip.h264
  direct264 encode clip.y4m -o out.h264 --bitrate 2M --at 60:bitrate=500k
  direct264 encode screen.bgra --size 1920x1080 --pixel-format bgra --fps 60
  ffmpeg -i film.mp4 -pix_fmt yuv420p -f yuv4mpegpipe - |
    direct264 encode - -o film.h264
  direct264 encode clip.y4m --quiet -o /dev/null --stats - |
    jq 'select(.type == \"frame\").us.total'

Lines of --stats (times in microseconds; null means unknown):
  {\"type\":\"frame\",\"frame\":12,\"backend\":\"nvenc\",\"idr\":false,\"bytes\":20812,
   \"qp\":27,\"us\":{\"convert\":0,\"upload\":140,\"submit\":35,\"wait\":900,\"copy\":12,
   \"total\":1087}}
  {\"type\":\"event\",\"frame\":12,\"event\":\"bitrate_changed\",\"backend\":\"nvenc\",
   \"reason\":null,\"detail\":{\"from\":6000000,\"to\":2000000}}
Events: selected, passed_over, fell_back, restored, recreated, bitrate_changed,
rate_unmet, change_refused, idr_requested.

Exit codes:
  0    success
  2    an error before the first frame: nothing was written
  1    an error after the first frame: OUT holds the stream up to it
  130  interrupted: OUT is playable; a second Ctrl-C ends the process at once";

/// The values of `--profile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ProfileName {
    Baseline,
    Main,
    High,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Baseline => Self::ConstrainedBaseline,
            ProfileName::Main => Self::Main,
            ProfileName::High => Self::High,
        }
    }
}

/// The values of `--colour`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum MatrixName {
    Bt709,
    Bt601,
}

impl From<MatrixName> for ColourMatrix {
    fn from(name: MatrixName) -> Self {
        match name {
            MatrixName::Bt709 => Self::Bt709,
            MatrixName::Bt601 => Self::Bt601,
        }
    }
}

/// The values of `--range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum RangeName {
    Limited,
    Full,
}

impl From<RangeName> for ColourRange {
    fn from(name: RangeName) -> Self {
        match name {
            RangeName::Limited => Self::Limited,
            RangeName::Full => Self::Full,
        }
    }
}
