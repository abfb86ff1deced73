//! The options of `direct264 encode`, and what its help teaches.

use std::num::NonZeroU8;
use std::path::PathBuf;

use direct264::{Bitrate, FrameRate, FrameSize, Matrix, PixelFormat, Profile, QpRange, Range};

use super::at::At;
use crate::backend::BackendName;
use crate::values::{self, GpuName, IdrPeriod};

/// Options of `direct264 encode`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A .y4m file (8-bit 4:2:0, progressive), a raw file (then --size is needed), or - for stdin
    pub(super) input: PathBuf,

    /// The H.264 file to write, or - for stdout [default: INPUT's name with .h264; stdout for stdin]
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: Option<PathBuf>,

    /// Who encodes [default: $DIRECT264_BACKEND, else auto]
    #[arg(long, value_enum)]
    pub(super) backend: Option<BackendName>,

    /// The GPU for NVENC, by index or UUID
    #[arg(long, value_name = "INDEX|UUID", value_parser = values::gpu)]
    pub(super) gpu: Option<GpuName>,

    /// Bits a second: 6M, 2.5M, 800k or 2500000 [default: by size and frame rate, printed at the end]
    #[arg(long, value_parser = values::bitrate)]
    pub(super) bitrate: Option<Bitrate>,

    /// Frames a second: 30, 29.97 or 30000/1001 [default: what the y4m header says, else 30]
    #[arg(long, value_parser = values::frame_rate)]
    pub(super) fps: Option<FrameRate>,

    /// Size of raw input, which it needs; such input has no header
    #[arg(long, value_name = "WxH", value_parser = values::size)]
    pub(super) size: Option<FrameSize>,

    /// Pixels of raw input: i420, nv12, rgb24, bgr24, rgba or bgra [default: i420]
    #[arg(long, value_name = "FORMAT", value_parser = values::pixel_format)]
    pub(super) pixel_format: Option<PixelFormat>,

    /// An IDR every N frames, or never but at the start and by --at
    #[arg(long, value_name = "N|never", default_value = "never", value_parser = values::idr_period)]
    pub(super) idr_every: IdrPeriod,

    /// The H.264 profile: baseline is constrained baseline, what every browser takes
    #[arg(long, value_enum, default_value_t = ProfileName::Baseline)]
    pub(super) profile: ProfileName,

    /// Do something at a frame, counted from 0; can be given many times. ACTION is idr, bitrate=2M, fps=15 or
    /// size=1280x720, which scales the input from that frame on
    #[arg(long, value_name = "FRAME:ACTION", value_parser = At::parse)]
    pub(super) at: Vec<At>,

    /// Write a line of JSON for each frame and event to FILE (- is stdout)
    #[arg(long, value_name = "FILE")]
    pub(super) stats: Option<PathBuf>,

    /// The matrix that YUV input is in and RGB input is converted with
    #[arg(long, value_enum, default_value_t = MatrixName::Bt709)]
    pub(super) colour: MatrixName,

    /// The values of black and white [default: what the y4m header says, else limited]
    #[arg(long, value_enum)]
    pub(super) range: Option<RangeName>,

    /// Quantisers that may be used, 0 (finest) to 51 (coarsest) [default: 10..51]
    #[arg(long, value_name = "MIN..MAX", value_parser = values::qp_range)]
    pub(super) qp: Option<QpRange>,

    /// Slices a picture [default: by size]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(super) slices: Option<NonZeroU8>,

    /// Threads of openh264, no more than slices [default: by cores]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(super) threads: Option<NonZeroU8>,

    /// No progress bar and no summary; errors are still told
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

Lines of --stats (times in microseconds; what is unknown is null):
  {\"type\":\"frame\",\"frame\":12,\"backend\":\"nvenc\",\"idr\":false,\"bytes\":20812,
   \"qp\":27,\"us\":{\"convert\":0,\"upload\":140,\"submit\":35,\"wait\":900,\"copy\":12,
   \"total\":1087}}
  {\"type\":\"event\",\"frame\":12,\"event\":\"bitrate_changed\",\"backend\":\"nvenc\",
   \"reason\":null,\"detail\":{\"from\":6000000,\"to\":2000000}}
Events: selected, passed_over, fell_back, restored, recreated, bitrate_changed,
rate_unmet, idr_requested.

Exit codes:
  0    done
  2    found wrong before the first frame: nothing was written
  1    failed after it: what was encoded until then is in OUT
  130  interrupted: OUT is playable; a second Ctrl-C does not wait for the frame at hand";

/// What `--profile` takes.
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

/// What `--colour` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum MatrixName {
    Bt709,
    Bt601,
}

impl From<MatrixName> for Matrix {
    fn from(name: MatrixName) -> Self {
        match name {
            MatrixName::Bt709 => Self::Bt709,
            MatrixName::Bt601 => Self::Bt601,
        }
    }
}

/// What `--range` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum RangeName {
    Limited,
    Full,
}

impl From<RangeName> for Range {
    fn from(name: RangeName) -> Self {
        match name {
            RangeName::Limited => Self::Limited,
            RangeName::Full => Self::Full,
        }
    }
}
