# The whole pipeline, small, in a container: "In a container" in docs/using.md.
FROM python:3.12-slim-bookworm

# The libraries are what Graphviz, which a wheel brings, expects every system to have.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        git make libexpat1 libglib2.0-0 libx11-6 libxext6 libxrender1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home runner \
    && install --directory --owner=runner --group=runner /project
USER runner
WORKDIR /project

# The environment is a layer of its own: only another lock, or another Makefile, installs it again.
COPY --chown=runner:runner Makefile requirements.lock ./
RUN PIP_NO_CACHE_DIR=1 make venv

# `make` takes the environment for older than its lock where that has just been copied.
COPY --chown=runner:runner . .
RUN touch .venv/installed

# Not in a shell: `docker stop` reaches make, and through it whatever runs.
CMD ["make", "quick"]
