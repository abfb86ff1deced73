//! This half's part of the report: sessions, what they were asked, what they leave behind.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use d264_double_common::bridge::{Receive, Text};
use serde_json::{Map, Value, json};

use crate::bitstream::State;
use crate::config::Config;
use crate::driver::bridge;
use crate::refresh::Role;
use crate::session::{Session, all, lock};

/// How many ended sessions are kept.
const KEPT: usize = 256;

/// Sessions that have ended, and after which reset of all counts.
static ENDED: Mutex<(u64, Vec<Value>)> = Mutex::new((0, Vec::new()));
static COUNTS: Mutex<(u64, usize)> = Mutex::new((0, 0));

/// What a session did.
#[derive(Debug)]
pub(crate) struct Log {
    api: (u32, u32),
    settings: Value,
    changes: Vec<Value>,
    frames: u64,
    idrs: u64,
    bytes: u64,
    invalidations: u64,
    /// Pictures that were predicted from an older reference than the last.
    from_older: u64,
    /// How often an intra refresh of each length began, and requests for one that were ignored.
    refreshes: BTreeMap<u32, u64>,
    refreshes_ignored: u64,
    /// How often each set of picture flags came.
    flags: BTreeMap<u32, u64>,
    has_own_output_stream: bool,
}

impl Log {
    pub(crate) fn new(api: (u32, u32)) -> Self {
        Self {
            api,
            settings: Value::Null,
            changes: Vec::new(),
            frames: 0,
            idrs: 0,
            bytes: 0,
            invalidations: 0,
            from_older: 0,
            refreshes: BTreeMap::new(),
            refreshes_ignored: 0,
            flags: BTreeMap::new(),
            has_own_output_stream: false,
        }
    }

    pub(crate) fn ordered_on(&mut self, input: u64, output: u64) {
        self.has_own_output_stream = input != output;
    }

    pub(crate) fn initialised(&mut self, config: &Config) {
        self.settings = config.described.clone();
    }

    pub(crate) fn reconfigured(&mut self, config: &Config, force_idr: bool, reset: bool) {
        if self.changes.len() < KEPT {
            self.changes.push(json!({
                "after_frames": self.frames, "forceIDR": force_idr, "resetEncoder": reset,
                "settings": config.described,
            }));
        }
    }

    pub(crate) fn flagged(&mut self, flags: u32) {
        *self.flags.entry(flags).or_default() += 1;
    }

    pub(crate) fn refreshed(&mut self, role: Role) {
        if role.begins > 0 {
            *self.refreshes.entry(role.begins).or_default() += 1;
        }
        self.refreshes_ignored += u64::from(role.ignores);
    }

    pub(crate) fn encoded(&mut self, idr: bool, bytes: usize) {
        self.frames += 1;
        self.idrs += u64::from(idr);
        self.bytes += bytes as u64;
    }

    pub(crate) fn reached_back(&mut self, references: u32) {
        self.from_older += u64::from(references > 1);
    }

    pub(crate) fn invalidated(&mut self) {
        self.invalidations += 1;
    }

    fn value(&self) -> Value {
        json!({
            "api": format!("{}.{}", self.api.0, self.api.1),
            "settings": self.settings, "reconfigurations": self.changes,
            "frames": self.frames, "idrs": self.idrs, "bytes": self.bytes,
            "picture_flags": self.flags, "invalidations": self.invalidations,
            "from_older_references": self.from_older, "intra_refreshes": self.refreshes,
            "intra_refreshes_ignored": self.refreshes_ignored,
            "has_own_output_stream": self.has_own_output_stream,
        })
    }
}

/// A session was opened; there are now so many.
pub(crate) fn opened(open: usize) {
    let mut counts = lock(&COUNTS);
    counts.0 += 1;
    counts.1 = counts.1.max(open);
}

pub(crate) fn closed(log: &Log) {
    let mut ended = ended();
    if ended.1.len() < KEPT {
        ended.1.push(log.value());
    }
}

/// Those that have ended since the last reset.
fn ended() -> MutexGuard<'static, (u64, Vec<Value>)> {
    let resets = bridge().map_or(0, |bridge| (bridge.resets)());
    let mut ended = lock(&ENDED);
    if ended.0 != resets {
        *ended = (resets, Vec::new());
    }
    ended
}

/// Hands this part to the other half, as a JSON object.
pub(crate) extern "C" fn section(to: usize, receive: Receive) {
    let sessions = all();
    let mut leaks = Map::new();
    let mut add = |name: &str, count: usize| {
        if count > 0 {
            let so_far = leaks.get(name).and_then(Value::as_u64).unwrap_or(0);
            leaks.insert(name.to_owned(), json!(so_far + count as u64));
        }
    };
    let mut described = ended().1.clone();
    add("sessions", sessions.len());
    for session in &sessions {
        // One that a hung call holds is a leak whose contents nobody can tell.
        let Ok(session) = session.try_lock() else { continue };
        for (name, count) in owned(&session) {
            add(name, count);
        }
        described.push(session.log.value());
    }
    let (opened, peak) = *lock(&COUNTS);
    let part = json!({
        "leaks": leaks, "sessions": described, "sessions_opened": opened, "sessions_at_once": peak,
    });
    receive(to, Text::new(&part.to_string()));
}

fn owned(session: &Session) -> [(&'static str, usize); 7] {
    let locked = session.bitstreams.values().filter(|found| matches!(found.state, State::Locked)).count();
    [
        ("bitstream_buffers", session.bitstreams.len()),
        ("input_buffers", session.inputs.len()),
        ("registrations", session.registrations.len()),
        ("mappings", session.mappings.len()),
        ("locked_bitstreams", locked),
        ("completion_events", session.events.count()),
        ("locked_inputs", session.inputs.values().filter(|buffer| buffer.locked).count()),
    ]
}
