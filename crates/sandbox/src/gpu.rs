//! Which of NVIDIA's devices a child may use: one GPU, and what its driver needs besides.

use std::fs;
use std::path::{Path, PathBuf};

/// The driver's own devices.
const DRIVER: [&str; 2] = ["nvidiactl", "nvidia-uvm"];
/// The most GPUs of a machine.
const MAX_GPUS: u32 = 64;

/// A GPU as its driver describes it.
#[derive(Debug, PartialEq, Eq)]
struct Gpu {
    uuid: String,
    /// The number of its device file.
    minor: u32,
}

/// The number of the device file of the GPU that children use, or none. `visible` is `CUDA_VISIBLE_DEVICES`: its first
/// entry counts, a GPU's UUID or its place among the GPUs in the order of their PCI addresses. Without it, the first GPU
/// is used.
pub(crate) fn device(root: &Path, visible: Option<&str>) -> Option<u32> {
    let files: Vec<u32> =
        (0..MAX_GPUS).filter(|minor| root.join(format!("dev/nvidia{minor}")).exists()).collect();
    // In a container the driver may describe GPUs whose devices are not there.
    let described: Vec<Gpu> = described(root).into_iter().filter(|gpu| files.contains(&gpu.minor)).collect();
    let at = |place: usize| match described.is_empty() {
        true => files.get(place).copied(),
        false => described.get(place).map(|gpu| gpu.minor),
    };
    let Some(visible) = visible else { return at(0) };
    let first = visible.split(',').next().unwrap_or_default().trim();
    if first.starts_with("GPU-") {
        return described.iter().find(|gpu| gpu.uuid.starts_with(first)).map(|gpu| gpu.minor);
    }
    at(first.parse().ok()?)
}

/// The devices that a child opens for the GPU with that device file.
pub(crate) fn paths(minor: u32) -> impl Iterator<Item = PathBuf> {
    DRIVER
        .map(str::to_owned)
        .into_iter()
        .chain([format!("nvidia{minor}")])
        .map(|name| Path::new("/dev").join(name))
}

/// The GPUs that the driver describes, in the order of their PCI addresses.
fn described(root: &Path) -> Vec<Gpu> {
    let Ok(folders) = fs::read_dir(root.join("proc/driver/nvidia/gpus")) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = folders.filter_map(|folder| Some(folder.ok()?.path())).collect();
    folders.sort();
    let read = |folder: &PathBuf| parse(&fs::read_to_string(folder.join("information")).ok()?);
    folders.iter().filter_map(read).collect()
}

fn parse(information: &str) -> Option<Gpu> {
    let of = |name: &str| {
        let mut fields = information.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.trim() == name).map(|(_, value)| value.trim())
    };
    Some(Gpu { uuid: of("GPU UUID")?.to_owned(), minor: of("Device Minor")?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with device files of these numbers and a driver that describes GPUs (PCI address, UUID, number).
    fn machine(files: &[u32], described: &[(&str, &str, u32)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let dev = root.path().join("dev");
        fs::create_dir(&dev).unwrap();
        for name in ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"] {
            fs::write(dev.join(name), "").unwrap();
        }
        for minor in files {
            fs::write(dev.join(format!("nvidia{minor}")), "").unwrap();
        }
        for (address, uuid, minor) in described {
            let folder = root.path().join("proc/driver/nvidia/gpus").join(address);
            fs::create_dir_all(&folder).unwrap();
            let text = format!(
                "Model: \t\t NVIDIA L4\nIRQ:   \t\t 92\nGPU UUID: \t {uuid}\nVideo BIOS: \t 95.04.29.00.06\n\
                 Bus Location: \t {address}\nDevice Minor: \t {minor}\nGPU Excluded:\t No\n"
            );
            fs::write(folder.join("information"), text).unwrap();
        }
        root
    }

    #[test]
    fn one_gpu_is_chosen_as_its_driver_and_the_environment_name_it() {
        // Numbers of files do not follow PCI addresses.
        let gpus = [
            ("0000:3b:00.0", "GPU-aaaa-1", 1),
            ("0000:04:00.0", "GPU-bbbb-2", 2),
            ("0000:af:00.0", "GPU-cccc-3", 0),
        ];
        let machine = machine(&[0, 1, 2], &gpus);
        for (visible, minor) in [
            (None, Some(2)),
            (Some("0"), Some(2)),
            (Some("1"), Some(1)),
            (Some(" 2,0"), Some(0)),
            (Some("GPU-aaaa"), Some(1)),
            (Some("GPU-cccc-3,GPU-aaaa-1"), Some(0)),
            (Some("3"), None),
            (Some("-1"), None),
            (Some(""), None),
            (Some("GPU-dddd"), None),
            (Some("MIG-aaaa"), None),
        ] {
            assert_eq!(device(machine.path(), visible), minor, "{visible:?}");
        }
    }

    #[test]
    fn a_gpu_without_a_device_file_is_not_there() {
        let gpus = [("0000:04:00.0", "GPU-a", 0), ("0000:3b:00.0", "GPU-b", 3)];
        let container = machine(&[3], &gpus);
        assert_eq!(device(container.path(), None), Some(3));
        assert_eq!(device(container.path(), Some("0")), Some(3), "counted among those that are there");
        assert_eq!(device(container.path(), Some("GPU-a")), None);
        let silent = machine(&[1, 5], &[]);
        assert_eq!(device(silent.path(), None), Some(1));
        assert_eq!(device(silent.path(), Some("1")), Some(5));
        assert_eq!(device(machine(&[], &[]).path(), None), None);
    }

    #[test]
    fn a_child_gets_its_gpu_and_the_drivers_two_devices() {
        let paths: Vec<PathBuf> = paths(7).collect();
        assert_eq!(paths, ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia7"].map(PathBuf::from));
    }
}
