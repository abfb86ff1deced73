//! Facts of the machine that explain a refusal of the driver. Only a failed opening reads them.

use std::fs;
use std::path::Path;

/// The files of the driver and of the system, below a root that a test replaces.
pub(super) struct Machine<'a> {
    root: &'a Path,
}

impl Machine<'static> {
    /// The machine that this process runs on.
    pub(super) fn this() -> Self {
        Self { root: Path::new("/") }
    }
}

impl Machine<'_> {
    /// The first driver that opens sessions although some GPUs are hidden.
    const MENDED_IN: u32 = 610;
    /// The first driver that refuses all sessions while some GPUs are hidden.
    const BROKEN_IN: u32 = 570;

    /// Explains why a driver refuses the sessions of every GPU: it knows more GPUs than this process was handed. The
    /// process was handed the GPUs with a device file, since `CUDA_VISIBLE_DEVICES` hides GPUs from CUDA alone; `listed`
    /// is the number that CUDA lists. `None` where the driver knows no others, and for drivers that open sessions then.
    pub(super) fn hidden_gpus(&self, listed: usize) -> Option<String> {
        let known = fs::read_dir(self.root.join("proc/driver/nvidia/gpus")).ok()?.flatten().count();
        let handed_in = listed.max(self.device_files());
        let version = self.driver_version();
        let minds = version.is_none_or(|version| (Self::BROKEN_IN..Self::MENDED_IN).contains(&version));
        let driver = version.map_or_else(|| "the driver".to_owned(), |version| format!("driver {version}"));
        (known > handed_in && minds)
            .then(|| format!("{driver} knows {known} GPUs, and this process was handed {handed_in}"))
    }

    /// The number of GPUs with a device file, such as `/dev/nvidia0`.
    fn device_files(&self) -> usize {
        let is_gpu = |name: &str| {
            let number = name.strip_prefix("nvidia");
            number
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let files = fs::read_dir(self.root.join("dev")).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_str().is_some_and(is_gpu)).count()
    }

    /// The driver's first number, such as 570.
    fn driver_version(&self) -> Option<u32> {
        let text = fs::read_to_string(self.root.join("proc/driver/nvidia/version")).ok()?;
        let mut numbers = text.split_whitespace().filter_map(|word| word.split_once('.')?.0.parse().ok());
        numbers.find(|version| *version >= 100)
    }

    /// Whether this is a Jetson, by its system or its device tree. CUDA is not asked, since that would initialise it.
    pub(super) fn is_jetson(&self) -> bool {
        const FAMILY: [&str; 4] = ["jetson", "tegra", "orin", "xavier"];
        let names_the_family = |file: &&str| {
            let text = fs::read(self.root.join("proc/device-tree").join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
            FAMILY.iter().any(|family| text.contains(family))
        };
        self.root.join("etc/nv_tegra_release").exists()
            || ["model", "compatible"].iter().any(names_the_family)
    }
}

/// Whether every GPU of this compute capability lacks NVENC: A100 and A30, H100 and H200, B200, B300.
pub(super) const fn lacks_nvenc(compute_capability: (i32, i32)) -> bool {
    matches!(compute_capability, (8, 0) | (9, 0) | (10, 0 | 3))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A folder with the files of a machine, removed with this value.
    struct Root(PathBuf);

    impl Root {
        fn new(test: &str, gpus: usize, version: &str) -> Self {
            let root = std::env::temp_dir().join(format!("direct264-{}-{test}", std::process::id()));
            for gpu in 0..gpus {
                fs::create_dir_all(root.join(format!("proc/driver/nvidia/gpus/0000:0{gpu}:00.0"))).unwrap();
            }
            fs::create_dir_all(root.join("etc")).unwrap();
            fs::write(root.join("proc/driver/nvidia/version"), version).unwrap();
            Self(root)
        }

        fn machine(&self) -> Machine<'_> {
            Machine { root: &self.0 }
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn line(version: &str) -> String {
        format!(
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build\n\
             GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
        )
    }

    #[test]
    fn gpus_are_hidden_where_the_driver_knows_more_of_them_and_minds() {
        for (version, minds) in
            [("565.77", false), ("570.86.10", true), ("595.71.05", true), ("610.62", false)]
        {
            let root = Root::new("hidden", 2, &line(version));
            let told = root.machine().hidden_gpus(1);
            assert_eq!(told.is_some(), minds, "{version}: {told:?}");
            assert_eq!(root.machine().hidden_gpus(2), None, "{version}");
        }
        let root = Root::new("hidden-from-an-unknown-driver", 8, "no version");
        let told = root.machine().hidden_gpus(1);
        assert_eq!(told.as_deref(), Some("the driver knows 8 GPUs, and this process was handed 1"));
    }

    #[test]
    fn gpus_that_a_variable_hides_from_cuda_are_not_hidden_from_the_driver() {
        let root = Root::new("variable", 4, &line("570.86.10"));
        fs::create_dir_all(root.0.join("dev")).unwrap();
        for file in ["nvidiactl", "nvidia-uvm", "nvidia", "nvidia0", "nvidia1", "nvidia2"] {
            fs::write(root.0.join("dev").join(file), "").unwrap();
        }
        let told = root.machine().hidden_gpus(1);
        assert_eq!(told.as_deref(), Some("driver 570 knows 4 GPUs, and this process was handed 3"));
        fs::write(root.0.join("dev/nvidia10"), "").unwrap();
        assert_eq!(root.machine().hidden_gpus(1), None);
    }

    #[test]
    fn the_gpus_for_computing_alone_lack_nvenc() {
        let without = [(8, 0), (9, 0), (10, 0), (10, 3)];
        let with = [(6, 0), (7, 0), (7, 5), (8, 6), (8, 7), (8, 9), (11, 0), (12, 0)];
        assert!(without.into_iter().all(lacks_nvenc) && !with.into_iter().any(lacks_nvenc));
    }

    #[test]
    fn a_machine_without_the_drivers_files_hides_nothing() {
        let nowhere = Machine { root: Path::new("/nowhere") };
        assert_eq!(nowhere.hidden_gpus(0), None);
        assert!(!nowhere.is_jetson());
    }

    #[test]
    fn a_jetson_has_a_file_or_a_device_tree_of_that_name() {
        let root = Root::new("jetson", 1, &line("540.4.0"));
        let tree = root.0.join("proc/device-tree");
        fs::create_dir_all(&tree).unwrap();
        for (model, compatible, expected) in [
            ("NVIDIA Jetson AGX Orin Developer Kit\0", "nvidia,p3701-0000\0nvidia,tegra234\0", true),
            ("quill\0", "nvidia,quill\0nvidia,tegra186\0", true),
            ("NVIDIA Orin Nano Developer Kit\0", "", true),
            ("Raspberry Pi 5 Model B Rev 1.0\0", "raspberrypi,5-model-b\0brcm,bcm2712\0", false),
        ] {
            fs::write(tree.join("model"), model).unwrap();
            fs::write(tree.join("compatible"), compatible).unwrap();
            assert_eq!(root.machine().is_jetson(), expected, "{model}");
        }
        fs::write(root.0.join("etc/nv_tegra_release"), "# R36").unwrap();
        assert!(root.machine().is_jetson());
    }
}
