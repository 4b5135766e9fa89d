# syntax=docker/dockerfile:1
# The images of the river, one target each: core (every service, the commands, the launcher), ocr (core, and what
# reads pages that are pictures), ml (Triton with the
# judges that ship, on CPUs), servers (Kafka, Valkey and an S3 server, to try things out), trainer (PyTorch).
#     docker build --target core --tag corpusworks/core:0.1.0 .
# `python -m charts.images FOLDER core` makes the same content without a container engine. Each holds the packages
# of its extras alone, at the versions of constraints.txt, compiled, and runs as a numeric user on a root file
# system that is read-only. What it is built from can be pinned by digest: --build-arg BASE=…@sha256:…
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 SOURCE_DATE_EPOCH=0 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
# Needed packages first: they change less often than the code.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY proto proto
COPY services services
COPY trainer trainer

FROM build AS core-packages
RUN pip install --prefix /made --constraint constraints.txt ".[parse,launcher,upload,crawl]" \
    && python -m compileall -q --invalidation-mode unchecked-hash /made

FROM build AS ocr-packages
RUN pip install --prefix /made --constraint constraints.txt ".[parse,launcher,upload,crawl,ocr]" \
    && python -m compileall -q --invalidation-mode unchecked-hash /made

FROM build AS ml-packages
ENV CORPUSWORKS_CACHE=/opt/corpusworks PYTHONPATH=/made/lib/python3.11/site-packages
RUN pip install --prefix /made --constraint constraints.txt ".[onnx]" \
    && python -m compileall -q --invalidation-mode unchecked-hash /made \
    && python -m services.local.packages.install --triton \
    && test -d /opt/corpusworks/triton-*

FROM build AS servers-packages
ENV CORPUSWORKS_CACHE=/opt/corpusworks PYTHONPATH=/made/lib/python3.11/site-packages
RUN pip install --prefix /made --constraint constraints.txt ".[servers]" \
    && python -m compileall -q --invalidation-mode unchecked-hash /made \
    && python -m services.local.packages.install --s3 --kafka

FROM build AS trainer-packages
RUN pip install --prefix /made --constraint constraints.txt ".[judge]" \
    && python -m compileall -q --invalidation-mode unchecked-hash /made

FROM ${BASE} AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 CORPUSWORKS_CACHE=/opt/corpusworks HOME=/tmp
RUN pip uninstall --yes --quiet pip setuptools wheel
USER 10001:10001
WORKDIR /tmp
CMD ["corpusworks", "--help"]

FROM base AS ocr
COPY --from=ocr-packages /made /usr/local

FROM base AS ml
COPY --from=ml-packages /made /usr/local
COPY --from=ml-packages /opt/corpusworks /opt/corpusworks

FROM base AS servers
COPY --from=servers-packages /made /usr/local
COPY --from=servers-packages /opt/corpusworks /opt/corpusworks

FROM base AS trainer
COPY --from=trainer-packages /made /usr/local

# Last, so that it is what `docker build .` makes.
FROM base AS core
COPY --from=core-packages /made /usr/local
