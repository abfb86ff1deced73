//! A picture, from submission to coded bytes.

use std::time::{Duration, Instant};

use d264_double_common::Function;
use d264_double_common::bridge::{Surface, Ticket};
use d264_double_common::misbehaviour::Misbehaviour;
use d264_double_common::settings::EncodeWith;

use crate::bitstream::{Finished, State};
use crate::config::Config;
use crate::driver::{broke, settings};
use crate::h264::{Coded, Coder, Kind, Unknown, annex_b, prefix, recovery_point, sei};
use crate::layout::Struct;
use crate::pixels::{Picture, Raw, span};
use crate::refresh::{Refresh, Role};
use crate::session::Session;
use crate::status::{GENERIC, INVALID_CALL, INVALID_PARAM, INVALID_PTR, UNSUPPORTED_PARAM};
use crate::view::{Address, View};

/// `NV_ENC_PIC_FLAG_*`.
const FORCE_IDR: u32 = 2;
const OUTPUT_HEADERS: u32 = 4;
const END_OF_STREAM: u32 = 8;
const KNOWN_FLAGS: u32 = 0xf;

/// `NV_ENC_PIC_TYPE_*`.
const TYPE_P: u32 = 0;
pub(crate) const TYPE_IDR: u32 = 3;

/// The bytes that the kernel which copies a client's surface reads at a time. Cards raise a sticky error for a pitch
/// that is no multiple of it.
const VECTOR_BYTES: usize = 16;
const MISALIGNED_ADDRESS: u32 = 716;

/// A picture that was submitted.
#[derive(Debug)]
pub(crate) struct Submitted {
    input: u64,
    bitstream: u64,
    /// None if it need not be encoded.
    pixels: Option<Raw>,
    idr: bool,
    headers: bool,
    messages: Vec<Vec<u8>>,
    /// The length of the intra refresh that is asked for with it, in pictures; 0 for none.
    refresh: u32,
    pub(crate) timestamp: u64,
    pub(crate) duration: u64,
    pub(crate) index: u32,
    pub(crate) ready: Option<Instant>,
    pub(crate) ticket: Ticket,
}

/// Two access units that were encoded once: consecutive IDR pictures must differ in their number.
#[derive(Debug)]
pub(crate) struct Canned {
    units: [(Vec<u8>, u32); 2],
    next: usize,
}

impl Canned {
    fn new(coder: &mut Coder, config: &Config) -> Option<Self> {
        let grey = Picture::grey(config.width as usize, config.height as usize);
        let mut unit = || {
            let coded = coder.encode(&grey, true)?;
            Some((assemble(coder, config, &coded, true, &[], 0), count(&coded)))
        };
        Some(Self { units: [unit()?, unit()?], next: 0 })
    }

    fn take(&mut self) -> &(Vec<u8>, u32) {
        self.next ^= 1;
        &self.units[self.next]
    }
}

fn count(coded: &Coded) -> u32 {
    u32::try_from(coded.slices.len()).unwrap_or(0)
}

/// An access unit as the settings want it.
fn assemble(
    coder: &Coder,
    config: &Config,
    coded: &Coded,
    headers: bool,
    messages: &[Vec<u8>],
    refresh: u32,
) -> Vec<u8> {
    let delimiter: &[u8] = if coded.idr { &[9, 0x10] } else { &[9, 0x30] };
    let recovery = (config.recovery_point && refresh > 0).then(|| recovery_point(refresh));
    let mut units: Vec<&[u8]> = Vec::new();
    if config.delimiter {
        units.push(delimiter);
    }
    if headers {
        units.push(&coder.sequence_header);
        units.push(&coder.picture_header);
    }
    units.extend(recovery.as_deref());
    units.extend(messages.iter().map(Vec::as_slice));
    let layer = u8::from(!coded.is_reference());
    let prefixes: Vec<Vec<u8>> =
        coded.slices.iter().filter(|_| config.prefixes).map(|slice| prefix(slice, layer)).collect();
    for (place, slice) in coded.slices.iter().enumerate() {
        units.extend(prefixes.get(place).map(Vec::as_slice));
        units.push(slice);
    }
    annex_b(units)
}

