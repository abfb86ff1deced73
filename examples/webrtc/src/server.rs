//! The HTTP side: the page, offers, and what the page's buttons do.

use std::collections::BTreeMap;
use std::io::Read;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};
use tiny_http::{Header, Method, Request, Response, Server};

use crate::args;
use crate::figures::Lock;
use crate::hardware::Breakable;
use crate::picture::{Clip, Source};
use crate::stream::{Limits, Plan};
use crate::viewer::{self, Command, Handle, Host};

const PAGE: &str = include_str!("page.html");
/// An offer has a few thousand bytes.
const LONGEST_BODY: u64 = 64 * 1024;
/// Those who left are remembered, so that their page can say why.
const MOST_REMEMBERED: usize = 64;

/// What viewers share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) host: Host,
    pub(crate) plan: Plan,
    pub(crate) input: Option<PathBuf>,
    pub(crate) most_viewers: usize,
    pub(crate) hardware: Option<Breakable>,
    pub(crate) drive: Option<String>,
    pub(crate) viewers: BTreeMap<u64, Handle>,
    pub(crate) came: u64,
}

/// A status and what goes with it.
struct Reply {
    status: u16,
    kind: &'static str,
    body: String,
}

impl Reply {
    fn json(value: &Value) -> Self {
        Self { status: 200, kind: "application/json", body: value.to_string() }
    }

    fn refused(status: u16, why: &str) -> Self {
        Self { status, kind: "application/json", body: json!({ "error": why }).to_string() }
    }
}

impl Service {
    /// Serves until the server is unblocked, then waits for the viewers to go.
    pub(crate) fn run(self, server: &Server) {
        let service = Arc::new(Lock::new(self));
        for mut request in server.incoming_requests() {
            let service = Arc::clone(&service);
            // Each on a thread of its own, as the HTTP server has one for each connection: who never ends a request waits alone.
            let answer = move || {
                let reply = match read(&mut request) {
                    Ok(body) => service.with(|service| service.answer(&request, &body)),
                    Err(reply) => reply,
                };
                let response = Response::from_string(reply.body)
                    .with_status_code(reply.status)
                    .with_header(header("Content-Type", reply.kind))
                    .with_header(header("Cache-Control", "no-store"));
                // Whoever asked may be gone.
                let _ = request.respond(response);
            };
            if let Err(error) = thread::Builder::new().name("http".to_owned()).spawn(answer) {
                eprintln!("a request is left without an answer: {error}");
            }
        }
        for (_, viewer) in service.with(|service| mem::take(&mut service.viewers)) {
            viewer.join();
        }
    }

