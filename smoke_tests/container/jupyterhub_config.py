"""The hub of test_hub.py: that of docker/hub, on loopback, with one user.

JupyterHub itself reads this file, in a folder that has the test's settings.json.
"""

import json
import os
from pathlib import Path

from dockerspawner import DockerSpawner

settings = json.loads(Path("settings.json").read_text())


class LoopbackSpawner(DockerSpawner):
    """A container on the host's network: its server and the hub then meet on 127.0.0.1, and nobody else can."""

    async def get_ip_and_port(self):
        return self.host_ip, self.port


os.environ |= {"COURSE_IMAGE": settings["image"], "HUB_NAME": settings["container"], "HUB_ADMIN": "nobody"}
c = get_config()  # noqa: F821
load_subconfig(settings["config"])  # noqa: F821
c.JupyterHub.bind_url = settings["url"]
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = settings["hub_url"]
c.JupyterHub.spawner_class = LoopbackSpawner
c.JupyterHub.cleanup_servers = True
c.ConfigurableHTTPProxy.api_url = settings["proxy_api_url"]
c.ConfigurableHTTPProxy.command = [settings["proxy"]]

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = settings["password"]

c.DockerSpawner.pull_policy = "never"
c.DockerSpawner.name_template = settings["container"]
c.DockerSpawner.volumes = {settings["container"]: "/home/jovyan"}  # a name that no user of this machine's docker has
c.DockerSpawner.network_name = "host"
c.DockerSpawner.use_internal_ip = True  # publishes no port: there is none to publish on the host's own network
c.DockerSpawner.ip = c.DockerSpawner.host_ip = "127.0.0.1"
c.DockerSpawner.port = settings["server_port"]
c.DockerSpawner.cmd = settings["command"]
c.DockerSpawner.extra_host_config["cgroup_parent"] = os.environ.get("PROOF_CGROUP")
c.Spawner.start_timeout = c.Spawner.http_timeout = settings["timeout"]
