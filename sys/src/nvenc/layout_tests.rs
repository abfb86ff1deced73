//! Compares the structs, their words and their bit-fields with three other sources: another reading of the
//! 12.1 header, a table of all headers from 11.0 to 12.1, and the C compiler on the header of the system. The C
//! compiler reads the numbers and the GUIDs too.

use std::collections::BTreeMap;
use std::io::Write;
use std::mem::MaybeUninit;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::constants::NUMBERS;
use super::guid::GUIDS;
use super::*;
use crate::structs::StructLayout;

type Bits = &'static [(&'static str, u32, u32)];

/// Every struct: its declaration here, its layout in the other crate, and its bit-fields.
macro_rules! structs {
    ($($name:ident $($bits:ident)?,)+) => {
        &[$((
            $name::LAYOUT,
            $name::THEIRS,
            &[$(($name::$bits),)?],
        ),)+]
    };
}

type OurAndTheirs = (StructLayout, (usize, &'static [Option<usize>]), &'static [Bits]);
const STRUCTS: &[OurAndTheirs] = structs! {
    NV_ENCODE_API_FUNCTION_LIST,
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS,
    NV_ENC_CAPS_PARAM,
    NV_ENC_EVENT_PARAMS,
    NV_ENC_SEQUENCE_PARAM_PAYLOAD,
    NV_ENC_STAT BITS,
    NV_ENC_CREATE_INPUT_BUFFER,
    NV_ENC_CREATE_BITSTREAM_BUFFER,
    NV_ENC_REGISTER_RESOURCE,
    NV_ENC_MAP_INPUT_RESOURCE,
    NV_ENC_LOCK_BITSTREAM BITS,
    NV_ENC_LOCK_INPUT_BUFFER BITS,
    NV_ENC_SEI_PAYLOAD,
    NV_ENC_PIC_PARAMS_H264 BITS,
    NV_ENC_CODEC_PIC_PARAMS,
    NV_ENC_PIC_PARAMS,
    NV_ENC_QP,
    NV_ENC_RC_PARAMS BITS,
    NV_ENC_CONFIG_H264_VUI_PARAMETERS,
    NV_ENC_CONFIG_H264 BITS,
    NV_ENC_CODEC_CONFIG,
    NV_ENC_CONFIG,
    NV_ENC_PRESET_CONFIG,
    NV_ENC_INITIALIZE_PARAMS BITS,
    NV_ENC_RECONFIGURE_PARAMS BITS,
};

type Table = BTreeMap<(&'static str, &'static str), [&'static str; 4]>;

/// The table: for each struct or field and each fact about it, one cell per API version.
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let lines = include_str!("../../tests/layout.txt").lines();
    let rows = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let (&[key, what], cells) = words.split_first_chunk().expect(line);
        ((key, what), cells.try_into().expect(line))
    });
    rows.collect()
});

fn column(api: ApiVersion) -> usize {
    ApiVersion::ALL.into_iter().position(|version| version == api).expect("it is among them")
}

/// The cell of a field, `None` where the version does not have the field.
fn cell(key: &str, what: &str, api: ApiVersion) -> Option<&'static str> {
    let row = TABLE.get(&(key, what)).unwrap_or_else(|| panic!("the table has no row {key} {what}"));
    Some(row[column(api)]).filter(|&cell| cell != "-")
}

fn in_table(key: &str, what: &str, api: ApiVersion) -> Option<usize> {
    cell(key, what, api).map(|cell| cell.parse().expect(key))
}

/// The offset of the word that holds a struct's bit-fields.
fn bits_word(layout: &StructLayout) -> usize {
    layout.fields.iter().find(|(kind, ..)| *kind == "bits").expect("it has bit-fields").2
}

#[test]
fn sizes_and_offsets_are_those_of_the_other_crate() {
    for (ours, (their_size, their_offsets), _) in STRUCTS {
        assert_eq!(ours.size, *their_size, "size of {}", ours.name);
        for ((_, field, offset), theirs) in ours.fields.iter().zip(*their_offsets) {
            assert!(theirs.is_none_or(|theirs| theirs == *offset), "{}.{field}", ours.name);
        }
    }
}

