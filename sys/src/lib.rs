//! The NVIDIA drivers, loaded at run time.
