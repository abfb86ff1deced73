//! `direct264 bench --streams`: how many streams a machine carries at once, and what one more costs.

mod pool;
mod tell;

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use direct264::{EncoderConfig, FrameRate, Unavailable};

use super::clip::Clip;
use super::entrant::Entrant;
use super::interrupt;
use super::measure::SETTLE_FRAMES;
use super::stats::Spread;
use super::table::why_not;
use crate::failure::Failure;
use pool::{Pool, Stream};
pub(crate) use tell::{json, mebibytes, table};

/// Every number of streams has its turn this many times, so that a busy second of the machine is shared.
pub(crate) const ROUNDS: usize = 3;
/// The most streams at once.
pub(crate) const MAX_STREAMS: i64 = 256;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How many at once, ascending.
    pub(crate) counts: Vec<usize>,
    /// Of each stream, in all rounds together.
    pub(crate) frames: usize,
    /// Frames of each stream at this rate; back to back when `None`.
    pub(crate) pace: Option<FrameRate>,
}

/// One number of streams of one entrant.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) entrant: Entrant,
    pub(crate) streams: usize,
    /// In all rounds together.
    pub(crate) frames: usize,
    /// How long they took, of all rounds together.
    pub(crate) wall: Duration,
    /// CPU time of the process in that time.
    pub(crate) cpu: Duration,
    /// Times of single frames, of all streams together.
    times: Vec<Duration>,
    pub(crate) late: usize,
    /// Host memory that the process grew by for each encoder; `None` where the system does not tell.
    pub(crate) memory_bytes: Option<u64>,
}

impl Row {
    pub(crate) fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// How many cores were busy.
    pub(crate) fn cores(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64().max(1e-9)
    }

    /// How long a frame took. `None` before the first.
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.times.iter().copied())
    }
}

/// An entrant that is not there, or not as many times as was asked for.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) entrant: Entrant,
    /// How many there were.
    pub(crate) streams: usize,
    pub(crate) why: Unavailable,
}

impl Refused {
    /// In words, with what to do about it.
    pub(crate) fn line(&self) -> String {
        let Self { entrant, streams, why } = self;
        match streams {
            0 => format!("passed over {}", why_not(why)),
            _ => format!("{}: {streams} streams and no more: {}", entrant.name, why_not(why)),
        }
    }
}

/// Everything that was found out.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) refused: Vec<Refused>,
    /// Not after Ctrl-C.
    pub(crate) is_whole: bool,
}

/// Measures every number of streams of every entrant, in turns. `after_turn` hears of each turn that is over.
///
/// # Errors
/// An encoder's; settings that cannot work.
pub(crate) fn run(
    entrants: &[Entrant],
    config: &EncoderConfig,
    clip: &Clip,
    plan: &Plan,
    after_turn: &dyn Fn(),
) -> Result<Found, Failure> {
    let mut pools: Vec<Pool> = entrants.iter().map(|entrant| Pool::new(entrant, config)).collect();
    let mut found = Found { rows: Vec::new(), refused: Vec::new(), is_whole: true };
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

impl Found {
    fn add(&mut self, pool: &Pool, streams: usize, turn: Turn) {
        let known = self.rows.iter_mut().find(|row| row.entrant == pool.entrant && row.streams == streams);
        if let Some(row) = known {
            row.frames += turn.frames;
            row.wall += turn.wall;
            row.cpu += turn.cpu;
            row.late += turn.late;
            row.times.extend(turn.times);
            return;
        }
        let Turn { frames, wall, cpu, times, late } = turn;
        self.rows.push(Row {
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

/// What one turn took.
struct Turn {
    frames: usize,
    wall: Duration,
    cpu: Duration,
    times: Vec<Duration>,
    late: usize,
}

/// What one stream saw of a turn.
#[derive(Default)]
struct Seen {
    frames: usize,
    times: Vec<Duration>,
    late: usize,
}

/// Has the streams encode `frames` frames between them, each on a thread of its own. Who is done with one takes the next
/// that is left, so that no stream runs on alone at the end.
fn turn(
    streams: &mut [Stream],
    clip: &Clip,
    pace: Option<FrameRate>,
    frames: usize,
) -> Result<Turn, Failure> {
    let interval = pace.map(|pace| Duration::from_secs_f64(1.0 / pace.as_f64()));
    let (left, begin) = (&AtomicUsize::new(frames), &Barrier::new(streams.len() + 1));
    let count = u32::try_from(streams.len()).unwrap_or(u32::MAX);
    thread::scope(|scope| {
        let threads: Vec<_> = (0_u32..)
            .zip(streams)
            .map(|(which, stream)| {
                scope.spawn(move || {
                    let mut seen = Seen { times: Vec::with_capacity(frames), ..Seen::default() };
                    begin.wait();
                    // Cameras do not all fire at once.
                    let schedule =
                        interval.map(|interval| (Instant::now() + interval * which / count, interval));
                    stream.go_on(clip, left, schedule, &mut seen).map(|()| seen)
                })
            })
            .collect();
        begin.wait();
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        let mut turn =
            Turn { frames: 0, wall: Duration::ZERO, cpu: Duration::ZERO, times: Vec::new(), late: 0 };
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

impl Stream {
    /// Encodes frames as long as some are left. The first ones find the caches as another turn left them, and their
    /// times are not counted.
    fn go_on(
        &mut self,
        clip: &Clip,
        left: &AtomicUsize,
        schedule: Option<(Instant, Duration)>,
        seen: &mut Seen,
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
