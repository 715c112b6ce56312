# Builds and tests need nothing but this file's builder stage; the image holds one static binary.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /hashd ./cmd/hashd

FROM scratch
COPY --from=build /hashd /hashd
USER 65532:65532
EXPOSE 8080
# A container's loopback reaches nobody, so listening beyond it is asked for at docker run, by a
# person who knows that there is no authentication: -e HASHD_LISTEN=:8080 -e HASHD_INSECURE_NO_AUTH=true
HEALTHCHECK --interval=10s --timeout=5s CMD ["/hashd", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/hashd"]
