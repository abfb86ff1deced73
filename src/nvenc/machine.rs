//! Looks at the machine for what explains a refusal of the driver. Only a failed opening asks.

use std::fs;
use std::path::Path;

/// The files of the driver and the system, which a test puts elsewhere.
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
    /// The first driver that then refuses all sessions.
    const BROKEN_IN: u32 = 570;

    /// Tells why a driver refuses the sessions of every GPU: it knows more GPUs than the `visible` ones that this process
    /// was handed. `None` where it knows no others, and for drivers that do not mind.
    pub(super) fn hidden_gpus(&self, visible: usize) -> Option<String> {
        let known = fs::read_dir(self.root.join("proc/driver/nvidia/gpus")).ok()?.flatten().count();
        let version = self.driver_version();
        let minds = version.is_none_or(|version| (Self::BROKEN_IN..Self::MENDED_IN).contains(&version));
        let driver = version.map_or_else(|| "the driver".to_owned(), |version| format!("driver {version}"));
        (known > visible && minds)
            .then(|| format!("{driver} knows {known} GPUs, and this process sees {visible}"))
    }

    /// The driver's first number, such as 570.
    fn driver_version(&self) -> Option<u32> {
        let text = fs::read_to_string(self.root.join("proc/driver/nvidia/version")).ok()?;
        let mut numbers = text.split_whitespace().filter_map(|word| word.split_once('.')?.0.parse().ok());
        numbers.find(|version| *version >= 100)
    }

    /// Whether this is a Jetson, whose system has the file, or whose GPU has a name of the family.
    pub(super) fn is_jetson<'n>(&self, mut gpu_names: impl Iterator<Item = &'n str>) -> bool {
        const FAMILY: [&str; 3] = ["Tegra", "Orin", "Xavier"];
        self.root.join("etc/nv_tegra_release").exists()
            || gpu_names.any(|name| FAMILY.iter().any(|family| name.contains(family)))
    }
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
        assert_eq!(told.as_deref(), Some("the driver knows 8 GPUs, and this process sees 1"));
    }

    #[test]
    fn a_machine_without_the_drivers_files_hides_nothing() {
        let nowhere = Machine { root: Path::new("/nowhere") };
        assert_eq!(nowhere.hidden_gpus(0), None);
        assert!(!nowhere.is_jetson(std::iter::empty()));
    }

    #[test]
    fn a_jetson_has_a_file_or_a_gpu_of_that_name() {
        let root = Root::new("jetson", 1, &line("540.4.0"));
        let is_jetson = |name: &str| root.machine().is_jetson([name].into_iter());
        assert!(is_jetson("Orin") && is_jetson("NVIDIA Tegra X2") && is_jetson("Xavier"));
        assert!(!is_jetson("NVIDIA L4") && !is_jetson(""));
        fs::write(root.0.join("etc/nv_tegra_release"), "# R36").unwrap();
        assert!(is_jetson(""));
    }
}
