"""The hub of compose.yaml: a container and a volume for each user."""

import os

from docker.types import DeviceRequest

c = get_config()  # noqa: F821 # JupyterHub has it

name = os.environ["HUB_NAME"]

c.JupyterHub.bind_url = "http://:8000"
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"  # compose.yaml's name of this container

c.JupyterHub.authenticator_class = "native"  # users sign up and choose a password, HUB_ADMIN lets them in
c.Authenticator.admin_users = {os.environ["HUB_ADMIN"]}
c.Authenticator.allow_all = True  # whom HUB_ADMIN let in

c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.DockerSpawner.image = os.environ["COURSE_IMAGE"]
c.DockerSpawner.network_name = name
c.DockerSpawner.name_template = f"{name}-{{username}}"
c.DockerSpawner.volumes = {f"{name}-{{username}}": "/home/jovyan"}
c.DockerSpawner.remove = True
c.DockerSpawner.mem_limit = "8G"
c.DockerSpawner.extra_host_config = {
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "shm_size": "2g",
}
if c.DockerSpawner.image.endswith("-cuda"):  # all users share the server's first GPU
    c.DockerSpawner.extra_host_config["device_requests"] = [DeviceRequest(count=1, capabilities=[["gpu"]])]
