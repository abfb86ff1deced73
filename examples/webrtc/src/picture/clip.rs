//! A y4m file, from the start again when it ends.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use direct264::{FrameRate, FrameSize};
use resize::{Pixel, Type};
use rgb::FromSlice;

use super::Picture;

type Decoder = y4m::Decoder<BufReader<File>>;

/// Why a clip cannot be played.
#[derive(Debug)]
pub(crate) struct ClipError {
    path: PathBuf,
    why: String,
}

impl fmt::Display for ClipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for ClipError {}

pub(crate) struct Clip {
    path: PathBuf,
    decoder: Decoder,
    size: FrameSize,
    frame_rate: FrameRate,
    picture: Picture,
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clip").field("path", &self.path).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Clip {
    /// Opens the file and looks at its first picture.
    pub(crate) fn open(path: &Path) -> Result<Self, ClipError> {
        let refused = |why: String| ClipError { path: path.to_owned(), why };
        let mut first = start(path).map_err(refused)?;
        first.read_frame().map_err(|error| refused(format!("has no first picture: {error}")))?;
        let decoder = start(path).map_err(refused)?;
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let size = FrameSize::new(side(decoder.get_width()), side(decoder.get_height()))
            .map_err(|error| refused(error.to_string()))?;
        let rate = decoder.get_framerate();
        let frame_rate =
            FrameRate::new(side(rate.num), side(rate.den)).map_err(|error| refused(error.to_string()))?;
        let picture = Picture::new(size);
        Ok(Self { path: path.to_owned(), decoder, size, frame_rate, picture })
    }

    pub(crate) const fn frame_rate(&self) -> FrameRate {
        self.frame_rate
    }

    /// The next picture, scaled to this size. When the file cannot be read any more, the last one stays.
    pub(super) fn next(&mut self, size: FrameSize) -> &mut Picture {
        if self.picture.size != size {
            self.picture = Picture::new(size);
        }
        if !self.read() {
            match start(&self.path) {
                Ok(decoder) => {
                    self.decoder = decoder;
                    self.read();
                }
                Err(why) => eprintln!("{}: {why}; the last picture stays", self.path.display()),
            }
        }
        &mut self.picture
    }

    /// Whether there was a next picture.
    fn read(&mut self) -> bool {
        let Ok(frame) = self.decoder.read_frame() else { return false };
        let (from, to) = (self.size, self.picture.size);
        let planes = [
            (
                frame.get_y_plane(),
                &mut self.picture.y,
                (from.width(), from.height()),
                (to.width(), to.height()),
            ),
            (frame.get_u_plane(), &mut self.picture.u, from.chroma(), to.chroma()),
            (frame.get_v_plane(), &mut self.picture.v, from.chroma(), to.chroma()),
        ];
        planes.into_iter().all(|(bytes, plane, from, to)| scale((bytes, from), (plane, to)))
    }
}

/// Opens the file and reads its header.
fn start(path: &Path) -> Result<Decoder, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let decoder = y4m::decode(BufReader::new(file)).map_err(|error| format!("is no y4m file: {error}"))?;
    match decoder.get_colorspace() {
        y4m::Colorspace::C420
        | y4m::Colorspace::C420jpeg
        | y4m::Colorspace::C420paldv
        | y4m::Colorspace::C420mpeg2 => Ok(decoder),
        other => Err(format!(
            "is {other:?}, and only 4:2:0 with 8 bits is played; ffmpeg -pix_fmt yuv420p makes it"
        )),
    }
}

type Sides = (u32, u32);

fn scale((bytes, from): (&[u8], Sides), (plane, to): (&mut [u8], Sides)) -> bool {
    if from == to {
        plane.copy_from_slice(bytes);
        return true;
    }
    let [from_width, from_height, to_width, to_height] =
        [from.0, from.1, to.0, to.1].map(|side| side as usize);
    resize::new(from_width, from_height, to_width, to_height, Pixel::Gray8, Type::Triangle)
        .and_then(|mut resizer| resizer.resize(bytes.as_gray(), plane.as_gray_mut()))
        .is_ok()
}
