# The worker, for CPUs (target `worker`) and for NVIDIA GPUs (target `worker-gpu`): one program, linked to an
# FFmpeg of our own. From the repository's root:
#
#   docker build --file infra/images/worker.Dockerfile --target worker --tag worker .
#
# A release names both base images by digest (`--build-arg RUST=…@sha256:…`); the tags below are for people.
# `--build-arg PROGRAM=IMAGE` takes the program from an image that has it at /out, instead of compiling it.
# An SBOM (`--sbom`) has the crates of the sources' Cargo.lock and the Debian packages of the stages; the last stage alone names
# no crate. FFmpeg, which is compiled from its sources, is in none: its version is in docs/ffmpeg.md.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
ARG RUST=rust:1.95-slim-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot
ARG PROGRAM=build

FROM ${RUST} AS build
ARG BUILDKIT_SBOM_SCAN_STAGE=true
WORKDIR /source
COPY . .
# Times and paths of this build do not show in the program. Nobody has compared two builds yet.
ENV SOURCE_DATE_EPOCH=0 CARGO_INCREMENTAL=0 RUSTFLAGS="--remap-path-prefix=/source=. --remap-path-prefix=/usr/local/cargo=cargo"
# `cargo xtask ffmpeg` installs what compiling needs, and fetches and checks FFmpeg's sources.
RUN cargo xtask ffmpeg \
    && cargo build --release --locked --package framelift-worker \
    && install -D target/release/framelift-worker /out/framelift-worker

FROM ${PROGRAM} AS program

# A C library, certificates and nothing else: no shell, no package manager. Its user is 65532.
FROM ${RUNTIME} AS worker
LABEL org.opencontainers.image.title="Framelift worker" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=program /out/framelift-worker /usr/local/bin/framelift-worker
USER 65532:65532
EXPOSE 8080
# It is process 1: it stops in order on SIGTERM, and its children are its own.
ENTRYPOINT ["/usr/local/bin/framelift-worker"]

# The driver's libraries come from the node, by the NVIDIA container toolkit, which reads these variables.
FROM worker AS worker-gpu
LABEL org.opencontainers.image.title="Framelift worker for GPUs"
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,video
