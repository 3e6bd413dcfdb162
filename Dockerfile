# One image for every service: the static program and nothing else. docker-compose.yml builds the targets at the end.
#
#   docker build --target api -t remora-api .

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
# Static, because there is no C library where it runs; SQLite's loading of extensions would need one.
RUN mkdir -p /out && mkdir -m 0700 /out/data \
 && CGO_ENABLED=1 go build -trimpath -tags netgo,osusergo,sqlite_omit_load_extension \
      -ldflags "-s -w -linkmode external -extldflags -static -X github.com/heysubinoy/remora/bootstrap.Version=${VERSION}" \
      -o /out/remora ./cmd/remora

# The only directory that is ever written is /data, a volume; the rest may be mounted read-only.
FROM scratch AS service
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /out/remora /remora
COPY --from=build --chown=65532:65532 /out/data /data
ENV REMORA_DATA_DIR=/data
USER 65532:65532
ENTRYPOINT ["/remora"]

FROM service AS api
EXPOSE 8080
VOLUME /data
CMD ["api"]

FROM service AS worker
CMD ["worker"]

FROM service AS queue
EXPOSE 9000
VOLUME /data
CMD ["queue"]

# The web server on port 3000 passes browsers on to the API, which serves the pages from inside the program.
FROM service AS web
EXPOSE 3000
CMD ["web"]