#[test]
fn sizes_offsets_and_bits_are_those_of_the_12_1_header() {
    let newest = ApiVersion::NEWEST;
    for (ours, _, bits) in STRUCTS {
        let name = ours.name;
        assert_eq!(in_table(name, "size", newest), Some(ours.size), "size of {name}");
        for (kind, field, offset) in ours.fields {
            if *kind == "named" {
                assert_eq!(
                    in_table(&format!("{name}.{field}"), "at", newest),
                    Some(*offset),
                    "{name}.{field}"
                );
            }
        }
        for (field, bit, width) in bits.iter().copied().flatten() {
            let here = format!("{}:{bit}:{width}", bits_word(ours));
            assert_eq!(cell(&format!("{name}.{field}"), "bits", newest), Some(&*here), "{name}.{field}");
        }
    }
}

#[test]
fn no_struct_is_larger_in_any_version_that_is_spoken() {
    for (ours, ..) in STRUCTS {
        for api in ApiVersion::ALL {
            assert!(in_table(ours.name, "size", api) <= Some(ours.size), "{} in {api}", ours.name);
        }
    }
}

#[test]
fn the_words_are_those_of_each_header() {
    macro_rules! same {
        ($($name:ident)+) => {
            for api in ApiVersion::ALL {
                $({
                    let theirs = cell(stringify!($name), "word", api).expect("every version has it");
                    let ours = format!("{:#010x}", api.words().$name);
                    assert_eq!(ours, theirs, "{} in {api}", stringify!($name));
                })+
            }
        };
    }
    same! {
        NV_ENCODE_API_FUNCTION_LIST NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS NV_ENC_CAPS_PARAM NV_ENC_PRESET_CONFIG
        NV_ENC_CONFIG NV_ENC_RC_PARAMS NV_ENC_INITIALIZE_PARAMS NV_ENC_RECONFIGURE_PARAMS
        NV_ENC_CREATE_INPUT_BUFFER NV_ENC_CREATE_BITSTREAM_BUFFER NV_ENC_REGISTER_RESOURCE
        NV_ENC_MAP_INPUT_RESOURCE NV_ENC_PIC_PARAMS NV_ENC_LOCK_BITSTREAM NV_ENC_LOCK_INPUT_BUFFER
        NV_ENC_SEQUENCE_PARAM_PAYLOAD NV_ENC_STAT NV_ENC_EVENT_PARAMS
    }
}

#[test]
fn the_12_1_words_and_the_api_word_are_those_of_the_other_crate() {
    use nvidia_video_codec_sdk::sys::nvEncodeAPI as other;
    let words = ApiVersion::V12_1.words();
    assert_eq!(ApiVersion::V12_1.word(), other::NVENCAPI_VERSION);
    assert_eq!(words.NV_ENCODE_API_FUNCTION_LIST, other::NV_ENCODE_API_FUNCTION_LIST_VER);
    assert_eq!(words.NV_ENC_CONFIG, other::NV_ENC_CONFIG_VER);
    assert_eq!(words.NV_ENC_INITIALIZE_PARAMS, other::NV_ENC_INITIALIZE_PARAMS_VER);
    assert_eq!(words.NV_ENC_LOCK_BITSTREAM, other::NV_ENC_LOCK_BITSTREAM_VER);
    assert_eq!(words.NV_ENC_PIC_PARAMS, other::NV_ENC_PIC_PARAMS_VER);
    assert_eq!(words.NV_ENC_REGISTER_RESOURCE, other::NV_ENC_REGISTER_RESOURCE_VER);
    assert_eq!(NV_ENC_ERR_NEED_MORE_OUTPUT.0, other::NVENCSTATUS::NV_ENC_ERR_NEED_MORE_OUTPUT as u32);
}

#[test]
fn a_struct_within_a_struct_gets_its_word_too() {
    for api in ApiVersion::ALL {
        let words = api.words();
        let config = NV_ENC_CONFIG::versioned(api);
        assert_eq!((config.version, config.rcParams.version), (words.NV_ENC_CONFIG, words.NV_ENC_RC_PARAMS));
        let preset = NV_ENC_PRESET_CONFIG::versioned(api);
        assert_eq!((preset.version, preset.presetCfg.version), (words.NV_ENC_PRESET_CONFIG, config.version));
        let reconfigure = NV_ENC_RECONFIGURE_PARAMS::versioned(api);
        assert_eq!(reconfigure.version, words.NV_ENC_RECONFIGURE_PARAMS);
        assert_eq!(reconfigure.reInitEncodeParams.version, words.NV_ENC_INITIALIZE_PARAMS);
    }
}

