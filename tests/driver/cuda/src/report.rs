//! The report: what was called, what was left behind, which rules were broken.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use d264_double_common::bridge::{Receive, Text};
use serde_json::{Map, Value, json};

use crate::context;
use crate::ledger::{LEDGER, lock};
use crate::world::{forked, world};

type Section = extern "C" fn(to: usize, receive: Receive);

static SECTIONS: Mutex<Vec<Section>> = Mutex::new(Vec::new());

pub(crate) fn add_section(section: Section) {
    lock(&SECTIONS).push(section);
}

/// Writes the report to a file, from a thread of its own: the one that asks may hold any lock.
pub(crate) fn ask_for(path: String) {
    std::thread::spawn(move || write_to(&path));
}

fn write_to(path: &str) {
    let beside = format!("{path}.part");
    if std::fs::write(&beside, text()).is_ok() {
        let _ = std::fs::rename(&beside, path);
    }
}

/// The report as JSON.
pub(crate) fn text() -> String {
    let mut leaks = Map::new();
    let mut report = Map::new();
    for section in sections() {
        for (key, value) in section {
            match (key.as_str(), value) {
                ("leaks", Value::Object(more)) => leaks.extend(more),
                (_, value) => {
                    report.insert(key, value);
                }
            }
        }
    }
    leaks.extend(own_leaks());
    let calls: Map<String, Value> =
        LEDGER.call_counts().map(|(name, count)| (name.to_owned(), json!(count))).collect();
    let record = lock(&LEDGER.record);
    let violations: Vec<Value> = record
        .violations
        .iter()
        .map(|((function, rule), times)| json!({ "function": function, "rule": rule, "times": times }))
        .collect();
    let trace: Vec<Value> =
        record.trace.iter().map(|(name, status)| json!({ "call": name, "status": status })).collect();
    report.insert("calls".to_owned(), Value::Object(calls));
    report.insert("faults".to_owned(), json!(record.faults));
    report.insert("leaks".to_owned(), Value::Object(leaks));
    report.insert("violations".to_owned(), Value::Array(violations));
    report.insert("trace".to_owned(), Value::Array(trace));
    report.insert("copies_behind_pictures".to_owned(), json!(record.copies_behind_pictures));
    report.insert("stream_flags".to_owned(), json!(record.stream_flags));
    report.insert("stream_priorities".to_owned(), json!(record.stream_priorities));
    report.insert("trace_dropped".to_owned(), json!(record.trace_dropped));
    format!("{:#}\n", Value::Object(report))
}

fn sections() -> Vec<Map<String, Value>> {
    extern "C" fn receive(to: usize, text: Text) {
        let parsed = serde_json::from_str(&text.to_text());
        if let (Ok(Value::Object(section)), Some(slot)) = (parsed, lock(&RECEIVED).get_mut(to)) {
            *slot = section;
        }
    }
    static RECEIVED: Mutex<Vec<Map<String, Value>>> = Mutex::new(Vec::new());
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _only = lock(&ONE_AT_A_TIME);
    let asked = lock(&SECTIONS).clone();
    *lock(&RECEIVED) = vec![Map::new(); asked.len()];
    for (index, section) in asked.iter().enumerate() {
        section(index, receive);
    }
    std::mem::take(&mut *lock(&RECEIVED))
}

/// What is alive on the CUDA side and belongs to a client. Only what is there is named.
fn own_leaks() -> Map<String, Value> {
    let world = world();
    let own_streams: Vec<u64> =
        world.contexts.values().flat_map(|context| [context.legacy, context.per_thread]).collect();
    let counts = [
        ("device_allocations", world.memory.owned().count()),
        ("device_bytes", world.memory.owned().map(|allocation| allocation.len).sum()),
        ("page_locked_ranges", world.pinned.len()),
        ("page_locked_bytes", world.pinned.values().map(|range| range.len).sum()),
        ("streams", world.streams.keys().filter(|id| !own_streams.contains(id)).count()),
        ("events", world.events.len()),
        ("contexts", world.contexts.values().filter(|context| !context.primary).count()),
        (
            "primary_contexts_retained",
            usize::try_from(world.primaries.values().map(|primary| primary.retained).sum::<u64>())
                .unwrap_or(0),
        ),
        ("contexts_left_on_threads", usize::try_from(context::DEPTH.load(Ordering::Relaxed)).unwrap_or(0)),
    ];
    counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect()
}

extern "C" fn at_exit() {
    // A forked child that does nothing with CUDA is not the process that is watched.
    if forked() {
        return;
    }
    let settings = LEDGER.settings();
    if let Some(path) = &settings.report {
        write_to(path);
    }
}

#[cfg(unix)]
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

/// Has the report written when the library is unloaded, which at the latest is the end of the process.
#[cfg(windows)]
pub(crate) fn write_at_exit() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the function is part of this library, which calls it before it is unloaded.
    ONCE.call_once(|| _ = unsafe { libc::atexit(at_exit) });
}
