"""Which stages run again when one does: the sets that the tests of keys expect."""

OVA = {"ova"}
DISK = {"disk", "ova"}
IMAGES = {"image-cpu", "image-cuda"}
MACHINE_COURSE = {"course-appliance", *DISK}
COURSE = {*MACHINE_COURSE, "course-cpu", "course-cuda", *IMAGES}
CONTAINERS = {"container-cpu", "container-cuda", "course-cpu", "course-cuda", *IMAGES}
MACHINE = {"appliance", "squashfs", *MACHINE_COURSE}
SETTINGS = {*MACHINE, *CONTAINERS}
CPU = {"torch-cpu", "container-cpu", "course-cpu", "image-cpu", *MACHINE}
CUDA_REST = {"cuda-rest", "torch-cuda", "container-cuda", "course-cuda", "image-cuda"}
CUDA = {"cuda-cudnn", "cuda-math", *CUDA_REST}
DATA = {"data", *CPU, *CUDA}
WHEELS = {"python", *DATA}
SYSTEM = {"system", *WHEELS}
ALL = {"base", *SYSTEM}
