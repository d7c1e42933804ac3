# The edge: the components of spin.toml, and Spin. From the repository's root:
#
#   docker build --file infra/images/edge.Dockerfile --tag edge .
#
# Components of WASI 0.3 need Spin 4.1, of which there is no release yet: Spin is compiled from the commit below,
# with the one change that operations.md asks for. A release names the base images by digest.
# `--build-arg APP=IMAGE` and `--build-arg HOST=IMAGE` take the app (with the program that checks its variables) and Spin from images
# that have them at /out, instead of compiling them.
# An SBOM (`--sbom`) has the crates of both Cargo.lock, this repository's and Spin's; the last stage alone names none.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
ARG RUST=rust:1.95-slim-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot
ARG APP=components
ARG HOST=spin

FROM ${RUST} AS components
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /source
COPY . .
ENV SOURCE_DATE_EPOCH=0 CARGO_INCREMENTAL=0 RUSTFLAGS="--remap-path-prefix=/source=. --remap-path-prefix=/usr/local/cargo=cargo"
# What spin.toml has Spin run: `[component.NAME.build]`.
RUN rustup target add wasm32-wasip2 \
    && sed -n 's/^command = "\(.*\)"$/\1 --locked/p' spin.toml | sh -eu \
    && mkdir --parents /out/target/wasm32-wasip2/guest \
    && cp target/wasm32-wasip2/guest/framelift_*.wasm /out/target/wasm32-wasip2/guest/ \
    && cp spin.toml /out/
# The program that checks variables as the components read them; a pod runs it before Spin.
RUN cargo build --release --locked --package framelift-stack \
    && cp target/release/framelift-stack /out/

FROM ${RUST} AS spin
ARG BUILDKIT_SBOM_SCAN_STAGE=true
ARG SPIN_COMMIT=94a8fc8a7804ec2519bb8d12df70ab77ad2e4f60
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates cmake g++ git libssl-dev make perl pkg-config tini \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add wasm32-wasip1 wasm32-unknown-unknown
WORKDIR /spin
RUN git init --quiet . \
    && git fetch --quiet --depth 1 https://github.com/spinframework/spin "${SPIN_COMMIT}" \
    && git checkout --quiet FETCH_HEAD
COPY infra/images/spin-nodelay.patch /tmp/
RUN git apply /tmp/spin-nodelay.patch \
    && cargo build --release --locked \
    && strip target/release/spin \
    && mkdir /out \
    && cp target/release/spin /out/ \
    && cp /usr/bin/tini-static /out/tini

FROM ${APP} AS app
FROM ${HOST} AS host

FROM ${RUNTIME} AS edge
LABEL org.opencontainers.image.title="Framelift edge" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=host /out/tini /out/spin /usr/local/bin/
COPY --from=app /out /app
# Where Spin keeps what it unpacks; the root is read-only.
ENV HOME=/tmp SPIN_DATA_DIR=/tmp/spin
USER 65532:65532
EXPOSE 3000
# `spin up` starts the trigger as a process of its own: tini sends a signal to both (-g).
ENTRYPOINT ["/usr/local/bin/tini", "-g", "--", "/usr/local/bin/spin"]
CMD ["up", "--from=/app/spin.toml", "--listen=0.0.0.0:3000", "--max-instance-reuse-count=16", "--state-dir=", "--runtime-config-file=/etc/framelift/runtime-config.toml"]
