//! Opens a session that takes pictures: chooses the GPU and the set of settings, and does the work of the first picture.

use std::sync::Arc;
use std::time::Duration;

use direct264_sys::cuda::Device;
use direct264_sys::nvenc::{
    ApiVersion, NV_ENC_ERR_INVALID_PARAM, NV_ENC_ERR_UNIMPLEMENTED, NV_ENC_ERR_UNSUPPORTED_PARAM, NVENCSTATUS,
};

use super::availability;
use super::driver::{Drivers, OpenSession, PresetConfig};
use super::params::{self, Attempt, Params, Request};
use super::pixels::{Staging, SurfaceFormat};
use super::probe::Capabilities;
use super::progress::{SessionProgress, SessionStep};
use super::seat::Seat;
use super::session::Session;
use super::slot::Completions;
use crate::backend::Backend;
use crate::config::{CallForm, EncoderConfig, GpuChoice, GpuUuid, IntraRefresh};
use crate::cuda;
use crate::error::{ConfigError, DriverError, Error, Unavailable};
use crate::level::Level;
use crate::reason::Reason;
use crate::units::FrameSize;

/// The limit of a busy driver where calls have no limit.
const PATIENCE_WITHOUT_LIMIT: Duration = Duration::from_millis(100);

/// The properties of an opened session, for a caller on another thread.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) gpu_index: u32,
    pub(super) gpu_uuid: Option<GpuUuid>,
    pub(super) gpu_name: String,
    pub(super) api: ApiVersion,
    pub(super) can: Capabilities,
    pub(super) attempt: Attempt,
    /// The largest coded size that the session has room for.
    pub(super) room: FrameSize,
    preset: PresetConfig,
}

/// The results of an opening beside the session.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) setup: Setup,
    /// The memory for the first picture from the host, in the session's first slot.
    pub(super) first: Staging,
}

impl Setup {
    /// The number of references that the session keeps.
    pub(super) fn reference_frames(&self, config: &EncoderConfig) -> u32 {
        params::reference_frames(config, &self.can, self.attempt)
    }

    /// Whether the session was armed for [`Picture::IntraRefresh`](crate::Picture::IntraRefresh).
    pub(super) fn refreshes_on_request(&self, config: &EncoderConfig) -> bool {
        config.nvenc.intra_refresh.is_none() && self.intra_refresh(config).is_some()
    }

    /// Whether the driver begins an intra refresh by itself from time to time.
    pub(super) fn refreshes_by_itself(&self, config: &EncoderConfig) -> bool {
        config.nvenc.intra_refresh.is_some() && self.intra_refresh(config).is_some()
    }

    fn intra_refresh(&self, config: &EncoderConfig) -> Option<IntraRefresh> {
        params::intra_refresh(config, &self.can, self.attempt)
    }

    /// Whether a picture keeps one slice during an intra refresh.
    pub(super) fn keeps_one_slice(&self, config: &EncoderConfig) -> bool {
        params::keeps_one_slice(config, &self.can)
    }

    /// The level that the stream needs.
    pub(super) fn level(&self, config: &EncoderConfig) -> Level {
        config.level_keeping(self.reference_frames(config))
    }

    /// The settings for a configuration, in the set that was accepted at opening.
    pub(super) fn params(&self, config: &EncoderConfig, level: Option<Level>) -> Result<Params, ConfigError> {
        params::params(&Request {
            config,
            level,
            attempt: self.attempt,
            room: self.room,
            preset: &self.preset.0,
            can: &self.can,
            api: self.api,
        })
    }
}

/// Opens a session on the GPU that is asked for, or on the first that can, in the order that the choice stands for.
///
/// # Errors
/// Of several GPUs, the first error other than a missing encoder.
pub(super) fn open(config: &EncoderConfig, progress: &SessionProgress) -> Result<(Session, Opened), Error> {
    progress.at(SessionStep::Load);
    let drivers = Drivers::load()?;
    let mut failure: Option<Error> = None;
    let mut devices = cuda::choose(drivers.devices()?, &config.nvenc.gpu)?;
    let spread = config.nvenc.gpu == GpuChoice::Spread;
    let indices = |devices: &[Device]| devices.iter().map(|device| device.index).collect::<Vec<_>>();
    while let Some((at, seat)) = Seat::take(&indices(&devices), spread) {
        let device = devices.remove(at);
        progress.on(device.index);
        match open_on(&drivers, &device, config, progress) {
            Ok((mut session, opened)) => {
                session.sit(seat);
                return Ok((session, opened));
            }
            Err(error @ Error::Config(_)) => return Err(error),
            Err(error) => {
                tracing::debug!(gpu = device.index, name = device.name, %error, "GPU passed over");
                if failure.as_ref().is_none_or(has_no_encoder) {
                    failure = Some(on_gpu(error, &device, &seat));
                }
            }
        }
    }
    let nothing_tried = || Unavailable::new(Backend::Nvenc, Reason::NoGpu, "CUDA lists no device").into();
    Err(failure.unwrap_or_else(nothing_tried))
}

/// Adds the GPU to an error, and the number of this process's sessions where the session limit is reached.
fn on_gpu(mut error: Error, device: &Device, seat: &Seat) -> Error {
    let mut place = format!(" on GPU {}", device.index);
    if !device.name.is_empty() {
        place += &format!(" ({})", device.name);
    }
    match &mut error {
        Error::Unavailable(why) => {
            if why.reason == Reason::SessionLimit {
                place += &format!(", where this process has {} open", seat.open_sessions());
            }
            why.detail += &place;
        }
        Error::Driver(why) => why.detail += &place,
        _ => {}
    }
    error
}