/// Sets every byte of a struct, zeroes the fields newer than each version, and compares with the table: a field that
/// the version has elsewhere or not at all is zero, every other field is unchanged.
fn zeroes_what_the_table_says<T>(layout: &StructLayout, bits: Bits, zero: fn(&mut T, ApiVersion)) {
    let newest = ApiVersion::NEWEST;
    for api in ApiVersion::ALL {
        let mut filled = MaybeUninit::<T>::uninit();
        // SAFETY: the memory is that of one `T`.
        unsafe { filled.as_mut_ptr().write_bytes(0xff, 1) };
        // SAFETY: the struct holds integers and raw pointers, for which all bits set is a value.
        zero(unsafe { filled.assume_init_mut() }, api);
        // SAFETY: every byte of the struct was written above, and it has not been moved since.
        let bytes = unsafe { std::slice::from_raw_parts(filled.as_ptr().cast::<u8>(), size_of::<T>()) };
        for (kind, field, offset) in layout.fields.iter().filter(|(kind, ..)| *kind == "named") {
            let key = format!("{}.{field}", layout.name);
            let same_place = cell(&key, "at", api) == cell(&key, "at", newest);
            let expected = if same_place { 0xff } else { 0 };
            assert_eq!(bytes[*offset], expected, "{key} ({kind}) with API {api}");
        }
        for (field, bit, _) in bits {
            let key = format!("{}.{field}", layout.name);
            let same_place = cell(&key, "bits", api) == cell(&key, "bits", newest);
            let byte = bytes[bits_word(layout) + *bit as usize / 8];
            assert_eq!(byte >> (bit % 8) & 1 == 1, same_place, "{key} with API {api}");
        }
    }
}

#[test]
fn zeroing_reaches_exactly_what_an_older_version_does_not_know() {
    type Nested = NV_ENC_CONFIG_H264_VUI_PARAMETERS;
    zeroes_what_the_table_says(
        &NV_ENC_RC_PARAMS::LAYOUT,
        NV_ENC_RC_PARAMS::BITS,
        NV_ENC_RC_PARAMS::zero_what_is_newer_than,
    );
    zeroes_what_the_table_says(&Nested::LAYOUT, &[], Nested::zero_what_is_newer_than);
    zeroes_what_the_table_says(
        &NV_ENC_CONFIG_H264::LAYOUT,
        NV_ENC_CONFIG_H264::BITS,
        NV_ENC_CONFIG_H264::zero_what_is_newer_than,
    );
    zeroes_what_the_table_says(
        &NV_ENC_INITIALIZE_PARAMS::LAYOUT,
        NV_ENC_INITIALIZE_PARAMS::BITS,
        NV_ENC_INITIALIZE_PARAMS::zero_what_is_newer_than,
    );
    zeroes_what_the_table_says(
        &NV_ENC_REGISTER_RESOURCE::LAYOUT,
        &[],
        NV_ENC_REGISTER_RESOURCE::zero_what_is_newer_than,
    );
    zeroes_what_the_table_says(&NV_ENC_PIC_PARAMS::LAYOUT, &[], NV_ENC_PIC_PARAMS::zero_what_is_newer_than);
}

#[test]
fn zeroing_a_whole_reaches_its_parts() {
    let mut config = NV_ENC_CONFIG::versioned(ApiVersion::V11_0);
    config.rcParams.flags = u32::MAX;
    config.encodeCodecConfig.h264Config.flags = u32::MAX;
    config.encodeCodecConfig.h264Config.h264VUIParameters.timeScale = 1;
    config.zero_what_is_newer_than(ApiVersion::V11_0);
    assert_eq!(config.rcParams.flags, !NV_ENC_RC_PARAMS::enableExtLookahead);
    assert_eq!(config.encodeCodecConfig.h264Config.h264VUIParameters.timeScale, 0);
    assert_eq!(config.encodeCodecConfig.h264Config.flags & NV_ENC_CONFIG_H264::enableTimeCode, 0);

    let mut reconfigure = NV_ENC_RECONFIGURE_PARAMS::versioned(ApiVersion::V12_0);
    reconfigure.reInitEncodeParams.flags = u32::MAX;
    reconfigure.zero_what_is_newer_than(ApiVersion::V12_0);
    assert_eq!(reconfigure.reInitEncodeParams.flags & NV_ENC_INITIALIZE_PARAMS::splitEncodeMode, 0);
}

