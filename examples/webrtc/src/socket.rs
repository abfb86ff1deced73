//! A UDP socket that is waited for to the microsecond.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

#[derive(Debug)]
pub(crate) struct Socket {
    socket: UdpSocket,
    address: SocketAddr,
    buffer: Vec<u8>,
}

impl Socket {
    /// On any free port of an address.
    pub(crate) fn bind(ip: IpAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, buffer: vec![0; 2_000] })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A packet that the network refuses is lost, as others are.
    pub(crate) fn send(&self, packet: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(packet, to);
    }

    /// A packet that is there, or comes within `wait`.
    pub(crate) fn receive(&mut self, wait: Duration) -> io::Result<Option<(&[u8], SocketAddr)>> {
        if !wait.is_zero() {
            let timeout =
                Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
                Ok(_) => {}
                Err(error) if error == rustix::io::Errno::INTR => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        match self.socket.recv_from(&mut self.buffer) {
            Ok((length, from)) => Ok(Some((&self.buffer[..length], from))),
            // What a packet that was sent earlier met is told here.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
