//! Measures many streams at once: `direct264 bench --streams`.

mod pool;
mod tell;

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use direct264::error::Unavailable;
use direct264::{EncoderConfig, FrameRate};

use super::clip::Clip;
use super::entrant::Entrant;
use super::interrupt;
use super::measure::SETTLE_FRAMES;
use super::stats::Spread;
use super::table::why_not;
use crate::failure::Failure;
use pool::{EncoderPool, PooledStream};
pub(crate) use tell::{json, mebibytes, table};

/// The number of turns of every number of streams, so that all share a busy second of the machine.
pub(crate) const ROUNDS: usize = 3;
/// The most streams at once.
pub(crate) const MAX_STREAMS: i64 = 256;

/// The plan of a run.
#[derive(Debug, Clone)]
pub(crate) struct StreamsPlan {
    /// The numbers of streams, ascending.
    pub(crate) counts: Vec<usize>,
    /// Frames of each stream, summed over all rounds.
    pub(crate) frames: usize,
    /// The pace of each stream's frames; back to back when `None`.
    pub(crate) pace: Option<FrameRate>,
}

/// The results of one entrant with one number of streams.
#[derive(Debug)]
pub(crate) struct StreamsRow {
    pub(crate) entrant: Entrant,
    pub(crate) streams: usize,
    /// The sum over all rounds.
    pub(crate) frames: usize,
    /// The elapsed time, summed over all rounds.
    pub(crate) wall: Duration,
    /// CPU time of the process in that time.
    pub(crate) cpu: Duration,
    /// The times of single frames, over all streams.
    times: Vec<Duration>,
    pub(crate) late: usize,
    /// The growth of host memory per encoder; `None` where the system does not tell it.
    pub(crate) memory_bytes: Option<u64>,
}

impl StreamsRow {
    pub(crate) fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// Returns the mean number of busy cores.
    pub(crate) fn cores(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64().max(1e-9)
    }

    /// Returns the distribution of frame times; `None` before the first frame.
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.times.iter().copied())
    }
}

/// An entrant that does not open, or opens fewer times than requested.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) entrant: Entrant,
    /// The number of encoders that opened.
    pub(crate) streams: usize,
    pub(crate) why: Unavailable,
}

impl Refused {
    /// The cause in words, with advice.
    pub(crate) fn line(&self) -> String {
        let Self { entrant, streams, why } = self;
        match streams {
            0 => format!("passed over {}", why_not(why)),
            _ => format!("{}: {streams} streams and no more: {}", entrant.name, why_not(why)),
        }
    }
}

/// The results of all entrants.
#[derive(Debug)]
pub(crate) struct StreamsResults {
    pub(crate) rows: Vec<StreamsRow>,
    pub(crate) refused: Vec<Refused>,
    /// False after Ctrl-C.
    pub(crate) is_whole: bool,
}

/// Measures every number of streams of every entrant in turns. Calls `after_turn` after each turn.
///
/// # Errors
/// An encoder's error; settings that cannot work.
pub(crate) fn run(
    entrants: &[Entrant],
    config: &EncoderConfig,
    clip: &Clip,
    plan: &StreamsPlan,
    after_turn: &dyn Fn(),
) -> Result<StreamsResults, Failure> {
    let mut pools: Vec<EncoderPool> =
        entrants.iter().map(|entrant| EncoderPool::new(entrant, config)).collect();
    let mut found = StreamsResults { rows: Vec::new(), refused: Vec::new(), is_whole: true };
    for round in 0..ROUNDS {
        let share = round * plan.frames / ROUNDS..(round + 1) * plan.frames / ROUNDS;
        for &streams in &plan.counts {
            for pool in &mut pools {
                if interrupt::came() {
                    found.is_whole = false;
                    return Ok(found);
                }
                if let Some(why) = pool.grow(streams, clip)? {
                    let (entrant, streams) = (pool.entrant.clone(), pool.streams.len());
                    found.refused.push(Refused { entrant, streams, why });
                }
                if pool.streams.len() >= streams {
                    let turn = turn(&mut pool.streams[..streams], clip, plan.pace, share.len() * streams)?;
                    found.add(pool, streams, turn);
                }
                after_turn();
            }
        }
    }
    found.is_whole = !interrupt::came();
    found.rows.sort_by_key(|row| entrants.iter().position(|entrant| *entrant == row.entrant));
    Ok(found)
}

