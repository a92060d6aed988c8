"""JupyterHub for a class on one server with Docker: a container and a volume for each user.

    COURSE_IMAGE=ee559:2027-spring-cpu jupyterhub --config docker/hub/jupyterhub_config.py

docs/cluster-jupyterhub.md says what must be installed.
"""

import os

from docker.types import DeviceRequest

c = get_config()  # noqa: F821 # JupyterHub has it

c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # a web server with TLS is in front
c.JupyterHub.hub_ip = "172.17.0.1"  # docker's own network: containers reach the hub there, other computers do not
c.Authenticator.allow_all = True  # who has an account on this server; without another authenticator, its password, too

c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.DockerSpawner.image = os.environ["COURSE_IMAGE"]
c.DockerSpawner.volumes = {"ee559-{username}": "/home/jovyan"}
c.DockerSpawner.remove = True
c.DockerSpawner.mem_limit = "8G"
c.DockerSpawner.extra_host_config = {
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "shm_size": "2g",
}
if c.DockerSpawner.image.endswith("-cuda"):  # all users share the server's first GPU
    c.DockerSpawner.extra_host_config["device_requests"] = [DeviceRequest(count=1, capabilities=[["gpu"]])]