fn has_no_encoder(error: &Error) -> bool {
    matches!(error, Error::Unavailable(why) if why.reason == Reason::NoEncoderOnGpu)
}

/// Opens a session on a GPU, without room for larger sizes where the GPU has no memory for that.
fn open_on(
    drivers: &Drivers,
    device: &Device,
    config: &EncoderConfig,
    progress: &SessionProgress,
) -> Result<(Session, Opened), Error> {
    let size = config.size();
    let (coded, room) = (size.padded_to_even(), size.union(config.max_size).padded_to_even());
    match open_with(drivers, device, (config, room), progress) {
        Err(error) if error.reason() == Reason::OutOfMemory && room != coded => {
            tracing::warn!(%error, "no memory for pictures up to {room}: a size above {coded} takes a new session");
            open_with(drivers, device, (config, coded), progress)
        }
        opened => opened,
    }
}

/// Opens a session with the first set of settings that the driver takes.
fn open_with(
    drivers: &Drivers,
    device: &Device,
    (config, room): (&EncoderConfig, FrameSize),
    progress: &SessionProgress,
) -> Result<(Session, Opened), Error> {
    let patience = match config.nvenc.form {
        // Less than the caller's limit, so that the driver's answer arrives first.
        CallForm::Bounded(limits) => limits.rest / 5 * 4,
        CallForm::Direct => PATIENCE_WITHOUT_LIMIT,
    };
    let mut tried = Vec::new();
    for &attempt in Attempt::ALL {
        // A session that refused its settings cannot be set up again: a new one is opened.
        progress.at(SessionStep::Open);
        let open = drivers.open(device, patience)?;
        let context = Arc::clone(open.context());
        match set_up(open, device, attempt, (config, room), progress) {
            Ok((session, opened)) => {
                tell(config, &opened.setup);
                return Ok((session, opened));
            }
            Err(Error::Driver(error))
                if refuses_settings(&error) || Completions::CALLS.contains(&error.call) =>
            {
                tracing::debug!(attempt = attempt.name(), %error, "settings refused");
                tried.push(format!("{}: {}", attempt.name(), error.detail));
            }
            Err(error) => return Err(context.explain(error)),
        }
    }
    let tried = format!("nvEncInitializeEncoder refused each set of settings: {}", tried.join("; "));
    Err(Unavailable::new(Backend::Nvenc, Reason::UnsupportedSetting, tried).into())
}

/// Initialises an open session with a set of settings.
fn set_up(
    open: Arc<OpenSession>,
    device: &Device,
    attempt: Attempt,
    (config, room): (&EncoderConfig, FrameSize),
    progress: &SessionProgress,
) -> Result<(Session, Opened), Error> {
    progress.at(SessionStep::Ask);
    let can = Capabilities::of(&open)?;
    check_size(config.size().padded_to_even(), &can)?;
    let entered = open.context().enter().map_err(availability::not_ready)?;
    let preset = params::preset_guid(config.nvenc.preset);
    let preset = open.preset_config(preset, params::TUNING).map_err(availability::not_ready)?;
    drop(entered);
    let setup = Setup {
        gpu_index: u32::try_from(device.index).unwrap_or(0),
        gpu_uuid: device.uuid.map(|uuid| GpuUuid(uuid.0)),
        gpu_name: device.name.clone(),
        api: open.api(),
        can,
        attempt,
        room,
        preset,
    };
    let params = setup.params(config, None)?;
    let completions = Completions::of(&params.init, config.nvenc.form);
    let session = Session::new(open, &params, completions, progress.clone());
    let mut session = session.map_err(availability::not_ready)?;
    // Most formats are brought to the encoder as I420, and NV12 takes the same memory.
    let first = session.prepare(0, SurfaceFormat::I420, None).map_err(availability::not_ready)?;
    Ok((session, Opened { setup, first }))
}

pub(super) fn refuses_settings(error: &DriverError) -> bool {
    let of_settings = ["nvEncInitializeEncoder", "nvEncReconfigureEncoder"].contains(&error.call);
    let status = error.status().and_then(|status| u32::try_from(status).ok()).map(NVENCSTATUS);
    of_settings
        && status.is_some_and(|status| {
            matches!(
                status,
                NV_ENC_ERR_INVALID_PARAM | NV_ENC_ERR_UNSUPPORTED_PARAM | NV_ENC_ERR_UNIMPLEMENTED
            )
        })
}

fn tell(config: &EncoderConfig, setup: &Setup) {
    let left_out = params::left_out(config, &setup.can, setup.attempt);
    if !left_out.is_empty() {
        tracing::warn!(
            gpu = setup.gpu_index,
            left_out = left_out.join(", "),
            "the GPU lacks some of the requested settings"
        );
    }
    tracing::debug!(
        gpu = setup.gpu_index,
        name = setup.gpu_name,
        api = %setup.api,
        settings = setup.attempt.name(),
        "NVENC session opened"
    );
}

/// Checks whether the GPU takes pictures of a coded size.
pub(super) fn check_size(size: FrameSize, can: &Capabilities) -> Result<(), Unavailable> {
    let too_small = size.width() < can.min_width || size.height() < can.min_height;
    let too_large = size.width() > can.width_limit() || size.height() > can.height_limit();
    let (columns, rows) = size.macroblocks();
    let too_many = can.max_macroblocks != 0 && columns * rows > can.max_macroblocks;
    if !(too_small || too_large || too_many) {
        return Ok(());
    }
    let Capabilities { min_width, min_height, max_width, max_height, max_macroblocks, .. } = can;
    let detail = format!(
        "{size} is outside {min_width}x{min_height} to {max_width}x{max_height}, at most {max_macroblocks} macroblocks"
    );
    Err(Unavailable::new(Backend::Nvenc, Reason::UnsupportedSize, detail))
}
