variable "step" {
  type        = string
  description = "Which play of ansible/ runs."
  validation {
    condition     = contains(["system", "wheels", "data", "appliance", "container", "extras", "course"], var.step)
    error_message = "The step is a play of ansible/: system, wheels, data, appliance, container, extras or course."
  }
}

variable "base_image" {
  type        = string
  description = "Id or tag of the local image this step starts from."
}

variable "repository" {
  type        = string
  description = "Name of the image this step makes, without tag."
}

variable "tag" {
  type        = string
  description = "Tag of the image this step makes: the hash of its inputs."
}

variable "ansible_vars" {
  type        = string
  description = "JSON file with the variables of the roles."
}

variable "mounts" {
  type        = map(string)
  description = "Host folders that the build container sees read-only, by their place inside it."
}

variable "archives" {
  type        = string
  description = "Host folder for the Debian packages that apt downloads, \"\" where a step installs none."
  default     = ""
}

variable "network" {
  type        = string
  description = "The docker network of the build container: bridge, or none."
  default     = "none"
}

variable "alive" {
  type        = string
  description = "Host file that the builder keeps locked; the build container ends when the lock is free, however the builder ended."
}

variable "changes" {
  type        = list(string)
  description = "Image configuration in Dockerfile words (USER, ENV, ENTRYPOINT, LABEL)."
  default     = []
}
