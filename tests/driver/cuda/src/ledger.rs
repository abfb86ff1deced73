//! The books of both halves: settings, counts, faults, violations, the trace.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use d264_double_common::Function;
use d264_double_common::bridge::Verdict;
use d264_double_common::fault::{Action, Rule};
use d264_double_common::settings::{PREFIX, Settings};

use crate::clock::Clock;

/// How often a hung call and a watched file are looked at again.
const POLL: Duration = Duration::from_millis(2);

pub(crate) static LEDGER: LazyLock<Ledger> = LazyLock::new(Ledger::from_environment);

pub(crate) struct Ledger {
    calls: Vec<AtomicU64>,
    /// Set when a call must look at more than its counter.
    watchful: AtomicBool,
    clock: Clock,
    generation: AtomicU64,
    pub(crate) resets: AtomicU64,
    settings: RwLock<Arc<Settings>>,
    told: Mutex<Told>,
    faults: Mutex<Vec<(Rule, u64)>>,
    pub(crate) record: Mutex<Record>,
}

/// The record of a run, for the report.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) violations: BTreeMap<(String, String), u64>,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) trace: Vec<(&'static str, u32)>,
    pub(crate) trace_dropped: u64,
    /// How often a stream was asked for with each set of flags.
    pub(crate) stream_flags: BTreeMap<u32, u64>,
    /// How many streams were made with each priority.
    pub(crate) stream_priorities: BTreeMap<i32, u64>,
    /// Copies that were put behind a picture that is being encoded.
    pub(crate) copies_behind_pictures: u64,
}

/// The three sources of settings; each overrides those before it.
#[derive(Default)]
struct Told {
    environment: String,
    control: String,
    /// The settings that this process made.
    inside: String,
    control_seen: Option<(SystemTime, u64)>,
    looked: Option<Instant>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    fn from_environment() -> Self {
        #[cfg(windows)]
        crate::report::write_at_exit();
        let mut environment = String::new();
        for (key, value) in std::env::vars() {
            if let Some(key) = key.strip_prefix(PREFIX) {
                environment.push_str(&format!("{key}={value}\n"));
            }
        }
        let ledger = Self {
            calls: Function::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            watchful: AtomicBool::new(false),
            clock: Clock::default(),
            generation: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            settings: RwLock::new(Arc::new(Settings::default())),
            told: Mutex::new(Told { environment, ..Told::default() }),
            faults: Mutex::new(Vec::new()),
            record: Mutex::new(Record::default()),
        };
        let mut told = lock(&ledger.told);
        ledger.apply(&mut told, true);
        ledger.look_at_control(&mut told);
        drop(told);
        ledger
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn settings_text(&self) -> String {
        let told = lock(&self.told);
        format!("{}{}{}", told.environment, told.control, told.inside)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Lines that this process adds to its own settings. A fault among them counts from now.
    pub(crate) fn tell(&self, lines: &str) {
        let mut told = lock(&self.told);
        told.inside.push_str(lines);
        told.inside.push('\n');
        let rearm = lines.lines().any(|line| line.trim_start().starts_with("FAULT"));
        self.apply(&mut told, rearm);
    }

    /// Forgets what happened and what this process told itself; objects that exist go on existing.
    pub(crate) fn reset(&self) {
        let mut told = lock(&self.told);
        told.inside.clear();
        self.apply(&mut told, true);
        for count in &self.calls {
            count.store(0, Ordering::Relaxed);
        }
        *lock(&self.record) = Record::default();
        self.resets.fetch_add(1, Ordering::AcqRel);
    }

    fn apply(&self, told: &mut Told, rearm: bool) {
        let settings = Settings::from_text(&format!("{}{}{}", told.environment, told.control, told.inside));
        for complaint in &settings.complaints {
            self.violation("the double's settings", complaint);
        }
        let mut faults = lock(&self.faults);
        let same = faults.iter().map(|(rule, _)| rule).eq(settings.faults.iter());
        if rearm || !same {
            *faults = settings.faults.iter().map(|rule| (rule.clone(), 0)).collect();
        }
        drop(faults);
        let watchful = !settings.faults.is_empty() || settings.trace > 0 || settings.control.is_some();
        self.clock.set(settings.clock);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.watchful.store(watchful, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn look_at_control(&self, told: &mut Told) {
        let Some(path) = self.settings().control.clone() else { return };
        if told.looked.is_some_and(|looked| looked.elapsed() < POLL) {
            return;
        }
        told.looked = Some(Instant::now());
        let seen = std::fs::metadata(&path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
        if seen == told.control_seen {
            return;
        }
        told.control_seen = seen;
        told.control = std::fs::read_to_string(&path).map(|text| format!("{text}\n")).unwrap_or_default();
        self.apply(told, false);
        if let Some(at) =
            told.control.lines().find_map(|line| line.trim().strip_prefix("#report ").map(str::to_owned))
        {
            crate::report::ask_for(at);
        }
    }

    /// Counts a call and finds out what becomes of it, waiting here if it is to hang.
    pub(crate) fn enter(&self, function: Function) -> Verdict {
        self.clock.enter();
        self.calls[function as usize].fetch_add(1, Ordering::Relaxed);
        if !self.watchful.load(Ordering::Acquire) {
            return Verdict::GO_ON;
        }
        self.look_at_control(&mut lock(&self.told));
        let Some(rule) = self.matching_rule(function) else { return Verdict::GO_ON };
        *lock(&self.record).faults.entry(function.name().to_owned()).or_default() += 1;
        match rule.action {
            Action::Delay(millis) => std::thread::sleep(Duration::from_millis(millis)),
            Action::Hang => self.hang(&rule),
            _ => {}
        }
        Verdict::of(rule.action)
    }

    fn matching_rule(&self, function: Function) -> Option<Rule> {
        let mut hit = None;
        for (rule, count) in lock(&self.faults).iter_mut().filter(|(rule, _)| rule.function == function) {
            *count += 1;
            if hit.is_none() && (rule.first..=rule.last).contains(count) {
                hit = Some(rule.clone());
            }
        }
        hit
    }

    fn hang(&self, rule: &Rule) {
        while lock(&self.faults).iter().any(|(standing, _)| standing == rule) {
            std::thread::sleep(POLL);
            self.look_at_control(&mut lock(&self.told));
        }
    }

    /// Notes the answer of a call in the trace.
    pub(crate) fn leave(&self, function: Function, status: u32) {
        self.note_answer(function, status);
        self.clock.leave();
    }

    /// Nanoseconds that all threads have spent in the double while `CLOCK` was on.
    pub(crate) fn nanos_inside(&self) -> u64 {
        self.clock.nanos.load(Ordering::Relaxed)
    }

    fn note_answer(&self, function: Function, status: u32) {
        if !self.watchful.load(Ordering::Relaxed) {
            return;
        }
        let room = self.settings().trace;
        if room == 0 {
            return;
        }
        let mut record = lock(&self.record);
        if record.trace.len() < room {
            record.trace.push((function.name(), status));
        } else {
            record.trace_dropped += 1;
        }
    }

    /// A rule of the interface was broken.
    pub(crate) fn violation(&self, function: &str, rule: &str) {
        let key = (function.to_owned(), rule.to_owned());
        *lock(&self.record).violations.entry(key).or_default() += 1;
    }

    pub(crate) fn call_counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Function::ALL
            .iter()
            .zip(&self.calls)
            .map(|(function, count)| (function.name(), count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }
}

/// A rule of the interface was broken in `function`.
pub(crate) fn violation(function: Function, rule: &str) {
    LEDGER.violation(function.name(), rule);
}
