//! Coming up, errors in words, and functions by name.

use std::ffi::c_char;

use d264_double_common::Function;
use d264_double_common::pointer::{In, Out};

use super::give;
use crate::error::{INVALID_VALUE, NOT_FOUND, describe};
use crate::gate::exports;
use crate::ledger::{LEDGER, violation};
use crate::world::world;

exports! {
    fn cuInit as cuInit(flags: u32) {
        if flags == 0 { world().initialise() } else { Err(INVALID_VALUE) }
    }

    fn cuDriverGetVersion as cuDriverGetVersion(version: Out<u32>) {
        give(version, LEDGER.settings().cuda_version)
    }

    fn cuGetErrorName as cuGetErrorName(code: u32, text: Out<usize>) {
        let known = describe(code);
        give(text, known.map_or(0, |(name, _)| name.as_ptr() as usize))?;
        known.map(|_| ()).ok_or(INVALID_VALUE)
    }

    fn cuGetErrorString as cuGetErrorString(code: u32, text: Out<usize>) {
        let known = describe(code);
        give(text, known.map_or(0, |(_, meaning)| meaning.as_ptr() as usize))?;
        known.map(|_| ()).ok_or(INVALID_VALUE)
    }

    fn cuGetProcAddress as cuGetProcAddress(name: In<c_char>, function: Out<usize>, version: i32, flags: u64) {
        find(name, function, version, flags)
    }

    fn cuGetProcAddress_v2 as cuGetProcAddress(
        name: In<c_char>, function: Out<usize>, version: i32, flags: u64, found: Out<u32>,
    ) {
        let result = find(name, function, version, flags);
        // 0 found, 1 no such symbol.
        let _ = found.set(u32::from(result.is_err()));
        result
    }

    fn cuGetExportTable as cuGetExportTable(table: Out<usize>, _id: In<u8>) {
        let _ = table.set(0);
        Err(NOT_FOUND)
    }
}

/// The newest form of a function, as the plain name asks for.
fn find(name: In<c_char>, function: Out<usize>, _version: i32, _flags: u64) -> Result<(), u32> {
    let name = name.text().ok_or(INVALID_VALUE)?;
    let symbols = super::symbols();
    let address = ["_v3", "_v2", ""].iter().find_map(|end| {
        let wanted = format!("{name}{end}");
        symbols.iter().find(|(symbol, _)| *symbol == wanted).map(|(_, address)| *address)
    });
    give(function, address.unwrap_or(0))?;
    if address.is_none() && Function::from_name(&name).is_some() {
        violation(Function::cuGetProcAddress, &format!("the double knows {name} but does not export it"));
    }
    address.map(|_| ()).ok_or(NOT_FOUND)
}
