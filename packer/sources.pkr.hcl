locals {
  volumes = flatten([for place, folder in var.mounts : ["--volume", "${folder}:${place}:ro"]])
}

source "docker" "root" {
  image  = var.base_image
  pull   = false
  commit = true

  # The container's only process waits for a lock that the builder holds. The kernel frees it when the builder dies, be it by
  # SIGKILL, and --rm then takes the container away: nothing can be left behind.
  run_command = concat(
    ["--detach", "--rm", "--volume", "${var.alive}:/run/alive:ro"],
    local.volumes,
    ["--", "{{.Image}}", "/usr/bin/flock", "--shared", "/run/alive", "/bin/true"],
  )

  changes = concat(["CMD [\"/bin/bash\"]"], var.changes)
}
