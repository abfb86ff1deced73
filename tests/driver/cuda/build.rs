//! Gives the library the name that clients ask the loader for. It is never unmapped, as the real one is not: clients
//! close it, and what it recorded must be there at exit.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
