//! What is signalled of a stream before it is opened is what its SPS says then, on every backend.
#![allow(clippy::unwrap_used)]

use crate::common::{config, encoders, picture, size};
use direct264::config::Profile;
use direct264::rtc::ProfileLevelId;
use direct264::{Backend, Frame, Picture, PixelFormat, Timestamp};

#[test]
fn settings_and_sps_tell_the_same_profile_and_level() {
    for (width, height, hz, kbps) in [(320, 240, 15, 200), (640, 360, 30, 800), (1280, 720, 60, 3_000)] {
        for profile in [Profile::ConstrainedBaseline, Profile::Main, Profile::High] {
            let config = config(size(width, height), hz, kbps).profile(profile);
            let told = ProfileLevelId::for_config(&config);
            for mut encoder in encoders(&config) {
                let who = format!("{} {width}x{height} {profile:?}", encoder.backend());
                let is_software = encoder.backend() == Backend::OpenH264;
                let sets = encoder.parameter_sets().unwrap();
                // Together with its aggregation headers it must fit one packet.
                assert!(sets.len() < 60, "{who}: {} bytes", sets.len());
                let pixels = picture::Camera::new(size(width, height)).i420(0);
                let frame =
                    Frame::contiguous(size(width, height), PixelFormat::I420, &pixels, Timestamp(0)).unwrap();
                let unit = encoder.encode(&frame, Picture::Auto).unwrap();
                for stream in [&sets[..], unit.bytes] {
                    let sps = ProfileLevelId::from_stream(stream).unwrap();
                    if hz < 30 && is_software {
                        // openh264 knows of 30 frames a second alone.
                        assert!(sps.level() >= told.level(), "{who}: {sps} for {told}");
                    } else {
                        assert_eq!(sps.level(), told.level(), "{who}: {sps} for {told}");
                    }
                    assert_eq!(
                        (sps.profile(), told.profile()),
                        (Some(profile), Some(profile)),
                        "{who}: {sps}"
                    );
                }
            }
        }
    }
}