impl Session {
    pub(crate) fn submit(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncEncodePicture;
        self.config()?;
        let view = self.view(parameters, Struct::Picture, FUNCTION)?;
        let flags = view.u32(16);
        if flags & !KNOWN_FLAGS != 0 {
            return Err(broke(FUNCTION, INVALID_PARAM, "encodePicFlags has flags that mean nothing here"));
        }
        self.log.flagged(flags);
        if flags & END_OF_STREAM != 0 {
            return self.end_of_stream(view);
        }
        self.submit_picture(view, flags)
    }

    fn end_of_stream(&mut self, view: View) -> Result<(), u32> {
        if view.u64(40) != 0 || view.u64(48) != 0 {
            let rule = "an end of stream comes with a picture";
            return Err(broke(Function::nvEncEncodePicture, INVALID_PARAM, rule));
        }
        let event = self.take_event(view)?;
        let ready = self.submitted.back().and_then(|picture| picture.ready);
        // The encoder finishes what it has: from here on nothing reads an input any more.
        self.encode_all();
        self.unfinished = 0;
        if let Some(event) = event {
            self.signal_at(event, ready);
        }
        Ok(())
    }

    fn submit_picture(&mut self, view: View, flags: u32) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncEncodePicture;
        let refuse = |status: u32, rule: &str| Err(broke(FUNCTION, status, rule));
        let (input, bitstream) = (view.u64(40), view.u64(48));
        if input == 0 || bitstream == 0 {
            return refuse(INVALID_PTR, "a picture has no input or no output buffer");
        }
        let config = self.config()?;
        // FFmpeg leaves both at zero for frames that lie on the GPU.
        let size = (view.u32(4), view.u32(8));
        if size != (config.width, config.height) && size != (0, 0) {
            return refuse(INVALID_PARAM, "inputWidth by inputHeight is not the session's size");
        }
        if view.u32(68) != 1 {
            return refuse(INVALID_PARAM, "pictureStruct is not that of a frame");
        }
        match self.bitstreams.get(&bitstream).map(|found| &found.state) {
            Some(State::Idle) => {}
            Some(State::Locked) => {
                return refuse(INVALID_CALL, "an output buffer is reused before it is unlocked");
            }
            Some(_) => return refuse(INVALID_CALL, "an output buffer is reused before it is locked"),
            None => return refuse(INVALID_PARAM, "the output buffer does not exist"),
        }
        let refresh = view.u32(80 + 16);
        if refresh > 0 && crate::caps::of(&settings(), crate::caps::INTRA_REFRESH) == 0 {
            return refuse(UNSUPPORTED_PARAM, "an intra refresh is forced, which the capabilities deny");
        }
        if refresh > 0 && flags & FORCE_IDR != 0 {
            return refuse(INVALID_PARAM, "an intra refresh is forced on an IDR");
        }
        let (pixels, ticket) = self.take_pixels(view, input)?;
        let event = self.take_event(view)?;
        let decided = self.config()?.decides_types;
        let asked = flags & FORCE_IDR != 0 || (!decided && view.u32(72) == TYPE_IDR);
        let asked = asked && !settings().does(Misbehaviour::NoIdr);
        let idr = std::mem::take(&mut self.idr_next) | asked;
        let latency = settings().latency_us;
        let busy_until = self.submitted.back().and_then(|picture| picture.ready);
        let ready = (latency > 0).then(|| {
            let start = busy_until.unwrap_or_else(Instant::now).max(Instant::now());
            start + Duration::from_micros(latency)
        });
        let picture = Submitted {
            input,
            bitstream,
            pixels,
            idr,
            headers: flags & OUTPUT_HEADERS != 0,
            messages: messages(view),
            refresh,
            timestamp: view.u64(24),
            duration: view.u64(32),
            index: self.frames,
            ready,
            ticket,
        };
        self.frames += 1;
        self.unfinished += 1;
        self.hold(input, 1);
        if let Some(found) = self.bitstreams.get_mut(&bitstream) {
            found.state = State::InFlight { ready };
            found.event = event;
        }
        self.submitted.push_back(picture);
        if let Some(event) = event {
            self.signal_at(event, ready);
        }
        Ok(())
    }

    /// Checks the input of a picture and copies it: what the client does to it from now on must not show.
    fn take_pixels(&mut self, view: View, input: u64) -> Result<(Option<Raw>, Ticket), u32> {
        const FUNCTION: Function = Function::nvEncEncodePicture;
        let refuse = |status: u32, rule: &str| Err(broke(FUNCTION, status, rule));
        let (pitch, format) = (view.u32(12) as usize, view.u32(64));
        let (width, height) = self.config().map(|config| (config.width, config.height))?;
        let wanted = settings().encode_with == EncodeWith::OpenH264;
        let mut raw = wanted.then(|| self.spare.pop().unwrap_or_default());
        if let Some(buffer) = self.inputs.get(&input) {
            if buffer.locked {
                return refuse(INVALID_CALL, "an input buffer is encoded while it is locked");
            }
            if buffer.was_touched() {
                broke(FUNCTION, 0, "an input buffer was written to after it was unlocked");
            }
            if format != buffer.format || (pitch != buffer.pitch && pitch != width as usize) {
                return refuse(INVALID_PARAM, "format or pitch are not those of the input buffer");
            }
            if width > buffer.width || height > buffer.height {
                return refuse(INVALID_PARAM, "the input buffer is smaller than the picture");
            }
            if let Some(raw) = &mut raw {
                raw.prepare(buffer.format, buffer.pitch, buffer.height as usize);
                raw.take(buffer.bytes());
            }
            return Ok((raw, Ticket::default()));
        }
        let Some(found) =
            self.mappings.get(&input).and_then(|mapping| self.registrations.get(&mapping.registration))
        else {
            return refuse(INVALID_PARAM, "the input is neither an input buffer nor a mapped resource");
        };
        // The registration has the pitch, and GStreamer gives none here.
        if format != found.format || ![found.pitch, width as usize, 0].contains(&pitch) {
            return refuse(INVALID_PARAM, "format or pitch are not those of the mapped resource");
        }
        if width > found.width || height > found.height {
            return refuse(INVALID_PARAM, "the mapped resource is smaller than the picture");
        }
        if !found.pitch.is_multiple_of(256) && settings().does(Misbehaviour::Crash) {
            std::process::abort();
        }
        if !found.pitch.is_multiple_of(VECTOR_BYTES) || !found.address.is_multiple_of(VECTOR_BYTES as u64) {
            // The call succeeds. Its kernel fails on the GPU, and whatever comes next in the context tells.
            broke(
                FUNCTION,
                0,
                "a kernel of the encoder's reads a surface whose address or pitch is no multiple of 16",
            );
            (self.bridge.kill)(self.context, MISALIGNED_ADDRESS);
            return Ok((None, Ticket::default()));
        }
        let mut to = 0;
        if let Some(raw) = &mut raw {
            raw.prepare(found.format, found.pitch, found.height as usize);
            to = raw.bytes.as_mut_ptr() as usize;
        }
        let surface = Surface {
            context: self.context,
            address: found.address,
            len: span(found.format, found.pitch, found.height as usize) as u64,
            input_stream: self.streams.0,
            output_stream: self.streams.1,
        };
        Ok((raw, (self.bridge.read_surface)(surface, to)))
    }

    fn hold(&mut self, input: u64, change: i32) {
        let count = match self.inputs.get_mut(&input) {
            Some(buffer) => Some(&mut buffer.in_flight),
            None => self.mappings.get_mut(&input).map(|mapping| &mut mapping.in_flight),
        };
        if let Some(count) = count {
            *count = count.saturating_add_signed(change);
        }
    }

    /// Encodes everything that was submitted.
    pub(crate) fn encode_all(&mut self) {
        while self.encode_one().is_some() {}
    }

    /// Encodes up to the picture of an output buffer.
    pub(crate) fn encode_until(&mut self, bitstream: u64) {
        while let Some(done) = self.encode_one() {
            if done == bitstream {
                return;
            }
        }
    }

    fn encode_one(&mut self) -> Option<u64> {
        let mut picture = self.submitted.pop_front()?;
        self.hold(picture.input, -1);
        if picture.ticket.stream != 0 {
            (self.bridge.host_knows)(picture.ticket);
        }
        let bitstream = picture.bitstream;
        let finished = match picture.pixels.take() {
            Some(raw) => {
                let finished = self.encode(&picture, &raw);
                self.spare.push(raw);
                finished
            }
            None => self.take_canned(&picture),
        };
        if let Some(found) = self.bitstreams.get_mut(&bitstream) {
            found.state = match finished {
                Some(finished) => State::Ready(finished),
                None => State::Failed(GENERIC),
            };
        }
        Some(bitstream)
    }

    fn encode(&mut self, picture: &Submitted, raw: &Raw) -> Option<Finished> {
        let config = self.config.as_ref()?;
        let coder = self.coder.as_mut()?;
        self.scratch.convert(raw, config.width as usize, config.height as usize, config.rgb_colour());
        let settings = settings();
        let is_unlike = self.is_second && settings.does(Misbehaviour::UnlikeSessions);
        if is_unlike || settings.does(Misbehaviour::SwappedChroma) {
            self.scratch.swap_chroma();
        }
        let (source, timestamp) = (&self.scratch, picture.timestamp);
        let mut role = self.refresh.next(config, picture.refresh, picture.idr);
        let kind = match picture.idr {
            true => Kind::Idr,
            false if role.is_last && !config.single_slice_refresh && !settings.does(Misbehaviour::NoWave) => {
                Kind::Intra
            }
            false => Kind::Predicted,
        };
        let past = &mut self.past;
        let coded = match past.encode(coder, config, source, timestamp, kind) {
            Some(coded) => coded,
            None => {
                self.new_sequence = true;
                [30, 45].into_iter().find_map(|least| past.begin(coder, config, source, timestamp, least))?
            }
        };
        if coded.idr {
            (self.refresh, role) = (Refresh::default(), Role::default());
        }
        let due = coded.idr && !config.no_headers && (config.repeat_headers || self.new_sequence);
        let is_told = self.new_sequence || !settings.does(Misbehaviour::NoHeaders);
        let headers = (picture.headers || due) && is_told;
        let bytes = assemble(coder, config, &coded, headers, &picture.messages, role.begins);
        self.new_sequence = false;
        self.log.refreshed(role);
        self.log.encoded(coded.idr, bytes.len());
        self.log.reached_back(coded.back);
        Some(Finished {
            bytes,
            kind: if coded.idr { TYPE_IDR } else { TYPE_P },
            qp: coded.qp,
            layer: u32::from(!coded.is_reference()),
            slices: count(&coded),
            timestamp: picture.timestamp,
            duration: picture.duration,
            index: picture.index,
        })
    }

    fn take_canned(&mut self, picture: &Submitted) -> Option<Finished> {
        if self.canned.is_none() {
            self.canned = Canned::new(self.coder.as_mut()?, self.config.as_ref()?);
        }
        let (bytes, slices) = self.canned.as_mut()?.take();
        let (bytes, slices) = (bytes.clone(), *slices);
        self.log.encoded(true, bytes.len());
        Some(Finished {
            bytes,
            kind: TYPE_IDR,
            qp: 26,
            layer: 0,
            slices,
            timestamp: picture.timestamp,
            duration: picture.duration,
            index: picture.index,
        })
    }

    /// A receiver lost the picture of this timestamp. What is predicted from it is lost too. The next picture is
    /// predicted from the newest reference that is not, and where there is none it is an IDR.
    pub(crate) fn invalidate(&mut self, timestamp: u64) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncInvalidateRefFrames;
        self.config()?;
        if crate::caps::of(&settings(), crate::caps::INVALIDATION) == 0 {
            return Err(broke(
                FUNCTION,
                INVALID_PARAM,
                "references are invalidated, which the capabilities deny",
            ));
        }
        self.encode_all();
        self.log.invalidated();
        if settings().does(Misbehaviour::KeepsReferences) {
            return Ok(());
        }
        if self.refresh.runs() {
            broke(
                FUNCTION,
                0,
                "references are invalidated within an intra refresh, where cards do not honour it",
            );
            return Ok(());
        }
        let is_one_left = self.past.lose(timestamp).map_err(|Unknown| {
            let rule = "a picture is invalidated that is not among the references";
            broke(FUNCTION, INVALID_PARAM, rule)
        })?;
        self.idr_next |= !is_one_left;
        Ok(())
    }
}

/// The supplemental messages that come with a picture.
fn messages(view: View) -> Vec<Vec<u8>> {
    let h264 = view.part(80);
    let (count, list) = (h264.u32(36) as usize, h264.pointer(40));
    if list == 0 {
        return Vec::new();
    }
    (0..count.min(64))
        .map(|index| {
            let message = crate::view::view_of(list + index * 16);
            let mut payload = vec![0; message.u32(0) as usize];
            d264_double_common::pointer::Bytes::new(message.pointer(8), payload.len()).read(&mut payload);
            sei(message.u32(4), &payload)
        })
        .collect()
}