impl StreamsResults {
    fn add(&mut self, pool: &EncoderPool, streams: usize, turn: TurnResults) {
        let known = self.rows.iter_mut().find(|row| row.entrant == pool.entrant && row.streams == streams);
        if let Some(row) = known {
            row.frames += turn.frames;
            row.wall += turn.wall;
            row.cpu += turn.cpu;
            row.late += turn.late;
            row.times.extend(turn.times);
            return;
        }
        let TurnResults { frames, wall, cpu, times, late } = turn;
        self.rows.push(StreamsRow {
            entrant: pool.entrant.clone(),
            streams,
            frames,
            wall,
            cpu,
            times,
            late,
            memory_bytes: pool.memory_bytes(),
        });
    }
}

/// The measurements of one turn.
struct TurnResults {
    frames: usize,
    wall: Duration,
    cpu: Duration,
    times: Vec<Duration>,
    late: usize,
}

/// The measurements of one stream in a turn.
#[derive(Default)]
struct StreamResults {
    frames: usize,
    times: Vec<Duration>,
    late: usize,
}

/// Encodes `frames` frames in all with the streams, each on its own thread. A stream that finishes a frame takes the
/// next remaining one, so that no stream runs alone at the end.
fn turn(
    streams: &mut [PooledStream],
    clip: &Clip,
    pace: Option<FrameRate>,
    frames: usize,
) -> Result<TurnResults, Failure> {
    let interval = pace.map(|pace| Duration::from_secs_f64(1.0 / pace.as_f64()));
    let (left, begin) = (&AtomicUsize::new(frames), &Barrier::new(streams.len() + 1));
    let count = u32::try_from(streams.len()).unwrap_or(u32::MAX);
    thread::scope(|scope| {
        let threads: Vec<_> = (0_u32..)
            .zip(streams)
            .map(|(which, stream)| {
                scope.spawn(move || {
                    let mut seen =
                        StreamResults { times: Vec::with_capacity(frames), ..StreamResults::default() };
                    begin.wait();
                    // Staggered starts, since cameras do not fire together.
                    let schedule =
                        interval.map(|interval| (Instant::now() + interval * which / count, interval));
                    stream.go_on(clip, left, schedule, &mut seen).map(|()| seen)
                })
            })
            .collect();
        begin.wait();
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        let mut turn =
            TurnResults { frames: 0, wall: Duration::ZERO, cpu: Duration::ZERO, times: Vec::new(), late: 0 };
        for thread in threads {
            let seen = thread.join().map_err(|_| Failure::after("a stream's thread panicked"))??;
            turn.frames += seen.frames;
            turn.late += seen.late;
            turn.times.extend(seen.times);
        }
        (turn.wall, turn.cpu) = (start.elapsed(), cpu.elapsed());
        Ok(turn)
    })
}

impl PooledStream {
    /// Encodes frames while some remain. The times of the first ones are not counted, since the caches hold another
    /// turn's data.
    fn go_on(
        &mut self,
        clip: &Clip,
        left: &AtomicUsize,
        schedule: Option<(Instant, Duration)>,
        seen: &mut StreamResults,
    ) -> Result<(), Failure> {
        let mut due = schedule.map(|(start, _)| start);
        let take_one = |left: usize| left.checked_sub(1);
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok() && !interrupt::came()
        {
            if let Some(due) = due {
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let took = self.encode(clip)?;
            if seen.frames >= SETTLE_FRAMES {
                seen.times.push(took);
            }
            seen.frames += 1;
            if let (Some(due), Some((_, interval))) = (&mut due, schedule) {
                *due += interval;
                seen.late += usize::from(Instant::now() > *due);
            }
        }
        Ok(())
    }
}
