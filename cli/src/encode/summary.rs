//! The summary that `encode` prints to stderr at the end.

use std::fmt::Write as _;
use std::io::{self, Write};

use direct264::error::Unavailable;
use direct264::{Backend, FrameRate};

use super::paths::FileOrStdio;
use super::tally::Tally;
use crate::values::rate_for_people;

/// The facts of the summary.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    /// The input's name in messages.
    pub(super) input: &'a str,
    /// The output of the stream.
    pub(super) output: &'a FileOrStdio,
    /// Whether Ctrl-C ended the stream.
    pub(super) is_interrupted: bool,
    /// The sums over all frames.
    pub(super) tally: &'a Tally,
    /// The frame rate of the stream.
    pub(super) frame_rate: FrameRate,
    /// Better backends that are not available.
    pub(super) passed_over: &'a [Unavailable],
    /// Better backends that the choice excludes, and the option or variable that made it.
    pub(super) not_wanted: (&'a [Backend], &'a str),
    /// Defaults that were chosen for the user.
    pub(super) notes: &'a [String],
}

impl Summary<'_> {
    /// Writes the summary to stderr and ignores a failed write.
    pub(super) fn tell(&self) {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { input, output, is_interrupted, tally, .. } = self;
        let seconds = tally.elapsed().as_secs_f64();
        let frames = tally.frames();
        writeln!(
            text,
            "{} {frames} frames of {input} into {output} in {seconds:.2} s ({:.0} frames a second)",
            if *is_interrupted { "interrupted after" } else { "encoded" },
            frames as f64 / seconds.max(1e-9),
        )?;
        self.write_backend(text)?;
        let (p50, p99, max) = (tally.milliseconds(0.5), tally.milliseconds(0.99), tally.milliseconds(1.0));
        write!(text, "  time      a frame: p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms")?;
        let stages = tally.stages();
        let stages: Vec<String> = stages.iter().map(|(name, ms)| format!("{name} {ms:.2}")).collect();
        if !stages.is_empty() {
            write!(text, " (p50 by stage: {})", stages.join(", "))?;
        }
        writeln!(text)?;
        let (reached, asked) = tally.rates();
        writeln!(
            text,
            "  bitrate   {} reached, {} asked for",
            rate_for_people(reached),
            rate_for_people(asked)
        )?;
        writeln!(
            text,
            "  size      {}, {} of the frames IDR",
            bytes_for_people(tally.bytes()),
            tally.idrs()
        )?;
        for note in self.notes {
            writeln!(text, "  note      {note}")?;
        }
        writeln!(text, "  play      {}", self.how_to_play())
    }

    fn write_backend(&self, text: &mut String) -> std::fmt::Result {
        let backend = self.tally.backend().map_or("none", Backend::as_str);
        writeln!(text, "  backend   {backend}")?;
        for why in self.passed_over {
            writeln!(text, "            passed over {why}")?;
            if !why.advice().is_empty() {
                writeln!(text, "            what to do: {}", why.advice())?;
            }
        }
        let (backends, said) = self.not_wanted;
        backends.iter().try_for_each(|backend| writeln!(text, "            {backend} was not tried: {said}"))
    }

    /// Returns the command that plays the stream. Raw H.264 carries no timestamps, so the player needs the frame rate.
    fn how_to_play(&self) -> String {
        let rate = self.frame_rate;
        match self.output {
            FileOrStdio::Standard(_) => format!("... | ffplay -f h264 -framerate {rate} -"),
            FileOrStdio::File(path) => {
                let path = quoted(&path.display().to_string());
                format!("ffplay -framerate {rate} {path}")
            }
        }
    }
}

/// Quotes a path for the shell.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./+,:@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    // A leading dash would make the path an option.
    let dot = if word.starts_with('-') { "./" } else { "" };
    format!("'{dot}{}'", word.replace('\'', r"'\''"))
}

fn bytes_for_people(bytes: u64) -> String {
    match bytes {
        0..=999 => format!("{bytes} bytes"),
        1_000..=999_949 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.2} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("a/b-c.h264"), "a/b-c.h264");
        assert_eq!(quoted("my clip.h264"), "'my clip.h264'");
        assert_eq!(quoted("it's.h264"), r"'it'\''s.h264'");
        assert_eq!(quoted("-x.h264"), "'./-x.h264'");
    }
}
