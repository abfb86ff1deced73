//! Low-latency H.264.
