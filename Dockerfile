# syntax=docker/dockerfile:1
# A run: docker run --rm --read-only --tmpfs /tmp -v results:/results IMAGE sync s3://BUCKET/PREFIX/ /results
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY . .
ARG EXTRAS=all
RUN python -m venv /opt/nimble-harvester \
    && /opt/nimble-harvester/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="nimble-harvester" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin harvester \
    && install -d -o harvester -g harvester /results
COPY --from=build /opt/nimble-harvester /opt/nimble-harvester
ENV PATH=/opt/nimble-harvester/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
USER 10001:10001
WORKDIR /results
VOLUME /results
# Healthy while the manifest of the destination can be read; --max-age of `status` also bounds the age of a success.
HEALTHCHECK --interval=5m --timeout=30s --start-period=10m CMD ["nimble-harvester", "status", "/results"]
ENTRYPOINT ["nimble-harvester"]
CMD ["--help"]
