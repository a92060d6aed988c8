"""Docker images: the daemon's answers, a run of Packer, a tree unpacked."""
