build {
  sources = ["source.docker.root"]

  provisioner "ansible" {
    playbook_file = "${path.root}/../ansible/${var.step}.yml"
    user          = "root"
    extra_arguments = [
      "-e", "ansible_connection=community.docker.docker ansible_host=${build.ID}",
      "-e", "@${var.ansible_vars}",
    ]
    ansible_env_vars = ["ANSIBLE_CONFIG=${path.root}/../ansible/ansible.cfg"]
  }

  post-processor "docker-tag" {
    repository = var.repository
    tags       = [var.tag]
  }
}
