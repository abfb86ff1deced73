//! Functions that clients look for and the double does not need: they are there, and they answer "not supported".

use d264_double_common::Function;

use crate::error::NOT_SUPPORTED;

macro_rules! not_supported {
    ($($symbol:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $symbol() -> u32 {
                crate::gate::call(Function::cuUnsupported, || Err(NOT_SUPPORTED))
            }
        )*

        /// Name and address of each function of this file.
        pub(super) fn symbols() -> Vec<(&'static str, usize)> {
            vec![$((stringify!($symbol), $symbol as *const () as usize)),*]
        }
    };
}

not_supported! {
    cuLaunchKernel cuLinkCreate cuLinkAddData cuLinkComplete cuLinkDestroy
    cuModuleLoadData cuModuleUnload cuModuleGetFunction cuModuleGetGlobal
    cuTexObjectCreate cuTexObjectDestroy cuArray3DCreate_v2 cuArrayDestroy
    cuGLGetDevices_v2 cuGraphicsGLRegisterImage cuGraphicsUnregisterResource cuGraphicsMapResources
    cuGraphicsUnmapResources cuGraphicsSubResourceGetMappedArray cuGraphicsResourceGetMappedPointer_v2
    cuGraphicsGLRegisterBuffer cuGraphicsResourceSetMapFlags_v2
}