#[test]
fn only_what_the_driver_writes_may_move_without_being_zeroed() {
    let zeroed = [
        "NV_ENC_RC_PARAMS",
        "NV_ENC_CONFIG_H264_VUI_PARAMETERS",
        "NV_ENC_CONFIG_H264",
        "NV_ENC_INITIALIZE_PARAMS",
        "NV_ENC_REGISTER_RESOURCE",
        "NV_ENC_PIC_PARAMS",
    ];
    for (layout, ..) in STRUCTS.iter().filter(|(layout, ..)| !zeroed.contains(&layout.name)) {
        for (_, field, _) in layout.fields.iter().filter(|(kind, ..)| *kind == "named") {
            let key = format!("{}.{field}", layout.name);
            let moved = ApiVersion::ALL
                .iter()
                .any(|&api| cell(&key, "at", api) != cell(&key, "at", ApiVersion::NEWEST));
            let read_only =
                ["temporalId", "intraMBCount", "interMBCount", "averageMVX", "averageMVY", "frameIdxDisplay"];
            let allowed = layout.name == "NV_ENC_LOCK_BITSTREAM" && read_only.contains(field);
            assert_eq!(moved, allowed, "{key}");
        }
    }
}

/// The CUDA numbers that the header's neighbour spells too, which has only those that FFmpeg uses.
const OF_CUDA: &[(&str, i64)] = {
    macro_rules! numbers {
        ($($name:ident)+) => { &[$((stringify!($name), crate::cuda::$name as i64),)+] };
    }
    numbers! {
        CU_MEMORYTYPE_HOST CU_MEMORYTYPE_DEVICE CU_MEMORYTYPE_ARRAY CU_STREAM_NON_BLOCKING
        CU_EVENT_BLOCKING_SYNC CU_EVENT_DISABLE_TIMING CU_DEVICE_ATTRIBUTE_INTEGRATED
        CU_DEVICE_ATTRIBUTE_COMPUTE_MODE CU_DEVICE_ATTRIBUTE_PCI_BUS_ID CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID
        CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
    }
};

/// Names newer than the oldest API version, with the version that brought them.
const NEWER: &[(&str, ApiVersion)] = &[("NV_ENC_CAPS_SINGLE_SLICE_INTRA_REFRESH", ApiVersion::V11_1)];

/// Whether the header of an API version spells a name.
fn is_in(api: ApiVersion, name: &str) -> bool {
    NEWER.iter().all(|&(newer, since)| newer != name || api >= since)
}

/// Every number under its C name, as the C program prints it.
fn numbers() -> BTreeMap<&'static str, String> {
    let of_nvenc = NUMBERS.iter().map(|&(name, number)| (name, number.to_string()));
    of_nvenc.chain(OF_CUDA.iter().map(|&(name, number)| (name, number.to_string()))).collect()
}

const INCLUDES: &str = "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n\
    #include <ffnvcodec/nvEncodeAPI.h>\n#include <ffnvcodec/dynlink_cuda.h>\n";

/// A C program that prints the version of the system's header.
fn version_program() -> String {
    let absent = "#if !__has_include(<ffnvcodec/nvEncodeAPI.h>)\n#include <stdio.h>\n\
                  int main(void) { puts(\"absent\"); }\n#else\n";
    let version = "int main(void) { printf(\"%d.%d\", NVENCAPI_MAJOR_VERSION, NVENCAPI_MINOR_VERSION); }\n";
    format!("{absent}{INCLUDES}{version}#endif\n")
}