    fn answer(&mut self, request: &Request, body: &Value) -> Reply {
        if is_foreign(request, self.host.ip) {
            return Reply::refused(403, "another site's page has no business here");
        }
        let url = request.url().to_owned();
        let path = url.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method(), parts.as_slice()) {
            (Method::Get, [""]) => self.page(),
            (Method::Get, ["server"]) => Reply::json(&self.about()),
            (Method::Post, ["offer"]) => self.offer(body),
            (Method::Post, ["hardware"]) => self.set_hardware(body),
            (Method::Get, ["viewer", name]) => self.figures(name),
            (Method::Post, ["viewer", name, command]) => self.command(name, command, body),
            _ => Reply::refused(404, "there is nothing here"),
        }
    }

    fn page(&self) -> Reply {
        let mut page = PAGE.to_owned();
        if let Some(script) = &self.drive {
            page = format!("{page}<script>{script}</script>");
        }
        Reply { status: 200, kind: "text/html; charset=utf-8", body: page }
    }

    fn about(&self) -> Value {
        let Plan { size, frame_rate, bitrate, .. } = &self.plan;
        json!({
            "size": [size.width(), size.height()],
            "fps": frame_rate.as_f64(),
            "bps": bitrate.bps(),
            "viewers": self.watching(),
            "most_viewers": self.most_viewers,
            "hardware": self.hardware.as_ref().map(|hardware| json!({ "broken": hardware.is_broken() })),
        })
    }

    fn watching(&self) -> usize {
        self.viewers.values().filter(|viewer| !viewer.is_over()).count()
    }

    fn offer(&mut self, body: &Value) -> Reply {
        if self.watching() >= self.most_viewers {
            let why = format!(
                "All {} places are taken. Each viewer has an encoder of its own, and this machine was started with room for {} \
                 (--viewers). Try again when somebody has left.",
                self.most_viewers, self.most_viewers
            );
            return Reply::refused(503, &why);
        }
        let Some(sdp) = body["sdp"].as_str() else { return Reply::refused(400, "there is no sdp in it") };
        let source = match self.input.as_deref().map(Clip::open) {
            None => Source::drawn(),
            Some(Ok(clip)) => Source::Played(Box::new(clip)),
            Some(Err(error)) => return Reply::refused(500, &error.to_string()),
        };
        self.came += 1;
        let name = self.came;
        match viewer::start(name, sdp, &self.host, &self.plan, source) {
            Ok((answer, viewer)) => {
                eprintln!("viewer {name} came");
                self.viewers.insert(name, viewer);
                self.forget_the_oldest();
                Reply::json(&json!({ "viewer": name, "sdp": answer }))
            }
            Err(why) => Reply::refused(400, &why),
        }
    }

    fn forget_the_oldest(&mut self) {
        let over: Vec<u64> =
            self.viewers.iter().filter(|(_, viewer)| viewer.is_over()).map(|(&name, _)| name).collect();
        for name in &over[..over.len().saturating_sub(MOST_REMEMBERED)] {
            self.viewers.remove(name);
        }
    }

    fn viewer(&self, name: &str) -> Option<&Handle> {
        self.viewers.get(&name.parse().ok()?)
    }

    fn figures(&self, name: &str) -> Reply {
        let Some(viewer) = self.viewer(name) else { return Reply::refused(404, "no such viewer") };
        let mut figures = viewer.figures.with(|figures| figures.json());
        figures["server"] = self.about();
        Reply::json(&figures)
    }

    fn command(&self, name: &str, command: &str, body: &Value) -> Reply {
        let Some(viewer) = self.viewer(name) else { return Reply::refused(404, "no such viewer") };
        let command = match command {
            "keyframe" => Ok(Command::Keyframe),
            "leave" => Ok(Command::Leave),
            "bitrate" => Limits::bitrate(body["bps"].as_u64().unwrap_or(0)).map(Command::Bitrate),
            "size" => args::size(body["size"].as_str().unwrap_or_default()).map(Command::Size),
            _ => Err("there is no such button".to_owned()),
        };
        match command {
            Ok(command) => {
                viewer.send(command);
                Reply::json(&json!({}))
            }
            Err(why) => Reply::refused(400, &why),
        }
    }

    fn set_hardware(&mut self, body: &Value) -> Reply {
        let Some(hardware) = &mut self.hardware else {
            return Reply::refused(409, "the hardware here is real, and stays whole");
        };
        let is_broken = body["broken"].as_bool().unwrap_or(false);
        if let Err(error) = hardware.set_broken(is_broken) {
            return Reply::refused(500, &error.to_string());
        }
        eprintln!("the hardware is {}", if is_broken { "broken" } else { "whole again" });
        Reply::json(&json!({ "broken": is_broken }))
    }
}

/// The body of a request; nothing where it is no JSON.
fn read(request: &mut Request) -> Result<Value, Reply> {
    let mut body = String::new();
    if request.as_reader().take(LONGEST_BODY + 1).read_to_string(&mut body).is_err() {
        return Err(Reply::refused(400, "the body is not text"));
    }
    if body.len() as u64 > LONGEST_BODY {
        let why = "the body has more than 64 KiB, send an offer or a button's values alone";
        return Err(Reply::refused(413, why));
    }
    Ok(serde_json::from_str(&body).unwrap_or(Value::Null))
}

/// Whether a page of another site asks: a browser tells where the page is from in `Origin`, and what name it has for this
/// server in `Host`. Any name can be made to lead to loopback, so there only this machine's own are taken.
fn is_foreign(request: &Request, ip: IpAddr) -> bool {
    let value = |name: &'static str| {
        request.headers().iter().find(|header| header.field.equiv(name)).map(|header| header.value.as_str())
    };
    let is_from_elsewhere = match (value("Origin"), value("Host")) {
        (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, from)| from != host),
        (Some(_), None) => true,
        (None, _) => false,
    };
    is_from_elsewhere || ip.is_loopback() && !value("Host").is_none_or(is_local)
}

/// `localhost` or an address, with a port or without.
fn is_local(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    name.eq_ignore_ascii_case("localhost")
        || host.parse::<SocketAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
}

fn header(name: &str, value: &str) -> Header {
    // Both are ours and plain.
    Header::from_bytes(name, value).unwrap_or_else(|()| unreachable!("{name}: {value}"))
}
