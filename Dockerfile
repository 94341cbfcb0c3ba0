# Where the base image comes from, and which one it is, is the builder's to say: --build-arg NODE_IMAGE=node@sha256:…
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY LICENSE tsconfig.json tsconfig.build.json ./
COPY deploy/bundle.ts deploy/code-cache.ts deploy/launch.ts deploy/sbom.ts deploy/validators.ts deploy/
COPY src src
# Of what the image copies, package.json alone has the mode that whoever builds it has.
RUN npm run build && npm run --silent sbom > sbom.cdx.json && chmod a+r package.json

FROM ${NODE_IMAGE}
ARG NODE_IMAGE
ARG REVISION=unknown
LABEL org.opencontainers.image.title="migration-preflight" \
  org.opencontainers.image.description="Predicts whether a QEMU/KVM VM with VFIO devices can be live-migrated" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.base.name="${NODE_IMAGE}"
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
WORKDIR /app
COPY --from=build /app/package.json /app/sbom.cdx.json ./
COPY --from=build /app/dist/main.js /app/dist/service.cjs /app/dist/service.bytecode dist/
COPY --from=build /app/dist/replay.js /app/dist/policy-check.js /app/dist/LICENSES.txt dist/
COPY --from=build /app/dist/swagger-ui dist/swagger-ui
# The service writes no file: it runs as anybody, on a file system that is read-only.
USER 10001:10001
EXPOSE 8080
# With TLS, health is asked on a port of its own: OPERATIONS_PORT.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.OPERATIONS_PORT || process.env.PORT}/health/ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js"]
