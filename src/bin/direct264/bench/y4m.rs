//! As much of y4m as it takes to measure a clip: 8-bit progressive 4:2:0.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use direct264::{FrameRate, FrameSize, PixelFormat};

use super::clip::FrameSource;
use crate::failure::Failure;

/// The longest header line taken: beyond it, it is no y4m.
const MAX_LINE_BYTES: u64 = 4096;

/// A y4m file, read picture by picture.
pub(crate) struct Y4mSource {
    path: PathBuf,
    reader: BufReader<File>,
    header: Header,
    frame: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    size: FrameSize,
    frame_rate: Option<FrameRate>,
}

impl Y4mSource {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// Code 2, naming the file, for what cannot be read or is no y4m that can be measured.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let refuse = |why: String| Failure::before(format!("{}: {why}", path.display()));
        let file = File::open(path).map_err(|e| refuse(e.to_string()))?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let line = read_line(&mut reader).map_err(|e| refuse(e.to_string()))?;
        let header = parse_header(&line).map_err(refuse)?;
        Ok(Self { path: path.to_owned(), reader, header, frame: 0 })
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, String> {
        let line = read_line(&mut self.reader).map_err(|e| e.to_string())?;
        if line.is_empty() {
            return Ok(None);
        }
        if !line.starts_with("FRAME") {
            return Err(format!("no FRAME where frame {} should begin", self.frame));
        }
        let mut picture = vec![0; PixelFormat::I420.frame_bytes(self.header.size)];
        self.reader
            .read_exact(&mut picture)
            .map_err(|_| format!("frame {} is cut short: it has {} bytes", self.frame, picture.len()))?;
        self.frame += 1;
        Ok(Some(picture))
    }
}

impl FrameSource for Y4mSource {
    fn size(&self) -> FrameSize {
        self.header.size
    }

    fn frame_rate(&self) -> Option<FrameRate> {
        self.header.frame_rate
    }

    fn next_picture(&mut self) -> Option<Result<Vec<u8>, Failure>> {
        let read = self.read();
        read.map_err(|why| Failure::before(format!("{}: {why}", self.path.display()))).transpose()
    }
}

fn read_line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = Vec::new();
    reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn parse_header(line: &str) -> Result<Header, String> {
    let mut words = line.split(' ');
    if words.next() != Some("YUV4MPEG2") {
        return Err("not a y4m file: it does not begin with YUV4MPEG2".to_owned());
    }
    let (mut width, mut height, mut frame_rate) = (None, None, None);
    for word in words.filter(|word| !word.is_empty()) {
        let (tag, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        match tag {
            "W" => width = value.parse().ok(),
            "H" => height = value.parse().ok(),
            "F" => frame_rate = parse_rate(value),
            "C" if !["420", "420jpeg", "420mpeg2", "420paldv"].contains(&value) => {
                return Err(format!("chroma {value}: only 8-bit 4:2:0 can be measured"));
            }
            "I" if !["p", "?"].contains(&value) => {
                return Err(format!("interlacing {value}: only progressive pictures can be measured"));
            }
            _ => {}
        }
    }
    let (Some(width), Some(height)) = (width, height) else {
        return Err("the y4m header lacks a width or a height".to_owned());
    };
    let size = FrameSize::new(width, height).map_err(|e| e.to_string())?;
    Ok(Header { size, frame_rate })
}

/// `30000:1001`; `None` for the `0:0` of an unknown rate.
fn parse_rate(value: &str) -> Option<FrameRate> {
    let (numerator, denominator) = value.split_once(':')?;
    FrameRate::new(numerator.parse().ok()?, denominator.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_gives_size_and_rate() {
        let header =
            parse_header("YUV4MPEG2 W64 H48 F30000:1001 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED").unwrap();
        let expected = Header {
            size: FrameSize::new(64, 48).unwrap(),
            frame_rate: Some(FrameRate::new(30_000, 1001).unwrap()),
        };
        assert_eq!(header, expected);
        assert_eq!(parse_header("YUV4MPEG2 W64 H48 F0:0").unwrap().frame_rate, None);
    }

    #[test]
    fn what_cannot_be_measured_is_refused_in_words() {
        let refused = |line| parse_header(line).unwrap_err();
        assert!(refused("RIFF W64 H48").contains("YUV4MPEG2"));
        assert!(refused("YUV4MPEG2 W64").contains("height"));
        assert!(refused("YUV4MPEG2 W0 H48").contains('0'));
        assert!(refused("YUV4MPEG2 W64 H48 C420p10").contains("420p10"));
        assert!(refused("YUV4MPEG2 W64 H48 C444").contains("444"));
        assert!(refused("YUV4MPEG2 W64 H48 It").contains('t'));
    }
}
