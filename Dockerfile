# One image for the member (`quorate`), the operator (`quorate-operator`) and the plugin (`kubectl-quorate`).
#   docker build --build-arg VERSION=$(node -p 'require("./package.json").version') -t quorate .
# Where npm needs a registry, a certificate or a token of its own: --secret id=npmrc,src=$HOME/.npmrc. It is in no layer.
FROM docker.io/library/node:24-bookworm-slim AS build
WORKDIR /opt/quorate
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=secret,id=npmrc NPM_CONFIG_USERCONFIG=/run/secrets/npmrc npm ci
COPY tsconfig.json ./
COPY src src
COPY node node
COPY operator operator
RUN npm run build && find dist -name '*.map' -delete && find dist -name '*.d.ts' -delete

FROM docker.io/library/node:24-bookworm-slim AS assemble
WORKDIR /opt/quorate
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=secret,id=npmrc NPM_CONFIG_USERCONFIG=/run/secrets/npmrc npm ci --omit=dev --omit=optional && rm package-lock.json .npmrc
# What nothing reads at run time: types, maps, the builds for bundlers, sources in C++, other platforms' and libcs' binaries.
RUN find node_modules -type f \( -name '*.ts' -o -name '*.cts' -o -name '*.mts' -o -name '*.map' -o -name '*.md' \) -delete \
  && find node_modules -depth -type d \( -name dist-types -o -name dist-es \) -exec rm -r {} + \
  && rm -r node_modules/@types node_modules/classic-level/deps \
  && find node_modules -type f -path '*/prebuilds/*' \
    ! -path "*/classic-level/prebuilds/linux-$(node -p process.arch)/*[0-9l].node" -delete \
  && find node_modules -type f -name '*.musl.node' -delete && find node_modules -type d -empty -delete
COPY LICENSE ./
COPY node/bin node/bin
RUN chmod 755 node/bin/*.js
COPY --from=build /opt/quorate/dist dist
# Compiled code that every start reads. Node keys it by version, flags and user, so the user of the image makes it, by running
# what the image is for; afterwards it is nobody's to change.
ENV NODE_COMPILE_CACHE=/opt/quorate/cache
RUN mkdir cache && chown 65532:65532 cache \
  && setpriv --reuid=65532 --regid=65532 --clear-groups --inh-caps=-all sh -ec ' \
    node node/bin/quorate.js --data-dir=/tmp/warm --log-level=error & \
    for try in $(seq 100); do node node/bin/quorate.js ctl endpoint health >/dev/null 2>&1 && break; sleep 0.1; done; \
    node node/bin/quorate.js ctl put warm up; kill "$!"; wait "$!"; rm -r /tmp/warm' \
  && chown -R 0:0 cache && chmod -R a+rX,go-w cache

FROM docker.io/library/node:24-bookworm-slim
ARG VERSION=
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="Quorate" \
  org.opencontainers.image.description="A strongly consistent, replicated key-value store that speaks the etcd v3 protocol, and its operator" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}"
COPY --from=assemble /opt/quorate /opt/quorate
RUN test -z "$VERSION" || test "$VERSION" = "$(node -p 'require("/opt/quorate/package.json").version')" \
  && for name in $(node -p 'Object.keys(require("/opt/quorate/package.json").bin).join(" ")'); do \
    ln -s /opt/quorate/node/bin/$name.js /usr/local/bin/$name; done \
  && install -d -o 65532 -g 65532 -m 0700 /var/lib/quorate
ENV NODE_ENV=production NODE_COMPILE_CACHE=/opt/quorate/cache
WORKDIR /var/lib/quorate
USER 65532:65532
EXPOSE 2379 2380 2381
ENTRYPOINT ["quorate"]
CMD ["--data-dir=/var/lib/quorate", "--listen-client-urls=http://0.0.0.0:2379", "--advertise-client-urls=http://127.0.0.1:2379"]
