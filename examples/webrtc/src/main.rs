//! A page that plays, over WebRTC, what direct264 encodes: see `--help` and README.md.

mod args;
mod connection;
mod figures;
mod hardware;
mod picture;
mod server;
mod socket;
mod stream;
mod viewer;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io::Write};

use clap::Parser;
use direct264::FrameRate;
use tiny_http::Server;

use args::Args;
use hardware::Breakable;
use picture::Clip;
use server::Service;
use stream::Plan;
use viewer::Host;

fn main() -> ExitCode {
    match serve(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("direct264-webrtc: {why}");
            ExitCode::from(2)
        }
    }
}

fn serve(args: &Args) -> Result<(), String> {
    str0m::crypto::from_feature_flags().install_process_default();
    let clip_rate = match &args.input {
        Some(path) => Some(Clip::open(path).map_err(|error| error.to_string())?.frame_rate()),
        None => None,
    };
    let thirty = FrameRate::hz(30).map_err(|error| error.to_string())?;
    let plan = Plan {
        size: args.size,
        frame_rate: args.fps.or(clip_rate).unwrap_or(thirty),
        bitrate: args.bitrate,
        order: args.backend.clone(),
        sabotage: args.sabotage,
    };
    let drive = match &args.drive {
        Some(path) => Some(fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?),
        None => None,
    };
    let server = Server::http(args.bind).map_err(|error| {
        format!("cannot listen on {}: {error}; name another address or port with --bind", args.bind)
    })?;
    let server = Arc::new(server);
    let address = server.server_addr().to_ip().unwrap_or(args.bind);

    let is_stopping = Arc::new(AtomicBool::new(false));
    let (stopping, stopped) = (Arc::clone(&is_stopping), Arc::clone(&server));
    ctrlc::set_handler(move || {
        stopping.store(true, Ordering::Relaxed);
        stopped.unblock();
    })
    .map_err(|error| format!("Ctrl-C cannot be caught: {error}"))?;

    let certificate = connection::certificate()?;
    println!("open http://{address} in a browser; Ctrl-C stops");
    // Who started this in a script waits for the line.
    let _ = std::io::stdout().flush();
    let service = Service {
        host: Host { ip: address.ip(), certificate, is_stopping },
        plan,
        input: args.input.clone(),
        most_viewers: usize::from(args.viewers),
        hardware: Breakable::here(),
        drive,
        viewers: BTreeMap::new(),
        came: 0,
    };
    service.run(&server);
    Ok(())
}
