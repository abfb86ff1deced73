//! Tests bounded calls with a worker that hangs on demand.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const THREAD: &str = "bounded-test";
/// The limit for events that must happen; no healthy run comes near it.
const PATIENCE: Duration = Duration::from_secs(20);
/// The wait for events that must not happen.
const SHORT: Duration = Duration::from_millis(20);

/// The GPUs on which workers of these tests hang. Each test has its own GPU.
static HANGING: Mutex<Vec<i32>> = Mutex::new(Vec::new());

fn hang_on(gpu: i32) -> usize {
    HANGING.lock().unwrap().iter().filter(|&&other| other == gpu).count()
}

steps! {
    enum Stop {
        Open = "open",
        Work = "work",
        End = "end",
    }
}

/// Reports its drop, and the thread of the drop.
#[derive(Debug)]
struct Memory(&'static str, Option<Sender<String>>);

impl Default for Memory {
    fn default() -> Self {
        Self("none", None)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(told) = &self.1 {
            let thread = thread::current().name() == Some(THREAD);
            told.send(format!("{} {}", self.0, if thread { "there" } else { "here" })).unwrap();
        }
    }
}

/// A call that returns when the test drops the other end.
#[derive(Debug)]
struct Gate(Option<Receiver<()>>);

impl Gate {
    fn pass(self) {
        if let Some(gate) = self.0 {
            let _ = gate.recv();
        }
    }

    fn closed() -> (Sender<()>, Self) {
        let (key, gate) = channel();
        (key, Self(Some(gate)))
    }
}

#[derive(Debug)]
struct Seed {
    opens: Gate,
    ends: Gate,
    refused: bool,
    gpu: i32,
    memory: Memory,
}

impl Seed {
    fn new(gpu: i32, told: &Sender<String>) -> Self {
        let memory = Memory("worker", Some(told.clone()));
        Self { opens: Gate(None), ends: Gate(None), refused: false, gpu, memory }
    }
}

#[derive(Debug)]
struct Obedient {
    ends: Gate,
    progress: Progress<Stop>,
    memory: Memory,
}

impl Worker for Obedient {
    type Step = Stop;
    type Seed = Seed;
    type Opened = u32;
    type Failure = &'static str;
    type Job = (Gate, Memory);
    type Reply = Memory;
    type Lost = TimedOut;
    type Memory = Memory;

    fn open(seed: Seed, progress: &Progress<Stop>) -> Result<(Self, u32), &'static str> {
        progress.at(Stop::Open);
        let Seed { opens, ends, refused, gpu, memory } = seed;
        opens.pass();
        progress.on(gpu);
        if refused { Err("refused") } else { Ok((Self { ends, progress: progress.clone(), memory }, 42)) }
    }

    fn run(&mut self, (gate, memory): (Gate, Memory)) -> Memory {
        self.progress.at(Stop::Work);
        gate.pass();
        memory
    }

    fn end(self, memory: Memory) {
        self.progress.at(Stop::End);
        self.ends.pass();
        drop((self.memory, memory));
    }

    fn hangs_on(gpu: Option<i32>) {
        HANGING.lock().unwrap().push(gpu.unwrap_or(-1));
    }

    fn came_back_from(gpu: Option<i32>) {
        let mut hanging = HANGING.lock().unwrap();
        let at = hanging.iter().position(|&other| Some(other) == gpu.or(Some(-1))).unwrap();
        hanging.swap_remove(at);
    }
}

fn open(seed: Seed) -> Bounded<Obedient> {
    let (bounded, opened) = Bounded::open(THREAD, seed, PATIENCE).unwrap();
    assert_eq!(opened, 42);
    bounded
}

fn next(told: &Receiver<String>) -> String {
    told.recv_timeout(PATIENCE).unwrap()
}

fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_job_brings_back_what_it_took_and_an_end_is_waited_for() {
    let (tell, told) = channel();
    let mut bounded = open(Seed::new(1, &tell));
    let remains = bounded.remains();
    for _ in 0..3 {
        let memory = bounded.run((Gate(None), Memory("job", Some(tell.clone()))), PATIENCE).unwrap();
        drop(memory);
        assert_eq!(told.try_recv().unwrap(), "job here");
    }
    let thread = bounded.close(Memory("last", Some(tell)), PATIENCE).unwrap();
    assert_eq!(remains.strong_count(), 0);
    assert_eq!([told.try_recv().unwrap(), told.try_recv().unwrap()], ["worker there", "last there"]);
    thread.join().unwrap();
    assert_eq!(hang_on(1), 0);
}

