# Builds and tests need nothing but this file's builder stage; the image holds one static binary and the licences of
# all that is in it. The builder is pinned to what its tag was: change both together. The image of a release is made
# from the last stage without a container engine: make image.
FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:6c2a5538f964f1c82f97ad14988bf05de100d922d159d0e398b54c7b0ca0c6c9 AS build
WORKDIR /src
# The toolchain that go.mod names, where that is newer.
ENV GOTOOLCHAIN=auto
COPY go.mod go.sum ./
RUN go mod download
# With .git, from which the toolchain stamps version and commit into the binary.
COPY . .
# The build tags of the Makefile, which choose the version of Echo.
RUN go env -w GOFLAGS="$(sed -n 's/^TAGS := */-tags=/p' Makefile)"
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -buildvcs=true -trimpath -o /hashd ./cmd/hashd
RUN .ci/licences /licences
RUN install -d -m 700 /data

FROM scratch
LABEL org.opencontainers.image.title="hashd" \
      org.opencontainers.image.description="Takes secrets over HTTP, hashes each one a fixed delay later, and gives out the hashes" \
      org.opencontainers.image.source="https://github.com/hashd-project/hashd" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /licences /licences
# For the file engine: a new volume that is mounted here belongs to the user below.
COPY --from=build --chown=65532:65532 /data /var/lib/hashd
COPY --from=build /hashd /hashd
USER 65532:65532
EXPOSE 8443
# A container's loopback reaches nobody. Listening beyond it needs API keys and TLS, from a folder that is mounted:
# -e HASHD_LISTEN=:8443 and the variables HASHD_API_KEYS, HASHD_TLS_CERT and HASHD_TLS_KEY, as in deploy/compose.yaml.
# The root may be read-only.
HEALTHCHECK --interval=10s --timeout=5s CMD ["/hashd", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/hashd"]
