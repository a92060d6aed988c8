# Packer 1.7 and later load builders from plugins: `packer init packer/plugins` once. Debian 12's Packer 1.6.6 has them built in
# and refuses this block, so it lives apart from the templates.
packer {
  required_plugins {
    ansible = {
      source  = "github.com/hashicorp/ansible"
      version = ">= 1.1.0"
    }
    docker = {
      source  = "github.com/hashicorp/docker"
      version = ">= 1.0.0"
    }
  }
}