#[test]
fn a_worker_that_hangs_is_left_and_its_memory_stays_with_its_thread() {
    let (tell, told) = channel();
    let mut bounded = open(Seed::new(2, &tell));
    let remains = bounded.remains();
    let (key, gate) = Gate::closed();
    let start = Instant::now();
    let late = bounded.run((gate, Memory("job", Some(tell.clone()))), SHORT).unwrap_err();
    assert!(start.elapsed() >= SHORT);
    assert_eq!(late, TimedOut { call: "work", limit: SHORT, gpu: Some(2) });
    assert_eq!(hang_on(2), 1);
    // A lost worker gets no more jobs, and the memory of a later job stays the caller's.
    assert!(bounded.run((Gate(None), Memory("other", Some(tell.clone()))), PATIENCE).is_err());
    assert_eq!(told.try_recv().unwrap(), "other here");
    bounded.begin_to_close(Memory("first", Some(tell.clone())));
    assert!(bounded.close(Memory("last", Some(tell)), PATIENCE).is_none());
    assert!(told.try_recv().is_err() && remains.strong_count() > 0);

    drop(key);
    let dropped: Vec<String> = (0..4).map(|_| next(&told)).collect();
    assert_eq!(dropped, ["worker there", "job there", "first there", "last there"]);
    assert!(told.recv().is_err());
    assert_eq!((remains.strong_count(), hang_on(2)), (0, 0));
}

#[test]
fn an_opening_that_hangs_ends_on_its_thread_and_one_that_fails_says_why() {
    let (tell, told) = channel();
    let (key, opens) = Gate::closed();
    let hanging = Bounded::<Obedient>::open(THREAD, Seed { opens, ..Seed::new(3, &tell) }, SHORT);
    // The worker has come to no GPU yet.
    let expected = TimedOut { call: "open", limit: SHORT, gpu: None };
    assert!(matches!(hanging, Err(NotOpened::TimedOut(late)) if late == expected));
    assert_eq!(hang_on(-1), 1);
    drop(key);
    assert_eq!(next(&told), "worker there");
    until(|| hang_on(-1) == 0);

    let refused = Bounded::<Obedient>::open(THREAD, Seed { refused: true, ..Seed::new(3, &tell) }, PATIENCE);
    assert!(matches!(refused, Err(NotOpened::Failed("refused"))));
}

#[test]
fn an_end_that_hangs_goes_on_without_the_caller() {
    let (tell, told) = channel();
    let (key, ends) = Gate::closed();
    let mut bounded = open(Seed { ends, ..Seed::new(4, &tell) });
    bounded.begin_to_close(Memory("first", Some(tell.clone())));
    assert!(bounded.run((Gate(None), Memory::default()), PATIENCE).is_err());
    assert!(bounded.close(Memory("last", Some(tell)), SHORT).is_none());
    assert_eq!(hang_on(4), 1);
    assert!(told.try_recv().is_err());
    drop(key);
    assert_eq!([next(&told), next(&told), next(&told)], ["worker there", "first there", "last there"]);
    until(|| hang_on(4) == 0);
}

#[test]
fn what_comes_after_the_last_order_is_freed_when_the_end_was_waited_for() {
    let (tell, told) = channel();
    let mut bounded = open(Seed::new(5, &tell));
    bounded.begin_to_close(Memory("first", Some(tell.clone())));
    assert!(bounded.close(Memory("last", Some(tell)), PATIENCE).is_some());
    let dropped: Vec<String> = told.try_iter().collect();
    assert_eq!(dropped, ["worker there", "first there", "last here"]);
}

#[test]
fn a_worker_that_nobody_closes_ends_all_the_same() {
    let (tell, told) = channel();
    drop(open(Seed::new(6, &tell)));
    assert_eq!(next(&told), "worker there");
}

/// The thread is never given a core.
#[test]
fn a_job_that_never_begins_has_twice_the_limit_and_keeps_its_memory() {
    let (tell, told) = channel();
    let mut bounded = Bounded::<Obedient>::without_thread();
    bounded.progress.on(7);
    let thread = Arc::clone(&bounded.mailbox);
    let start = Instant::now();
    assert!(bounded.run((Gate(None), Memory("job", Some(tell.clone()))), SHORT).is_err());
    assert!(start.elapsed() >= SHORT * 2, "{:?}", start.elapsed());
    assert!(bounded.close(Memory("last", Some(tell)), PATIENCE).is_none());
    assert!(told.try_recv().is_err());
    // The thread gets a core after all, and finds the last order.
    assert!(matches!(thread.next_order(), Order::Close(_)));
    assert_eq!(told.try_recv().unwrap(), "last here");
    drop(thread);
    assert_eq!(told.try_recv().unwrap(), "job here");
}
