//! Ports that a server can be started on, stopped on, and started on again.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below what Linux hands out to outgoing connections (from 32768). A port from that range could
/// be taken by any connection while its server is down, and a client that keeps connecting to it
/// can even end up connected to itself.
const FIRST: u32 = 15_000;
const LAST: u32 = 31_999;

/// A free TCP port on loopback, never twice the same in one process.
///
/// # Panics
/// No port is free.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = LAST - FIRST + 1;
    // Test processes run side by side: each starts looking somewhere else.
    let start = std::process::id().wrapping_mul(2_654_435_761) >> 8;
    (0..count)
        .map(|_| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port between 15000 and 31999")
}
