locals {
  volumes = flatten([for place, folder in var.mounts : ["--volume", "${folder}:${place}:ro"]])
  # What apt downloads stays outside of the image, for the builder to keep.
  archives = var.archives == "" ? [] : ["--volume", "${var.archives}:/var/cache/apt/archives"]
}

source "docker" "root" {
  image  = var.base_image
  pull   = false
  commit = true

  # The container's only process waits for a lock that the builder holds. The kernel frees it when the builder dies, be it by
  # SIGKILL, and --rm then takes the container away: nothing can be left behind.
  #
  # For each mount docker makes a mount point, which would stay in the image: so /run, where all mounts are, is a tmpfs. Packer's
  # own mount, its container_dir, would else be /packer-files.
  container_dir = "/run/packer"
  run_command = concat(
    ["--detach", "--rm", "--network", var.network, "--tmpfs", "/run", "--volume", "${var.alive}:/run/alive:ro"],
    local.volumes,
    local.archives,
    ["--", "{{.Image}}", "/usr/bin/flock", "--shared", "/run/alive", "/bin/true"],
  )

  changes = concat(["CMD [\"/bin/bash\"]"], var.changes)
}
