# What somebody would write by hand for the same packages: the benchmark builds it beside our images and compares.
ARG BASE
FROM ${BASE}
LABEL org.opencontainers.image.title="practicum-plain"

ARG DEBIAN_PACKAGES
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ${DEBIAN_PACKAGES} \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 --gid users jovyan

COPY requirements.txt /tmp/requirements.txt
ARG WHEELS
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-index --find-links ${WHEELS} --requirement /tmp/requirements.txt

ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER jovyan
WORKDIR /home/jovyan
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser"]