/// A C program that prints the facts of the system's header, which has this version, in the form of the table.
fn layout_program(api: ApiVersion) -> String {
    let mut c = format!("{INCLUDES}int main(void) {{\n");
    for row in NVENCSTATUS::TABLE.iter().filter(|row| api == ApiVersion::V12_1 || row.code < 26) {
        c += &format!("printf(\"status {0} %d\\n\", (int){0});\n", row.name);
    }
    for name in numbers().keys().filter(|name| is_in(api, name)) {
        c += &format!("printf(\"number {name} %lld\\n\", (long long){name});\n");
    }
    for (name, _) in GUIDS {
        c += &format!(
            "{{ GUID g = {name}; printf(\"guid {name} %08x-%04x-%04x-%02x%02x-\", (unsigned)g.Data1, g.Data2, g.Data3, \
             g.Data4[0], g.Data4[1]); for (int i = 2; i < 8; i++) printf(\"%02x\", g.Data4[i]); puts(\"\"); }}\n"
        );
    }
    for (layout, _, bits) in STRUCTS {
        let name = layout.name;
        c += &format!("printf(\"{name} size %zu\\n\", sizeof({name}));\n");
        if TABLE.contains_key(&(name, "word")) {
            c += &format!("printf(\"{name} word 0x%08x\\n\", (unsigned){name}_VER);\n");
        }
        for (_, field, _) in layout.fields.iter().filter(|(kind, ..)| *kind == "named") {
            if cell(&format!("{name}.{field}"), "at", api).is_some() {
                c += &format!("printf(\"{name}.{field} at %zu\\n\", offsetof({name}, {field}));\n");
            }
        }
        for (field, ..) in bits.iter().copied().flatten() {
            if cell(&format!("{name}.{field}"), "bits", api).is_some() {
                c += &format!(
                    "{{ static {name} s; s.{field} = ~0u; unsigned char *p = (void *)&s; size_t at = 0; \
                     while (!p[at]) at++; at &= ~(size_t)3; uint32_t v; memcpy(&v, p + at, 4); \
                     printf(\"{name}.{field} bits %zu:%d:%d\\n\", at, __builtin_ctz(v), \
                     __builtin_popcount(v)); }}\n"
                );
            }
        }
    }
    c += "printf(\"CUDA_MEMCPY2D size %zu\\n\", sizeof(CUDA_MEMCPY2D));\n";
    for (_, field, _) in crate::cuda::CUDA_MEMCPY2D::LAYOUT.fields {
        c += &format!("printf(\"CUDA_MEMCPY2D.{field} at %zu\\n\", offsetof(CUDA_MEMCPY2D, {field}));\n");
    }
    c + "}\n"
}

/// The output of a C program; `None` where there is no C compiler.
fn compiled_and_run(source: &str) -> Option<String> {
    let program = std::env::temp_dir().join(format!("direct264-layout-{}", std::process::id()));
    let mut compiler = Command::new("cc")
        .args(["-x", "c", "-w", "-o"])
        .arg(&program)
        .arg("-")
        .stdin(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = compiler.stdin.take().expect("it was asked for");
    input.write_all(source.as_bytes()).expect("the compiler reads");
    drop(input);
    assert!(compiler.wait().expect("the compiler ends").success(), "the C program does not compile");
    let output = Command::new(&program).output().expect("the program runs");
    std::fs::remove_file(&program).expect("the program was made above");
    Some(String::from_utf8(output.stdout).expect("it prints ASCII"))
}

#[test]
fn the_c_compiler_agrees_on_the_system_s_header() {
    let skipped = |why: &str| {
        // Straight to the handle: the test harness shows the output of the macros for failing tests only.
        let _ = writeln!(std::io::stderr(), "SKIPPED the_c_compiler_agrees_on_the_system_s_header: {why}");
    };
    let version = match compiled_and_run(&version_program()).as_deref().map(str::trim) {
        None => return skipped("there is no C compiler `cc`"),
        Some("absent") => {
            return skipped("<ffnvcodec/nvEncodeAPI.h> is absent (Debian: libffmpeg-nvenc-dev)");
        }
        Some(version) => version.to_owned(),
    };
    let Some(api) = ApiVersion::ALL.into_iter().find(|api| api.to_string() == version) else {
        return skipped(&format!("the header is of API {version}, which the table does not have"));
    };
    let printed = compiled_and_run(&layout_program(api)).expect("the compiler is there");
    let memcpy = crate::cuda::CUDA_MEMCPY2D::LAYOUT;
    let numbers = numbers();
    for line in printed.lines() {
        let [key, what, value]: [&str; 3] = line.split(' ').collect::<Vec<_>>().try_into().expect(line);
        let of_a_name = match key {
            "status" => {
                Some(NVENCSTATUS::TABLE.iter().find(|row| row.name == what).map(|row| row.code.to_string()))
            }
            "number" => Some(numbers.get(what).cloned()),
            "guid" => Some(GUIDS.iter().find(|(name, _)| *name == what).map(|(_, guid)| guid.to_string())),
            _ => None,
        };
        if let Some(ours) = of_a_name {
            assert_eq!(ours.as_deref(), Some(value), "{what}");
            continue;
        }
        match key.strip_prefix("CUDA_MEMCPY2D") {
            None => assert_eq!(cell(key, what, api), Some(value), "{key} {what}"),
            Some("") => assert_eq!(value, memcpy.size.to_string(), "{key} {what}"),
            Some(field) => {
                let ours = memcpy.fields.iter().find(|(_, name, _)| field == format!(".{name}"));
                assert_eq!(ours.map(|ours| ours.2.to_string()).as_deref(), Some(value), "{key}");
            }
        }
    }
    let compared = printed.lines().count();
    assert!(compared > 450, "only {compared} facts were compared");
}
