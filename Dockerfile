# syntax=docker/dockerfile:1
# The service. Node runs its TypeScript as it is; only what browsers run is built: the console and the web client.
ARG NODE_IMAGE=docker.io/library/node:26.10.0-trixie-slim

FROM ${NODE_IMAGE} AS modules
WORKDIR /app
COPY package.json package-lock.json ./
# No production dependency needs an install script.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE} AS pages
WORKDIR /app
COPY package.json package-lock.json ./
# Neither Vite nor what the pages are made of needs an install script.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY console ./console
COPY web-client ./web-client
RUN npm run build:console && npm run build:web-client

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="xmpp-chat" \
  org.opencontainers.image.description="Bridge between Live Helper Chat and XMPP" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production \
  LISTEN=0.0.0.0:8090 \
  DATA_DIR=/data
# The image's own user `node`.
RUN install -d -o 1000 -g 1000 -m 700 /data
WORKDIR /app
COPY --from=modules /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
COPY --from=pages /app/console/dist ./console/dist
COPY --from=pages /app/web-client/dist ./web-client/dist
USER 1000:1000
# Each process needs its own folder.
VOLUME /data
EXPOSE 8090
# The service stops within 10 s: use `docker stop -t 15`. During its start it does not handle signals, and the kernel
# ignores unhandled signals to process 1: use `docker run --init`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.LISTEN.split(':').pop() + '/healthz', { signal: AbortSignal.timeout(3000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/src/cli.ts"]
CMD ["serve"]
